import { readFileSync } from 'node:fs';
import { cluster, exec } from './cluster.ts';

let count = 0;

/** A real HAProxy on this machine's addresses; dispose of it to stop it. @param rest its configuration behind `defaults`. */
export async function startHaproxy(rest: string): Promise<AsyncDisposable> {
  count += 1;
  const base = `/tmp/haproxy-${process.pid}-${count}`;
  const { certificate, key } = cluster().listener;
  const pem = `${readFileSync(certificate, 'utf8')}${readFileSync(key, 'utf8')}`;
  const config = `global
  maxconn 2000
defaults
  mode tcp
  timeout connect 5s
  timeout client 300s
  timeout server 300s
${rest.replaceAll('@PEM@', `${base}.pem`)}`;
  await shell(`cat > ${base}.pem <<'E'\n${pem}\nE`);
  await shell(`cat > ${base}.cfg <<'E'\n${config}\nE`);
  await shell(`haproxy -D -p ${base}.pid -f ${base}.cfg`);
  return { [Symbol.asyncDispose]: () => shell(`kill $(cat ${base}.pid)`) };
}

/** @throws {Error} with its output when the script fails. */
async function shell(script: string): Promise<void> {
  const { output, exitCode } = await exec('clients', ['sh', '-c', script]);
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}:\n${output}`);
}
