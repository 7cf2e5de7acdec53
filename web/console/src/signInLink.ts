// Sign-in when the page opens. A sign-in link carries a code in its fragment. The page exchanges the code for
// a cookie and removes it from the address bar and the history. Then it asks the server for the assistants.

import { type ErrorCode, Refusal } from "@vivavoce/client";
import { type Assistant, listAssistants, signIn } from "./server";

export type SignInResult =
  | { status: "signed_out"; linkExpired: boolean } // `linkExpired`: the link was used or is too old
  | { status: "refused"; code: ErrorCode } // another reason, for example the address of the page
  | { status: "unreachable" } // the server does not answer
  | { status: "signed_in"; assistants: Assistant[] };

/** Sign in with the code of the address, if it has one, and list the assistants. */
export async function signInFromLink(address: Location, history: History): Promise<SignInResult> {
  const code = new URLSearchParams(address.hash.slice(1)).get("code");
  let linkExpired = false;
  try {
    if (code) {
      history.replaceState(null, "", address.pathname + address.search);
      linkExpired = !(await signIn(code));
    }
    return { status: "signed_in", assistants: await listAssistants() };
  } catch (error) {
    if (!(error instanceof Refusal)) return { status: "unreachable" };
    const { code } = error;
    return code === "not_signed_in"
      ? { status: "signed_out", linkExpired }
      : { status: "refused", code };
  }
}
