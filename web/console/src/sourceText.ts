// A source of an answer, in one line.

import type { Source } from "@vivavoce/client";
import type { Strings } from "./strings";

/** Return the title and the place: the file, and its page or row. */
export function sourceText({ title, source, place }: Source, strings: Strings): string {
  const file = source.split("/").at(-1)!;
  const name = title || file;
  const where = [...(title ? [file] : []), ...(place ? [placeText(place, strings)] : [])];
  return where.length ? `${name} (${where.join(", ")})` : name;
}

/** Return a place in the user's language. The server names pages and rows in English. */
function placeText(place: string, { sources }: Strings): string {
  const [, kind, number] = /^(page|row) (\d+)$/.exec(place) ?? [];
  if (kind === "page") return sources.page.replace("{page}", number!);
  if (kind === "row") return sources.row.replace("{row}", number!);
  return place;
}
