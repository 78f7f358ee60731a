/** What is asked in a search, and what comes of it. */
import type { Control, Filter } from 'ldapts';
import type { Entry } from '../entries/entry.ts';
import type { LdapMessage, LdapResult } from './message.ts';

export interface LdapSearch {
  readonly base: string;
  readonly scope: 'base' | 'one' | 'sub';
  readonly filter: Filter;
  readonly attributes: readonly string[];
}

export interface LdapSearchResult extends LdapResult {
  /** No more than were asked for. */
  readonly entries: readonly Entry[];
  /** Whether an entry was left out, as it is larger than what we take. */
  readonly isOversized: boolean;
}

/** A search that gives what it finds while it goes on. */
export interface LdapStream extends LdapSearch {
  /** 0 asks for all. */
  readonly sizeLimit: number;
  readonly controls?: readonly Control[];
}

/** What comes before the end of a search. */
export type LdapStreamed = Extract<LdapMessage, { kind: 'entry' | 'intermediate' }>;
