import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline, whyAborted } from '../../auth/deadline.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a deadline', () => {
  it('aborts when its time has passed', () => {
    using deadline = new Deadline(200);

    vi.advanceTimersByTime(199);
    expect(deadline.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);

    expect(deadline.signal.reason).toMatchObject({ message: 'not done within 200 ms' });
    expect(whyAborted(deadline.signal, 'no answer')).toBe('no answer');
    expect(deadline.expired).toBe(true);
  });

  it('aborts with its parent, for the reason of the parent', () => {
    const parent = new AbortController();
    using deadline = new Deadline(200, parent.signal);

    parent.abort(new Error('the client left'));
    vi.advanceTimersByTime(200);

    expect(deadline.signal.reason).toEqual(new Error('the client left'));
    expect(whyAborted(deadline.signal, 'no answer')).toBe('given up');
    expect(deadline.expired).toBe(false);
  });

  it('is over at once where the parent is', () => {
    using deadline = new Deadline(200, AbortSignal.abort(new Error('the client left')));

    expect(deadline.signal.reason).toEqual(new Error('the client left'));
  });

  it('aborts nothing after it was called off, and leaves no listener at its parent', () => {
    const parent = new AbortController();
    const deadline = new Deadline(200, parent.signal);

    deadline[Symbol.dispose]();
    vi.advanceTimersByTime(200);

    expect(getEventListeners(parent.signal, 'abort')).toEqual([]);
    parent.abort();
    expect(deadline.signal.aborted).toBe(false);
  });
});
