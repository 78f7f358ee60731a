import { afterAll, describe, expect, it } from 'vitest';
import { ConfigFolder, GOOD } from '../support/config-folder.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

function withProxyProtocol(written: string): string {
  return GOOD.replace('tls: starttls', `tls: starttls, proxyProtocol: ${written}`);
}

describe('proxyProtocol', () => {
  it('B1 is off unless it is asked for', () => {
    expect(folder.load(GOOD).settings.listeners[0]?.introducedBy).toBeUndefined();
  });

  it('takes addresses and networks of balancers, and nobody else', () => {
    const { settings, warnings } = folder.load(
      withProxyProtocol("{ from: [192.0.2.1, 10.1.2.0/24, '2001:db8::/32'] }"),
    );
    const from = settings.listeners[0]?.introducedBy;

    expect(['192.0.2.1', '10.1.2.255', '2001:db8:1::7'].map((ip) => from?.has(ip))).toEqual([
      true,
      true,
      true,
    ]);
    expect(['192.0.2.2', '10.1.3.0', '2001:db9::1', '', '-'].map((ip) => from?.has(ip))).toEqual(
      Array.from({ length: 5 }, () => false),
    );
    expect(warnings).toEqual([]);
  });

  it('is refused without the addresses of balancers', () => {
    for (const written of ['{}', '{ from: [] }', 'true', 'required', '{ from: }']) {
      expect(folder.problems(withProxyProtocol(written))[0]).toContain('listeners[0].proxyProtocol');
    }
  });

  it.each([
    '192.0.2.0/33',
    '192.0.2',
    'balancer.example.org',
    '2001:db8::/129',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '',
  ])('is refused with %j in place of an address', (network) => {
    expect(folder.refusal(withProxyProtocol(`{ from: [¶'${network}'] }`))).toBe(
      'this is not an address or a network (as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32)',
    );
  });

  it('warns where anybody may claim to be anybody', () => {
    const { warnings } = folder.load(withProxyProtocol("{ from: [0.0.0.0/0, '::/0'] }"));

    expect(warnings.map(({ setting }) => setting)).toEqual([
      'listeners[0].proxyProtocol.from[0]',
      'listeners[0].proxyProtocol.from[1]',
    ]);
  });
});

describe('balancers', () => {
  it('are few, known, and warned of', () => {
    const { settings, throttle, warnings } = folder.load(`${GOOD}balancers: [10.0.0.0/30]\n`);

    expect(settings.balancers?.has('10.0.0.3')).toBe(true);
    expect(settings.balancers?.has('10.0.0.4')).toBe(false);
    expect(throttle?.exempt).toEqual(['10.0.0.0/30']);
    expect(warnings.map(({ message }) => message)).toEqual([
      'all clients of these balancers look alike: they have no limit per address, and no address in any log',
    ]);
  });

  it('are none by default, without a warning', () => {
    const { settings, warnings } = folder.load(GOOD);

    expect(settings.balancers?.has('127.0.0.1')).toBe(false);
    expect(warnings).toEqual([]);
  });
});
