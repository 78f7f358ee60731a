import { afterAll, describe, expect, it } from 'vitest';
import { ConfigFolder, GOOD } from '../support/config-folder.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

describe('throttle', () => {
  it('is on, with limits below what directories lock at', () => {
    expect(folder.load(GOOD).throttle).toEqual({
      windowMs: 900_000,
      perAddress: 30,
      perNetwork: 120,
      perUser: 4,
      perUserAndAddress: 6,
      overall: 5000,
      maxDelayMs: 15_000,
      knownForMs: 14 * 24 * 3_600_000,
      rememberWrongMs: 60_000,
      maxKeys: 100_000,
      exempt: [],
    });
  });

  it('can be off', () => {
    expect(folder.load(`${GOOD}throttle: { enabled: false }\n`).throttle).toBeUndefined();
  });

  it('takes networks of both families, and single addresses', () => {
    const exempt = ['192.0.2.0/24', '2001:db8::/32', '198.51.100.1'];

    expect(folder.load(`${GOOD}throttle: { exempt: ${JSON.stringify(exempt)} }\n`).throttle?.exempt).toEqual(
      exempt,
    );
  });

  it.each([
    ['exempt: [192.0.2.0/40]', 'this is not an address or a network (as 192.0.2.1'],
    ['perUser: 0', 'throttle.perUser'],
    ['window: 15', '"15" is not a duration'],
    ['knownFor: 91d', '"91d" is not a duration'],
  ])('does not take %s', (setting, message) => {
    const problems = folder.problems(`${GOOD}throttle: { ${setting} }\n`);

    expect(JSON.stringify(problems)).toContain(JSON.stringify(message).slice(1, -1));
  });
});
