// What the widget shows: a button, and a panel with an introduction, then the conversation.

import type { State } from "@vivavoce/client";
import { grille, make, sign } from "./dom";
import type { Phase } from "./phase";
import type { Strings } from "./strings";
import { Transcript } from "./transcript";

export interface Commands {
  open(): void;
  close(): void;
  talk(): void;
  write(): void;
  end(): void;
  stop(): void;
  microphone(): void;
  send(text: string): void;
}

export interface Introduction {
  title: string | undefined;
  description: string | undefined;
  consent: string | undefined;
  language: string;
  writesOnly: boolean;
}

export class Panel {
  readonly #strings: Strings;
  readonly #launcher: HTMLButtonElement;
  readonly #panel: HTMLElement;
  readonly #title = make("b", { part: "title" });
  readonly #status = make("p", { class: "status", part: "status", role: "status" });
  readonly #description = make("p", { class: "description", part: "description" });
  readonly #consent = make("p", { class: "consent", part: "consent", hidden: true });
  readonly #talk: HTMLButtonElement;
  readonly #write: HTMLButtonElement;
  readonly #start: HTMLElement;
  readonly #transcript: Transcript;
  readonly #trouble = make("p", { class: "trouble", part: "trouble", role: "alert", hidden: true });
  readonly #form: HTMLFormElement;
  readonly #entry: HTMLTextAreaElement;
  readonly #microphone: HTMLButtonElement;
  readonly #stop: HTMLButtonElement;
  readonly #inline: boolean;

  constructor(strings: Strings, inline: boolean, commands: Commands) {
    this.#strings = strings;
    this.#inline = inline;
    const button = (label: string, part: string, run: () => void, name = "second") => {
      const element = make("button", { type: "button", class: name, part }, label);
      element.addEventListener("click", run);
      return element;
    };
    const icon = (sign: string, label: string, part: string, run: () => void) => {
      const element = button(sign, part, run, `icon ${part}`);
      element.setAttribute("aria-label", label);
      element.title = label;
      return element;
    };
    this.#launcher = button("", "launcher", commands.open, "launcher");
    this.#launcher.append(grille(), strings.open);
    this.#talk = button(strings.talk, "talk", () => this.#ask(commands.talk), "primary");
    this.#write = button(strings.write, "write", commands.write);
    this.#start = make(
      "div",
      { class: "start", part: "start" },
      this.#description,
      this.#consent,
      this.#talk,
      this.#write,
    );
    this.#transcript = new Transcript(strings);
    this.#entry = make("textarea", {
      rows: "1",
      part: "entry",
      "aria-label": strings.message,
      placeholder: strings.message,
    });
    this.#microphone = icon("", strings.unmute, "microphone", commands.microphone);
    this.#stop = icon("", strings.stop, "stop", commands.stop);
    this.#microphone.append(sign("microphone"));
    this.#stop.append(sign("stop"));
    const send = make(
      "button",
      { class: "icon send", part: "send", "aria-label": strings.send, title: strings.send },
      sign("send"),
    );
    this.#form = make(
      "form",
      { part: "form", hidden: true },
      this.#microphone,
      this.#stop,
      this.#entry,
      send,
    );
    const close = icon(
      "✕",
      inline ? strings.end : strings.close,
      "close",
      inline ? commands.end : commands.close,
    );
    close.append(sign("close"));
    const heading = make(
      "header",
      { part: "header" },
      grille(),
      make("div", {}, this.#title, this.#status),
      close,
    );
    this.#transcript.element.hidden = true;
    this.#panel = make(
      "section",
      {
        class: "panel",
        part: "panel",
        role: inline ? "region" : "dialog",
        "aria-label": strings.open,
        hidden: !inline,
      },
      heading,
      this.#start,
      this.#transcript.element,
      this.#transcript.announcer,
      this.#trouble,
      this.#form,
    );
    this.#panel.dataset["phase"] = "idle";
    this.#launcher.hidden = inline;
    this.#listen(commands);
  }

  get elements(): HTMLElement[] {
    return [this.#launcher, this.#panel];
  }

  show(open: boolean): void {
    if (this.#inline) return;
    this.#panel.hidden = !open;
    this.#launcher.hidden = open;
    (open ? this.#talk : this.#launcher).focus();
  }

  /** Show what the server says of the assistant. */
  introduce({ title, description, consent, language, writesOnly }: Introduction): void {
    this.#title.textContent = title ?? "";
    if (title) this.#panel.setAttribute("aria-label", title);
    this.#description.textContent = description ?? "";
    this.#consent.textContent = consent ?? this.#strings.consent;
    for (const element of [this.#title, this.#description, this.#transcript.element])
      element.lang = language;
    this.#talk.hidden = this.#microphone.hidden = writesOnly;
    if (writesOnly) this.#write.className = "primary";
    this.#trouble.hidden = true;
  }

  enterCall(): void {
    this.#start.hidden = true;
    this.#transcript.element.hidden = this.#form.hidden = false;
    this.#entry.focus();
  }

  leaveCall(): void {
    this.#start.hidden = false;
    this.#transcript.element.hidden = this.#form.hidden = this.#trouble.hidden = true;
    this.#transcript.show([], "", true);
    this.#consent.hidden = true;
    this.#talk.textContent = this.#strings.talk;
    this.#status.textContent = "";
    this.#panel.dataset["phase"] = "idle";
    this.level(0);
  }

  fail(code: string): void {
    this.#trouble.textContent = this.#strings.errors[code] ?? this.#strings.failed;
    this.#trouble.hidden = false;
    this.#talk.hidden = this.#write.hidden = code === "origin_not_allowed";
  }

  update(state: State, phase: Phase): void {
    this.#panel.dataset["phase"] = phase;
    const writes = state.mode === "text";
    const status = writes && phase === "ready" ? "" : this.#strings.status[phase];
    if (this.#status.textContent !== status) this.#status.textContent = status;
    this.#transcript.show(state.lines, this.#title.textContent ?? "", !writes);
    this.#stop.hidden = phase !== "speaking";
    this.#microphone.setAttribute("aria-pressed", String(state.microphone));
    const label = state.microphone ? this.#strings.mute : this.#strings.unmute;
    this.#microphone.setAttribute("aria-label", label);
    this.#microphone.title = label;
    const { error } = state;
    const text = error
      ? (this.#strings.errors[error.code] ?? (error.message || this.#strings.failed))
      : "";
    this.#trouble.hidden = !text;
    if (this.#trouble.textContent !== text) this.#trouble.textContent = text;
  }

  /** Show what happens to the voice, and a button to agree. */
  askForConsent(): void {
    this.#start.hidden = this.#consent.hidden = false;
    this.#talk.textContent = this.#strings.agree;
    this.#talk.focus();
  }

  level(value: number): void {
    this.#panel.style.setProperty("--level", value.toFixed(2));
  }

  /** Ask for consent first, and run the command at the second press. */
  #ask(talk: () => void): void {
    if (!this.#consent.hidden) return talk();
    this.askForConsent();
  }

  #listen(commands: Commands): void {
    const send = () => {
      const text = this.#entry.value.trim();
      if (text) commands.send(text);
      this.#entry.value = "";
    };
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
    this.#entry.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    });
    this.#panel.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && !this.#inline) commands.close();
    });
  }
}
