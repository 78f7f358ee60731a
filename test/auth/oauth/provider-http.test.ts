import type { RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import { ProviderHttp, type ProviderRequest } from '../../../auth/oauth/provider-http.ts';
import { ProviderDown } from '../../../auth/oauth/token.ts';
import { ProviderServer } from '../../support/identity-provider.ts';
import { TestCa } from '../../support/test-ca.ts';

const CA = new TestCa('Provider CA');
const IDENTITY = CA.issue({ commonName: 'id.example.org' });
const OTHER_CA = new TestCa('Other CA');
const GET: ProviderRequest = { method: 'GET' };

interface Asked {
  readonly ca?: string | undefined;
  readonly request?: ProviderRequest;
  readonly signal?: AbortSignal;
}

/** What the provider said, or why it could not be asked, with its address as URL. */
async function ask(server: ProviderServer, asked: Asked = {}): Promise<unknown> {
  const url = server.url('/keys');
  const ca = 'ca' in asked ? asked.ca : CA.certificate;
  using http = new ProviderHttp({ url, ca: ca === undefined ? undefined : Buffer.from(ca) });
  try {
    return await http.ask(asked.request ?? GET, asked.signal ?? new AbortController().signal);
  } catch (error) {
    expect(error).toBeInstanceOf(ProviderDown);
    return error instanceof ProviderDown ? error.message.replace(url.href, 'URL') : error;
  }
}

async function answered(listener: RequestListener, asked: Asked = {}): Promise<unknown> {
  await using server = await ProviderServer.start(IDENTITY, listener);
  return await ask(server, asked);
}

describe('a provider', () => {
  it('is asked by GET, and gives JSON', async () => {
    expect(await answered((_, response) => response.end('{"keys":[]}'))).toEqual({ keys: [] });
  });

  it('is sent a body and headers by POST', async () => {
    const echo: RequestListener = async (incoming, response) => {
      const body = await Array.fromAsync(incoming);
      const { authorization, 'content-length': length } = incoming.headers;
      response.end(JSON.stringify({ body: Buffer.concat(body).toString(), authorization, length }));
    };
    const request: ProviderRequest = {
      method: 'POST',
      headers: { authorization: 'Bearer x' },
      body: 'token=t',
    };

    expect(await answered(echo, { request })).toEqual({
      body: 'token=t',
      authorization: 'Bearer x',
      length: '7',
    });
  });

  it.each([
    [301, 'URL: answered HTTP 301: redirects are not followed'],
    [307, 'URL: answered HTTP 307: redirects are not followed'],
    [401, 'URL: answered HTTP 401: it refuses the credentials of this proxy'],
    [403, 'URL: answered HTTP 403: it refuses the credentials of this proxy'],
    [404, 'URL: answered HTTP 404'],
    [500, 'URL: answered HTTP 500'],
    [204, 'URL: answered HTTP 204'],
  ])('that answers %i can not be used, and is asked nothing else', async (status, message) => {
    await using server = await ProviderServer.start(IDENTITY, (_, response) => {
      response.writeHead(status, { location: '/elsewhere' }).end();
    });

    expect(await ask(server)).toBe(message);
    expect(server.requests).toEqual(['GET /keys']);
  });

  it('that says no JSON is not quoted', async () => {
    expect(await answered((_, response) => response.end('<html>CANARY'))).toBe('URL: the answer is not JSON');
  });

  it('is read up to 64 KiB', async () => {
    const sized = (octets: number) =>
      answered((_, response) => response.end(JSON.stringify('x'.repeat(octets - 2))));

    expect(await sized(65_536)).toHaveLength(65_534);
    expect(await sized(65_537)).toBe('URL: the answer has more than 65536 octets');
  });

  it('that never stops is left behind', async () => {
    const endless: RequestListener = (_, response) => {
      const more = (): void => {
        while (response.write('[1,'.repeat(10_000)));
        response.once('drain', more);
      };
      more();
    };

    expect(await answered(endless)).toBe('URL: the answer has more than 65536 octets');
  });

  it.each([
    ['says nothing', () => undefined],
    ['says only how it begins', (_request, response) => response.writeHead(200).write('{')],
  ] satisfies [string, RequestListener][])(
    'that %s is left when the time is over',
    async (_what, listener) => {
      expect(await answered(listener, { signal: AbortSignal.timeout(100) })).toBe('URL: no answer in time');
    },
  );

  it('is not asked at all for a client that is gone', async () => {
    await using server = await ProviderServer.start(IDENTITY, (_, response) => response.end('{}'));

    expect(await ask(server, { signal: AbortSignal.abort() })).toBe('URL: given up');
    expect(server.requests).toEqual([]);
  });

  it('that hangs up is told of', async () => {
    expect(await answered((request) => request.socket.destroy())).toMatch(/^URL: /);
    const half: RequestListener = (request, response) => {
      response.write('{');
      setImmediate(() => request.socket.destroy());
    };
    expect(await answered(half)).toMatch(/^URL: /);
  });

  it('must have a certificate of the configured authority', async () => {
    await using server = await ProviderServer.start(IDENTITY, (_, response) => response.end('{}'));

    expect(await ask(server, { ca: OTHER_CA.certificate })).toMatch(/^URL: .*certificate/);
    expect(await ask(server, { ca: undefined })).toMatch(/^URL: .*certificate/);
    expect(server.requests).toEqual([]);
  });

  it('must have a certificate for its name that has not ended', async () => {
    const stale = CA.issue({ commonName: 'x', expired: true });
    await using server = await ProviderServer.start(stale, (_, response) => response.end('{}'));

    expect(await ask(server)).toMatch(/^URL: certificate has expired/);
  });

  it('may close a connection that is to be used again', async () => {
    await using server = await ProviderServer.start(IDENTITY, (request, response) => {
      response.end('{}');
      response.once('finish', () => setImmediate(() => request.socket.destroy()));
    });
    using http = new ProviderHttp({ url: server.url('/'), ca: Buffer.from(CA.certificate) });
    for (let round = 0; round < 20; round += 1) {
      expect(await http.ask(GET, new AbortController().signal)).toEqual({});
    }
  });
});
