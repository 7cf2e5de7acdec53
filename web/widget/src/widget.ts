// `<vivavoce-widget assistant="…">`: an assistant on the page of another website. The element owns at most one
// call. It opens the microphone only after the visitor has read what happens to the voice, and agreed.

import { type Call, prepare, Refusal } from "@vivavoce/client";
import { make } from "./dom";
import { Panel } from "./panel";
import { isLive, phaseOf } from "./phase";
import { WidgetServer, type WidgetInfo } from "./server";
import { pickLanguage, stringsFor } from "./strings";
import { STYLE } from "./style";

const MODULE = import.meta.url; // a variable, so that the build leaves the addresses below as they are

const NO_INFO: WidgetInfo = { title: {}, description: {}, consent: {}, languages: [], hears: [] };

export class VivavoceWidget extends HTMLElement {
  static observedAttributes = ["assistant", "language", "mode", "server", "inline"];

  #panel: Panel | undefined;
  #server: WidgetServer | undefined;
  #info: WidgetInfo = NO_INFO;
  #call: Call | undefined;
  #frame = 0;
  #opened = false;
  #agreed = false; // to the use of the microphone

  connectedCallback(): void {
    this.#render();
  }

  disconnectedCallback(): void {
    this.#endCall();
    this.#panel = undefined;
  }

  /** A changed attribute ends the call, because it is another assistant's or another language's. */
  attributeChangedCallback(_: string, before: string | null, after: string | null): void {
    if (before === after || !this.#panel) return;
    this.#endCall();
    this.#render();
  }

  /** Show the panel, and read what it says of the assistant. */
  async open(): Promise<void> {
    if (!this.#panel || this.#opened) return;
    this.#opened = true;
    this.#panel.show(true);
    this.#tell("open");
    await this.#readInfo();
  }

  /** Hide the panel, and end the call. */
  close(): void {
    if (!this.#panel || !this.#opened) return;
    this.#endCall();
    this.#opened = false;
    this.#panel.show(false);
    this.#tell("close");
  }

  get #languages(): string[] {
    const chosen = this.getAttribute("language");
    return chosen ? [chosen, ...navigator.languages] : [...navigator.languages];
  }

  get #language(): string {
    return pickLanguage(this.#languages, this.#info.languages);
  }

  get #writesOnly(): boolean {
    const { hears } = this.#info;
    return (
      this.getAttribute("mode") === "text" ||
      (hears !== NO_INFO.hears && !hears.includes(this.#language))
    );
  }

  #render(): void {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open", delegatesFocus: true });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet]; // the policy of a page need not allow inline styles
    const { assistant, server } = {
      assistant: this.getAttribute("assistant") ?? "",
      server: this.#address(),
    };
    this.#server = new WidgetServer(server, assistant);
    this.#info = NO_INFO;
    const inline = this.hasAttribute("inline");
    this.#panel = new Panel(stringsFor(this.#languages), inline, {
      open: () => void this.open(),
      close: () => this.close(),
      talk: () => {
        this.#agreed = true;
        this.#start(true);
      },
      write: () => this.#start(false),
      end: () => this.#endCall(),
      stop: () => void this.#call?.interrupt(),
      microphone: () => this.#toggleMicrophone(),
      send: (text) => this.#send(text),
    });
    root.replaceChildren(make("div", { class: "root" }, ...this.#panel.elements));
    this.#opened = false;
    if (inline) void this.open();
  }

  #address(): URL {
    const given = this.getAttribute("server");
    return given ? new URL(`${given.replace(/\/+$/, "")}/`, location.href) : new URL(".", MODULE);
  }

  async #readInfo(): Promise<void> {
    if (this.#info !== NO_INFO) return;
    const server = this.#server!;
    try {
      const info = await server.info();
      if (this.#server !== server) return; // the attributes have changed meanwhile
      this.#info = info;
    } catch (error) {
      if (this.#server === server)
        this.#panel?.fail(error instanceof Refusal ? error.code : "network");
      return;
    }
    const language = this.#language;
    const say = (texts: Record<string, string>) => texts[language] ?? Object.values(texts)[0];
    const { title, description, consent } = this.#info;
    this.#panel?.introduce({
      title: say(title),
      description: say(description),
      consent: say(consent),
      language,
      writesOnly: this.#writesOnly,
    });
  }

  /** Start a call, inside a click: only then browsers play and record audio. */
  #start(aloud: boolean): void {
    this.#call ??= this.#prepareCall(aloud);
    this.#call.start();
    if (aloud) {
      this.#call.setMode("open");
      void this.#call.startMic();
    }
    this.#panel?.enterCall();
  }

  #prepareCall(aloud: boolean): Call {
    const server = this.#server!;
    const call = prepare({
      url: server.realtimeUrl,
      token: (request) => server.clientSecret(request),
      language: this.#language,
      mode: aloud ? "open" : "text",
      worklets: new URL("widget-worklets.js", MODULE),
    });
    call.subscribe(() => this.#show(call));
    return call;
  }

  #show(call: Call): void {
    if (call !== this.#call) return;
    const phase = phaseOf(call.state);
    this.#panel?.update(call.state, phase);
    if (this.dataset["phase"] !== phase) {
      this.dataset["phase"] = phase;
      this.#tell("phase", { phase });
    }
    cancelAnimationFrame(this.#frame);
    if (isLive(phase)) this.#animate(call);
  }

  #animate(call: Call): void {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const draw = () => {
      if (call !== this.#call) return;
      this.#panel?.level(Math.max(call.levels.in, call.levels.out));
      this.#frame = requestAnimationFrame(draw);
    };
    this.#frame = requestAnimationFrame(draw);
  }

  #toggleMicrophone(): void {
    if (!this.#call) return;
    if (this.#call.state.microphone) return this.#call.stopMic();
    if (!this.#agreed) return this.#panel?.askForConsent();
    this.#start(true);
  }

  #send(text: string): void {
    if (!this.#call || !isLive(phaseOf(this.#call.state))) this.#start(false);
    void this.#call?.sendText(text);
  }

  #endCall(): void {
    cancelAnimationFrame(this.#frame);
    this.#call?.close();
    this.#call = undefined;
    delete this.dataset["phase"];
    this.#panel?.leaveCall();
  }

  #tell(name: string, detail: object = {}): void {
    this.dispatchEvent(new CustomEvent(`vivavoce-${name}`, { detail, bubbles: true }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "vivavoce-widget": VivavoceWidget;
  }
}
