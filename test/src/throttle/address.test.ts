import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNetwork, Networks } from '../../../src/networks.ts';
import { addressKeys } from '../../../src/throttle/address.ts';

describe('addressKeys', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1', undefined],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64', '2001:db8:1::/48'],
    ['2001:0db8:0001:0002::1', '2001:db8:1:2::/64', '2001:db8:1::/48'],
    ['2001:db8::1', '2001:db8:0:0::/64', '2001:db8:0::/48'],
    ['::1', '0:0:0:0::/64', '0:0:0::/48'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64', 'fe80:0:0::/48'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64', '64:ff9b:0::/48'],
  ])('groups %s', (ip, address, network) => {
    expect(addressKeys(ip)).toEqual({ address, network });
  });

  it('gives one key to a /64 however it is written, and one to its /48', () => {
    fc.assert(
      fc.property(fc.ipV6(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (ip, host) => {
        const { address, network } = addressKeys(ip);
        const rest = host
          .toString(16)
          .padStart(16, '0')
          .replaceAll(/(.{4})(?=.)/g, '$1:');
        const neighbour = `${address.replace('::/64', '')}:${rest}`;

        expect(addressKeys(neighbour)).toEqual({ address, network });
        expect(address.startsWith(String(network).replace('::/48', ':'))).toBe(true);
      }),
    );
  });

  it('takes what is no address for a key of its own', () => {
    expect(addressKeys('')).toEqual({ address: '', network: undefined });
  });
});

describe('Networks', () => {
  const networks = new Networks(['192.0.2.0/24', '198.51.100.7', '2001:db8::/32']);

  it.each(['192.0.2.0', '192.0.2.255', '198.51.100.7', '2001:db8:ffff::1'])('have %s', (ip) => {
    expect(networks.has(ip)).toBe(true);
  });

  it.each(['192.0.3.0', '198.51.100.8', '2001:db9::', '', '-', 'x'])('do not have %j', (ip) => {
    expect(networks.has(ip)).toBe(false);
  });

  it.each([
    '192.0.2.0/33',
    '192.0.2.0/',
    '192.0.2.0/-1',
    '2001:db8::/129',
    '192.0.2/24',
    'x',
    'fe80::1%a/64',
    '1.2.3.4/8/8',
  ])('can not be made of %s', (text) => {
    expect(isNetwork(text)).toBe(false);
    expect(() => new Networks([text])).toThrow('is not a network');
  });
});
