import type { ListenerSettings, Settings } from '../../src/settings.ts';

/** The defaults, but failures are answered at once. */
export const TIMES: Settings['times'] = {
  unauthenticatedMs: 120_000,
  proxyHeaderMs: 5000,
  tlsHandshakeMs: 10_000,
  directoryMs: 6000,
  nodeMs: 15_000,
  connectMs: 5000,
  connectWithSpareMs: 2000,
  loginWithSpareMs: 5000,
  failureMs: 0,
  halfCloseMs: 5000,
};

/** IMAP in clear text on a free port of this machine. */
export const LISTENER: ListenerSettings = {
  protocol: 'imap',
  address: '127.0.0.1',
  port: 0,
  tls: { mode: 'none' },
  allowPlaintext: true,
  greeting: 'ready',
  mechanisms: ['PLAIN'],
};
