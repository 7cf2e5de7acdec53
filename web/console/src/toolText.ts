// What a person reads of a tool: its name, its arguments, its result.

const MAX_TEXT = 2_000; // characters

/** Return the name of a tool as words. */
export function toolTitle(name: string): string {
  const words = name.replace(/[_-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export interface Entry {
  name: string;
  value: string;
}

/** Return the arguments with a value. Any text but a JSON object is one entry without a name. */
export function argumentEntries(text: string): Entry[] {
  const value = parse(text);
  if (!isObject(value)) return text ? [{ name: "", value: bounded(text) }] : [];
  return Object.entries(value).flatMap(([name, one]) =>
    one === null || one === "" ? [] : [{ name: name.replaceAll("_", " "), value: readable(one) }],
  );
}

/** Return the text of a result. Of an object with `error`, that is the error. */
export function resultText(text: string): string {
  const value = parse(text);
  if (isObject(value) && typeof value["error"] === "string") return bounded(value["error"]);
  if (isObject(value) && typeof value["error"] === "object" && isObject(value["error"]))
    return readable(value["error"]["message"] ?? value["error"]);
  if (!isObject(value)) return readable(value ?? text);
  return bounded(
    Object.entries(value)
      .map(([name, one]) => `${name.replaceAll("_", " ")}: ${readable(one)}`)
      .join("\n"),
  );
}

const readable = (value: unknown): string =>
  bounded(typeof value === "string" ? value : JSON.stringify(value));

const bounded = (text: string): string =>
  text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
