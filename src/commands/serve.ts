import { url as inspectorUrl } from 'node:inspector';
import type { CommandModule } from 'yargs';
import { readLoginName } from '../../auth/names.ts';
import { type AdminView, startAdmin } from '../admin.ts';
import { type Config, loadConfig } from '../config.ts';
import { openDirectories } from '../directories.ts';
import type { Observer } from '../events.ts';
import { makeLog } from '../log.ts';
import { LogOutput } from '../log-output.ts';
import { makeMetrics } from '../metrics.ts';
import { startProxy } from '../proxy.ts';
import { QuietLog } from '../quiet-log.ts';
import { Reload } from '../reload.ts';
import { ThrottleDesk } from '../throttle/desk.ts';
import { Throttle } from '../throttle/throttle.ts';
import { openTokenProviders } from '../token-providers.ts';
import { configOption } from './config-option.ts';
import { stopSignal } from './stop-signal.ts';
import { isTerminal, OperatorError, type Terminal, wantsColour } from './terminal.ts';

/** Time for the last log lines when their reader is slow. */
const FLUSH_MS = 1000;

/** `homing serve`: runs the proxy until it's told to stop. */
export function serveCommand(terminal: Terminal): CommandModule<object, { config: string }> {
  return {
    command: 'serve',
    describe: 'Run the proxy',
    builder: (args) =>
      args
        .options(configOption)
        .example('homing serve --config homing.yaml', 'runs until Ctrl-C or SIGTERM')
        .epilogue(
          'Writes its log to standard output: JSON, or lines for people on a terminal. SIGTERM and Ctrl-C stop it: ' +
            'it takes no more clients, waits for the sessions for the time that times.stop gives (after Ctrl-C for ' +
            'a moment only), and ends with code 0. A second signal ends it at once. ' +
            'SIGHUP reads certificates and keys again, and nodes and groups of the configuration.',
        ),
    handler: async ({ config }) => {
      refuseInspector();
      await serve(config, loadConfig(config), terminal);
    },
  };
}

/** Whoever reaches an inspector reads every password and key in memory, without being asked who he is. */
function refuseInspector(): void {
  if (inspectorUrl() !== undefined) {
    throw new OperatorError(
      'serve does not run with --inspect: it opens all secrets to everyone who reaches its port; debug `homing demo`',
    );
  }
}

async function serve(file: string, config: Config, { output }: Terminal): Promise<void> {
  const lines = new LogOutput(output);
  const format = config.log.format === 'auto' ? autoFormat(output) : config.log.format;
  const log = makeLog({ level: config.log.level, format, colour: wantsColour(output) }, lines);
  const throttle = config.throttle && new Throttle(config.throttle, { observe: (event) => observe(event) });
  const metrics = makeMetrics({
    droppedLines: () => lines.dropped,
    ...(throttle !== undefined && { throttle: () => throttle.state() }),
  });
  using quiet = new QuietLog(log);
  const observe: Observer = (event) => {
    quiet.observe(event);
    metrics.observe(event);
  };
  process.on('uncaughtExceptionMonitor', (error) => {
    observe({
      event: 'bug',
      detail: String(error),
      ...(error.stack !== undefined && { stack: error.stack }),
    });
  });
  for (const { line, setting, message } of config.warnings) {
    observe({ event: 'configWarning', line, setting, detail: message });
  }
  try {
    await run(file, config, { observe, metrics, throttle });
  } finally {
    await lines.flush(FLUSH_MS);
  }
}

interface Running {
  readonly observe: Observer;
  readonly metrics: AdminView['metrics'];
  readonly throttle: Throttle | undefined;
}

async function run(file: string, config: Config, { observe, metrics, throttle }: Running): Promise<void> {
  const { settings, stopMs } = config;
  using signal = stopSignal();
  await using directories = openDirectories(config.directories, settings, observe);
  await using following = directories.follow();
  using tokens = config.oauth && openTokenProviders(config.oauth);
  const oauth = config.oauth && tokens && { hosts: config.oauth.hosts, tokens };
  const proxy = await startProxy(settings, {
    authenticator: directories.authenticator,
    observe,
    throttle,
    oauth,
    following,
  });
  metrics.watchConnections(() => proxy.connections());
  metrics.watchAnswers(() => directories.answers());
  const reload = new Reload(config, { load: () => loadConfig(file), proxy, observe });
  using _ = onHangup(() => {
    reload.run();
    void proxy.reloadCertificates();
  });
  let stopping = false;
  const view: AdminView = {
    metrics,
    observe,
    holds: proxy.holds,
    throttle:
      throttle &&
      new ThrottleDesk(throttle, {
        readName: (typed) => readLoginName(Buffer.from(typed), settings.names)?.full,
        observe,
      }),
    readiness: async (deadline) =>
      stopping ? { ready: false, why: 'stopping' } : directories.readiness(deadline),
  };
  try {
    await using admin = config.admin && (await startAdmin(config.admin, view));
    if (admin !== undefined) observe({ event: 'adminListening', address: admin.address, port: admin.port });
    const name = await signal.received;
    stopping = true;
    await proxy.stop(name === 'SIGINT' ? Math.min(CTRL_C_MS, stopMs) : stopMs);
  } catch (error) {
    await proxy.stop(0);
    throw error;
  }
}

/** Who presses Ctrl-C sits there and waits. */
const CTRL_C_MS = 2000;

function autoFormat(output: Terminal['output']): 'json' | 'pretty' {
  return isTerminal(output) ? 'pretty' : 'json';
}

/** SIGHUP, as programs that renew certificates send it; systemd's reload as well. */
function onHangup(reload: () => void): Disposable {
  process.on('SIGHUP', reload);
  return { [Symbol.dispose]: () => void process.off('SIGHUP', reload) };
}
