/** An LDAP server that does what a test says, for what no real one does on request. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { BerReader, BerWriter, BindRequest, PresenceFilter, SearchRequest } from 'ldapts';
import { elementOctets } from '../../../auth/ldap/ber.ts';

export type Request =
  | { readonly kind: 'bind'; readonly id: number; readonly dn: string; readonly password: string }
  | {
      readonly kind: 'search';
      readonly id: number;
      readonly filter: string;
      readonly attributes: readonly string[];
      readonly base: string;
      /** The cookie of a synchronisation, where it is one. */
      readonly cookie: string | undefined;
    }
  | { readonly kind: 'abandon' | 'unbind' | 'extended'; readonly id: number };

interface Control {
  readonly type: string;
  readonly value: Buffer;
}

/** Answers one request; what it gives is sent as it is. */
export type Script = (request: Request, socket: Socket) => Buffer | undefined | Promise<Buffer | undefined>;

export class ScriptedLdap implements AsyncDisposable {
  readonly requests: Request[] = [];
  readonly sockets = new Set<Socket>();
  script: Script;
  readonly #server = createServer((socket) => this.#serve(socket));

  private constructor(script: Script) {
    this.script = script;
  }

  static async start(script: Script = answerAll): Promise<ScriptedLdap> {
    const server = new ScriptedLdap(script);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Requests of one kind so far. */
  seen<Kind extends Request['kind']>(kind: Kind): Extract<Request, { kind: Kind }>[] {
    return this.requests.filter(
      (request): request is Extract<Request, { kind: Kind }> => request.kind === kind,
    );
  }

  /** Closes all connections, and takes no more of them until `listen`. */
  async stop(): Promise<void> {
    for (const socket of this.sockets) {
      socket.destroy();
    }
    this.#server.close();
    await once(this.#server, 'close');
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) {
      await this.stop();
    }
  }

  #serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    this.sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('data', async (octets) => {
      received = Buffer.concat([received, octets]);
      const requests: Request[] = [];
      for (
        let end = elementOctets(received);
        end !== undefined && received.length >= end;
        end = elementOctets(received)
      ) {
        requests.push(readRequest(received.subarray(0, end)));
        received = received.subarray(end);
      }
      this.requests.push(...requests);
      for (const request of requests) {
        const answer = await this.script(request, socket);
        if (answer !== undefined && !socket.destroyed) {
          socket.write(answer);
        }
      }
    });
  }
}

/** Finds `uid=X` for a filter that names X, and takes the password `X-secret`. */
export function answerAll(request: Request): Buffer | undefined {
  if (request.kind === 'bind') {
    const [, user = ''] = /^(?:uid|cn)=([^,]*)/.exec(request.dn) ?? [];
    return bindResponse(request.id, request.password === `${user}-secret` ? 0 : 49, {});
  }
  if (request.kind === 'search') {
    const [, user = ''] = /\(uid=([^)]*)\)/.exec(request.filter) ?? [];
    const entry = searchEntry(request.id, `uid=${user},dc=x`, { uid: [user], mailHost: ['node-a'] });
    return user === '' || user === 'nobody'
      ? searchDone(request.id, 0)
      : Buffer.concat([entry, searchDone(request.id, 0)]);
  }
  return undefined;
}

export function searchEntry(
  id: number,
  dn: string,
  attributes: Readonly<Record<string, readonly string[]>>,
  control?: Control,
): Buffer {
  const write = (writer: BerWriter): void => {
    writer.writeString(dn);
    writer.startSequence();
    for (const [name, values] of Object.entries(attributes)) {
      writer.startSequence();
      writer.writeString(name);
      writer.startSequence(0x31);
      for (const value of values) {
        writer.writeString(value);
      }
      writer.endSequence();
      writer.endSequence();
    }
    writer.endSequence();
  };
  return message(id, 0x64, write, control);
}

/** An intermediate response with a sync info (RFC 4533 section 2.5). */
export function syncInfo(id: number, value: Buffer, name = '1.3.6.1.4.1.4203.1.9.1.4'): Buffer {
  return message(id, 0x79, (writer) => {
    writer.writeString(name, 0x80);
    writer.writeBuffer(value, 0x81);
  });
}

/** The control of an entry in a synchronisation (RFC 4533 section 2.3). */
export function syncState(state: number, id: Buffer, cookie?: string): Control {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeEnumeration(state);
  writer.writeBuffer(id, 0x04);
  if (cookie !== undefined) {
    writer.writeString(cookie);
  }
  writer.endSequence();
  return { type: '1.3.6.1.4.1.4203.1.9.1.2', value: writer.buffer };
}

export function searchDone(id: number, code: number, diagnostic = ''): Buffer {
  return message(id, 0x65, (writer) => writeResult(writer, code, diagnostic));
}

export function extendedResponse(id: number, code: number): Buffer {
  return message(id, 0x78, (writer) => writeResult(writer, code, ''));
}

export function bindResponse(
  id: number,
  code: number,
  { diagnostic = '', policyControl }: { diagnostic?: string; policyControl?: Buffer },
): Buffer {
  return message(
    id,
    0x61,
    (writer) => writeResult(writer, code, diagnostic),
    policyControl && {
      type: '1.3.6.1.4.1.42.2.27.8.5.1',
      value: policyControl,
    },
  );
}

function message(id: number, tag: number, write: (writer: BerWriter) => void, control?: Control): Buffer {
  const writer = new BerWriter();
  writer.startSequence();
  writer.writeInt(id);
  writer.startSequence(tag);
  write(writer);
  writer.endSequence();
  if (control !== undefined) {
    writer.startSequence(0xa0);
    writer.startSequence();
    writer.writeString(control.type);
    writer.writeBuffer(control.value, 0x04);
    writer.endSequence();
    writer.endSequence();
  }
  writer.endSequence();
  return writer.buffer;
}

function writeResult(writer: BerWriter, code: number, diagnostic: string): void {
  writer.writeEnumeration(code);
  writer.writeString('');
  writer.writeString(diagnostic);
}

function readRequest(octets: Buffer): Request {
  const reader = new BerReader(octets);
  reader.readSequence();
  const id = reader.readInt() ?? 0;
  switch (reader.readSequence()) {
    case 0x60: {
      const bind = new BindRequest({ messageId: id });
      bind.parseMessage(reader);
      return { kind: 'bind', id, dn: bind.dn, password: bind.password };
    }
    case 0x63: {
      const search = new SearchRequest({ messageId: id, filter: new PresenceFilter() });
      search.parseMessage(reader);
      return {
        kind: 'search',
        id,
        filter: search.filter.toString(),
        attributes: search.attributes,
        base: search.baseDN,
        cookie: cookieIn(octets),
      };
    }
    case 0x50:
      return { kind: 'abandon', id };
    case 0x42:
      return { kind: 'unbind', id };
    default:
      return { kind: 'extended', id };
  }
}

/** ldapts reads no controls of requests: what stands behind the name of this one ends with the cookie. */
function cookieIn(octets: Buffer): string | undefined {
  const at = octets.indexOf('1.3.6.1.4.1.4203.1.9.1.1');
  return at < 0 ? undefined : /rid=.*|cookie.*/s.exec(octets.subarray(at).toString('latin1'))?.[0];
}
