import type { CommandModule } from 'yargs';
import type { DemoPorts } from '../demo/configuration.ts';
import { startDemo } from '../demo/demo.ts';
import { guide, shellWord } from '../demo/guide.ts';
import type { Observer } from '../events.ts';
import { makeLog } from '../log.ts';
import { LogOutput } from '../log-output.ts';
import { stopSignal } from './stop-signal.ts';
import { OperatorError, type Terminal, wantsColour } from './terminal.ts';

/** Time for the last log lines when their reader is slow. */
const FLUSH_MS = 1000;

const portOptions = {
  'imap-port': { type: 'number', default: 1143, describe: 'port for IMAP with STARTTLS' },
  'imaps-port': { type: 'number', default: 1993, describe: 'port for IMAP in TLS' },
  'pop3-port': { type: 'number', default: 1110, describe: 'port for POP3 with STLS' },
  'pop3s-port': { type: 'number', default: 1995, describe: 'port for POP3 in TLS' },
} as const;

type PortOption = keyof typeof portOptions;
type DemoArguments = Readonly<Record<PortOption, number>> & { readonly folder: string };

/** `homing demo`: shows on one machine, with no setup, what Homing does. */
export function demoCommand(terminal: Terminal): CommandModule<object, DemoArguments> {
  return {
    command: 'demo',
    describe: 'Show on this machine what Homing does: with two mail servers of its own, and no setup',
    builder: (args) =>
      args
        .options(portOptions)
        .option('folder', { type: 'string', default: '.homing', describe: 'where its files are kept' })
        .example('npm start', 'the same, from the source')
        .epilogue('Listens on 127.0.0.1 only. Ctrl-C ends it.'),
    handler: (args) => demo(args, terminal),
  };
}

async function demo(args: DemoArguments, { output }: Terminal): Promise<void> {
  const lines = new LogOutput(output);
  const log = makeLog({ level: 'info', format: 'pretty', colour: wantsColour(output) }, lines);
  // The guide tells the ports, and what happens comes below it.
  const observe: Observer = (event) => {
    if (event.event !== 'listening') log(event);
  };
  using signal = stopSignal();
  try {
    await using running = await start(args, observe);
    output.write(guide(running));
    await signal.received;
  } finally {
    await lines.flush(FLUSH_MS);
  }
}

async function start(args: DemoArguments, observe: Observer) {
  const ports: DemoPorts = {
    imap: args['imap-port'],
    imaps: args['imaps-port'],
    pop3: args['pop3-port'],
    pop3s: args['pop3s-port'],
  };
  try {
    return await startDemo({ folder: args.folder, ports, observe });
  } catch (error) {
    if (!(error instanceof Error && isTaken(error, args))) throw error;
    const others = PORT_OPTIONS.map((option) => `--${option} ${otherPort(args[option])}`);
    // The files of the folder may belong to the other one.
    const command = `npm start -- --folder ${shellWord(`${args.folder}-2`)} ${others.join(' ')}`;
    throw new OperatorError(
      `${error.message}\n  Perhaps another npm start is running. Another demonstration beside it:\n  ${command}`,
      { cause: error },
    );
  }
}

function otherPort(port: number): number {
  // 0 is any port that is free.
  if (port === 0) return 0;
  return port + 1000 > 65535 ? port - 1000 : port + 1000;
}

/** Whether a port that was asked for is another program's. */
function isTaken({ cause }: Error, args: DemoArguments): boolean {
  if (!(cause instanceof Error && 'code' in cause && 'port' in cause) || cause.code !== 'EADDRINUSE') {
    return false;
  }
  return PORT_OPTIONS.some((option) => args[option] === cause.port);
}

const PORT_OPTIONS = ['imap-port', 'imaps-port', 'pop3-port', 'pop3s-port'] as const;
