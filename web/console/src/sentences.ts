// The sentences of an answer, for announcements.

import type { Line } from "@vivavoce/client";

/** Return the sentences that are complete. The last one is, if another one begins or the answer has ended. */
export function finishedSentences(
  { text, status }: Pick<Line, "text" | "status">,
  language: string,
): string[] {
  const segments = new Intl.Segmenter(language, { granularity: "sentence" }).segment(text);
  const sentences = [...segments].map(({ segment }) => segment.trim()).filter(Boolean);
  return status === "in_progress" ? sentences.slice(0, -1) : sentences;
}
