import { type ChildProcess, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { CANARY, ConfigFolder, good } from '../support/config-folder.ts';
import { freePorts, listening } from '../support/ports.ts';
import { TestCa } from '../support/test-ca.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const started: ChildProcess[] = [];
// A test that failed leaves no proxy behind.
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

interface Served {
  readonly child: ChildProcess;
  readonly lines: Record<string, unknown>[];
  /** Resolves with the first line of an event. */
  line(event: string): Promise<Record<string, unknown>>;
}

function serve(config: string): Served {
  const path = folder.write('serve.yaml', config);
  const child = spawn(process.execPath, ['src/main.ts', 'serve', '--config', path], { stdio: 'pipe' });
  started.push(child);
  const lines: Record<string, unknown>[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (text) => lines.push(JSON.parse(text)));
  return {
    child,
    lines,
    line: async (event) => {
      for (;;) {
        const found = lines.find(({ event: name }) => name === event);
        if (found !== undefined) return found;
        await once(reader, 'line');
      }
    },
  };
}

const CONFIG = `${good('port: 1143', 'port: 0')}admin: { port: 0 }\nlog: { level: debug }\n`;

describe('homing serve', () => {
  it('F40 runs until SIGTERM, then ends in order, and never logs a secret', { timeout: 20_000 }, async () => {
    const { child, lines, line } = serve(CONFIG);

    const { port } = await line('adminListening');
    const alive = await fetch(`http://127.0.0.1:${port}/healthz`);
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');

    expect([alive.status, code]).toEqual([200, 0]);
    // That its directory can't be reached is told when that is known.
    expect(lines.map(({ event }) => event).filter((event) => event !== 'followState')).toEqual([
      'listening',
      'certificateInUse',
      'adminListening',
      'stopping',
      'stopped',
    ]);
    expect(JSON.stringify(lines)).not.toContain(CANARY);
  });

  it('takes a renewed certificate at SIGHUP, and goes on', { timeout: 20_000 }, async () => {
    const renewed = new TestCa('Another CA').issue({ commonName: 'renewed.example.org' });
    folder.write('renewed.pem', readFileSync(join(folder.path, 'cert.pem'), 'utf8'));
    folder.write('renewed-key.pem', readFileSync(join(folder.path, 'key.pem'), 'utf8'));
    const { child, lines, line } = serve(
      CONFIG.replace('cert.pem', 'renewed.pem').replace('keyFile: key.pem', 'keyFile: renewed-key.pem'),
    );
    const { port } = await line('adminListening');
    const before = await expiryOf(Number(port));

    folder.write('renewed.pem', renewed.certificate);
    folder.write('renewed-key.pem', 'no key');
    child.kill('SIGHUP');
    await line('certificateRefused');
    folder.write('renewed-key.pem', renewed.key);
    child.kill('SIGHUP');
    while (!lines.some(({ renewed: isNew }) => isNew === true)) await once(child.stdout ?? child, 'data');

    expect(before).toBeGreaterThan(Date.now() / 1000);
    expect(await expiryOf(Number(port))).toBe(
      new X509Certificate(renewed.certificate).validToDate.getTime() / 1000,
    );
    expect(lines.find(({ event }) => event === 'certificateRefused')).toMatchObject({ level: 'error' });
    child.kill('SIGTERM');
    await once(child, 'exit');
  });

  it('F38 F39 reads its configuration at SIGHUP, and takes it whole or not at all', {
    timeout: 20_000,
  }, async () => {
    const { child, line, lines } = serve(CONFIG);
    await line('adminListening');
    const more = CONFIG.replace('nodes:\n', 'nodes:\n  - { name: new.example.org, kind: dovecot }\n');

    folder.write('serve.yaml', `${more}limits: { connections: many }\n`);
    child.kill('SIGHUP');
    const refused = await line('configRefused');
    folder.write('serve.yaml', more);
    child.kill('SIGHUP');
    const read = await line('configRead');
    folder.write('serve.yaml', `${more}limits: { connections: 7 }\n`);
    child.kill('SIGHUP');
    while (!lines.some(({ needsRestart }) => needsRestart === 'limits'))
      await once(child.stdout ?? child, 'data');
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');

    expect(refused).toMatchObject({ level: 'error', detail: expect.stringContaining('limits.connections') });
    expect(read).toMatchObject({ level: 'info', changed: 'nodes' });
    expect(lines.find(({ needsRestart }) => needsRestart === 'limits')).toMatchObject({ level: 'warn' });
    expect(code).toBe(0);
  });

  it('A31 does not start with an inspector, which would open its secrets', { timeout: 20_000 }, async () => {
    const path = folder.write('serve.yaml', CONFIG);
    const child = spawn(
      process.execPath,
      ['--inspect=127.0.0.1:0', 'src/main.ts', 'serve', '--config', path],
      { stdio: 'pipe' },
    );
    started.push(child);
    let said = '';
    child.stderr.on('data', (octets: Buffer) => {
      said += octets.toString();
    });

    const [code] = await once(child, 'close');

    expect(code).toBe(1);
    expect(said).toContain('homing: serve does not run with --inspect');
  });

  it('F47 goes on without the reader of its log, and counts the lines', { timeout: 20_000 }, async () => {
    const { child, line } = serve(CONFIG);
    const { port } = await line('adminListening');
    const { port: mailPort } = await line('listening');

    child.stdout?.destroy();
    const dropped = await droppedAfterConnections(Number(port), Number(mailPort));
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');

    expect(dropped).toBeGreaterThan(0);
    expect(code).toBe(0);
  });

  it.runIf(process.platform === 'linux')(
    'F47 goes on where the disk of its log is full, and counts the lines',
    { timeout: 20_000 },
    async () => {
      const [mailPort = 0, adminPort = 0] = await freePorts(2);
      const path = folder.write(
        'serve.yaml',
        `${good('port: 1143', `port: ${mailPort}`)}admin: { port: ${adminPort} }\nlog: { level: debug }\n`,
      );
      const full = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, ['src/main.ts', 'serve', '--config', path], {
        stdio: ['ignore', full, 'inherit'],
      });
      started.push(child);
      closeSync(full);

      await listening(adminPort);
      const dropped = await droppedAfterConnections(adminPort, mailPort);
      child.kill('SIGTERM');
      const [code] = await once(child, 'exit');

      expect(dropped).toBeGreaterThan(0);
      expect(code).toBe(0);
    },
  );

  it('says in one line that a port is taken', { timeout: 20_000 }, async () => {
    const first = serve(CONFIG);
    const { port } = await first.line('listening');
    const second = serve(CONFIG.replace('port: 0', `port: ${port}`));

    const [errors] = await once(second.child.stderr ?? second.child, 'data');
    const [code] = await once(second.child, 'exit');
    first.child.kill('SIGTERM');
    await once(first.child, 'exit');

    expect(String(errors)).toMatch(/^homing: 127\.0\.0\.1:\d+ is taken: [^\n]+\n$/);
    expect(code).toBe(1);
  });
});

async function droppedAfterConnections(adminPort: number, mailPort: number): Promise<number> {
  for (;;) {
    // The mail listener logs the end of a connection that is no mail protocol.
    await fetch(`http://127.0.0.1:${mailPort}/`).catch(() => 'refused');
    const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
    const dropped = Number(/^homing_log_lines_dropped_total (\d+)$/m.exec(text)?.[1]);
    if (dropped > 0) return dropped;
  }
}

/** When the certificate ends, as the metrics tell it; in seconds since 1970. */
async function expiryOf(adminPort: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const [, value] = /^homing_certificate_expiry_timestamp_seconds\{.*\} (\d+)/m.exec(text) ?? [];
  return Number(value);
}
