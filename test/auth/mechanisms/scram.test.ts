import { describe, expect, it } from 'vitest';
import { ScramKeyring, scramClient } from '../../../auth/mechanisms/scram.ts';
import { deriveStoredKey } from '../../../auth/mechanisms/scram-keys.ts';
import { scramServer } from '../../../auth/mechanisms/scram-server.ts';
import { SaslError } from '../../../auth/sasl.ts';
import { Secret } from '../../../auth/secret.ts';

const KEY = new Secret(Buffer.from('pencil'));
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const signal = new AbortController().signal;

/** A node that knows the proxy. */
async function server() {
  const stored = await deriveStoredKey(KEY, SALT, 4096);
  return scramServer({
    hash: 'sha256',
    channel: { kind: 'unbound' },
    find: () => ({ kind: 'key', ...stored, keys: () => stored }),
  });
}

/** Lets a client answer the server-first-message. */
async function proofOf(client: ReturnType<typeof scramClient>, node: Awaited<ReturnType<typeof server>>) {
  const first = await node.step(client.initialResponse(), signal);
  return await client.respond(first.kind === 'challenge' ? first.challenge : Buffer.alloc(0));
}

describe('SCRAM-SHA-256', () => {
  it('proves the client, names both identities, and proves the server', async () => {
    const node = await server();
    const client = scramClient('us=er,1', 'proxy1', new ScramKeyring(KEY));

    const outcome = await node.step(await proofOf(client, node), signal);
    const verifiedBefore = client.verified;
    const last = await client.respond(
      outcome.kind === 'proof' ? (outcome.last ?? Buffer.alloc(0)) : Buffer.alloc(0),
    );

    expect(outcome).toMatchObject({
      proof: { kind: 'proved', authcid: Buffer.from('proxy1'), authzid: Buffer.from('us=er,1') },
    });
    expect([verifiedBefore, client.verified]).toEqual([false, true]);
    expect(last).toHaveLength(0);
  });

  it('sends the authzid in the GS2 header, escaped (RFC 5802 5.1)', () => {
    const client = scramClient('us=er,1', 'proxy1', new ScramKeyring(KEY));

    expect(client.initialResponse()?.toString()).toMatch(/^n,a=us=3Der=2C1,n=proxy1,r=/);
  });

  it('refuses a server that does not know the key', async () => {
    const node = await server();
    const client = scramClient('u', 'proxy1', new ScramKeyring(KEY));
    await proofOf(client, node);

    await expect(client.respond(Buffer.from(`v=${Buffer.alloc(32).toString('base64')}`))).rejects.toThrow(
      SaslError,
    );
    await expect(client.respond(Buffer.from('e=other-error'))).rejects.toThrow(SaslError);
    expect(client.verified).toBe(false);
  });

  it.each([
    ['a nonce that does not extend ours', (_nonce: string) => 'r=other,s=AAAA,i=4096'],
    ['our nonce alone', (nonce: string) => `r=${nonce},s=AAAA,i=4096`],
    ['one iteration (H14)', (nonce: string) => `r=${nonce}x,s=AAAA,i=1`],
    ['a thousand million iterations (H14)', (nonce: string) => `r=${nonce}x,s=AAAA,i=1000000000`],
    ['a million iterations', (nonce: string) => `r=${nonce}x,s=AAAA,i=1000000`],
    ['a salt that is not base64', (nonce: string) => `r=${nonce}x,s=!,i=4096`],
    ['an extension that must be understood', (nonce: string) => `m=x,r=${nonce}x,s=AAAA,i=4096`],
    ['nothing', () => ''],
  ])('refuses a server that sends %s', async (_what, serverFirst) => {
    const client = scramClient('u', 'proxy1', new ScramKeyring(KEY));
    const nonce = client.initialResponse()?.toString().split('r=')[1] ?? '';

    await expect(client.respond(Buffer.from(serverFirst(nonce)))).rejects.toThrow(SaslError);
  });

  it('derives the keys of one salt once', async () => {
    const keyring = new ScramKeyring(KEY);

    expect(keyring.keysFor(SALT, 4096)).toBe(keyring.keysFor(Buffer.from(SALT), 4096));
    expect(keyring.keysFor(SALT, 4097)).not.toBe(keyring.keysFor(SALT, 4096));
  });
});
