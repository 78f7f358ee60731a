import { createAuthenticator } from '../../../auth/authenticator.ts';
import type { Account, Directory } from '../../../auth/directory.ts';
import { DEFAULT_PUNCTUATION } from '../../../auth/names.ts';
import { badToken } from '../../../auth/oauth/token.ts';
import type { Proof, SaslServer, ServerStep } from '../../../auth/sasl.ts';
import { Secret } from '../../../auth/secret.ts';
import type { TlsState } from '../../../protocols/transport.ts';
import type { MechanismParts } from '../../../src/mechanism-makers.ts';
import { MECHANISMS, offerApop, offerMechanisms, scramSupport } from '../../../src/mechanisms.ts';
import { either, garbage, mostly, nasty, number, type Rule, row, times } from '../grammar.ts';
import { must, Violation, wasSent } from '../oracles.ts';
import { user } from '../sasl-grammar.ts';
import type { Target } from '../target.ts';

const MAX_STEPS = 8;
/** What lets a client in by a token or a certificate; nothing else may. */
const GOOD_TOKEN = 'good-token';
const TOKEN_USER = 'whom-the-token-names';
const CERTIFICATE_USER = 'owner@example.org';
/** Where a message repeats the nonce that the mechanism gave. */
const NONCE = '<<nonce>>';

const TLS: TlsState = {
  version: 'TLSv1.3',
  cipher: 'TLS_AES_128_GCM_SHA256',
  serverName: undefined,
  clientCertificate: {
    subject: 'CN=owner',
    commonName: 'owner',
    emails: [CERTIFICATE_USER],
    fingerprint: 'ab',
  },
  channelBinding: () => Buffer.from('the channel binding of a fuzzer.'),
};

/** A directory with one user, whose password nobody knows. */
const directory: Directory = {
  find: async () => ({
    entry: ACCOUNT.entry,
    name: ACCOUNT.name,
    passwordVersion: '',
    verify: async () => 'wrongPassword',
    account: () => ACCOUNT,
  }),
  lookup: async () => ACCOUNT,
  stored: async ({ full }) =>
    full === 'ann'
      ? {
          account: ACCOUNT,
          values: [
            `{SCRAM-SHA-256}4096,${Buffer.from('salt').toString('base64')},${'A'.repeat(43)}=,${'A'.repeat(43)}=`,
            '{CLEARTEXT}a password that nobody knows',
          ],
          allowCleartext: true,
        }
      : undefined,
  whyNotReady: async () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
};
const ACCOUNT: Account = {
  name: 'ann',
  entry: 'uid=ann',
  homes: ['node-a'],
  forwarded: new Map(),
  bar: undefined,
};

const parts: MechanismParts = {
  authenticator: createAuthenticator({
    realms: [{ domains: undefined, directory }],
    names: {
      defaultDomain: undefined,
      lowerCase: true,
      punctuation: DEFAULT_PUNCTUATION,
      latin1Passwords: false,
    },
  }),
  directoryMs: 60_000,
  scram: scramSupport({
    secret: new Secret(Buffer.from('the same for each run of a fuzzer')),
    shape: undefined,
  }),
  oauth: {
    hosts: ['mail.example.org'],
    tokens: {
      guide: { scope: 'mail' },
      judge: async (shown) => ({
        verdict: shown.equals(Buffer.from(GOOD_TOKEN))
          ? { kind: 'valid', user: TOKEN_USER }
          : badToken('no token of ours'),
        guide: { scope: 'mail' },
      }),
    },
  },
  external: { entries: [], user: 'email' },
};
const context = { service: 'pop3' };
const { apop } = offerApop(MECHANISMS, parts, context);
const mechanisms: readonly (readonly [string, () => SaslServer])[] = [
  ...offerMechanisms(MECHANISMS, parts, context)(TLS),
  ...(apop === undefined ? [] : [['APOP', () => apop().server] as const]),
];

const gs2 = either('n,,', 'y,,', row('n,a=', user, ','), 'p=tls-exporter,,', row('p=', nasty, ',,'));
const token = mostly(either(GOOD_TOKEN, 'bad-token'), nasty);
const pair = mostly(
  either(row('auth=Bearer ', token), 'host=mail.example.org', 'port=993', row('user=', user)),
  either(row('host=', nasty), garbage, row('auth=', nasty)),
);
const proof: Rule = either(`${'A'.repeat(43)}=`, 'AAAA', nasty, '');
const clientMessage: Rule = mostly(
  either(
    row(either('', user), '\0', user, '\0', either('p', nasty)),
    user,
    row(gs2, 'n=', user, ',r=', either('nonce', nasty)),
    row('c=', either('biws', 'eSws', 'cD10bHMtZXhwb3J0ZXIsLA==', nasty), ',r=', NONCE, ',p=', proof),
    row(gs2, '\x01', times(0, 3, row(pair, '\x01')), '\x01'),
    row(times(0, 3, row(pair, '\x01')), '\x01'),
    row(user, ' ', either('b913a602c7eda7a495b4e6e7334d3890', number, nasty)),
    '',
  ),
  either(garbage, nasty),
);

/** Every mechanism by which clients log in, spoken to directly. */
export const sasl: Target = {
  name: 'sasl',
  share: 1,
  words: [
    '\0',
    'n,,',
    'y,,',
    'p=tls-exporter,,',
    ',r=',
    'c=biws',
    'auth=Bearer ',
    '\x01\x01',
    NONCE,
    GOOD_TOKEN,
  ],
  generate: (random) => ({
    variant: random.next() & 0xffff,
    pieces: Array.from({ length: 1 + random.below(3) }, () => clientMessage(random)),
  }),
  async run({ variant, pieces }) {
    const [name = '', make] = mechanisms[variant % mechanisms.length] ?? [];
    if (make === undefined) {
      throw new Violation('offers mechanisms', 'there are none');
    }
    const { steps, sent } = await converse(make(), (variant & 0x100) === 0 ? pieces : [undefined, ...pieces]);
    const last = steps.at(-1);
    if (last?.kind === 'proof') {
      checkProof(last.proof, sent.join(' '));
    }
    return steps
      .map(
        (step) => `${name} ${step.kind === 'proof' ? `${step.proof.kind} ${step.last?.length}` : step.kind}`,
      )
      .join('|');
  },
};

interface Exchange {
  readonly steps: readonly ServerStep[];
  readonly sent: readonly string[];
}

async function converse(server: SaslServer, messages: readonly (string | undefined)[]): Promise<Exchange> {
  const { signal } = new AbortController();
  const steps: ServerStep[] = [];
  const sent: string[] = [];
  let nonce = '';
  for (const message of messages.slice(0, MAX_STEPS)) {
    const text = message?.replaceAll(NONCE, () => nonce);
    sent.push(text ?? '');
    const step = await server.step(text === undefined ? undefined : Buffer.from(text, 'latin1'), signal);
    steps.push(step);
    if (step.kind !== 'challenge') {
      break;
    }
    nonce = /^r=([^,]*)/.exec(step.challenge.toString('latin1'))?.[1] ?? '';
  }
  return { steps, sent };
}

/** Nobody is who he says without a proof, and nothing is asked of a directory but what was sent. */
function checkProof(claimed: Proof, sent: string): void {
  const { authcid, authzid } = claimed;
  const decoded = sent.replaceAll('=2C', ',').replaceAll('=3D', '=');
  const asked = (value: Buffer) => [sent, decoded].some((text) => wasSent(text, value.toString('latin1')));
  must(asked(authzid), 'asks for what was sent', () => JSON.stringify(authzid.toString('latin1')));
  if (claimed.kind !== 'proved') {
    must(asked(authcid), 'asks for what was sent', () => JSON.stringify(authcid.toString('latin1')));
  }
  if (claimed.kind === 'password') {
    must(asked(claimed.password.octets), 'asks for what was sent', () => 'another password');
  }
  if (claimed.kind === 'proved') {
    const who = authcid.toString();
    const byToken = who === TOKEN_USER && sent.includes(GOOD_TOKEN);
    must(byToken || who === CERTIFICATE_USER, 'lets nobody in without a proof', () => who);
  }
}
