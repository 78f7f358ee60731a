import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster, loggedLine } from '../support/cluster.ts';
import { startHaproxy } from '../support/haproxy.ts';
import { freePorts } from '../support/ports.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';
import { Wire } from '../support/wire.ts';

/** Where clients connect from: HAProxy itself comes from 127.0.0.1. */
const CLIENT = '127.0.0.9';
const { alice, bob } = accounts;

interface Ports {
  readonly v1: number;
  readonly v2: number;
  readonly ssl: number;
  readonly implicit: number;
  readonly strict: number;
}

let proxy: RunningProxy;
let haproxy: AsyncDisposable;
let ports: Ports;

beforeAll(async () => {
  const [v1 = 0, v2 = 0, ssl = 0, implicit = 0, strict = 0] = await freePorts(5);
  ports = { v1, v2, ssl, implicit, strict };
  const listener = {
    protocol: 'imap',
    address: '127.0.0.1',
    port: 0,
    proxyProtocol: { from: ['127.0.0.1'] },
  };
  proxy = await RunningProxy.start(
    clusterConfig(cluster(), {
      listeners: [
        { ...listener, tls: 'starttls' },
        { ...listener, tls: 'implicit' },
      ],
    }),
  );
  haproxy = await startHaproxy(haproxyConfig());
});

afterAll(async () => {
  await haproxy[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

/** Every way in which HAProxy introduces clients, each with health checks twenty times a second. */
function haproxyConfig(): string {
  const clear = `127.0.0.1:${proxy.port('imap', 'starttls')}`;
  const implicit = `127.0.0.1:${proxy.port('imap', 'implicit')}`;
  const way = (name: keyof Ports, bind: string, server: string): string => `listen ${name}
  unique-id-format id-%{+X}o%ci-%cp
  bind 127.0.0.1:${ports[name]} ${bind}
  server homing ${server} check inter 50ms
`;
  return `${way('v1', '', `${clear} send-proxy`)}
${way('v2', '', `${clear} send-proxy-v2 proxy-v2-options crc32c,unique-id`)}
${way('ssl', 'ssl crt @PEM@', `${clear} send-proxy-v2-ssl proxy-v2-options ssl,authority,crc32c,unique-id`)}
${way('implicit', '', `${implicit} send-proxy-v2`)}
${way('strict', '', `${clear} send-proxy-v2 source 127.0.0.2`)}`;
}

async function logIn(wire: Wire, { mail, password }: { mail: string; password: string }): Promise<void> {
  wire.send(`a LOGIN ${mail} ${password}`);
  expect((await wire.linesUntil(/^a /)).at(-1)).toMatch(/^a OK/);
}

describe('HAProxy in front of the proxy', () => {
  it.each(['v1', 'v2'] as const)('introduces clients by %s, in front of STARTTLS', async (way) => {
    const { ca } = cluster();
    await using wire = await Wire.open({ port: ports[way], from: CLIENT });
    await wire.line();
    wire.send('s STARTTLS');
    await wire.line();
    await wire.startTls(ca);
    await logIn(wire, alice);
    wire.send('b LOGOUT');
    await wire.closed();

    const [login] = (await proxy.events('login', { result: 'ok', client: CLIENT, user: alice.name })).slice(
      -1,
    );
    expect(login).toMatchObject({ balancer: '127.0.0.1', tls: 'TLSv1.3' });
    const { balancerId } = login ?? {};
    expect(balancerId).toEqual(way === 'v2' ? expect.stringMatching(/^id-/) : undefined);
    expect(await loggedLine('node-a', new RegExp(`${login?.session}`))).toContain(`rip=${CLIENT}`);
  });

  it('introduces clients in front of TLS from the start', async () => {
    await using wire = await Wire.open({ port: ports.implicit, from: CLIENT, ca: cluster().ca });
    expect(await wire.line()).toMatch(/^\* OK/);
    await logIn(wire, bob);

    expect((await proxy.events('login', { client: CLIENT, user: bob.name })).at(-1)).toMatchObject({
      balancer: '127.0.0.1',
      result: 'ok',
    });
  });

  it('ends the TLS of clients, who then need no STARTTLS', async () => {
    await using wire = await Wire.open({ port: ports.ssl, from: CLIENT, ca: cluster().ca });
    await wire.line();
    wire.send('c CAPABILITY');
    const capabilities = await wire.line();
    await logIn(wire, alice);

    expect(capabilities).toContain('AUTH=PLAIN');
    expect(capabilities).not.toContain('STARTTLS');
    const [login] = (
      await proxy.events('login', { user: alice.name, serverName: 'localhost', balancer: '127.0.0.1' })
    ).slice(-1);
    expect(login).toMatchObject({ client: CLIENT, tls: 'TLSv1.3', result: 'ok' });
  });

  it('is turned away where it comes from another address, with one line for many connections', async () => {
    await using wire = await Wire.open({ port: ports.strict, from: CLIENT });

    expect(await wire.closed()).toBe('');
    // Its health checks were refused all the time.
    const refused = await proxy.events('connectionRefused', { why: 'untrustedBalancer' });
    expect(refused.length).toBeLessThan(5);
    expect(refused[0]).toMatchObject({ client: '127.0.0.2', level: 'warn' });
  });

  it('F43 checks the health of the proxy without a line at info or above', async () => {
    const checks = await proxy.events('connectionEnd', { how: 'healthCheck' }, 10);

    expect(new Set(checks.map(({ level }) => level))).toEqual(new Set(['debug']));
    const ends = proxy.log.filter(({ event, level }) => event === 'connectionEnd' && level !== 'debug');
    expect(ends).toEqual([]);
  });
});
