// What the checks find, as values, and the report of it. A report has no address, no name of a device and no
// secret, so it can be pasted into an issue.

import type { Finding } from "./strings";

export const CHECKS = [
  "browser",
  "secure",
  "microphone",
  "speaker",
  "echo",
  "websocket",
  "udp",
  "turn",
] as const;

export type CheckName = (typeof CHECKS)[number];

/** `unknown`: it cannot be tested here, for example because the server offers no TURN. */
export type Verdict = "good" | "poor" | "bad" | "unknown";

export interface Result {
  verdict: Verdict;
  /** Names the sentence and the cause in the strings of the page. */
  finding: Finding;
  /** A figure of the finding, in the unit that its sentence names. */
  value?: number;
}

export type Results = Partial<Record<CheckName, Result>>;

export const result = (verdict: Verdict, finding: Finding, value?: number): Result => ({
  verdict,
  finding,
  ...(value !== undefined && { value }),
});

/** Return the report as lines of text, in English whatever the language of the page. */
export function reportOf(results: Results, userAgent: string): string {
  const lines = CHECKS.map((name) => {
    const found = results[name];
    if (!found) return `${name}: not tested`;
    const value = found.value === undefined ? "" : ` (${found.value})`;
    return `${name}: ${found.verdict}, ${found.finding}${value}`;
  });
  return ["Vivavoce check", `user agent: ${userAgent}`, ...lines].join("\n");
}
