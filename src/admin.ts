import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { OPERATOR_HEADER, whyNoChange, whyNotLocal } from './admin-access.ts';
import { holdUser, releaseUser, showHolds } from './admin-hold.ts';
import { forgetThrottle, showThrottle } from './admin-throttle.ts';
import type { Readiness } from './directories.ts';
import type { Observer } from './events.ts';
import type { Metrics } from './metrics.ts';
import type { OperatorHolds } from './operator-holds.ts';
import { printable } from './printable.ts';
import type { ThrottleDesk } from './throttle/desk.ts';

export interface AdminSettings {
  readonly address: string;
  /** 0 lets the system choose one. */
  readonly port: number;
}

/** What the admin listener tells of the running proxy. */
export interface AdminView {
  readonly metrics: Metrics;
  readonly observe: Observer;
  /** Whether a login could succeed now. */
  readiness(signal: AbortSignal): Promise<Readiness>;
  /** What is counted of whom; `undefined` where logins are not throttled. */
  readonly throttle?: ThrottleDesk | undefined;
  readonly holds: OperatorHolds;
}

/** An admin listener that is open; disposing closes it and its connections. */
export interface Admin extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
}

/** Opens the HTTP listener for operators and their machines. @throws {Error} that names the address. */
export async function startAdmin(settings: AdminSettings, view: AdminView): Promise<Admin> {
  const server = createServer(LIMITS, (request, response) => {
    void answer(request, response, view);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(settings.port, settings.address);
  try {
    await once(server, 'listening');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`the admin listener on ${settings.address}:${settings.port}: ${why}`, { cause: error });
  }
  return { ...boundTo(server), [Symbol.asyncDispose]: () => close(server) };
}

// Its clients are few, near and well-behaved: anything else shall not cost more than this.
const LIMITS = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: 5000,
  requestTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
};
const MAX_CONNECTIONS = 64;
const READY_MS = 3000;
const MAX_WHY = 1000;

interface Answer {
  readonly status: number;
  readonly contentType?: string;
  readonly text: string;
}
type Route = (view: AdminView, request: IncomingMessage, query: URLSearchParams) => Promise<Answer>;
type Method = 'GET' | 'POST' | 'DELETE';

/** What may be done with a path; all but those of `OPEN` on this machine only. */
const ROUTES: ReadonlyMap<string, Readonly<Partial<Record<Method, Route>>>> = new Map([
  ['/metrics', { GET: metrics }],
  ['/readyz', { GET: readiness }],
  ['/healthz', { GET: health }],
  ['/throttle', { GET: throttled, DELETE: forget }],
  ['/hold', { GET: holds, POST: hold, DELETE: release }],
]);
/** Says nothing of users, and is for other machines: balancers, Prometheus. */
const OPEN: ReadonlySet<string> = new Set(['/metrics', '/readyz', '/healthz']);

async function answer(request: IncomingMessage, response: ServerResponse, view: AdminView): Promise<void> {
  const { status, contentType = 'text/plain; charset=utf-8', text } = await answerFor(request, view);
  response.writeHead(status, {
    'content-type': contentType,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

async function answerFor(request: IncomingMessage, view: AdminView): Promise<Answer> {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const routes = ROUTES.get(path);
  if (routes === undefined) return { status: 404, text: 'not found\n' };
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const route = isMethod(method) ? routes[method] : undefined;
  if (route === undefined) return { status: 405, text: `use ${Object.keys(routes).join(' or ')}\n` };
  const why = OPEN.has(path)
    ? undefined
    : (whyNotLocal(request) ?? (method === 'GET' ? undefined : whyNoChange(request)));
  if (why !== undefined) return { status: 403, text: `${why}\n` };
  try {
    return await route(view, request, new URLSearchParams(query));
  } catch (error) {
    view.observe({ event: 'bug', detail: `${path}: ${error}`, ...stackOf(error) });
    return { status: 500, text: 'the log has the reason\n' };
  }
}

function isMethod(text: string | undefined): text is Method {
  return text === 'GET' || text === 'POST' || text === 'DELETE';
}

function stackOf(error: unknown): { stack?: string } {
  return error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
}

async function metrics(view: AdminView): Promise<Answer> {
  return { status: 200, contentType: view.metrics.contentType, text: await view.metrics.text() };
}

/** Ready means that a login could succeed now: a balancer may send clients. */
async function readiness(view: AdminView): Promise<Answer> {
  const { ready, why } = await view.readiness(AbortSignal.timeout(READY_MS));
  const amiss = why === undefined ? '' : printable(why, MAX_WHY);
  if (!ready) return { status: 503, text: `not ready: ${amiss}\n` };
  return { status: 200, text: amiss === '' ? 'ready\n' : `ready, but ${amiss}\n` };
}

/** Alive means that this process answers; whether it's of use is what `/readyz` tells. */
async function health(): Promise<Answer> {
  return { status: 200, text: 'alive\n' };
}

async function throttled(
  { throttle }: AdminView,
  _request: IncomingMessage,
  query: URLSearchParams,
): Promise<Answer> {
  return await showThrottle(throttle, query);
}

async function forget(
  { throttle }: AdminView,
  request: IncomingMessage,
  query: URLSearchParams,
): Promise<Answer> {
  return await forgetThrottle(throttle, query, operatorOf(request));
}

async function holds(view: AdminView): Promise<Answer> {
  return showHolds(view.holds);
}

async function hold(view: AdminView, request: IncomingMessage, query: URLSearchParams): Promise<Answer> {
  return await holdUser(view.holds, query, operatorOf(request));
}

async function release(view: AdminView, request: IncomingMessage, query: URLSearchParams): Promise<Answer> {
  return await releaseUser(view.holds, query, operatorOf(request));
}

function operatorOf({ headers, socket }: IncomingMessage): { readonly name: string; readonly ip: string } {
  return { name: String(headers[OPERATOR_HEADER]), ip: socket.remoteAddress ?? '' };
}

function boundTo(server: Server): { address: string; port: number } {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('the admin listener has no address');
  return { address: bound.address, port: bound.port };
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
