/** All that acts on users' sessions and logins when the directories or the nodes change. */
import { Changes } from './changes.ts';
import type { Delegation } from './delegation.ts';
import type { Observer } from './events.ts';
import type { Following } from './following.ts';
import { Hold } from './hold.ts';
import { OperatorHolds, type OperatorHoldsTerms } from './operator-holds.ts';
import { Rebalance, type RebalanceTerms } from './rebalance.ts';
import { Recheck } from './recheck.ts';
import type { PlaceTerms } from './routing/place.ts';
import type { SessionEndSettings, Settings } from './settings.ts';
import type { UserSession } from './user-session.ts';
import type { UserSessions } from './user-sessions.ts';

const DEFAULT_ENDS: SessionEndSettings = {
  movedWithinMs: 60_000,
  movedPerSecond: 20,
  disabled: true,
  passwordChanged: false,
};

export interface SessionChangesTerms
  extends PlaceTerms,
    Pick<RebalanceTerms, 'settleMs'>,
    Pick<OperatorHoldsTerms, 'find'> {
  readonly sessions: UserSessions;
  readonly observe: Observer;
  /** Nobody tells of changes if it is left out. */
  readonly following: Pick<Following, 'subscribe'> | undefined;
}

/** What logins have to do with it, until it is disposed of. */
export interface SessionChanges extends Disposable {
  readonly changes: Changes;
  readonly hold: Hold;
  readonly holds: OperatorHolds;
  readonly rebalance: Rebalance;
}

/** Begins to act on changes. */
export function actOnChanges(
  { times, limits, endSessions = DEFAULT_ENDS }: Settings,
  { sessions, nodes, health, settleMs, observe, following, find }: SessionChangesTerms,
): SessionChanges {
  const { directoryMs, holdMs = 0 } = times;
  const acting = new DisposableStack();
  const recheck = acting.use(
    new Recheck<UserSession | Delegation>({
      directoryMs,
      total: () => sessions.size,
      judge: (subject, account) => changes.judge(subject, account),
      observe,
    }),
  );
  const changes = new Changes({ sessions, settings: endSessions, recheck, nodes, health });
  const { movedWithinMs: withinMs, movedPerSecond: perSecond } = endSessions;
  const rebalance = acting.use(new Rebalance({ sessions, nodes, health, perSecond, withinMs, settleMs }));
  const holds = new OperatorHolds({ sessions, find, withinMs, observe });
  const max = limits.held ?? Number.POSITIVE_INFINITY;
  const hold = new Hold({ holdMs, max, directoryMs, byOperator: holds });
  acting.defer(nodes.onChange(rebalance.nodesChanged));
  acting.use(following?.subscribe(changes.take));
  acting.use(following?.subscribe(hold.take));
  return { changes, hold, holds, rebalance, [Symbol.dispose]: () => acting.dispose() };
}
