import fc from 'fast-check';
import { BerWriter } from 'ldapts';
import { describe, expect, it } from 'vitest';
import { BerError } from '../../../auth/ldap/ber.ts';
import { readLdapMessage } from '../../../auth/ldap/message.ts';
import { readSyncInfo, readSyncState } from '../../../auth/ldap/sync-message.ts';
import { searchEntry, syncInfo, syncState } from './scripted-ldap.ts';

const UUID = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const ID = '00112233-4455-6677-8899-aabbccddeeff';

function controlsOf(state: ReturnType<typeof syncState>): Buffer | undefined {
  const message = readLdapMessage(searchEntry(1, 'uid=a', {}, state));
  return message.kind === 'entry' ? message.controls : undefined;
}

function info(tag: number, write: (writer: BerWriter) => void): Buffer {
  const writer = new BerWriter();
  writer.startSequence(tag);
  write(writer);
  writer.endSequence();
  return writer.buffer;
}

describe('readSyncState', () => {
  it.each([
    [0, 'present'],
    [1, 'add'],
    [2, 'modify'],
    [3, 'delete'],
  ])('reads the state %i as %s', (code, state) => {
    expect(readSyncState(controlsOf(syncState(code, UUID, 'c')))).toEqual({
      state,
      id: ID,
      cookie: Buffer.from('c'),
    });
  });

  it.each([
    ['no control', undefined],
    ['a state that there is none', controlsOf(syncState(4, UUID))],
    ['an id that is none', controlsOf(syncState(1, UUID.subarray(1)))],
    ['a cookie over the limit', controlsOf(syncState(1, UUID, 'c'.repeat(4097)))],
    ['another control', controlsOf({ type: '1.2.3', value: UUID })],
  ])('refuses %s', (_what, controls) => {
    expect(() => readSyncState(controls)).toThrow(BerError);
  });

  it('takes a cookie at the limit', () => {
    expect(readSyncState(controlsOf(syncState(1, UUID, 'c'.repeat(4096)))).cookie).toHaveLength(4096);
  });
});

describe('readSyncInfo', () => {
  it('reads each kind (RFC 4533 section 2.5)', () => {
    const newCookie = new BerWriter();
    newCookie.writeString('n', 0x80);

    expect(readSyncInfo(newCookie.buffer)).toEqual({ kind: 'newCookie', cookie: Buffer.from('n') });
    expect(readSyncInfo(info(0xa1, () => undefined))).toEqual({
      kind: 'refreshDelete',
      cookie: undefined,
      done: true,
    });
    expect(
      readSyncInfo(
        info(0xa2, (writer) => {
          writer.writeString('p');
          writer.writeBoolean(false);
        }),
      ),
    ).toEqual({ kind: 'refreshPresent', cookie: Buffer.from('p'), done: false });
    expect(
      readSyncInfo(
        info(0xa3, (writer) => {
          writer.writeBoolean(true);
          writer.startSequence(0x31);
          writer.writeBuffer(UUID, 0x04);
          writer.endSequence();
        }),
      ),
    ).toEqual({ kind: 'idSet', cookie: undefined, deleted: true, ids: [ID] });
  });

  it.each([
    ['nothing', undefined],
    ['another choice', Buffer.from('a400', 'hex')],
    ['a set that is missing', Buffer.from('a300', 'hex')],
    ['two values', Buffer.from('a100a100', 'hex')],
  ])('refuses %s', (_what, value) => {
    expect(() => readSyncInfo(value)).toThrow(BerError);
  });

  it('reads or refuses any octets, and fails in no other way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => {
        for (const read of [readSyncInfo, readSyncState]) {
          try {
            read(Buffer.from(octets));
          } catch (error) {
            expect(error).toBeInstanceOf(BerError);
          }
        }
      }),
    );
  });

  it('is read out of an intermediate response', () => {
    expect(readLdapMessage(syncInfo(3, Buffer.from('a100', 'hex')))).toEqual({
      kind: 'intermediate',
      id: 3,
      name: '1.3.6.1.4.1.4203.1.9.1.4',
      value: Buffer.from('a100', 'hex'),
    });
  });
});
