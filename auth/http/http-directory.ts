import { once } from 'node:events';
import { Deadline } from '../deadline.ts';
import type {
  Account,
  Directory,
  DirectoryContext,
  Found,
  LoginName,
  PasswordVerdict,
  ServerObserver,
} from '../directory.ts';
import type { ForwardMap } from '../entries/forwarded.ts';
import { LoginFailure } from '../failure.ts';
import { type Answer, type AnswerHead, readAnswer } from './answer.ts';
import { headerOf, type Question } from './question.ts';
import { AuthService, type ServiceTerms } from './service.ts';

export interface HttpOptions extends ServiceTerms {
  /** Whether it knows accounts without a password too, by `Auth-Method: external`. */
  readonly lookup: 'external' | 'none';
  /** What nodes must be told; attributes are headers of the answer. */
  readonly forward: ForwardMap;
}

/** Makes a directory of a web service that speaks nginx's `auth_http` protocol. It connects when it is first asked. */
export function openHttp(options: HttpOptions, onState: ServerObserver): Directory {
  return new HttpDirectory(options, onState);
}

/** What the service says when it has made up its mind. */
type Decision = Exclude<Answer, { kind: 'later' }>;

/** All that the service knows of a user it says when it finds his password right, so nothing is found before. */
class HttpDirectory implements Directory {
  readonly #options: HttpOptions;
  readonly #service: AuthService;

  constructor(options: HttpOptions, onState: ServerObserver) {
    this.#options = options;
    this.#service = new AuthService(options, onState);
  }

  async find(login: LoginName, context: DirectoryContext): Promise<Found> {
    let account: Account | undefined;
    return {
      entry: login.full,
      name: undefined,
      // A service may refuse for reasons that pass, and says them in words that only people understand.
      passwordVersion: undefined,
      verify: async (password, signal) => {
        const decision = await this.#decide({ login, password, context }, signal);
        account = decision.kind === 'right' ? decision.account : undefined;
        return verdictOf(decision, context);
      },
      account: () => {
        if (account === undefined) {
          throw new LoginFailure('directoryFault', `${this.#service.name}: it has not let ${login.full} in`);
        }
        return account;
      },
    };
  }

  async lookup(
    login: LoginName,
    context: DirectoryContext,
    signal: AbortSignal,
  ): Promise<Account | undefined> {
    if (this.#options.lookup === 'none') {
      const remedy = 'lookup: external, if it takes Auth-Method: external';
      const what = `${this.#service.name}: it is asked for nobody without his password (${remedy})`;
      throw new LoginFailure('directoryFault', what);
    }
    const decision = await this.#decide({ login, password: undefined, context }, signal);
    return decision.kind === 'right' ? decision.account : undefined;
  }

  whyNotReady(signal: AbortSignal): Promise<string | undefined> {
    return this.#service.whyNotReady(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#service[Symbol.dispose]();
  }

  /** Asks until the service has made up its mind. */
  async #decide(question: Question, signal: AbortSignal): Promise<Decision> {
    const { login, password, context } = question;
    const { name: where } = this.#service;
    const method = password === undefined ? 'external' : 'plain';
    for (;;) {
      const head = await this.#service.ask(headerOf(question), signal);
      context.trace?.('ask', `${where}, Auth-Method: ${method}: HTTP ${head.status}${wordsOf(head)}`);
      const answer = readAnswer(head, login, { where, forward: this.#options.forward });
      if (answer.kind !== 'later') {
        traceAccount(answer, context);
        return answer;
      }
      if (!(await waited(answer.waitMs, signal))) {
        throw new LoginFailure('held', `${where}: it still said WAIT when the time was over`);
      }
    }
  }
}

/** @returns false when the signal ended it. */
async function waited(waitMs: number, signal: AbortSignal): Promise<boolean> {
  using pause = new Deadline(waitMs, signal);
  if (!pause.signal.aborted) await once(pause.signal, 'abort');
  return pause.expired;
}

function verdictOf(decision: Decision, { guard, trace }: DirectoryContext): PasswordVerdict {
  const verdict = decision.kind === 'right' ? 'right' : 'wrongPassword';
  trace?.('password', verdict);
  if (decision.kind === 'wrong' && decision.waitMs !== undefined) guard?.answerLater?.(decision.waitMs);
  return verdict;
}

function traceAccount(decision: Decision, { trace }: DirectoryContext): void {
  if (decision.kind === 'wrong') return;
  const { name, homes, homePort, nodePassword } = decision.account;
  trace?.('account', nodePassword === undefined ? name : `${name}, with an Auth-Pass for the node`);
  trace?.('home', `${homes.join(', ')} port ${homePort}`);
}

/** What the service says in words, cut. */
function wordsOf({ headers }: AnswerHead): string {
  const [status] = headers['auth-status'] ?? [];
  return status === undefined ? '' : `, Auth-Status: ${JSON.stringify(status.slice(0, 100))}`;
}
