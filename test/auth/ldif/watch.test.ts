import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { schemaOptions } from '../../../auth/entries/presets.ts';
import { compileSchema } from '../../../auth/entries/schema.ts';
import { openLdif } from '../../../auth/ldif/ldif.ts';
import { FollowedChanges } from '../../support/followed-changes.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'homing-ldif-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const context = { service: 'imap' };
const signal = new AbortController().signal;

function entry(name: string, home: string, password = 'secret'): string {
  return `dn: uid=${name},dc=x\nuid: ${name}\nmailHost: ${home}\nuserPassword: ${password}\n\n`;
}

async function follow(content: string) {
  const path = join(folder, 'people.ldif');
  writeFileSync(path, content);
  const directory = openLdif({
    content: Buffer.from(content),
    schema: compileSchema(schemaOptions(undefined, { base: 'dc=x' })),
    allowCleartext: true,
    file: { path, read: () => readFileSync(path) },
  });
  const changes = new FollowedChanges(directory);
  await changes.state(({ following }) => following === 'watch');
  const find = (login: string) =>
    directory.find({ full: login, localPart: login, domain: undefined }, context, signal);
  const replace = (text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  return {
    changes,
    directory,
    find,
    replace,
    write: (text: string) => writeFileSync(path, text),
    [Symbol.asyncDispose]: () => changes.stop(),
  };
}

describe('an LDIF file that changes', () => {
  it('is read again, and tells of each entry that became different', async () => {
    await using file = await follow(entry('ann', 'node-a') + entry('bob', 'node-a') + entry('eve', 'node-a'));

    file.replace(entry('ann', 'node-b') + entry('bob', 'node-a') + entry('new', 'node-a'));

    await file.changes.next(({ kind }) => kind === 'removed');
    expect(file.changes.all.map((change) => [change.kind, 'entry' in change && change.entry])).toEqual([
      ['changed', 'uid=ann,dc=x'],
      ['changed', 'uid=new,dc=x'],
      ['removed', 'uid=eve,dc=x'],
    ]);
    expect(
      await file.directory.lookup({ full: 'ann', localPart: 'ann', domain: undefined }, context, signal),
    ).toMatchObject({
      homes: ['node-b'],
    });
    expect(await file.directory.reread?.({ entry: 'uid=eve,dc=x' }, context, signal)).toBeUndefined();
  });

  it('tells by the version that a password changed', async () => {
    await using file = await follow(entry('ann', 'node-a'));
    const before = await file.find('ann');

    file.write(entry('ann', 'node-a', 'other'));

    const change = await file.changes.next(({ kind }) => kind === 'changed');
    const after = await file.find('ann');
    expect(after?.passwordVersion).not.toBe(before?.passwordVersion);
    expect(change).toMatchObject({ passwordVersion: after?.passwordVersion });
  });

  it('stays in use as it was when the new one is broken, and is taken when it is whole again', async () => {
    await using file = await follow(entry('ann', 'node-a'));

    file.write('dn uid=ann\n');
    const { detail } = await file.changes.state(({ following }) => following === 'off');

    expect(detail).toMatch(/people\.ldif: line 1: .*; the entries that were read last stay$/);
    expect(await file.find('ann')).toBeDefined();
    file.write(entry('bob', 'node-a'));
    await file.changes.state(({ following }) => following === 'watch');
    expect(await file.find('ann')).toBeUndefined();
  });

  it.each([0, 1])(
    'stays in use as it was when most accounts are gone from the new one (%i left)',
    async (left) => {
      const people = ['ann', 'bob', 'eve'].map((name) => entry(name, 'node-a'));
      await using file = await follow(people.join(''));

      file.replace(people.slice(0, left).join(''));
      const { detail } = await file.changes.state(({ following }) => following === 'off');

      expect(detail).toContain(
        `of 3 accounts ${left} are left: if that is right, restart the proxy; the entries`,
      );
      expect(file.changes.all).toEqual([]);
      expect(await file.find('bob')).toBeDefined();
    },
  );
});
