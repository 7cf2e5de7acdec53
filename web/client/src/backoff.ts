// When to try again, and whether to.

/** Closes after which the same call can go on over a new connection. 3000 and 4000 are final. */
const RETRYABLE = new Set([1001, 1005, 1006, 1011, 1012, 1013, 1015]);

export const mayRetry = (code: number): boolean => RETRYABLE.has(code);

const FIRST_MS = 400;
const LONGEST_MS = 10_000;

/** Milliseconds before attempt 0, 1, 2…: doubling, of which a random half is left out. */
export function delay(attempt: number, random: () => number): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt);
  return whole * (0.5 + random() / 2);
}
