import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ScramKeyring, scramClient } from '../../auth/mechanisms/scram.ts';
import { deriveStoredKey } from '../../auth/mechanisms/scram-keys.ts';
import { Secret } from '../../auth/secret.ts';
import { type DemoNode, startNode } from '../../src/demo/node/node.ts';
import { Wire } from '../support/wire.ts';

const KEY = new Secret(Buffer.from('the key of the proxy'));
const ANNOUNCEMENT = 'i ID ("x-forward-home" "/m/ann" "x-forward-uid" "5" "x-forward-gid" "6")';

let node: DemoNode;

beforeAll(async () => {
  const stored = await deriveStoredKey(KEY, randomBytes(16), 4096);
  node = await startNode({ name: 'node-a', proxyName: 'proxy1', stored, observe: () => undefined });
});

afterAll(() => node[Symbol.asyncDispose]());

async function prove(wire: Wire, authcid: string, key: Secret): Promise<string> {
  const client = scramClient('ann@example.org', authcid, new ScramKeyring(key));
  wire.send(`a AUTHENTICATE SCRAM-SHA-256 ${client.initialResponse()?.toString('base64')}`);
  for (;;) {
    const line = await wire.line();
    if (!line.startsWith('+ ')) {
      return line;
    }
    wire.send((await client.respond(Buffer.from(line.slice(2), 'base64'))).toString('base64'));
  }
}

describe('a node of the demonstration', () => {
  it('lets the proxy act for a user whose data it was told', async () => {
    await using wire = await Wire.open({ port: node.imapPort });
    wire.send(ANNOUNCEMENT);
    await wire.linesUntil(/^i OK/);

    const answer = await prove(wire, 'proxy1', KEY);

    expect(answer).toMatch(/^a OK \[CAPABILITY IMAP4rev1 [^\]]+\] Logged in at node-a$/);
  });

  it('refuses a proxy with another key', async () => {
    await using wire = await Wire.open({ port: node.imapPort });
    wire.send(ANNOUNCEMENT);
    await wire.linesUntil(/^i OK/);

    const answer = await prove(wire, 'proxy1', new Secret(Buffer.from('another key')));

    expect(answer).toBe('a NO [AUTHENTICATIONFAILED] This is not a proxy that I know.');
  });

  it('refuses a proxy that it does not know by name', async () => {
    await using wire = await Wire.open({ port: node.imapPort });
    wire.send(ANNOUNCEMENT);
    await wire.linesUntil(/^i OK/);

    const answer = await prove(wire, 'proxy2', KEY);

    expect(answer).toBe('a NO [AUTHENTICATIONFAILED] This is not a proxy that I know.');
  });

  it('refuses an IMAP login without the data of the account', async () => {
    await using wire = await Wire.open({ port: node.imapPort });
    await wire.line();

    const answer = await prove(wire, 'proxy1', KEY);

    expect(answer).toBe('a NO The proxy did not tell home, uid, gid.');
  });

  it('refuses a POP3 login without the data of the account', async () => {
    await using wire = await Wire.open({ port: node.pop3Port });
    wire.send(`XCLIENT ADDR=192.0.2.1 FORWARD=${Buffer.from('home=/m/ann\tuid=5').toString('base64')}`);
    await wire.linesUntil(/^\+OK Updated/);

    wire.send('AUTH SCRAM-SHA-256');

    expect(await wire.line()).toBe('-ERR The proxy did not tell gid.');
  });
});
