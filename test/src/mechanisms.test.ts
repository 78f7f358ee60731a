import { describe, expect, it } from 'vitest';
import { imap } from '../../protocols/imap/imap.ts';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import type { TlsState } from '../../protocols/transport.ts';
import { MECHANISMS, offerMechanisms, scramSupport } from '../../src/mechanisms.ts';
import { converse } from '../support/conversation.ts';

const TLS: TlsState = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  serverName: undefined,
  clientCertificate: { subject: 'CN=ann', commonName: 'ann', emails: ['ann@x'], fingerprint: undefined },
  channelBinding: () => Buffer.alloc(32),
};
const NOBODY = async (): Promise<never> => {
  throw new Error('nobody is asked for a mechanism that is not offered');
};

/** All mechanisms but one, on a connection where each could work. */
function allBut(name: string) {
  const parts = {
    authenticator: {
      authenticate: NOBODY,
      lookup: NOBODY,
      credentials: NOBODY,
      admit: NOBODY,
      describeUser: () => '#',
    },
    directoryMs: 1000,
    oauth: { hosts: [], tokens: { guide: {}, judge: NOBODY } },
    scram: scramSupport(),
    external: { user: 'commonName', entries: [] } as const,
  };
  const others = MECHANISMS.filter((mechanism) => mechanism !== name);
  const offered = offerMechanisms(others, parts, { service: 'imap' });
  return () => offered(TLS);
}

// nginx up to 1.11.8 took EXTERNAL where it was not configured.
describe.each(MECHANISMS)('M9 the mechanism %s where a listener does not name it', (name) => {
  it('is answered NO in IMAP, with and without initial response, and not advertised', async () => {
    const { output, logins } = await converse(
      imap,
      `a CAPABILITY\r\nb AUTHENTICATE ${name}\r\nc AUTHENTICATE ${name.toLowerCase()} =\r\n`,
      { tls: true, terms: { mechanisms: allBut(name) } },
    );

    expect(output).not.toContain(`AUTH=${name} `);
    expect(output).toMatch(/b NO Unsupported [^\r]*\r\nc NO Unsupported [^\r]*\r\n$/);
    expect(logins).toEqual([]);
  });

  it('is answered -ERR in POP3, with and without initial response, and not advertised', async () => {
    const { output, logins } = await converse(
      pop3,
      `AUTH\r\nAUTH ${name}\r\nAUTH ${name.toLowerCase()} =\r\n`,
      { tls: true, terms: { mechanisms: allBut(name) } },
    );

    expect(output.split('\r\n')).not.toContain(name);
    expect(output).toMatch(/-ERR Unsupported [^\r]*\r\n-ERR Unsupported [^\r]*\r\n$/);
    expect(logins).toEqual([]);
  });
});
