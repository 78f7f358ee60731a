import type { SaslServer, ServerStep } from '../../auth/sasl.ts';

/**
 * A mechanism that does what its client says, so that a fuzzer reaches all that a mechanism may do. The first
 * character of a message chooses: challenge, proof, proof with a last word, refuted, refuted with a last word.
 */
export function scriptedServer(): SaslServer {
  return { step: (response) => (response === undefined ? challenge('go on') : follow(response)) };
}

function follow(message: Buffer): ServerStep {
  const claim = { authzid: Buffer.alloc(0), authcid: Buffer.from(message.subarray(1)) };
  const last = Buffer.from('the last word');
  switch (message.toString('latin1', 0, 1)) {
    case 'c':
      return challenge(message.toString('hex'));
    case 'p':
      return { kind: 'proof', proof: { kind: 'proved', ...claim } };
    case 'P':
      return { kind: 'proof', proof: { kind: 'proved', ...claim }, last };
    case 'r':
      return { kind: 'proof', proof: { kind: 'refuted', reason: 'wrongPassword', ...claim } };
    case 'R':
      return { kind: 'proof', proof: { kind: 'refuted', reason: 'badToken', ...claim }, last };
    default:
      return { kind: 'malformed' };
  }
}

function challenge(text: string): ServerStep {
  return { kind: 'challenge', challenge: Buffer.from(text) };
}
