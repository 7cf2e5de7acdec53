// The entry point of the page that checks the browser, the devices and the network.

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Check } from "./Check";
import { checkStringsFor } from "./strings";
import "../style/index.css";
import "../style/check.css";

const { language, strings } = checkStringsFor(navigator.languages);
document.documentElement.lang = language;
document.title = `${strings.title} · Vivavoce`;
createRoot(document.getElementById("page")!).render(
  <StrictMode>
    <Check strings={strings} />
  </StrictMode>,
);
