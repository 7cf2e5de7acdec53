import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { arrive } from "./arrival";
import { Door, Waiting } from "./Door";
import { Talk } from "./Talk";
import { words } from "./words";
import "./style.css";

const root = createRoot(document.getElementById("page")!);
const reader = words(navigator.languages);

async function visit(): Promise<void> {
  document.documentElement.lang = reader.language;
  root.render(<Waiting words={reader.words} />);
  const arrival = await arrive(location, history);
  root.render(
    <StrictMode>
      {arrival.at === "home" && arrival.assistants.length ? (
        <Talk assistants={arrival.assistants} onSignedOut={visit} />
      ) : (
        <Door arrival={arrival} words={reader.words} onRetry={visit} />
      )}
    </StrictMode>,
  );
}

// A new link may be opened in a tab that shows the page already.
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#code=")) void visit();
});
void visit();
