// How a visit begins: a link's code becomes a cookie and leaves the address bar and the history, then the
// server tells who can be talked with.

import { Refusal } from "@vivavoce/client";
import { type Assistant, assistants, signIn } from "./server";

export type Arrival =
  | { at: "door"; stale: boolean } // not signed in; `stale`: with a link that no longer works
  | { at: "nowhere" } // the server does not answer
  | { at: "home"; assistants: Assistant[] };

export async function arrive(address: Location, history: History): Promise<Arrival> {
  const code = new URLSearchParams(address.hash.slice(1)).get("code");
  let stale = false;
  try {
    if (code) {
      history.replaceState(null, "", address.pathname + address.search);
      stale = !(await signIn(code));
    }
    return { at: "home", assistants: await assistants() };
  } catch (error) {
    return error instanceof Refusal ? { at: "door", stale } : { at: "nowhere" };
  }
}
