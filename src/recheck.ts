import { Deadline } from '../auth/deadline.ts';
import type { Account, Directory, EntryNames } from '../auth/directory.ts';
import { LoginFailure } from '../auth/failure.ts';
import { bugOf } from './bug-event.ts';
import type { Observer } from './events.ts';

/** So many are looked up together, and then there is a pause: 100 a second at most. */
const BATCH = 10;
const PAUSE_MS = 100;
/** Where the directory can't be asked. */
const RETRY_MS = 5000;
/** Accounts that seem to be gone are looked for once more, so much later: a replica may be about to learn of them. */
const SECOND_LOOK_MS = 60_000;
/** More than this at once are not believed to be gone: so many, or such a part of all. */
const MAX_GONE = 3;
const MAX_GONE_PART = 0.05;

/** What depends on an account. */
export interface Subject extends EntryNames {
  readonly directory: Directory | undefined;
  readonly service: string;
  readonly isOver: boolean;
}

export interface RecheckTerms<Judged extends Subject> {
  /** Directory work in all for one question. */
  readonly directoryMs: number;
  /** How many sessions there are. */
  readonly total: () => number;
  /** Is told what the account is now; `undefined` where there is none any more. */
  readonly judge: (subject: Judged, account: Account | undefined) => void;
  readonly observe: Observer;
}

/** An account, and all that depends on it. */
interface Question<Judged> {
  readonly directory: Directory;
  readonly account: EntryNames;
  readonly service: string;
  readonly subjects: Set<Judged>;
  /** Whether it was gone when it was looked for last. */
  wasGone: boolean;
}

type Answer = 'there' | 'gone' | 'unanswered' | 'unwanted';

/**
 * Looks the accounts of sessions up again, at a rate that a directory does not notice. One that is gone is believed so
 * when it is at the second look too, and nearly all others are there: a directory that has lost many of them at once has
 * lost its data, or our right to read it, and sessions are to outlive that.
 */
export class Recheck<Judged extends Subject> implements Disposable {
  readonly #terms: RecheckTerms<Judged>;
  readonly #questions = new Map<Directory, Map<string, Question<Judged>>>();
  readonly #waiting = new Set<Question<Judged>>();
  readonly #later = new Set<Question<Judged>>();
  #gone: Question<Judged>[] = [];
  /** How many were there in this round. */
  #there = 0;
  #isToldOfMany = false;
  readonly #stopping = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #laterTimer: NodeJS.Timeout | undefined;
  #isBusy = false;

  constructor(terms: RecheckTerms<Judged>) {
    this.#terms = terms;
  }

  add(subject: Judged): void {
    const { directory } = subject;
    if (directory?.reread === undefined || this.#stopping.signal.aborted) return;
    if (this.#waiting.size + this.#later.size + this.#gone.length === 0) this.#there = 0;
    const question = this.#questionOf(subject, directory);
    question.subjects.add(subject);
    if (!this.#later.has(question) && !this.#gone.includes(question)) this.#waiting.add(question);
    this.#schedule(0);
  }

  [Symbol.dispose](): void {
    this.#stopping.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#laterTimer);
    this.#questions.clear();
    this.#waiting.clear();
    this.#later.clear();
    this.#gone = [];
  }

  #questionOf({ entry, id, service }: Judged, directory: Directory): Question<Judged> {
    const key = `${service} ${entry}`;
    const asked = this.#questions.get(directory) ?? new Map<string, Question<Judged>>();
    const question = asked.get(key) ?? {
      directory,
      account: { entry, id },
      service,
      subjects: new Set(),
      wasGone: false,
    };
    this.#questions.set(directory, asked.set(key, question));
    return question;
  }

  #schedule(ms: number): void {
    if (this.#isBusy || this.#timer !== undefined || this.#waiting.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#serveBatch();
    }, ms);
  }

  async #serveBatch(): Promise<void> {
    this.#isBusy = true;
    const batch = [...this.#waiting.values().take(BATCH)];
    for (const question of batch) this.#waiting.delete(question);
    const answers = await Promise.all(batch.map((question) => this.#look(question)));
    this.#isBusy = false;
    if (this.#stopping.signal.aborted) return;
    for (const [index, question] of batch.entries()) this.#sort(question, answers[index] ?? 'unwanted');
    if (this.#waiting.size === 0) this.#decide();
    this.#schedule(answers.includes('unanswered') ? RETRY_MS : PAUSE_MS);
  }

  #sort(question: Question<Judged>, answer: Answer): void {
    switch (answer) {
      case 'there':
        this.#there += 1;
        this.#forget(question);
        break;
      case 'unwanted':
        this.#forget(question);
        break;
      case 'unanswered':
        this.#waiting.add(question);
        break;
      case 'gone':
        if (question.wasGone) this.#gone.push(question);
        else this.#lookLater(question);
    }
  }

  #lookLater(question: Question<Judged>): void {
    question.wasGone = true;
    this.#later.add(question);
    this.#laterTimer ??= setTimeout(() => {
      this.#laterTimer = undefined;
      for (const late of this.#later) this.#waiting.add(late);
      this.#later.clear();
      this.#schedule(0);
    }, SECOND_LOOK_MS);
  }

  /** Believes of those who were looked for twice that they are gone, or that the directory is not itself. */
  #decide(): void {
    const gone = this.#gone;
    if (gone.length === 0) return;
    this.#gone = [];
    const all = Math.min(this.#there + gone.length, this.#terms.total());
    const isTooMany = gone.length > Math.max(MAX_GONE, MAX_GONE_PART * all);
    if (isTooMany && !this.#isToldOfMany) {
      this.#terms.observe({ event: 'accountsMissing', missing: gone.length, sessions: this.#terms.total() });
    }
    this.#isToldOfMany = isTooMany;
    for (const question of gone) {
      if (isTooMany) this.#lookLater(question);
      else {
        this.#forget(question);
        this.#judge(question, undefined);
      }
    }
  }

  #forget(question: Question<Judged>): void {
    const { directory, account, service } = question;
    this.#questions.get(directory)?.delete(`${service} ${account.entry}`);
  }

  async #look(question: Question<Judged>): Promise<Answer> {
    using deadline = new Deadline(this.#terms.directoryMs, this.#stopping.signal);
    const { directory, account, service, subjects } = question;
    if ([...subjects].every(({ isOver }) => isOver)) return 'unwanted';
    try {
      const now = await directory.reread?.(account, { service }, deadline.signal);
      if (now === undefined) return 'gone';
      this.#judge(question, now);
      return 'there';
    } catch (error) {
      if (!(error instanceof LoginFailure)) {
        this.#terms.observe(bugOf(error));
        return 'unwanted';
      }
      return error.reason === 'directoryDown' ? 'unanswered' : 'unwanted';
    }
  }

  #judge({ subjects }: Question<Judged>, account: Account | undefined): void {
    for (const subject of subjects) {
      if (!subject.isOver && !this.#stopping.signal.aborted) this.#terms.judge(subject, account);
    }
  }
}
