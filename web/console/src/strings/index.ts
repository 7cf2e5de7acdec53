// The languages of the page.

import { en, type Strings } from "./en";
import { es } from "./es";
import { it } from "./it";

export type { Strings } from "./en";

const TABLE: Record<string, Strings> = { en, it, es };

export const pageLanguages = Object.keys(TABLE);

/** Return the texts in the first of `languages` that the page has, otherwise in English. */
export function stringsFor(languages: readonly string[]): { language: string; strings: Strings } {
  const language = languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in TABLE) ?? "en";
  return { language, strings: TABLE[language]! };
}

/** Return the name of a language in that language. */
export function languageName(language: string): string {
  const name = new Intl.DisplayNames([language], { type: "language" }).of(language) ?? language;
  return name.charAt(0).toLocaleUpperCase(language) + name.slice(1);
}
