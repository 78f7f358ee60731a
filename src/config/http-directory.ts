import type { HttpOptions } from '../../auth/http/http-directory.ts';
import { Secret } from '../../auth/secret.ts';
import { checkAuthorities } from './certificates.ts';
import type { ConfigFiles } from './files.ts';
import type { Report } from './report.ts';
import type { HttpConfig } from './schema-http.ts';
import type { Path } from './source.ts';
import { mayBeOverheard } from './values.ts';

interface HttpContext {
  readonly files: ConfigFiles;
  readonly report: Report;
}

/** Makes the options of a web service of its settings. @returns `undefined` when a problem was reported. */
export function buildHttp(written: HttpConfig, path: Path, context: HttpContext): HttpOptions | undefined {
  const { files, report } = context;
  checkWay(written, path, report);
  const ca = written.caFile === undefined ? undefined : files.read([...path, 'caFile'], written.caFile);
  if (ca !== undefined) checkAuthorities(ca, [...path, 'caFile'], report);
  const headers = readHeaders(written, path, context);
  if (headers === undefined || (written.caFile !== undefined && ca === undefined)) return undefined;
  const { url, socket, lookup, forward = {}, operation: operationMs, maxRequests } = written;
  const socketPath = socket === undefined ? undefined : files.resolve(socket);
  return { target: { url, ca, socketPath }, headers, lookup, forward, operationMs, maxRequests };
}

function checkWay({ url, socket, insecure, caFile }: HttpConfig, path: Path, report: Report): void {
  if (socket !== undefined && url.protocol === 'https:') {
    report.problem(
      [...path, 'socket'],
      'nobody can listen in on a Unix socket',
      'http://localhost/path as url',
    );
  }
  if (caFile !== undefined && url.protocol === 'http:') {
    report.problem([...path, 'caFile'], 'http has no certificate that anybody could vouch for', 'https://');
  }
  if (socket === undefined && mayBeOverheard(url) && !insecure) {
    report.problem(
      [...path, 'url'],
      `passwords would go to ${url.hostname} in clear text`,
      'https://; or insecure: true where nobody can listen in',
    );
  }
}

function readHeaders(
  { headers, headerFiles }: HttpConfig,
  path: Path,
  { files, report }: HttpContext,
): HttpOptions['headers'] | undefined {
  const read = new Map(
    Object.entries(headers).map(([name, value]) => [name, new Secret(Buffer.from(value))]),
  );
  const taken = new Set([...read.keys()].map((name) => name.toLowerCase()));
  let sound = true;
  for (const [name, file] of Object.entries(headerFiles)) {
    const at = [...path, 'headerFiles', name];
    const value = files.readSecretLine(at, file);
    if (taken.has(name.toLowerCase()))
      report.problem(at, `${name} is among the headers already`, 'one of both');
    if (value === undefined) sound = false;
    else read.set(name, value);
  }
  return sound ? Object.fromEntries(read) : undefined;
}
