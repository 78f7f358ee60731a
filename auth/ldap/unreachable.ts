/** A server that could not be asked: `connect` never got there, the others lost a connection or an answer. */
export class LdapUnreachable extends Error {
  override readonly name = 'LdapUnreachable';
  readonly stage: 'connect' | 'lost' | 'timeout' | 'busy';

  constructor(message: string, options: ErrorOptions & { readonly stage: LdapUnreachable['stage'] }) {
    super(message, options);
    this.stage = options.stage;
  }
}
