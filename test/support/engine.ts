// biome-ignore-all lint/style/noProcessEnv: as with every tool, the environment says which engine to use.
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { env, getuid } from 'node:process';

const ENGINE_SCRIPT = new URL('engine.sh', import.meta.url).pathname;
const DEFAULT_ENGINE_DIRECTORY = '/var/tmp/homing-engine';

/**
 * Makes sure that a container engine answers, and sets the variables by which testcontainers finds it: Docker where
 * it answers, else an engine of our own, which takes a minute or two the first time. HOMING_ENGINE=own skips Docker;
 * HOMING_ENGINE_DIR says where our own engine keeps its images.
 *
 * @returns the engine's address, as in DOCKER_HOST.
 */
export async function ensureEngine(): Promise<string> {
  const host = (await answeringDocker()) ?? `unix://${await ownEngine()}`;
  useEngine(host);
  return host;
}

/** Points testcontainers at an engine that answers. */
export function useEngine(host: string): void {
  // Its clean-up container would have to come from an image registry; we remove what killed runs left ourselves.
  Object.assign(env, { DOCKER_HOST: host, TESTCONTAINERS_RYUK_DISABLED: 'true' });
}

async function answeringDocker(): Promise<string | undefined> {
  const { HOMING_ENGINE, DOCKER_HOST, XDG_RUNTIME_DIR = `/run/user/${getuid?.() ?? 0}` } = env;
  if (HOMING_ENGINE === 'own') {
    return undefined;
  }
  const candidates = [DOCKER_HOST, 'unix:///var/run/docker.sock', `unix://${XDG_RUNTIME_DIR}/docker.sock`];
  for (const candidate of candidates) {
    if (candidate !== undefined && (await answersPing(candidate))) {
      return candidate;
    }
  }
  return undefined;
}

function answersPing(host: string): Promise<boolean> {
  const { protocol, hostname, port, pathname } = new URL(host);
  const target = protocol === 'unix:' ? { socketPath: pathname } : { host: hostname, port };
  return new Promise((resolve) => {
    const ping = request({ ...target, path: '/_ping', timeout: 5000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.on('timeout', () => ping.destroy());
    ping.on('error', () => resolve(false));
    ping.end();
  });
}

function ownEngine(): Promise<string> {
  const { HOMING_ENGINE_DIR = DEFAULT_ENGINE_DIRECTORY } = env;
  const script = spawn('bash', [ENGINE_SCRIPT, HOMING_ENGINE_DIR], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  script.stdout.on('data', (octets: Buffer) => {
    output.stdout += octets.toString();
  });
  script.stderr.on('data', (octets: Buffer) => {
    output.stderr += octets.toString();
    for (const line of octets
      .toString()
      .split('\n')
      .filter((text) => text.startsWith('engine: '))) {
      process.stderr.write(`${line}\n`);
    }
  });
  return new Promise((resolve, reject) => {
    script.on('error', reject);
    script.on('close', (code) => {
      if (code === 0) {
        resolve(output.stdout.trim());
        return;
      }
      reject(
        new Error(`The tests need a container engine.\n${output.stderr.split('\n').slice(-20).join('\n')}`),
      );
    });
  });
}
