import { PassThrough, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Event, LoginEvent } from '../../src/events.ts';
import { makeLog } from '../../src/log.ts';
import { LogOutput } from '../../src/log-output.ts';
import type { Level } from '../../src/log-table.ts';

const LOGIN: LoginEvent = {
  event: 'login',
  session: 'AAAAAAAAAAAAAAAAAAAAAA',
  protocol: 'imap',
  client: '192.0.2.1',
  clientPort: 40001,
  result: 'ok',
  user: 'ann@example.org',
  mechanism: 'PLAIN',
  tls: 'TLSv1.3',
  node: 'node-a',
  ms: 31,
};

const CONNECTION = {
  session: 'AAAAAAAAAAAAAAAAAAAAAA',
  protocol: 'imap',
  client: '192.0.2.1',
  clientPort: 1,
} as const;

function logged(events: readonly Event[], level: Level = 'debug'): Record<string, unknown>[] {
  const stream = new PassThrough();
  const log = makeLog({ level, format: 'json', colour: false }, new LogOutput(stream));
  for (const event of events) log(event);
  return linesOf(stream).map((line) => JSON.parse(line));
}

function linesOf(stream: PassThrough): string[] {
  return String(stream.read() ?? '')
    .split('\n')
    .filter((line) => line !== '');
}

describe('the log in JSON', () => {
  it('writes a login as one line with fixed keys and a message without data', () => {
    const [line] = logged([LOGIN]);

    expect(line).toEqual({
      ...LOGIN,
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      msg: 'logged in',
    });
  });

  it.each([
    ['nodeRefusedProxy', 'error'],
    ['homeNotAllowed', 'error'],
    ['directoryFault', 'error'],
    ['bug', 'error'],
    ['wrongPassword', 'info'],
    ['unknownUser', 'info'],
  ] as const)('writes a login that failed for %s at level %s', (result, level) => {
    expect(logged([{ ...LOGIN, result }])).toMatchObject([{ level, result }]);
  });

  it('keeps connections of health checks out of the log of a normal day', () => {
    const event: Event = { event: 'connectionEnd', ...CONNECTION, how: 'disconnected', ms: 1 };

    expect(logged([event], 'info')).toEqual([]);
    expect(logged([event], 'debug')).toMatchObject([{ level: 'debug', how: 'disconnected' }]);
  });

  it('says at which level a directory server is lost and is back', () => {
    const server = 'ldap://ldap1';

    expect(
      logged([
        { event: 'directoryState', server, up: false, detail: 'refused' },
        { event: 'directoryState', server, up: true },
      ]),
    ).toMatchObject([{ level: 'warn' }, { level: 'info' }]);
  });

  it('makes control characters and turned reading directions visible', () => {
    const [line] = logged([{ ...LOGIN, user: 'a\r\n\x1b[31m\u202eb\ud800' }]);

    expect(line).toMatchObject({ user: 'a<U+000D><U+000A><U+001B>[31m<U+202E>b<U+D800>' });
  });

  it('cuts a detail after 1000 characters', () => {
    const [line] = logged([{ ...LOGIN, detail: 'x'.repeat(100_000) }]);

    expect(line).toMatchObject({ detail: `${'x'.repeat(1000)}…` });
  });

  it('cuts everything else that a peer sent after 200 characters', () => {
    const [line] = logged([{ ...LOGIN, user: 'x'.repeat(100_000) }]);

    expect(line).toMatchObject({ user: `${'x'.repeat(200)}…` });
  });

  it('leaves out what is for the metrics only', () => {
    const [line] = logged([{ ...LOGIN, nodeEntry: '*.example.org' }]);

    expect(line).toMatchObject({ node: 'node-a' });
    expect(line).not.toHaveProperty('nodeEntry');
  });

  it('keeps the lines of a stack, each made printable', () => {
    const [line] = logged([{ event: 'bug', detail: 'boom', stack: 'Error: boom\n    at\x07 a.ts:1' }]);

    expect(line).toMatchObject({ stack: 'Error: boom\n    at<U+0007> a.ts:1' });
  });
});

describe('a log whose reader fails', () => {
  it('F47 loses lines, counts them and says so when the reader is quick again', async () => {
    const reader = new SlowReader();
    const output = new LogOutput(reader, 1000);
    const log = makeLog({ level: 'info', format: 'json', colour: false }, output);

    for (let n = 0; n < 100; n += 1) log(LOGIN);
    reader.readOn();
    await output.flush(1000);
    const kept = reader.lines.length;
    log(LOGIN);
    await output.flush(1000);

    expect(output.dropped).toBeGreaterThan(90);
    expect(kept + output.dropped).toBe(100);
    expect(reader.lines.slice(kept).map((line) => JSON.parse(line))).toMatchObject([
      { event: 'linesDropped', lines: output.dropped, level: 'warn' },
      { event: 'login' },
    ]);
  });

  it('F47 survives a reader that is gone, and counts each line', async () => {
    const broken = new Writable({
      autoDestroy: false,
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    });
    const output = new LogOutput(broken);
    const log = makeLog({ level: 'info', format: 'json', colour: false }, output);

    log(LOGIN);
    log(LOGIN);
    await output.flush(50);

    expect(output.dropped).toBeGreaterThanOrEqual(2);
  });

  it('F47 does not wait for longer than asked for a reader that stands still', async () => {
    const output = new LogOutput(new Writable({ write: () => {} }));
    output.write('line\n');

    await expect(output.flush(1)).resolves.toBeUndefined();
  });
});

/** Takes one line and then nothing until it's told to read on. */
class SlowReader extends Writable {
  readonly lines: string[] = [];
  #reading = false;
  #waiting: (() => void) | undefined;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (chunk.length > 0) this.lines.push(chunk.toString());
    if (this.#reading) done();
    else this.#waiting = done;
  }

  readOn(): void {
    this.#reading = true;
    this.#waiting?.();
  }
}
