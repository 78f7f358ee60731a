/** What a server says besides entries in a content synchronisation (RFC 4533). */
import { BerWriter, Control } from 'ldapts';
import { BerError, type Element, ElementReader } from './ber.ts';

/** Names of the request control and of the intermediate response. */
export const SYNC_REQUEST = '1.3.6.1.4.1.4203.1.9.1.1';
export const SYNC_INFO = '1.3.6.1.4.1.4203.1.9.1.4';
const SYNC_STATE = '1.3.6.1.4.1.4203.1.9.1.2';

/** A cookie is the server's; more than this is none that anybody needs. */
const MAX_COOKIE_OCTETS = 4096;
const UUID_OCTETS = 16;
/** Servers send sets of some hundred. */
const MAX_ELEMENTS = 10_000;
const REFRESH_AND_PERSIST = 3;
const STATES = ['present', 'add', 'modify', 'delete'] as const;
const BOOLEAN = 0x01;
const OCTET_STRING = 0x04;

/** What the control of an entry says of it. */
export interface SyncState {
  readonly state: (typeof STATES)[number];
  /** entryUUID, as text. */
  readonly id: string;
  readonly cookie: Buffer | undefined;
}

/** What an intermediate response says. */
export type SyncInfo =
  | { readonly kind: 'newCookie'; readonly cookie: Buffer }
  | {
      /** `refreshPresent`: entries that the server did not name are gone. */
      readonly kind: 'refreshDelete' | 'refreshPresent';
      readonly cookie: Buffer | undefined;
      /** What happened before is told: from now on it is what happens. */
      readonly done: boolean;
    }
  | {
      readonly kind: 'idSet';
      readonly cookie: Buffer | undefined;
      /** Whether these entries are gone; else they are there. */
      readonly deleted: boolean;
      readonly ids: readonly string[];
    };

/** Asks for all changes since a cookie, and from then on (refreshAndPersist). */
export class SyncRequest extends Control {
  readonly #cookie: Buffer;

  constructor(cookie: Buffer) {
    super(SYNC_REQUEST, { critical: true });
    this.#cookie = cookie;
  }

  // Without reloadHint, which is false: rather e-syncRefreshRequired than the whole directory.
  override writeControl(writer: BerWriter): void {
    const value = new BerWriter();
    value.startSequence();
    value.writeEnumeration(REFRESH_AND_PERSIST);
    value.writeBuffer(this.#cookie, OCTET_STRING);
    value.endSequence();
    writer.writeBuffer(value.buffer, OCTET_STRING);
  }
}

/**
 * Reads the Sync State Control among those of an entry (RFC 4533 section 2.3).
 * @throws {BerError} also where there is none: every entry of a synchronisation has one.
 */
export function readSyncState(controls: Buffer | undefined): SyncState {
  const reader = new ElementReader(MAX_ELEMENTS);
  for (const control of reader.read(controls ?? Buffer.alloc(0))) {
    const [type, ...rest] = reader.read(control.content);
    if (type?.content.toString('latin1') !== SYNC_STATE) {
      continue;
    }
    const [sequence] = reader.read(rest.at(-1)?.content ?? Buffer.alloc(0));
    const [code, id, cookie] = reader.read(sequence?.content ?? Buffer.alloc(0));
    const state = code?.content.length === 1 ? STATES[code.content.readUInt8(0)] : undefined;
    if (state === undefined) {
      throw new BerError('state of an entry expected');
    }
    return { state, id: idOf(id), cookie: cookie && cookieOf(cookie) };
  }
  throw new BerError('an entry without the state that was asked for');
}

/** Reads the value of a Sync Info Message (RFC 4533 section 2.5). @throws {BerError}. */
export function readSyncInfo(value: Buffer | undefined): SyncInfo {
  const reader = new ElementReader(MAX_ELEMENTS);
  const [choice, ...more] = reader.read(value ?? Buffer.alloc(0));
  if (choice === undefined || more.length > 0) {
    throw new BerError('one sync info expected');
  }
  switch (choice.tag) {
    case 0x80:
      return { kind: 'newCookie', cookie: cookieOf(choice) };
    case 0xa1:
      return { kind: 'refreshDelete', ...readRefresh(choice, reader) };
    case 0xa2:
      return { kind: 'refreshPresent', ...readRefresh(choice, reader) };
    case 0xa3:
      return readIdSet(choice, reader);
    default:
      throw new BerError(`sync info ${choice.tag} is not known`);
  }
}

function readRefresh(choice: Element, reader: ElementReader) {
  const parts = reader.read(choice.content);
  const cookie = parts.find(({ tag }) => tag === OCTET_STRING);
  // DEFAULT TRUE.
  return { cookie: cookie && cookieOf(cookie), done: readBoolean(parts) ?? true };
}

function readIdSet(choice: Element, reader: ElementReader): SyncInfo {
  const parts = reader.read(choice.content);
  const cookie = parts.find(({ tag }) => tag === OCTET_STRING);
  const set = parts.find(({ tag }) => tag === 0x31);
  if (set === undefined) {
    throw new BerError('set of entries expected');
  }
  return {
    kind: 'idSet',
    cookie: cookie && cookieOf(cookie),
    deleted: readBoolean(parts) ?? false,
    ids: reader.read(set.content).map(idOf),
  };
}

function readBoolean(parts: readonly Element[]): boolean | undefined {
  const found = parts.find(({ tag }) => tag === BOOLEAN);
  if (found !== undefined && found.content.length !== 1) {
    throw new BerError('boolean expected');
  }
  return found && found.content.readUInt8(0) !== 0;
}

function cookieOf({ content }: Element): Buffer {
  if (content.length > MAX_COOKIE_OCTETS) {
    throw new BerError(`cookie of ${content.length} octets`);
  }
  // What was received goes with its message.
  return Buffer.from(content);
}

function idOf(element: Element | undefined): string {
  if (element?.content.length !== UUID_OCTETS) {
    throw new BerError('entryUUID expected');
  }
  return element.content.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
