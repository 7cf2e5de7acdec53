// The entry point: sign in, then show the talk page, or the reason why it cannot be shown.

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Loading, SignIn } from "./SignIn";
import { signInFromLink } from "./signInLink";
import { stringsFor } from "./strings";
import { Talk } from "./Talk";
import "./style/index.css";

const root = createRoot(document.getElementById("page")!);
const { language, strings } = stringsFor(navigator.languages);

async function showPage(): Promise<void> {
  document.documentElement.lang = language;
  root.render(<Loading strings={strings} />);
  const result = await signInFromLink(location, history);
  root.render(
    <StrictMode>
      {result.status === "signed_in" && result.assistants.length ? (
        <Talk assistants={result.assistants} onSignedOut={showPage} />
      ) : (
        <SignIn result={result} strings={strings} onRetry={showPage} />
      )}
    </StrictMode>,
  );
}

// A tab that already shows the page may open a new link.
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#code=")) void showPage();
});
void showPage();
