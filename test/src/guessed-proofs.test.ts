/** Guesses by mechanisms that judge proofs by themselves: what they are told, and what is counted. */
import { describe, expect, it } from 'vitest';
import { createAuthenticator } from '../../auth/authenticator.ts';
import { schemaOptions } from '../../auth/entries/presets.ts';
import { compileSchema } from '../../auth/entries/schema.ts';
import { openLdif } from '../../auth/ldif/ldif.ts';
import { DEFAULT_PUNCTUATION } from '../../auth/names.ts';
import { badToken } from '../../auth/oauth/token.ts';
import type { ThrottleSettings } from '../../src/throttle/settings.ts';
import { Throttle } from '../../src/throttle/throttle.ts';
import { type RunningListener, runListener } from '../support/running-listener.ts';
import { clientFinal, clientFirst } from '../support/scram-client.ts';
import { Wire } from '../support/wire.ts';

const SETTINGS: ThrottleSettings = {
  windowMs: 900_000,
  perAddress: 30,
  perNetwork: 120,
  perUser: 4,
  perUserAndAddress: 6,
  overall: 100_000,
  maxDelayMs: 1,
  knownForMs: 86_400_000,
  rememberWrongMs: 60_000,
  maxKeys: 1000,
  exempt: [],
};
const LDIF = ['alice', 'bob']
  .map((name) => `dn: uid=${name},dc=x\nobjectClass: qmailUser\nuid: ${name}\nuserPassword: secret\n`)
  .concat('dn: uid=lou,dc=x\nobjectClass: qmailUser\nuid: lou\nuserPassword: secret\naccountStatus: locked\n')
  .join('\n');

const b64 = (text: string): string => Buffer.from(text).toString('base64');

interface Terms {
  readonly settings?: Partial<ThrottleSettings>;
  readonly mechanisms?: readonly string[];
  readonly oauth?: Parameters<typeof runListener>[0] extends { oauth?: infer Oauth } | undefined
    ? Oauth
    : never;
}

async function run({
  settings,
  mechanisms = ['SCRAM-SHA-256', 'PLAIN'],
  oauth,
}: Terms = {}): Promise<RunningListener> {
  const status = [
    {
      kind: 'table',
      attribute: 'accountStatus',
      values: { locked: 'locked' },
      absent: 'active',
      unknown: 'active',
    },
  ] as const;
  const schema = compileSchema({ ...schemaOptions('qmail', { base: 'dc=x' }), status });
  const authenticator = createAuthenticator({
    realms: [
      {
        domains: undefined,
        directory: openLdif({ content: Buffer.from(LDIF), schema, allowCleartext: true }),
      },
    ],
    names: {
      defaultDomain: undefined,
      lowerCase: true,
      punctuation: DEFAULT_PUNCTUATION,
      latin1Passwords: false,
    },
  });
  const throttle = new Throttle({ ...SETTINGS, ...settings }, { observe: () => undefined });
  return await runListener({
    authenticator,
    throttle,
    listener: { mechanisms },
    oauth,
  });
}

async function greeted({ port }: RunningListener, from?: string): Promise<Wire> {
  const wire = await Wire.open(from === undefined ? { port } : { port, from });
  await wire.line();
  return wire;
}

/** Begins an exchange. @returns the server-first-message, or the answer that came instead. */
async function begin(wire: Wire, user = 'alice'): Promise<string> {
  wire.send(`a AUTHENTICATE SCRAM-SHA-256 ${b64(clientFirst({ user }))}`);
  const line = await wire.line();
  return line.startsWith('+ ') ? Buffer.from(line.slice(2), 'base64').toString() : line;
}

/** Ends an exchange. @returns what came next. */
async function prove(wire: Wire, serverFirst: string, password: string, user = 'alice'): Promise<string> {
  wire.send(b64(clientFinal(serverFirst, { user, password }).message));
  return await wire.line();
}

/** One exchange on a connection of its own. @returns what the proof was told. */
async function guess(running: RunningListener, password: string, from?: string): Promise<string> {
  await using wire = await greeted(running, from);
  const told = await begin(wire);
  return told.startsWith('r=') ? await prove(wire, told, password) : told;
}

function results({ events }: RunningListener): string[] {
  return events.flatMap((event) => (event.event === 'login' ? [event.result] : []));
}

const WRONG = 'a NO [AUTHENTICATIONFAILED] Authentication failed.';
const THROTTLED = /^a NO \[UNAVAILABLE\] Temporary failure; try again later\. \[ref:[\w-]{22}\]$/;
const SERVER_FINAL = /^\+ [A-Za-z0-9+/=]+$/;

describe('a SCRAM proof', () => {
  it('of a throttled user is told the same, right or wrong, when all began together (A18 A19)', async () => {
    await using running = await run();
    const wires = await Promise.all(Array.from({ length: 12 }, () => greeted(running)));
    const begun = await Promise.all(wires.map((wire) => begin(wire)));

    const told: string[] = [];
    for (const [index, wire] of wires.entries()) {
      told.push(await prove(wire, begun[index] ?? '', index < 8 ? `guess ${index}` : 'secret'));
    }
    await Promise.all(wires.map((wire) => wire[Symbol.asyncDispose]()));

    expect(told.slice(0, 6)).toEqual(Array(6).fill(WRONG));
    expect(told.slice(6)).toEqual(Array(6).fill(expect.stringMatching(THROTTLED)));
    expect(results(running)).toEqual([...Array(6).fill('wrongPassword'), ...Array(6).fill('throttled')]);
  });

  it('from a throttled address is asked for no proof, at the second exchange neither (A19)', async () => {
    await using running = await run({ settings: { perAddress: 3 } });
    for (let count = 0; count < 3; count += 1) {
      await using wire = await greeted(running);
      wire.send(`a LOGIN nobody${count} x`);
      await wire.line();
    }
    await using wire = await greeted(running);

    expect([await begin(wire), await begin(wire)]).toEqual(Array(2).fill(expect.stringMatching(THROTTLED)));
  });

  it('that is right is not told so where the account is locked (A18)', async () => {
    await using running = await run();
    await using wire = await greeted(running);

    expect(await prove(wire, await begin(wire, 'lou'), 'secret', 'lou')).toBe(WRONG);
    expect(results(running)).toEqual(['locked']);
  });

  it('that is right and then cancelled is a login in the log, and answered BAD', async () => {
    await using running = await run();
    await using wire = await greeted(running);

    expect(await prove(wire, await begin(wire), 'secret')).toMatch(SERVER_FINAL);
    wire.send('*');

    expect(await wire.line()).toBe('a BAD Authentication not completed by the client.');
    expect(await running.event('login')).toMatchObject({ result: 'cancelled', user: 'alice' });
  });

  it('that is right, and whose client then leaves, is a login in the log', async () => {
    await using running = await run();
    const wire = await greeted(running);

    expect(await prove(wire, await begin(wire), 'secret')).toMatch(SERVER_FINAL);
    await wire[Symbol.asyncDispose]();

    expect(await running.event('login')).toMatchObject({ result: 'abandoned', user: 'alice' });
  });

  it('that others only began keeps nobody out (A19)', async () => {
    await using running = await run();
    const others = await Promise.all(Array.from({ length: 30 }, () => greeted(running, '127.0.0.9')));
    await Promise.all(others.map((wire) => begin(wire)));

    const told = await guess(running, 'secret', '127.0.0.2');
    await Promise.all(others.map((wire) => wire[Symbol.asyncDispose]()));

    expect(told).toMatch(SERVER_FINAL);
  });
});

describe('a bearer token', () => {
  function provider() {
    const asked: string[] = [];
    const guide = {};
    const judge = async (token: { readonly octets: Buffer }) => {
      asked.push(token.octets.toString());
      const right = token.octets.toString() === 'good';
      return { verdict: right ? ({ kind: 'valid', user: 'alice' } as const) : badToken('no'), guide };
    };
    return { asked, oauth: { hosts: [], tokens: { guide, judge } } };
  }

  async function show(running: RunningListener, token: string, user = 'bob'): Promise<string> {
    await using wire = await greeted(running);
    wire.send(`a AUTHENTICATE XOAUTH2 ${b64(`user=${user}\x01auth=Bearer ${token}\x01\x01`)}`);
    const line = await wire.line();
    if (!line.startsWith('+ ')) return line;
    wire.send('');
    return await wire.line();
  }

  it('is brought to no provider from an address that is throttled (A19)', async () => {
    const { asked, oauth } = provider();
    await using running = await run({ mechanisms: ['XOAUTH2'], oauth, settings: { perAddress: 3 } });

    const told: string[] = [];
    for (let count = 0; count < 6; count += 1) told.push(await show(running, `t${count}`, `u${count}`));

    expect(told.slice(0, 3)).toEqual(Array(3).fill(WRONG));
    expect(told.slice(3)).toEqual(Array(3).fill(expect.stringMatching(THROTTLED)));
    expect(await show(running, 'good')).toMatch(THROTTLED);
    expect(asked).toEqual(['t0', 't1', 't2']);
    expect(results(running).slice(3)).toEqual(Array(4).fill('throttled'));
  });

  it('gets in when passwords of its user were guessed, and its own guesses keep no password out (A19)', async () => {
    const { oauth } = provider();
    await using running = await run({ mechanisms: ['XOAUTH2', 'SCRAM-SHA-256', 'PLAIN'], oauth });
    for (let count = 0; count < 6; count += 1) await guess(running, `guess ${count}`);
    for (let count = 0; count < 6; count += 1) await show(running, `t${count}`);

    // There is no home behind this proxy, which only those learn who are let in.
    const token = await show(running, 'good', 'alice');
    await using wire = await greeted(running);
    wire.send('a LOGIN bob secret');

    expect([token, await wire.line()]).toEqual(Array(2).fill(expect.stringContaining('[CONTACTADMIN]')));
    expect(results(running).slice(-2)).toEqual(['noHome', 'noHome']);
  });
});
