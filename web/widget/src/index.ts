// The entry point: a page loads this module, and then writes `<vivavoce-widget assistant="…">`.
import { VivavoceWidget } from "./widget";

export { VivavoceWidget };

if (!customElements.get("vivavoce-widget"))
  customElements.define("vivavoce-widget", VivavoceWidget);
