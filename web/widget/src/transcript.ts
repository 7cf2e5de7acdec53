// The transcript of the widget. Words that the visitor has not heard yet are lighter.

import type { Line } from "@vivavoce/client";
import { make } from "./dom";
import type { Strings } from "./strings";

export class Transcript {
  readonly element: HTMLElement;
  /** Screen readers read finished answers here, where no voice speaks. */
  readonly announcer: HTMLElement;
  readonly #strings: Strings;
  readonly #shown = new Map<string, { line: Line; element: HTMLElement }>();

  constructor(strings: Strings) {
    this.#strings = strings;
    this.announcer = make("p", { class: "quiet", "aria-live": "polite" });
    this.element = make("div", {
      class: "lines",
      part: "transcript",
      role: "log",
      "aria-live": "off", // a screen reader would read every word over the voice
      "aria-label": strings.transcript,
      tabindex: "0",
    });
  }

  /** Show the lines. `aloud`: the visitor hears them too. */
  show(lines: readonly Line[], name: string, aloud: boolean): void {
    const ids = new Set(lines.map(({ id }) => id));
    for (const [id, { element }] of this.#shown)
      if (!ids.has(id)) {
        element.remove();
        this.#shown.delete(id);
      }
    let changed = false;
    lines.forEach((line, place) => {
      const before = this.#shown.get(line.id);
      if (before?.line === line && this.element.children[place] === before.element) return;
      changed = true;
      const element = before?.element ?? make("article", { part: `line ${line.role}` });
      this.#fill(element, line, name);
      this.#shown.set(line.id, { line, element });
      if (this.element.children[place] !== element)
        this.element.insertBefore(element, this.element.children[place] ?? null);
    });
    if (changed) this.element.scrollTop = this.element.scrollHeight;
    const done = lines.filter(({ role, status }) => role === "assistant" && status === "done");
    const last = aloud ? "" : (done.at(-1)?.text ?? "");
    if (this.announcer.textContent !== last) this.announcer.textContent = last;
  }

  #fill(element: HTMLElement, { role, text, heard, status }: Line, name: string): void {
    element.className = `line ${role}`;
    element.setAttribute("aria-label", role === "user" ? this.#strings.you : name);
    const words = status === "untranscribed" ? `(${this.#strings.notHeard})` : text.slice(0, heard);
    const rest = text.slice(heard);
    element.replaceChildren(
      make("b", {}, role === "user" ? this.#strings.you : name),
      make(
        "p",
        {},
        words || (rest ? "" : "…"),
        ...(rest ? [make("span", { class: "rest" }, rest)] : []),
      ),
    );
    if (status === "interrupted") element.lastElementChild!.append(" —");
  }
}
