import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { configSchema } from '../../src/config/schema.ts';
import { ConfigFolder } from '../support/config-folder.ts';
import { run } from '../support/test-terminal.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const EXAMPLE = readFileSync('deploy/homing/homing.example.yaml', 'utf8');

describe("README's configuration", () => {
  it('is accepted as it stands there', async () => {
    const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(readFileSync('README.md', 'utf8')) ?? [];
    copyFileSync(join(folder.path, 'cert.pem'), join(folder.path, 'fullchain.pem'));
    copyFileSync(join(folder.path, 'key.pem'), join(folder.path, 'privkey.pem'));
    copyFileSync(join(folder.path, 'ca.pem'), join(folder.path, 'nodes-ca.pem'));

    const { code, output, errors } = await run(['check', folder.write('readme.yaml', yaml)]);

    expect([code, errors]).toEqual([0, '']);
    expect(output).not.toContain('warning');
  });
});

describe('the example of a configuration', () => {
  it('is accepted as it is', async () => {
    mkdirSync(join(folder.path, 'tls'));
    for (const [from, to] of [
      ['cert.pem', 'fullchain.pem'],
      ['key.pem', 'key.pem'],
      ['ca.pem', 'directory-ca.pem'],
      ['ca.pem', 'nodes-ca.pem'],
    ] as const) {
      copyFileSync(join(folder.path, from), join(folder.path, 'tls', to));
    }

    const { code, output, errors } = await run(['check', folder.write('homing.yaml', EXAMPLE)]);

    expect([code, errors]).toEqual([0, '']);
    expect(output).not.toContain('warning');
  });

  it('shows every setting', () => {
    const missing = [...namesIn(configSchema)].filter((name) => !new RegExp(`\\b${name}:`).test(EXAMPLE));

    expect(missing).toEqual([]);
  });

  it('has a description for every setting', () => {
    expect([...undescribed(configSchema, '')]).toEqual([]);
  });
});

function unwrapped(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrapped(schema.unwrap());
  }
  if (schema instanceof z.ZodPipe) return unwrapped(schema.out);
  return schema instanceof z.ZodArray ? unwrapped(schema.element) : schema;
}

function* settingsIn(
  schema: unknown,
  path: string,
): Generator<{ path: string; name: string; schema: z.ZodType }> {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodDiscriminatedUnion) {
    for (const option of inner.options) yield* settingsIn(option, path);
  }
  if (!(inner instanceof z.ZodObject)) return;
  for (const [name, setting] of Object.entries<z.ZodType>(inner.shape)) {
    yield { path: `${path}.${name}`, name, schema: setting };
    yield* settingsIn(setting, `${path}.${name}`);
  }
}

function* namesIn(schema: unknown): Generator<string> {
  // Of the rules for status and services there is one example each.
  for (const { path, name } of settingsIn(schema, '')) if (!/\.(status|services)\./.test(path)) yield name;
}

function* undescribed(schema: unknown, path: string): Generator<string> {
  for (const setting of settingsIn(schema, path)) {
    if (setting.name !== 'kind' && setting.schema.description === undefined) yield setting.path;
  }
}
