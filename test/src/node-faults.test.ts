import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Answer, HostileNode } from '../support/hostile-node.ts';
import { type ProtocolName, proxyBefore } from '../support/proxy-before.ts';
import { TestCa } from '../support/test-ca.ts';
import { Wire } from '../support/wire.ts';

const HOUR_MS = 3_600_000;
const certificate = new TestCa('CA of nodes that fail').issue({ commonName: 'node' });
const WORDS = {
  imap: {
    greeting: '* OK [CAPABILITY IMAP4rev1 AUTH=CRAM-SHA256] ready\r\n',
    login: 'a LOGIN u p',
    in: 'L OK [CAPABILITY IMAP4rev1 IDLE] in\r\n',
    loggedIn: 'a OK [CAPABILITY IMAP4rev1 IDLE] Logged in',
    noop: 'n NOOP',
    answer: 'n OK by the node',
  },
  pop3: {
    greeting: '+OK ready\r\n',
    login: 'USER u\r\nPASS p',
    in: '+OK in\r\n',
    loggedIn: '+OK Logged in.',
    noop: 'NOOP',
    answer: '+OK by the node',
  },
} as const;

afterEach(() => vi.useRealTimers());

async function node(protocol: 'imap' | 'pop3', last: Answer): Promise<HostileNode> {
  const words = WORDS[protocol];
  let loggedIn = false;
  const reply = (line: string): Answer => {
    if (/^(?:L AUTHENTICATE|AUTH) /.test(line)) return '+ PDFAbm9kZT4=\r\n';
    if (loggedIn) return `${words.answer}\r\n`;
    loggedIn = true;
    return last;
  };
  return await HostileNode.start({ greeting: words.greeting, reply }, { mode: 'none', certificate });
}

async function greeted(port: number): Promise<Wire> {
  const wire = await Wire.open({ port });
  await wire.line();
  return wire;
}

/** Logs in. @returns the last line of the answer. */
async function logIn(protocol: ProtocolName & keyof typeof WORDS, wire: Wire): Promise<string> {
  wire.send(WORDS[protocol].login);
  if (protocol === 'pop3') await wire.line();
  return await wire.line();
}

describe.each(['imap', 'pop3'] as const)('by %s', (protocol) => {
  const words = WORDS[protocol];

  it('F26 a node that dies right behind its OK: the client hears the OK, then the end', async () => {
    await using home = await node(protocol, { say: words.in, ending: 'end' });
    await using running = await proxyBefore({ protocol, node: { port: home.port, tls: { mode: 'none' } } });
    await using wire = await greeted(running.port);

    expect(await logIn(protocol, wire)).toBe(words.loggedIn);
    expect(await wire.closed()).toBe('');
    expect(await running.event('login')).toMatchObject({ result: 'ok' });
    expect(await running.event('sessionEnd')).toMatchObject({ endedBy: 'node', how: 'closed' });
  });

  it.each([1, -1])('F45 a clock that jumps by %i hours ends and delays nothing', async (hours) => {
    await using home = await node(protocol, words.in);
    await using running = await proxyBefore({ protocol, node: { port: home.port, tls: { mode: 'none' } } });
    vi.useFakeTimers({ toFake: ['Date'] });
    const jump = () => vi.setSystemTime(Date.now() + hours * HOUR_MS);
    await using wire = await greeted(running.port);

    jump();
    const answer = await logIn(protocol, wire);
    jump();
    wire.send(words.noop);

    expect(answer).toBe(words.loggedIn);
    expect(await wire.line()).toBe(words.answer);
    await wire[Symbol.asyncDispose]();
    for (const { ms } of [await running.event('login'), await running.event('sessionEnd')]) {
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThan(HOUR_MS / 2);
    }
  });
});
