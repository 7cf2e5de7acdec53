// A source of an answer, in one line.

import type { Source } from "@vivavoce/client";
import type { Strings } from "./strings";

/** Return the title and the place: the file, and its page or row. */
export function sourceText({ title, path, page, row }: Source, { sources }: Strings): string {
  const file = path.split("/").at(-1)!;
  const place = [
    ...(title ? [file] : []),
    ...(page ? [sources.page.replace("{page}", String(page))] : []),
    ...(row ? [sources.row.replace("{row}", String(row))] : []),
  ].join(", ");
  const name = title || file;
  return place ? `${name} (${place})` : name;
}
