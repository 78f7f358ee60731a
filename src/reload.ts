import { isDeepStrictEqual } from 'node:util';
import { type Config, ConfigError } from './config.ts';
import type { Observer } from './events.ts';
import type { ProxyServer } from './proxy.ts';

/** What is taken while sessions go on; all else holds from the next start. */
const TAKEN: ReadonlySet<string> = new Set(['nodes', 'groups']);
/** Of a broken file, so many mistakes are told of in the log; `homing check` shows them all. */
const MOST_TOLD = 3;

export interface ReloadTerms {
  /** @throws {ConfigError} as `loadConfig` does. */
  readonly load: () => Config;
  readonly proxy: Pick<ProxyServer, 'reconfigure'>;
  readonly observe: Observer;
}

/** Reads the configuration again while the proxy runs: nodes and groups are taken, or nothing where anything is wrong. */
export class Reload {
  readonly #terms: ReloadTerms;
  /** What holds now, by setting. */
  #inForce: Config['written'];

  constructor({ written }: Pick<Config, 'written'>, terms: ReloadTerms) {
    this.#inForce = written;
    this.#terms = terms;
  }

  /** Reads it now. What becomes of it is told by an event. */
  run(): void {
    const { load, proxy, observe } = this.#terms;
    let config: Config;
    try {
      config = load();
      // Keys in files of their own may be others, though the configuration names the same.
      proxy.reconfigure(config.settings.nodes, config.settings.groups);
    } catch (error) {
      observe({ event: 'configRefused', detail: whyRefused(error) });
      return;
    }
    const { written } = config;
    const names = [...new Set([...Object.keys(this.#inForce), ...Object.keys(written)])];
    const different = names.filter((name) => !isDeepStrictEqual(this.#inForce[name], written[name]));
    const changed = different.filter((name) => TAKEN.has(name));
    const later = different.filter((name) => !TAKEN.has(name));
    for (const name of changed) this.#inForce = { ...this.#inForce, [name]: written[name] };
    observe({
      event: 'configRead',
      changed: changed.join(', ') || 'none',
      ...(later.length > 0 && { needsRestart: later.join(', ') }),
    });
  }
}

function whyRefused(error: unknown): string {
  if (!(error instanceof ConfigError)) return error instanceof Error ? error.message : String(error);
  const told = error.problems
    .slice(0, MOST_TOLD)
    .map(({ line, setting, message }) => `line ${line}: ${setting}: ${message}`);
  const more = error.problems.length - told.length;
  return `${error.file}: ${told.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
