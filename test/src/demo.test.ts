import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImapFlow } from 'imapflow';
import Pop3Command from 'node-pop3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Demo, startDemo } from '../../src/demo/demo.ts';
import { guide } from '../../src/demo/guide.ts';
import type { Event, Listening } from '../../src/events.ts';
import { Wire } from '../support/wire.ts';

const USER_A = { user: 'demo-a@example.org', pass: 'demo-a-secret', subject: 'on node-a' };
const USER_B = { user: 'demo-b@example.org', pass: 'demo-b-secret', subject: 'on node-b' };
const USERS = [USER_A, USER_B];
const ANY_PORTS = { imap: 0, imaps: 0, pop3: 0, pop3s: 0 };

let folder: string;
let demo: Demo;
const events: Event[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'homing-demo-'));
  demo = await startDemo({ folder, ports: ANY_PORTS, observe: (event) => events.push(event) });
});

afterAll(async () => {
  await demo[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function portOf(protocol: string, tls: Listening['tls']): number {
  const listening = demo.listening.find((each) => each.protocol === protocol && each.tls === tls);
  return listening?.port ?? 0;
}

function certificate(): Promise<string> {
  return readFile(join(folder, 'certificate.pem'), 'utf8');
}

async function openImap(tls: 'implicit' | 'starttls', { user, pass }: { user: string; pass: string }) {
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: portOf('imap', tls),
    secure: tls === 'implicit',
    doSTARTTLS: tls === 'starttls',
    tls: { ca: await certificate() },
    auth: { user, pass },
    logger: false,
  });
  await client.connect();
  return client;
}

// A failed login is answered after two seconds, as it is in earnest.
describe('the demonstration by IMAP', { timeout: 30_000 }, () => {
  for (const tls of ['implicit', 'starttls'] as const) {
    it.each(USERS)(`takes $user to the home node (TLS: ${tls})`, async ({ user, pass, subject }) => {
      const client = await openImap(tls, { user, pass });

      await client.mailboxOpen('INBOX');
      const message = await client.fetchOne('1', { envelope: true });
      await client.logout();

      expect(message).toMatchObject({ envelope: { subject } });
    });
  }

  it('offers SCRAM, which works for every user', async () => {
    await using wire = await Wire.open({ port: portOf('imap', 'implicit'), ca: await certificate() });
    await wire.line();
    wire.send('a CAPABILITY');

    expect(await wire.line()).toContain(' AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN');
  });

  it('shows a client all it asks of a message', async () => {
    const client = await openImap('implicit', USER_A);
    await client.mailboxOpen('INBOX', { readOnly: true });

    const asked = {
      uid: true,
      flags: true,
      size: true,
      internalDate: true,
      source: true,
      headers: ['subject'],
    };
    const message = await client.fetchOne('2', { ...asked, bodyStructure: true, bodyParts: ['1'] });
    await client.logout();

    if (message === false || message === undefined) {
      throw new Error('there is no second message');
    }
    expect(message).toMatchObject({
      uid: 2,
      size: message.source?.length,
      bodyStructure: { type: 'text/plain' },
    });
    expect(message.headers?.toString()).toBe('Subject: How you came here\r\n\r\n');
    expect(message.bodyParts?.get('1')?.toString()).toContain('home: /srv/mail/example.org/demo-a');
  });

  it('finds messages, and keeps their flags while it runs', async () => {
    const client = await openImap('implicit', USER_B);
    await client.mailboxOpen('INBOX');

    await client.messageFlagsAdd('2', ['\\Flagged']);
    const flagged = await client.search({ flagged: true, subject: 'came here' });
    const unseen = await client.search({ all: true, not: { flagged: true } }, { uid: true });
    await client.logout();

    expect(flagged).toEqual([2]);
    expect(unseen).toEqual([1]);
  });

  it('lists INBOX and its status', async () => {
    const client = await openImap('implicit', USER_A);

    const mailboxes = await client.list();
    const status = await client.status('INBOX', { messages: true, uidNext: true });
    await client.logout();

    expect(mailboxes.map(({ path }) => path)).toEqual(['INBOX']);
    expect(status).toMatchObject({ messages: 2, uidNext: 3 });
  });

  it('answers [AUTHENTICATIONFAILED] to a wrong password', async () => {
    const ca = await certificate();
    await using wire = await Wire.open({ port: portOf('imap', 'implicit'), ca });
    await wire.line();

    wire.send('a LOGIN demo-a@example.org wrong');

    expect(await wire.line()).toBe('a NO [AUTHENTICATIONFAILED] Authentication failed.');
  });

  it('answers IDLE', async () => {
    const ca = await certificate();
    await using wire = await Wire.open({ port: portOf('imap', 'implicit'), ca });
    wire.send('a LOGIN demo-a@example.org demo-a-secret');
    wire.send('b EXAMINE INBOX');
    wire.send('c IDLE');
    await wire.linesUntil(/^\+ /);

    wire.send('DONE');

    expect(await wire.line()).toBe('c OK IDLE completed.');
  });
});

describe('the demonstration by POP3', () => {
  it.each(USERS)('takes $user to the home node', async ({ user, pass, subject }) => {
    const client = new Pop3Command({
      user,
      password: pass,
      host: '127.0.0.1',
      port: portOf('pop3', 'implicit'),
      tls: true,
      servername: 'localhost',
      tlsOptions: { ca: await certificate() },
    });

    const list = await client.UIDL();
    const message = await client.RETR(1);
    await client.QUIT();

    expect(list).toHaveLength(2);
    expect(message).toContain(`\r\nSubject: ${subject}\r\n`);
  });

  it('takes a login behind STLS, and tells what the node was told', async () => {
    await using wire = await Wire.open({ port: portOf('pop3', 'starttls') });
    await wire.line();
    wire.send('STLS');
    await wire.line();
    await wire.startTls(await certificate());
    wire.send('USER demo-b@example.org');
    wire.send('PASS demo-b-secret');
    wire.send('RETR 2');

    const lines = await wire.linesUntil(/^\.$/);

    expect(lines).toContain('Subject: How you came here');
    expect(lines.join('\n')).toContain('home: /srv/mail/example.org/demo-b');
  });

  it('deletes nothing for good', async () => {
    const ca = await certificate();
    await using wire = await Wire.open({ port: portOf('pop3', 'implicit'), ca });
    wire.send('USER demo-b@example.org');
    wire.send('PASS demo-b-secret');
    wire.send('DELE 1');
    await wire.linesUntil(/^\+OK Marked/);

    wire.send('LIST 1');
    wire.send('RSET');
    wire.send('STAT');

    expect(await wire.line()).toBe('-ERR No such message.');
    expect(await wire.line()).toBe('+OK');
    expect(await wire.line()).toMatch(/^\+OK 2 \d+$/);
  });
});

describe('starting the demonstration', () => {
  it('keeps its files for their owner alone', async () => {
    const files = ['certificate.key', 'demo-proxy.key', 'demo.ldif', 'demo.yaml'];

    const modes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).mode & 0o777));

    expect(modes).toEqual(files.map(() => 0o600));
  });

  it('names users, ports and commands that work as they are', () => {
    const text = guide(demo);

    for (const { user, pass } of USERS) {
      expect(text).toContain(`${user}  `);
      expect(text).toContain(pass);
    }
    expect(text).toContain(`'imaps://127.0.0.1:${portOf('imap', 'implicit')}/INBOX;MAILINDEX=1'`);
    expect(text).toContain(`explain demo-a@example.org --config ${join(folder, 'demo.yaml')}`);
  });

  it('keeps the certificate', async () => {
    const before = await certificate();

    await using _again = await startDemo({ folder, ports: ANY_PORTS, observe: () => undefined });

    expect(await certificate()).toBe(before);
  });
});
