/** What operators see of the throttle and have forgotten, by the admin listener and by `homing throttle`. */
import { request } from 'node:http';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '../../auth/secret.ts';
import { type Admin, startAdmin } from '../../src/admin.ts';
import { whyNotLocal } from '../../src/admin-access.ts';
import type { Event } from '../../src/events.ts';
import { makeMetrics } from '../../src/metrics.ts';
import { ThrottleDesk } from '../../src/throttle/desk.ts';
import { Throttle } from '../../src/throttle/throttle.ts';
import { ConfigFolder, GOOD } from '../support/config-folder.ts';
import { startHolds } from '../support/holds.ts';
import { run } from '../support/test-terminal.ts';

const folder = new ConfigFolder();
const SETTINGS = folder.load(GOOD).throttle;
const OPERATOR = { 'x-homing-operator': 'root' };
const FORGOTTEN = 'forgotten: user ann: 4 of 4 failures, more are refused\n';

let admin: Admin;
let events: Event[];

afterAll(() => folder[Symbol.dispose]());
beforeEach(() => start());
afterEach(() => admin[Symbol.asyncDispose]());

async function start({ isThrottled = true } = {}): Promise<void> {
  events = [];
  const observe = (event: Event) => void events.push(event);
  const throttle = SETTINGS && new Throttle(SETTINGS, { observe, now: () => 0 });
  for (let count = 0; count < 4; count += 1) {
    const password = new Secret(Buffer.from(`p${count}`));
    const watch = throttle?.watch(`192.0.2.${count}`, { kind: 'password', password });
    await watch?.admit('ann');
    await watch?.end({ result: 'wrongPassword', who: 'ann' });
  }
  const readName = (typed: string) => (typed === 'a*' ? undefined : typed);
  const desk = throttle && new ThrottleDesk(throttle, { readName, observe });
  const view = {
    metrics: makeMetrics({ droppedLines: () => 0 }),
    observe,
    readiness: async () => ({ ready: true, why: undefined }),
    throttle: isThrottled ? desk : undefined,
    holds: startHolds().holds,
  };
  admin = await startAdmin({ address: '127.0.0.1', port: 0 }, view);
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One request, with any header: `fetch` sets some by itself. */
function send({ method = 'DELETE', path = '/throttle?user=ann', headers = OPERATOR }: Sent) {
  return new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    request({ host: '127.0.0.1', port: admin.port, method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    })
      .on('error', reject)
      .end();
  });
}

function forgotten(): Event[] {
  return events.filter(({ event }) => event === 'throttleForgotten');
}

describe('the admin listener', () => {
  it('shows what is counted of a user or an address', async () => {
    const ofUser = await send({ method: 'GET', headers: {} });
    const ofAddress = await send({ method: 'GET', path: '/throttle?address=192.0.2.1', headers: {} });

    expect(ofUser.status).toBe(200);
    expect(ofUser.text).toContain('user ann: 4 of 4 failures, more are refused\n');
    expect(ofUser.text).toContain('user ann from 192.0.2.1: 1 of 6 failures\n');
    expect(ofAddress.text).toBe('192.0.2.1: 1 of 30 failures\nuser ann from 192.0.2.1: 1 of 6 failures\n');
    expect(forgotten()).toEqual([]);
  });

  it('forgets it, and says who did that', async () => {
    const { status, text } = await send({});

    expect([status, text.slice(0, FORGOTTEN.length)]).toEqual([200, FORGOTTEN]);
    expect(forgotten()).toEqual([
      { event: 'throttleForgotten', user: 'ann', counts: 5, operator: 'root', from: '127.0.0.1' },
    ]);
    expect(await send({})).toEqual({ status: 200, text: 'nothing to forget\n' });
  });

  it.each([
    ['a form or an image of another site', { headers: {} }],
    ['a script of another site', { headers: { ...OPERATOR, origin: 'https://evil.example' } }],
    ['a page without an origin', { headers: { ...OPERATOR, origin: 'null' } }],
    ['a page of a browser', { headers: { ...OPERATOR, 'sec-fetch-site': 'same-origin' } }],
    ['a name that was pointed here (DNS rebinding)', { headers: { ...OPERATOR, host: 'evil.example:9143' } }],
    ['a reverse proxy', { headers: { ...OPERATOR, 'x-forwarded-for': '192.0.2.66' } }],
    ['a name that begins like ours', { headers: { ...OPERATOR, host: 'localhost.evil.example' } }],
  ])('A36 changes nothing for %s', async (_, sent) => {
    const { status } = await send(sent);

    expect(status).toBe(403);
    expect(forgotten()).toEqual([]);
  });

  it('A36 shows nothing of users to pages of browsers, and answers no preflight', async () => {
    const rebound = await send({ method: 'GET', headers: { host: 'evil.example' } });
    const preflight = await send({ method: 'OPTIONS', headers: { origin: 'https://evil.example' } });

    expect([rebound.status, preflight.status]).toEqual([403, 405]);
    expect(rebound.text).not.toContain('ann');
  });

  it.each([
    ['127.0.0.1', '127.0.0.1', true],
    ['127.9.9.9', '127.0.0.1', true],
    ['::1', '::1', true],
    ['::ffff:127.0.0.1', '::ffff:127.0.0.1', true],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.2', '192.0.2.1', false],
    ['2001:db8::2', '2001:db8::1', false],
    ['::ffff:192.0.2.2', '::ffff:192.0.2.1', false],
    [undefined, undefined, false],
  ])('A36 answers %s at %s about users: %s', (remoteAddress, localAddress, isAnswered) => {
    const why = whyNotLocal({ headers: { host: 'localhost' }, socket: { remoteAddress, localAddress } });

    expect(why === undefined).toBe(isAnswered);
  });

  it.each([
    ['/throttle', 400, 'which one? ?user=ann@example.org or ?address=192.0.2.7\n'],
    ['/throttle?user=', 400, 'which one? ?user=ann@example.org or ?address=192.0.2.7\n'],
    ['/throttle?user=ann&address=192.0.2.1', 400, 'which one? ?user=ann@example.org or ?address=192.0.2.7\n'],
    [`/throttle?user=${'a'.repeat(600)}`, 400, 'which one? ?user=ann@example.org or ?address=192.0.2.7\n'],
    ['/throttle?user=a*', 400, 'this is not a login name that an account can have\n'],
    ['/throttle?address=office', 400, 'this is not an IP address\n'],
    ['/throttle?user=bob', 200, 'nothing is counted\n'],
  ])('says of %s what is wrong', async (path, status, text) => {
    expect(await send({ method: 'GET', path })).toEqual({ status, text });
  });

  it('says that nothing is throttled', async () => {
    await admin[Symbol.asyncDispose]();
    await start({ isThrottled: false });

    expect(await send({})).toEqual({
      status: 404,
      text: 'failed logins are not throttled (throttle.enabled: false)\n',
    });
  });
});

describe('homing throttle', () => {
  const config = (text: string) => folder.write('homing.yaml', GOOD + text);
  const running = () => config(`admin: { port: ${admin.port} }\n`);

  it('shows and forgets what the running proxy counts', async () => {
    const shown = await run(['throttle', '--user', 'ann', '-c', running()]);
    const done = await run(['throttle', '--user', 'ann', '--forget', '-c', running()]);
    const after = await run(['throttle', '--address', '192.0.2.1', '-c', running()]);

    expect(shown).toMatchObject({ code: 0, errors: '' });
    expect(shown.output).toContain('user ann: 4 of 4 failures, more are refused\n');
    expect(done.output).toContain(FORGOTTEN);
    expect(after.output).toBe('192.0.2.1: 1 of 30 failures\n');
    expect(forgotten()).toMatchObject([{ user: 'ann', operator: expect.stringMatching(/./) }]);
  });

  it.each([
    [['--user', 'a*'], 1, 'homing: this is not a login name that an account can have\n'],
    [[], 2, 'homing: which one? --user ann@example.org or --address 192.0.2.7\nSee: homing --help\n'],
    [
      ['--user', 'ann', '--address', '192.0.2.1'],
      2,
      'homing: which one? --user ann@example.org or --address 192.0.2.7\nSee: homing --help\n',
    ],
  ])('says what is wrong with %j', async (args, code, errors) => {
    expect(await run(['throttle', ...args, '-c', running()])).toEqual({ code, output: '', errors });
  });

  it('says what is missing where nobody can be asked', async () => {
    const { port } = admin;
    await admin[Symbol.asyncDispose]();
    const gone = await run(['throttle', '--user', 'ann', '-c', config(`admin: { port: ${port} }\n`)]);
    const none = await run(['throttle', '--user', 'ann', '-c', config('')]);
    await start();

    expect(gone.errors).toBe(
      `homing: no proxy answers on 127.0.0.1:${port}: does \`homing serve\` run with this configuration?\n`,
    );
    expect(none.errors).toContain('has no admin listener to ask: add `admin: {}`, and restart the proxy\n');
    expect([gone.code, none.code]).toEqual([1, 1]);
  });
});
