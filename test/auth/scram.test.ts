import { describe, expect, it } from 'vitest';
import { SaslError } from '../../auth/sasl.ts';
import { deriveStoredKey, ScramKeyring, ScramServer, type StoredKey, scramClient } from '../../auth/scram.ts';
import { Secret } from '../../auth/secret.ts';

const KEY = new Secret(Buffer.from('pencil'));
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');

async function server(stored?: StoredKey): Promise<ScramServer> {
  const known = stored ?? (await deriveStoredKey(KEY, SALT, 4096));
  return new ScramServer((authcid) => (authcid === 'proxy1' ? known : undefined));
}

describe('SCRAM-SHA-256', () => {
  it('derives the keys of the example in RFC 7677 section 3', async () => {
    const { createHash, createHmac } = await import('node:crypto');
    const { storedKey, serverKey } = await deriveStoredKey(KEY, SALT, 4096);
    const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
    const authMessage = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=${nonce}`;
    const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64');
    const clientSignature = createHmac('sha256', storedKey).update(authMessage).digest();
    const clientKey = Buffer.from(proof.map((octet, index) => octet ^ (clientSignature[index] ?? 0)));

    expect(createHash('sha256').update(clientKey).digest()).toEqual(storedKey);
    expect(createHmac('sha256', serverKey).update(authMessage).digest('base64')).toBe(
      '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    );
  });

  it('proves the client, names both identities, and proves the server', async () => {
    const node = await server();
    const client = scramClient('us=er,1', 'proxy1', new ScramKeyring(KEY));

    const proof = await client.respond(node.first(client.initialResponse() ?? Buffer.alloc(0)));
    const outcome = node.final(proof);
    const verifiedBefore = client.verified;
    const last = await client.respond(outcome.serverFinal);

    expect(outcome).toMatchObject({ authcid: 'proxy1', authzid: 'us=er,1' });
    expect([verifiedBefore, client.verified]).toEqual([false, true]);
    expect(last).toHaveLength(0);
  });

  it('sends the authzid in the GS2 header, escaped (RFC 5802 5.1)', () => {
    const client = scramClient('us=er,1', 'proxy1', new ScramKeyring(KEY));

    expect(client.initialResponse()?.toString()).toMatch(/^n,a=us=3Der=2C1,n=proxy1,r=/);
  });

  it('refuses a wrong key', async () => {
    const node = await server();
    const client = scramClient('u', 'proxy1', new ScramKeyring(new Secret(Buffer.from('other'))));
    const proof = await client.respond(node.first(client.initialResponse() ?? Buffer.alloc(0)));

    expect(() => node.final(proof)).toThrow(SaslError);
  });

  it('refuses a server that does not know the key', async () => {
    const node = await server();
    const client = scramClient('u', 'proxy1', new ScramKeyring(KEY));
    await client.respond(node.first(client.initialResponse() ?? Buffer.alloc(0)));

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

  it('refuses a client that changed the GS2 header on its way, or replays a proof', async () => {
    const node = await server();
    const client = scramClient('u', 'proxy1', new ScramKeyring(KEY));
    const proof = await client.respond(node.first(client.initialResponse() ?? Buffer.alloc(0)));
    const again = await server();
    again.first(client.initialResponse() ?? Buffer.alloc(0));

    expect(() => node.final(Buffer.from(proof.toString().replace(/^c=[^,]+/, 'c=biws')))).toThrow(SaslError);
    expect(() => again.final(proof)).toThrow(SaslError);
  });
});
