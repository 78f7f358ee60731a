import type { DirectoryContext, LoginName } from '../directory.ts';
import type { Secret } from '../secret.ts';

/** What the service is asked: whether a password is right, or for the account of who proved himself elsewhere. */
export interface Question {
  readonly login: LoginName;
  /** `undefined` asks without one. */
  readonly password: Secret | undefined;
  readonly context: DirectoryContext;
}

/** Gives the header of a question, as nginx sends it to its `auth_http` service. */
export function headerOf({ login, password, context }: Question): Readonly<Record<string, string>> {
  const { service, client } = context;
  return {
    'Auth-Method': password === undefined ? 'external' : 'plain',
    'Auth-User': escapeValue(Buffer.from(login.full)),
    'Auth-Pass': escapeValue(password?.octets ?? Buffer.alloc(0)),
    'Auth-Protocol': service,
    ...(client !== undefined && {
      'Auth-Login-Attempt': String(client.attempt),
      'Client-IP': escapeText(client.ip),
    }),
    ...(client?.tls !== undefined && {
      'Auth-SSL': 'on',
      'Auth-SSL-Protocol': escapeText(client.tls.version),
      'Auth-SSL-Cipher': escapeText(client.tls.cipher),
    }),
  };
}

function escapeText(text: string): string {
  return escapeValue(Buffer.from(text));
}

/**
 * Escapes as nginx does: space, `%` and control characters, so that nobody can write a line of his own; octets beyond
 * ASCII go as they are.
 */
function escapeValue(octets: Buffer): string {
  return octets.toString('latin1').replace(/[\0-\x20%\x7f]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).toUpperCase();
    return `%${code.padStart(2, '0')}`;
  });
}
