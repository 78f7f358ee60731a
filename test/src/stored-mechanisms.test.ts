import { createHmac } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { createAuthenticator } from '../../auth/authenticator.ts';
import { openLdif } from '../../auth/ldif.ts';
import { DEFAULT_PUNCTUATION } from '../../auth/names.ts';
import { schemaOptions } from '../../auth/presets.ts';
import { compileSchema } from '../../auth/schema.ts';
import { Channel } from '../../protocols/channel.ts';
import { imap } from '../../protocols/imap/imap.ts';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import type { Frontend, MailProtocol } from '../../protocols/protocol.ts';
import { offerApop, offerMechanisms, scramSupport } from '../../src/mechanisms.ts';
import { converse, TERMS } from '../support/conversation.ts';
import { MemoryTransport } from '../support/memory-transport.ts';
import { clientFinal, clientFirst } from '../support/scram-client.ts';

const b64 = (text: string | Buffer): string => Buffer.from(text).toString('base64');

function offered(names: readonly string[]) {
  const content = Buffer.from(
    'dn: uid=alice,dc=x\nobjectClass: qmailUser\nuid: alice\nuserPassword: secret\n',
  );
  const schema = compileSchema(schemaOptions('qmail', { base: 'dc=x' }));
  const authenticator = createAuthenticator({
    realms: [{ domains: undefined, directory: openLdif({ content, schema, allowCleartext: true }) }],
    names: {
      defaultDomain: undefined,
      lowerCase: true,
      punctuation: DEFAULT_PUNCTUATION,
      latin1Passwords: false,
    },
  });
  const parts = { authenticator, directoryMs: 1000, scram: scramSupport() };
  const context = { service: 'imap' };
  return { mechanisms: offerMechanisms(names, parts, context), ...offerApop(names, parts, context) };
}

/** A connection on which a test answers what it read. */
async function connect(protocol: MailProtocol, names: readonly string[], tls = true) {
  const transport = new MemoryTransport(tls);
  const frontend = protocol.frontend(new Channel(transport), { ...TERMS, ...offered(names) });
  await frontend.greet();
  return { frontend, transport, binding: transport.tls?.channelBinding?.() ?? Buffer.alloc(0) };
}

/** Sends a line and gives what came last behind `+ `. */
async function challenged(transport: MemoryTransport, line: string): Promise<string> {
  const before = transport.output.length;
  transport.feed(`${line}\r\n`);
  while (!/\+ .*\r\n$/.test(transport.output.slice(before))) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [, challenge = ''] = /\+ (.*)\r\n$/.exec(transport.output.slice(before)) ?? [];
  return Buffer.from(challenge, 'base64').toString();
}

describe('the mechanisms of a connection', () => {
  it('I14 M6 M9 are those of the listener, in its order, and -PLUS only where the TLS can be bound to', () => {
    const names = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN', 'APOP'];
    const listed = (tls?: boolean) => [
      ...offered(names)
        .mechanisms(tls === undefined ? undefined : state(tls))
        .keys(),
    ];
    const state = (bindable: boolean) => ({
      version: bindable ? 'TLSv1.3' : 'TLSv1.2',
      cipher: 'x',
      serverName: undefined,
      clientCertificate: undefined,
      channelBinding: bindable ? () => Buffer.alloc(32) : undefined,
    });

    expect(listed(true)).toEqual(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN']);
    expect(listed(false)).toEqual(['SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN']);
    expect(listed()).toEqual(['SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN']);
  });

  it('are made once, and ask for the binding only when a client binds to it', () => {
    const { mechanisms } = offered(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'SCRAM-SHA-1']);
    const channelBinding = vi.fn(() => Buffer.alloc(32));
    const tls = {
      version: 'TLSv1.3',
      cipher: 'x',
      serverName: undefined,
      clientCertificate: undefined,
      channelBinding,
    };

    const inClear = mechanisms(undefined);
    const first = mechanisms(tls);
    expect(mechanisms(tls)).toBe(first);
    expect(inClear.has('SCRAM-SHA-256-PLUS')).toBe(false);
    first.get('SCRAM-SHA-256')?.();
    expect(channelBinding).not.toHaveBeenCalled();
    first.get('SCRAM-SHA-256-PLUS')?.();
    expect(channelBinding).toHaveBeenCalledOnce();
  });

  it('M9 are listed by both protocols just as they are offered', async () => {
    const terms = offered(['SCRAM-SHA-256', 'PLAIN']);

    const [capability, capa, auth] = [
      (await converse(imap, 'a CAPABILITY\r\n', { terms })).output,
      (await converse(pop3, 'CAPA\r\n', { terms })).output,
      (await converse(pop3, 'AUTH\r\n', { terms })).output,
    ];

    expect(capability).toContain(' AUTH=SCRAM-SHA-256 AUTH=PLAIN\r\n');
    expect(capa).toContain('\r\nSASL SCRAM-SHA-256 PLAIN\r\n');
    expect(auth).toBe('+OK\r\nSCRAM-SHA-256\r\nPLAIN\r\n.\r\n');
  });

  it('I20 answer NO to APOP, which is no SASL mechanism even where it is on', async () => {
    const terms = offered(['APOP', 'PLAIN']);

    expect((await converse(pop3, 'AUTH APOP\r\n', { terms })).output).toMatch(/^-ERR Unsupported/);
  });

  it('I23 M3 answer BAD to an initial response of CRAM-MD5, and the session goes on', async () => {
    const terms = offered(['CRAM-MD5']);

    const { output, logins } = await converse(imap, 'a AUTHENTICATE CRAM-MD5 dGVzdA==\r\nb NOOP\r\n', {
      terms,
    });

    expect(output).toMatch(/^a BAD .*\r\nb OK /);
    expect(logins).toEqual([]);
  });

  it.each([
    ['SCRAM-SHA-256', 'n,,'],
    ['SCRAM-SHA-256-PLUS', 'p=tls-exporter,,'],
  ])(
    'let in by %s in IMAP, whose server-final-message the client answers by nothing',
    async (name, gs2Header) => {
      const { frontend, transport, binding } = await connect(imap, ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']);
      const next = frontend.next();
      const terms = { gs2Header, binding: name.endsWith('PLUS') ? binding : Buffer.alloc(0) };

      const serverFirst = await challenged(transport, `a AUTHENTICATE ${name} ${b64(clientFirst(terms))}`);
      const { message, expected } = clientFinal(serverFirst, terms);
      const serverFinal = await challenged(transport, b64(message));
      transport.feed('\r\n');

      expect(serverFinal).toBe(expected);
      expect(await next).toMatchObject({
        mechanism: name,
        proof: { kind: 'proved', account: { name: 'alice' } },
      });
    },
  );

  it('M3 let in by CRAM-MD5 in POP3', async () => {
    const { frontend, transport } = await connect(pop3, ['CRAM-MD5']);
    const next = frontend.next();

    const challenge = await challenged(transport, 'AUTH CRAM-MD5');
    transport.feed(`${b64(`alice ${createHmac('md5', 'secret').update(challenge).digest('hex')}`)}\r\n`);

    expect(await next).toMatchObject({ mechanism: 'CRAM-MD5', proof: { kind: 'proved' } });
  });
});

describe('who leaves when he has seen what became of his proof', () => {
  async function seen(password: string): Promise<Awaited<ReturnType<Frontend['next']>>> {
    const { frontend, transport } = await connect(imap, ['SCRAM-SHA-256']);
    const next = frontend.next();
    const serverFirst = await challenged(transport, `a AUTHENTICATE SCRAM-SHA-256 ${b64(clientFirst({}))}`);
    const final = b64(clientFinal(serverFirst, { password }).message);
    if (password === 'secret') {
      await challenged(transport, final);
    } else {
      transport.feed(`${final}\r\n`);
    }
    transport.finish();
    return await next;
  }

  it.each([
    ['secret', 'proved'],
    ['wrong', 'refuted'],
  ])('has made a login all the same (A19: password "%s", %s)', async (password, kind) => {
    const login = await seen(password);

    expect(login).toMatchObject({ kind: 'login', proof: { kind } });
    expect(login.kind === 'login' && login.abandoned.aborted).toBe(password === 'secret');
  });
});
