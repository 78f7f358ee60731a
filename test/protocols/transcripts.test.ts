import { describe, expect, it } from 'vitest';
import { converse, PAUSE } from '../support/conversation.ts';
import { IMAP_TRANSCRIPTS } from '../support/imap-transcripts.ts';
import { POP3_TRANSCRIPTS } from '../support/pop3-transcripts.ts';
import { type Step, TLS_HANDSHAKE, type Transcript } from '../support/transcript.ts';

const TRANSCRIPTS = [...IMAP_TRANSCRIPTS, ...POP3_TRANSCRIPTS];

type Script = (string | typeof PAUSE)[];

const STARTTLS = {
  imap: { command: 's STARTTLS\r\n', answer: 's OK Begin TLS negotiation now.\r\n<TLS>' },
  pop3: { command: 'STLS\r\n', answer: '+OK Begin TLS negotiation now.\r\n<TLS>' },
} as const;

/** How the client's octets may come: each wait honoured, no wait at all, or one octet a segment. */
const SEGMENTATIONS: readonly [string, (steps: readonly Step[]) => Script, 'one' | 'octets'][] = [
  ['as written', (steps) => steps.map((step) => (typeof step === 'string' ? step : PAUSE)), 'one'],
  ['octet by octet', (steps) => steps.map((step) => (typeof step === 'string' ? step : PAUSE)), 'octets'],
  ['in one segment', withoutWaits, 'one'],
];

describe.each(SEGMENTATIONS)('a client that sends %s', (_how, cut, segments) => {
  describe('by implicit TLS', () => {
    it.each(TRANSCRIPTS.filter(({ clear }) => !clear))('$name', async (transcript) => {
      const outcome = await play(transcript, cut(transcript.steps), { tls: true, segments });

      expect(outcome).toEqual(expected(transcript, ''));
    });
  });

  describe('by STARTTLS', () => {
    it.each(TRANSCRIPTS.filter(({ clear }) => !clear))('$name', async (transcript) => {
      const { command, answer } = STARTTLS[transcript.protocol.name === 'imap' ? 'imap' : 'pop3'];
      const script: Script = [command, PAUSE, ...cut(transcript.steps)];
      const outcome = await play(transcript, script, { tls: false, segments });

      expect(outcome).toEqual(expected(transcript, answer));
    });
  });

  it.each(TRANSCRIPTS.filter(({ clear }) => clear))('on a port in clear text: $name', async (transcript) => {
    const outcome = await play(transcript, cut(transcript.steps), { tls: false, segments });

    expect(outcome).toEqual(expected(transcript, ''));
  });
});

async function play(
  { protocol, password = 'p' }: Transcript,
  script: Script,
  terms: { readonly tls: boolean; readonly segments: 'one' | 'octets' },
) {
  const { transport: _transport, ...outcome } = await converse(protocol, script, {
    ...terms,
    terms: { allowPlaintext: false },
    judge: (login) => (login.password === password ? 'ok' : 'wrongPassword'),
  });
  return outcome;
}

function expected({ answers, logins = [], residual, departed }: Transcript, before: string) {
  return { output: `${before}${answers}`, logins, refusals: [], residual, departed };
}

/** Joins what no handshake stands between. */
function withoutWaits(steps: readonly Step[]): Script {
  const script: Script = [''];
  for (const step of steps) {
    if (step === TLS_HANDSHAKE) {
      script.push(PAUSE, '');
    } else if (typeof step === 'string') {
      script.push(`${String(script.pop())}${step}`);
    }
  }
  return script;
}
