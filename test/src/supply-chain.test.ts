import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface Locked {
  readonly packages: Readonly<
    Record<
      string,
      { readonly dev?: boolean; readonly hasInstallScript?: boolean; readonly integrity?: string }
    >
  >;
}

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as Locked;
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');

describe('A37 packages from elsewhere', () => {
  it('are locked by the digest of their content', () => {
    expect(packages.filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? ''))).toEqual([]);
  });

  it('run nothing when they are installed where Homing runs', () => {
    const scripts = packages.filter(([, { dev, hasInstallScript }]) => hasInstallScript && !dev);

    expect(scripts.map(([path]) => path)).toEqual([]);
  });

  it('are few where Homing runs', () => {
    const running = packages.filter(([, { dev }]) => !dev);

    expect(running.length).toBeLessThanOrEqual(60);
  });
});
