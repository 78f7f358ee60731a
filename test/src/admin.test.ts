import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Admin, type AdminView, startAdmin } from '../../src/admin.ts';
import type { Event } from '../../src/events.ts';
import { makeMetrics } from '../../src/metrics.ts';
import { startHolds } from '../support/holds.ts';

const READY = { ready: true, why: undefined };

let admin: Admin;
let events: Event[];

afterEach(() => admin[Symbol.asyncDispose]());

async function start(readiness: AdminView['readiness'] = async () => READY): Promise<string> {
  const metrics = makeMetrics({ droppedLines: () => 0 });
  events = [];
  const { holds } = startHolds();
  const view = { metrics, observe: (event: Event) => events.push(event), readiness, holds };
  admin = await startAdmin({ address: '127.0.0.1', port: 0 }, view);
  return `http://127.0.0.1:${admin.port}`;
}

describe('the admin listener', () => {
  it('gives the metrics as Prometheus reads them', async () => {
    const url = await start();

    const response = await fetch(`${url}/metrics`);

    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(await response.text()).toContain('# TYPE homing_logins_total counter');
  });

  it('is ready when a login could succeed', async () => {
    const response = await fetch(`${await start()}/readyz`);

    expect([response.status, await response.text()]).toEqual([200, 'ready\n']);
  });

  it('says why it is not ready', async () => {
    const url = await start(async () => ({ ready: false, why: 'no directory server answers' }));

    const response = await fetch(`${url}/readyz`);

    expect([response.status, await response.text()]).toEqual([
      503,
      'not ready: no directory server answers\n',
    ]);
  });

  it('is ready, and says so, where a part of the logins would fail', async () => {
    const url = await start(async () => ({ ready: true, why: 'no logins of example.org: gone\r\nX: y' }));

    const response = await fetch(`${url}/readyz`);

    expect([response.status, await response.text()]).toEqual([
      200,
      'ready, but no logins of example.org: gone<U+000D><U+000A>X: y\n',
    ]);
  });

  it('answers, and logs the bug, when a question fails', async () => {
    const url = await start(async () => Promise.reject(new Error('boom')));

    const response = await fetch(`${url}/readyz`);

    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('boom');
    expect(events).toMatchObject([{ event: 'bug', detail: '/readyz: Error: boom' }]);
  });

  it('is alive even when it is not ready', async () => {
    const response = await fetch(`${await start(async () => ({ ready: false, why: 'stopping' }))}/healthz`);

    expect(response.status).toBe(200);
  });

  it('A36 knows nothing else', async () => {
    const url = await start();

    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/metrics/../etc`)).status).toBe(404);
    expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(405);
  });

  it('A36 does not read headers without end', async () => {
    const url = new URL(await start());
    const socket = connect(Number(url.port), url.hostname);

    socket.write(`GET /healthz HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`);
    const [answer] = await once(socket, 'data');

    expect(String(answer)).toMatch(/^HTTP\/1\.1 431 /);
    socket.destroy();
  });

  it('closes with connections still open', async () => {
    const url = new URL(await start());
    const socket = connect(Number(url.port), url.hostname);
    await once(socket, 'connect');
    socket.write('GET /healthz');

    const end = once(socket, 'end');
    await admin[Symbol.asyncDispose]();

    await expect(end).rejects.toMatchObject({ code: 'ECONNRESET' });
    await start();
  });
});
