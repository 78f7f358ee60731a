import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli.ts';
import { startDemo } from '../../src/demo/demo.ts';

const ANY_PORTS = { imap: 0, imaps: 0, pop3: 0, pop3s: 0 };
const ANY_PORT_OPTIONS = ['--imap-port=0', '--imaps-port=0', '--pop3-port=0', '--pop3s-port=0'];

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'homing-demo-command-'));
});

afterEach(() => rm(folder, { recursive: true }));

// A process starts, and RSA keys are made: on a busy machine both take their time.
describe('homing demo', { timeout: 30_000 }, () => {
  it('tells what to try, and ends in order at Ctrl-C', async () => {
    const child = spawn(process.execPath, ['src/main.ts', 'demo', '--folder', folder, ...ANY_PORT_OPTIONS]);
    let printed = '';
    const started = Promise.withResolvers<void>();
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (octets: Buffer) => {
        printed += octets;
        if (printed.includes('What happens:')) started.resolve();
      });
    }
    child.once('close', () => started.reject(new Error(`ended too soon: ${printed}`)));
    await started.promise;

    child.kill('SIGINT');
    const [code] = await once(child, 'close');

    expect(code).toBe(0);
    expect(printed).toContain('curl -k -u demo-a@example.org:demo-a-secret');
    expect(printed).toMatch(/INFO {2}stopped\n$/);
  });

  it('writes a configuration that the other commands take', async () => {
    await using demo = await startDemo({ folder, ports: ANY_PORTS, observe: () => undefined });
    const output = new PassThrough();

    const code = await runCli(['check', demo.configurationFile], terminal({ output }));

    expect(code).toBe(0);
    expect(String(output.read())).toContain('connects to  node-b at 127.0.0.1');
  });

  it('says which port is taken and how to choose four others, and leaves the other one its files', async () => {
    await using demo = await startDemo({ folder, ports: ANY_PORTS, observe: () => undefined });
    const port = demo.listening[0]?.port;
    const configuration = await readFile(demo.configurationFile, 'utf8');
    const errors = new PassThrough();

    const code = await runCli(['demo', '--folder', folder, '--imap-port', `${port}`], terminal({ errors }));

    expect(code).toBe(1);
    const text = String(errors.read());
    expect(text).toContain(`127.0.0.1:${port} is taken`);
    expect(text).toContain('Perhaps another npm start is running.');
    expect(text).toContain(
      `npm start -- --folder ${folder}-2 --imap-port ${Number(port) + 1000} --imaps-port 2993 --pop3-port 2110 --pop3s-port 2995\n`,
    );
    expect(text).not.toContain('    at ');
    expect(await readFile(demo.configurationFile, 'utf8')).toBe(configuration);
  });
});

function terminal(streams: { output?: PassThrough; errors?: PassThrough }) {
  const { output = new PassThrough(), errors = new PassThrough() } = streams;
  return { input: new PassThrough(), output, errors };
}
