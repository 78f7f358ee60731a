import { isUtf8 } from 'node:buffer';
import { Secret } from '../secret.ts';

/** What string preparation maps to nothing (RFC 3454 table B.1) and its like, and NUL, which ends a string in C. */
const PREPARED_AWAY = /\0|\u1806|\p{Default_Ignorable_Code_Point}/gu;

/**
 * Gives the password that octets from a client stand for.
 * @param latin1 reads what is not UTF-8 as Latin-1.
 * @returns `undefined` for what is no password, or what a server could take for an empty one: an anonymous bind.
 */
export function readPassword(password: Secret, latin1: boolean): Secret | undefined {
  const readable = isUtf8(password.octets)
    ? password
    : latin1 && new Secret(Buffer.from(password.octets.toString('latin1')));
  if (readable === false || readable.octets.toString('utf8').replace(PREPARED_AWAY, '') === '') {
    return undefined;
  }
  return readable;
}
