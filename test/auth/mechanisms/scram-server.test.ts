import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Account } from '../../../auth/directory.ts';
import { deriveStoredKey, type ScramHash } from '../../../auth/mechanisms/scram-keys.ts';
import { type ChannelUse, type ScramFinding, scramServer } from '../../../auth/mechanisms/scram-server.ts';
import type { SaslServer, ServerStep } from '../../../auth/sasl.ts';
import { Secret } from '../../../auth/secret.ts';
import { clientFinal, clientFirst, type ScramClientTerms } from '../../support/scram-client.ts';

const signal = new AbortController().signal;
const ACCOUNT: Account = {
  name: 'alice',
  entry: 'uid=alice',
  homes: [],
  forwarded: new Map(),
  bar: undefined,
};
const EXPORTER = Buffer.from('octets that only the two ends know');
const BOUND: ChannelUse = { kind: 'bound', octets: EXPORTER };
const UNBOUND: ChannelUse = { kind: 'unbound' };

interface ServerOptions {
  readonly hash?: ScramHash;
  readonly channel?: ChannelUse;
  readonly password?: string;
  readonly salt?: Buffer;
  readonly nonce?: string;
  readonly finding?: Partial<ScramFinding> & { kind: ScramFinding['kind'] };
}

function server(options: ServerOptions = {}): SaslServer & { readonly names: string[] } {
  const {
    hash = 'sha256',
    channel = UNBOUND,
    password = 'secret',
    salt = Buffer.from('salt'),
    nonce,
  } = options;
  const names: string[] = [];
  const find = async (authcid: Buffer): Promise<ScramFinding> => {
    names.push(authcid.toString());
    const stored = await deriveStoredKey(new Secret(Buffer.from(password)), salt, 4096, hash);
    return {
      kind: 'key',
      account: ACCOUNT,
      ...stored,
      keys: () => stored,
      ...options.finding,
    } as ScramFinding;
  };
  return Object.assign(scramServer({ hash, channel, find }, nonce), { names });
}

function say(exchange: SaslServer, message: string | Buffer | undefined): ServerStep | Promise<ServerStep> {
  return exchange.step(typeof message === 'string' ? Buffer.from(message) : message, signal);
}

/** Plays a client's side; `change` spoils its last message. */
async function converse(
  exchange: SaslServer,
  terms: ScramClientTerms = {},
  change: (final: string) => string = (final) => final,
) {
  const first = await say(exchange, clientFirst(terms));
  if (first.kind !== 'challenge') {
    return { step: first, serverFirst: '', expected: '' };
  }
  const serverFirst = first.challenge.toString();
  const { message, expected } = clientFinal(serverFirst, terms);
  return { step: await say(exchange, change(message)), serverFirst, expected };
}

function textOf(step: ServerStep): string | undefined {
  return step.kind === 'challenge' ? step.challenge.toString() : undefined;
}

describe('M5 the server side of SCRAM', () => {
  it('holds the conversation of RFC 5802 section 5, by SHA-1', async () => {
    const exchange = server({
      hash: 'sha1',
      password: 'pencil',
      salt: Buffer.from('QSXCR+Q6sek8bf92', 'base64'),
      nonce: '3rfcNHYJY1ZVvWVs7j',
    });

    const first = await say(exchange, 'n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL');
    const final = await say(
      exchange,
      'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
    );

    expect(textOf(first)).toBe('r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096');
    expect(final).toMatchObject({
      kind: 'proof',
      proof: { kind: 'proved' },
      last: Buffer.from('v=rmF9pqV8S7suAoZWja4dJRkFsKQ='),
    });
  });

  it('holds the conversation of RFC 7677 section 3, by SHA-256', async () => {
    const exchange = server({
      password: 'pencil',
      salt: Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'),
      nonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
    });

    const first = await say(exchange, 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
    const final = await say(
      exchange,
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    );

    expect(textOf(first)).toBe(
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    );
    expect(final).toMatchObject({ last: Buffer.from('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=') });
  });

  it('asks by nothing for the first message, where the client sent none', async () => {
    expect(await say(server(), undefined)).toEqual({ kind: 'challenge', challenge: Buffer.alloc(0) });
  });

  it.each(['sha1', 'sha256'] as const)('lets in who has the key, and proves itself (%s)', async (hash) => {
    const { step, expected } = await converse(server({ hash }), { hash, gs2Header: 'n,a=bob,' });

    expect(step).toEqual({
      kind: 'proof',
      proof: {
        kind: 'proved',
        authzid: Buffer.from('bob'),
        authcid: Buffer.from('alice'),
        account: ACCOUNT,
      },
      last: Buffer.from(expected),
    });
  });

  it('refutes a wrong proof, and leaves it to the outcome to say so (RFC 5802 section 5)', async () => {
    const { step } = await converse(server(), { password: 'Secret' });

    expect(step).toEqual({
      kind: 'proof',
      proof: {
        kind: 'refuted',
        authzid: Buffer.alloc(0),
        authcid: Buffer.from('alice'),
        reason: 'wrongPassword',
        known: 'alice',
      },
    });
  });

  it('gives a nonce that extends the client’s, a new one each time', async () => {
    const [one, other] = [
      textOf(await say(server(), clientFirst({}))),
      textOf(await say(server(), clientFirst({}))),
    ];

    expect(one).toMatch(/^r=clientNonce[\x21-\x2b\x2d-\x7e]{24},s=/);
    expect(one).not.toBe(other);
  });

  it('A32 refuses a proof that was made for another nonce: a replay', async () => {
    const first = server({ nonce: 'one' });
    const { message } = clientFinal(textOf(await say(first, clientFirst({}))) ?? '', {});
    const second = server({ nonce: 'other' });
    await say(second, clientFirst({}));

    expect(await say(first, message)).toMatchObject({ proof: { kind: 'proved' } });
    expect(await say(second, message)).toEqual({ kind: 'malformed' });
  });

  it('unescapes names once, and leaves their octets as they are (RFC 5802 section 5.1)', async () => {
    const exchange = server();

    const step = await say(exchange, 'n,a=a=2Cb=3D2C,n=us=3D2Cér,r=x');

    expect(exchange.names).toEqual(['us=2Cér']);
    expect(step.kind).toBe('challenge');
  });

  it.each([
    ['nothing', ''],
    ['no GS2 header', 'n=alice,r=x'],
    ['an unknown flag', 'x,,n=alice,r=x'],
    ['two flags', 'ny,,n=alice,r=x'],
    ['no name', 'n,,r=x'],
    ['an empty name', 'n,,n=,r=x'],
    ['an empty authzid', 'n,a=,n=alice,r=x'],
    ['an escape that is none', 'n,,n=ali=2ce,r=x'],
    ['a bare "=" in a name', 'n,,n=ali=ce,r=x'],
    ['NUL in a name', 'n,,n=ali\0ce,r=x'],
    ['no nonce', 'n,,n=alice'],
    ['an empty nonce', 'n,,n=alice,r='],
    ['a nonce with a space', 'n,,n=alice,r=a b'],
    ['an extension that must be understood', 'n,,m=x,n=alice,r=x'],
    ['one that must be understood, further back', 'n,,n=alice,r=x,m=y'],
    ['p= without -PLUS', 'p=tls-exporter,,n=alice,r=x'],
    ['a binding type of other characters', 'p=tls_exporter,,n=alice,r=x'],
    ['a line end behind it', 'n,,n=alice,r=x\n'],
    ['more than any client needs', `n,,n=${'a'.repeat(4096)},r=x`],
  ])('calls a first message with %s malformed', async (_what, message) => {
    const exchange = server();

    expect(await say(exchange, message)).toEqual({ kind: 'malformed' });
    expect(exchange.names).toEqual([]);
  });

  it('does not mind optional extensions, which are in the AuthMessage (RFC 5802 section 5.1)', async () => {
    const exchange = server();

    expect(await say(exchange, `${clientFirst({})},x=y`)).toMatchObject({ kind: 'challenge' });
  });

  it.each([
    ['nothing', () => ''],
    ['no proof', (final: string) => final.replace(/,p=.*/, '')],
    ['an empty proof', (final: string) => final.replace(/,p=.*/, ',p=')],
    ['a proof that is too short', (final: string) => final.replace(/,p=.*/, ',p=AAAA')],
    ['a proof in URL-safe base64', (final: string) => final.replace(/,p=.*/, `,p=${'_'.repeat(43)}=`)],
    ['a proof with stray bits', (final: string) => final.replace(/,p=.*/, `,p=${'A'.repeat(42)}B=`)],
    ['no padding', (final: string) => final.replace(/=$/, '')],
    ['our nonce cut', (final: string) => final.replace(/(r=[^,]*).,/, '$1,')],
    ['the client’s nonce alone', (final: string) => final.replace(/r=[^,]*/, 'r=clientNonce')],
    ['an extension that must be understood', (final: string) => final.replace(',p=', ',m=x,p=')],
    ['a proof twice', (final: string) => `${final},p=AAAA`],
    ['c= missing', (final: string) => final.replace(/^c=[^,]*,/, '')],
    ['c= that is not base64', (final: string) => final.replace(/^c=[^,]*/, 'c=biw')],
    // CVE-2026-33603: another spelling of the same octets.
    ['c= in a spelling that is not canonical', (final: string) => final.replace(/^c=biws/, 'c=biwt=')],
    ['more than any client needs', (final: string) => final.replace(',p=', `,x=${'y'.repeat(4096)},p=`)],
  ])('calls a final message with %s malformed', async (_what, change) => {
    expect((await converse(server(), {}, change)).step).toEqual({ kind: 'malformed' });
  });

  it('never throws, whatever a client sends', async () => {
    const octets = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
    const likely = fc
      .array(
        fc.constantFrom(
          'n',
          'y',
          'p=tls-exporter',
          ',',
          'a=',
          'n=',
          'r=',
          'c=',
          'biws',
          'm=',
          '=2C',
          'x',
          '\0',
        ),
      )
      .map((parts) => Buffer.from(parts.join('')));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(octets, likely), { maxLength: 3 }), async (messages) => {
        const exchange = server({ finding: { kind: 'decoy', why: { reason: 'unknownUser' } } });
        for (const message of messages) {
          const step = await say(exchange, message);
          expect(step.kind === 'proof' && step.proof.kind === 'proved').toBe(false);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('takes a message whole only: cut anywhere, nothing of it lets anyone in', async () => {
    const whole = clientFinal(textOf(await say(server({ nonce: 'n' }), clientFirst({}))) ?? '', {}).message;
    for (let length = 0; length < whole.length; length += 1) {
      const exchange = server({ nonce: 'n' });
      await say(exchange, clientFirst({}));

      expect(await say(exchange, whole.slice(0, length))).toEqual({ kind: 'malformed' });
    }
  });

  it('lets in each name and password, as the client side of a node’s proof makes it', async () => {
    const name = fc
      .string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
      .filter((text) => !text.includes('\0'));
    await fc.assert(
      fc.asyncProperty(name, name, async (user, password) => {
        const escaped = user.replaceAll('=', '=3D').replaceAll(',', '=2C');
        const exchange = server({ password });

        const { step } = await converse(exchange, { user: escaped, password });

        expect(exchange.names).toEqual([user]);
        expect(step).toMatchObject({ proof: { kind: 'proved', authcid: Buffer.from(user) } });
      }),
      { numRuns: 25 },
    );
  });
});

describe('M6 channel binding of SCRAM', () => {
  const plus: ScramClientTerms = { gs2Header: 'p=tls-exporter,,', binding: EXPORTER };

  it('RFC 9266: lets in who is bound to the same TLS connection', async () => {
    expect((await converse(server({ channel: BOUND }), plus)).step).toMatchObject({
      proof: { kind: 'proved' },
    });
  });

  it.each([
    ['the octets of another connection', { ...plus, binding: Buffer.from('what a man in the middle has') }],
    ['no octets', { ...plus, binding: Buffer.alloc(0) }],
    ['a part of them', { ...plus, binding: EXPORTER.subarray(1) }],
  ])('refutes %s, and says so', async (_what, terms) => {
    const { step } = await converse(server({ channel: BOUND }), terms);

    expect(step).toMatchObject({
      proof: { kind: 'refuted', reason: 'channelBinding' },
      last: Buffer.from('e=channel-bindings-dont-match'),
    });
  });

  it('refutes a GS2 header that was changed on the way', async () => {
    const change = (final: string) => final.replace('c=biws', `c=${Buffer.from('y,,').toString('base64')}`);

    const { step } = await converse(server(), {}, change);

    expect(step).toMatchObject({ proof: { kind: 'refuted', reason: 'channelBinding' } });
  });

  it.each(['tls-unique', 'tls-server-end-point', 'TLS-EXPORTER'])(
    'refuses to bind by %s, so that the client goes on to another mechanism',
    async (type) => {
      const exchange = server({ channel: BOUND });

      const step = await say(exchange, clientFirst({ gs2Header: `p=${type},,` }));

      expect(step).toEqual({
        kind: 'proof',
        proof: {
          kind: 'refuted',
          authzid: Buffer.alloc(0),
          authcid: Buffer.from('alice'),
          reason: 'channelBinding',
          detail: 'the client binds in another way than by tls-exporter',
        },
      });
      expect(exchange.names).toEqual([]);
    },
  );

  it.each(['n,,', 'y,,'])('calls -PLUS without a binding (%s) malformed', async (gs2Header) => {
    expect(await say(server({ channel: BOUND }), clientFirst({ gs2Header }))).toEqual({ kind: 'malformed' });
  });

  it('refuses "y" where -PLUS was offered: a downgrade', async () => {
    const exchange = server({ channel: { kind: 'boundElsewhere' } });

    expect(await say(exchange, clientFirst({ gs2Header: 'y,,' }))).toMatchObject({
      proof: { kind: 'refuted', reason: 'channelBinding', detail: expect.stringContaining('taken it away') },
    });
    expect(exchange.names).toEqual([]);
  });

  it('takes "y" where -PLUS is not offered, and "n" from who can’t bind', async () => {
    const [could, cant] = [
      await converse(server(), { gs2Header: 'y,,' }),
      await converse(server({ channel: { kind: 'boundElsewhere' } }), { gs2Header: 'n,,' }),
    ];

    expect([could.step, cant.step]).toMatchObject([
      { proof: { kind: 'proved' } },
      { proof: { kind: 'proved' } },
    ]);
  });
});

describe('M5 a name without a key', () => {
  const decoy = { salt: Buffer.from('salt'), iterations: 4096 };

  it('is refuted only when the client has sent its proof', async () => {
    const exchange = server({ finding: { kind: 'decoy', ...decoy, why: { reason: 'unknownUser' } } });

    const { serverFirst, step } = await converse(exchange);

    expect(serverFirst).toMatch(/^r=clientNonce.{24},s=c2FsdA==,i=4096$/);
    expect(step).toMatchObject({ kind: 'proof', proof: { kind: 'refuted', reason: 'unknownUser' } });
  });

  it('of which the directory can’t tell ends the exchange at once', async () => {
    const why = { reason: 'directoryDown', detail: 'connect to ldap1: refused' } as const;

    expect(await say(server({ finding: { kind: 'unknown', why } }), clientFirst({}))).toMatchObject({
      proof: { kind: 'refuted', ...why },
    });
  });

  it('whose keys can’t be had in time is no wrong password', async () => {
    const keys = () => ({ reason: 'directoryDown' as const });

    const { step } = await converse(server({ finding: { kind: 'key', keys } }));

    expect(step).toMatchObject({ proof: { kind: 'refuted', reason: 'directoryDown' } });
  });
});
