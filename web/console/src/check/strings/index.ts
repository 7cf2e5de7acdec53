// The languages of the check page: those of the talk page.

import { stringsFor } from "../../strings";
import { type CheckStrings, en } from "./en";
import { es } from "./es";
import { it } from "./it";

export type { CheckStrings } from "./en";

export type Finding = keyof CheckStrings["findings"];

const TABLE: Record<string, CheckStrings> = { en, it, es };

/** Return the texts in the first of `languages` that the page has, otherwise in English. */
export function checkStringsFor(languages: readonly string[]) {
  const { language } = stringsFor(languages);
  return { language, strings: TABLE[language] ?? en };
}
