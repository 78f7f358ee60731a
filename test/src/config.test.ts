import { hostname } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigFolder, GOOD, good } from '../support/config-folder.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

describe('a configuration file', () => {
  it('becomes settings, with the content of the files that it names', () => {
    const { settings, directories, warnings } = folder.load(GOOD);

    expect(warnings).toEqual([]);
    expect(settings.listeners).toMatchObject([
      {
        protocol: 'imap',
        address: '127.0.0.1',
        port: 1143,
        tls: { mode: 'starttls', minVersion: 'TLSv1.2' },
      },
    ]);
    expect(settings.nodes).toMatchObject([
      { name: 'node-a', host: '192.0.2.1', trust: { kind: 'scram-sha-256', name: 'proxy1' } },
    ]);
    expect(directories).toMatchObject([{ kind: 'ldap', options: { verify: 'bind' } }]);
  });

  it('has times and limits that suit most sites', () => {
    const { settings } = folder.load(GOOD);

    expect(settings.times).toEqual({
      proxyHeaderMs: 5000,
      unauthenticatedMs: 120_000,
      tlsHandshakeMs: 10_000,
      directoryMs: 6000,
      nodeMs: 15_000,
      connectMs: 5000,
      connectWithSpareMs: 2000,
      loginWithSpareMs: 5000,
      failureMs: 2000,
      halfCloseMs: 5000,
      holdMs: 60_000,
      spreadMs: 30_000,
      trustCheckMs: 3_600_000,
    });
    expect(settings.limits).toEqual({
      connections: 8000,
      failures: 10,
      unauthenticated: 4000,
      unauthenticatedPerAddress: 20,
      unauthenticatedPerNetwork: 80,
      connectingPerNode: 50,
      held: 500,
    });
  });

  it('reads durations with their unit', () => {
    const { settings } = folder.load(`${GOOD}times: { node: 1m, failure: 500ms, connect: 1.5s }\n`);

    expect(settings.times).toMatchObject({ nodeMs: 60_000, failureMs: 500, connectMs: 1500 });
  });

  it('A36 logs as people read it on a terminal only, and opens no admin listener unasked', () => {
    const { log, admin } = folder.load(GOOD);

    expect(log).toEqual({ level: 'info', format: 'auto' });
    expect(admin).toBeUndefined();
  });

  it('A36 opens the admin listener on loopback', () => {
    expect(folder.load(`${GOOD}admin: {}\n`).admin).toEqual({ address: '127.0.0.1', port: 9143 });
  });

  it('calls the proxy by the host name, if it is not said', () => {
    const { settings } = folder.load(good('name: proxy1', ''));

    expect(settings.nodes[0]?.trust).toMatchObject({ name: hostname() });
  });

  it('may use anchors for what repeats', () => {
    const text = good(
      'tls: { caFile: ca.pem } }',
      'tls: &tls { caFile: ca.pem } }\n  - { name: b, kind: dovecot, tls: *tls }',
    );

    expect(folder.load(text).settings.nodes[1]?.tls).toMatchObject({ mode: 'implicit' });
  });
});

describe('a configuration file with mistakes', () => {
  it('is told of all of them at once, in the order of the file', () => {
    const text = `
listeners:
  - { protocol: imap, tls: none }
  - { protocol: smtp }
directories:
  - { kind: ldif, file: nowhere.ldif }
nodes:
  - { name: node-a, kind: dovecot, tls: none, trust: replay }
limits: { connections: 0 }
`;

    expect(folder.problems(text)).toEqual([
      '3:28 listeners[0].tls: without TLS passwords can be read by whoever is on the way (tls: starttls or implicit; or allowPlaintext: true where nobody can listen in)',
      '4:17 listeners[1].protocol: this is not one of imap, pop3, sieve (the mail protocol: imap, pop3 or sieve)',
      `6:25 directories[0].file: can't read ${folder.path}/nowhere.ldif: there is no such file (a file that this user can read; its path begins at the folder of the configuration file, or with /)`,
      '8:54 nodes[0].trust: replay sends a password, so it needs TLS to the node (tls: implicit or starttls, or a trust that proves without telling: scram-sha-256)',
      '9:24 limits.connections: this is too small: at least 1 (connections of clients at the same time)',
    ]);
  });

  it('is told which setting was meant', () => {
    expect(folder.refusal(`${GOOD}¶time: {}\n`)).toBe('there is no setting "time" (did you mean times?)');
    expect(folder.refusal(good('address: 127', '¶adress: 127'))).toContain('did you mean address?');
    expect(folder.refusal(good('    base:', '    ¶start_tls: true\n    base:'))).toContain(
      'did you mean startTls?',
    );
  });

  it('is told which setting was meant by the beginning of its name, and not that it is missing', () => {
    expect(folder.problems(good('listeners:', 'listen:'))[0]).toBe(
      '4:1 listen: there is no setting "listen" (did you mean listeners?)',
    );
    expect(folder.refusal(good('listeners:', '¶listen:'))).toContain('listeners');
    expect(folder.refusal(good('preset: qmail', 'preset: ¶qmail-ldap'))).toContain('did you mean qmail?');
  });

  it.each([
    ['a number in quotes', good('port: 1143', "port: ¶'1143'"), '1143, without quotes'],
    ['one item for a list', good('[ldaps://ldap1.example.org]', '¶ldaps://a'), 'urls: [ldaps://a]'],
    [
      'a map for a list',
      good('  - kind: ldap\n    urls', '  ¶kind: ldap\n  urls').replace(/^ {4}(?=\w)/gm, '  '),
      'a hyphen before each item',
    ],
    ['a word of YAML 1.1', `${GOOD}names: { lowerCase: ¶yes }\n`, 'this is not true or false (true)'],
    [
      'true for TLS',
      good('tls: starttls', 'tls: ¶true'),
      'implicit, starttls, none (implicit, starttls or none',
    ],
    [
      'a kind of node that is not known',
      good('kind: dovecot', 'kind: ¶cyrus'),
      'any other server, with trust: plain-authzid',
    ],
    [
      'an address for a URL',
      good('[ldaps://ldap1.example.org]', '[¶127.0.0.1:389]'),
      'as ldap://host or ldaps://host:port',
    ],
  ])('is told what would be right: %s', (_what, text, right) => {
    expect(folder.refusal(text)).toContain(right);
  });

  it('is told what there is, if nothing like it was meant', () => {
    expect(folder.refusal(`${GOOD}log: { ¶colour: red }\n`)).toBe(
      'there is no setting "colour" (known here: level, format)',
    );
  });

  it('is told which word was meant', () => {
    expect(folder.refusal(good('protocol: imap', 'protocol: ¶imao'))).toBe(
      'this is not one of imap, pop3, sieve (did you mean imap?)',
    );
    expect(folder.refusal(good('tls: starttls', 'tls: ¶startls'))).toBe(
      'this is not one of implicit, starttls, none (did you mean starttls?)',
    );
    expect(folder.refusal(good('kind: ldap', 'kind: ¶ldapp'))).toBe(
      'this is not one of ldap, ldif, http (did you mean ldap?)',
    );
  });

  it('is told what is missing, and what it is for', () => {
    expect(folder.refusal(good('{ protocol: imap, address', '¶{ address'))).toBe(
      'protocol is missing (the mail protocol: imap, pop3 or sieve)',
    );
  });

  it('is told how to write a duration', () => {
    expect(folder.refusal(`${GOOD}times: { node: ¶15 }\n`)).toBe(
      '"15" is not a duration (a number and its unit, as in 500ms, 5s, 2m; 24h at most)',
    );
    expect(folder.refusal(`${GOOD}times: { node: ¶25h }\n`)).toContain('"25h" is not a duration');
  });

  it('says how sizes are written', () => {
    expect(folder.load(`${GOOD}limits: { memory: 1.5GiB }\n`).settings.limits.memory).toBe(1.5 * 2 ** 30);
    expect(folder.refusal(`${GOOD}limits: { memory: ¶512 }\n`)).toContain(
      '"512" is not a size (a number and its unit, as in 64KiB, 512MiB, 2GiB)',
    );
  });

  it('is told of a time that is longer than the one that it is part of', () => {
    expect(folder.refusal(`${GOOD}times: { node: 2s, connect: ¶5s }\n`)).toBe(
      'this is longer than times.node (2s), which is for all of it (2s at most, or a longer times.node)',
    );
    expect(folder.refusal(`${GOOD}times: { loginWithSpare: ¶20s }\n`)).toContain('longer than times.node');
    expect(folder.load(`${GOOD}times: { node: 2s }\n`).settings.times.nodeMs).toBe(2000);
  });

  it('is told where YAML needs quotes', () => {
    expect(folder.refusal(good('name: node-a', 'name: ¶123'))).toBe(
      'this is not a text (put it in quotes, so that YAML reads it as text)',
    );
  });

  it('is told where it is no YAML', () => {
    expect(folder.refusal(`${GOOD}¶name: again\n`)).toBe('this setting is here twice (each setting once)');
    expect(folder.refusal('listeners: [{ protocol: imap }]\nnodes: ¶}\n')).toContain(
      'the file must be YAML 1.2',
    );
  });

  it.each([
    ['a brace', 'listeners:\n  - ¶{ protocol: imap\n  - { protocol: pop3 }\nnodes: 1\n', '{', '}'],
    ['a bracket', 'listeners: ¶[\nnodes: 1\n', '[', ']'],
    ['a brace in another', 'a: { b: ¶{ c: { d: 1 }\ne: 1\n', '{', '}'],
    ['a quote', "name: ¶'a\nkeyFile: b\n", "'", "'"],
  ])('is told where %s was opened that is not closed', (_what, text, opener, closer) => {
    expect(folder.refusal(text)).toBe(`this ${opener} is not closed (a ${closer} where it ends)`);
  });

  it('is told once of tabs', () => {
    expect(folder.refusal('listeners:\n  - protocol: imap\n¶\t- protocol: pop3\nnodes: 1\n')).toBe(
      'a tab does not indent in YAML (indent with spaces)',
    );
  });

  it('is told of a text that YAML takes for an alias', () => {
    expect(folder.refusal(good('name: node-a', 'name: ¶*.example.org'))).toContain(
      'there is no anchor &.example.org',
    );
  });

  it('is told of a merge of what is no map, and of aliases that multiply', () => {
    const ones = '[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]';

    expect(folder.refusal('listeners:\n  - ¶<<: 993\n')).toContain('Merge sources must be maps');
    expect(
      folder.refusal(
        `a: &a ${ones}\nb: &b [¶${'*a, '.repeat(9)}*a]\nc: &c [${'*b, '.repeat(9)}*b]\nd: [${'*c, '.repeat(9)}*c]\n`,
      ),
    ).toContain('Excessive alias count');
  });

  it('is told that it is empty', () => {
    expect(folder.problems('')).toEqual(['1:1 : this is empty: a map of settings is needed']);
  });
});
