import { describe, expect, it } from 'vitest';
import { answerTime } from '../../src/answer-time.ts';

describe('the time at which a failed login is answered', () => {
  it('I30 A18 is the first tick after the delay, for all that failed meanwhile', () => {
    expect(answerTime(10_100, 10_101, 2000)).toBe(12_500);
    expect(answerTime(10_400, 12_300, 2000)).toBe(12_500);
  });

  it('is the first tick after the failure, when finding out took longer', () => {
    expect(answerTime(10_000, 16_001, 2000)).toBe(16_500);
  });

  it('is at once where no delay is wanted', () => {
    expect(answerTime(10_100, 10_101, 0)).toBe(10_101);
  });
});
