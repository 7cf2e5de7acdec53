// The page: on one side who to talk with, how, and the instrument; on the other what is said.

import { type Call, connect, type Mode, type State } from "@vivavoce/client";
import worklets from "@vivavoce/client/worklets?worker&url";
import { useCallback, useEffect, useId, useRef, useState } from "react";
import { Microphone } from "./Microphone";
import { Notice } from "./Notice";
import { type Assistant, createClientSecret, localize, signOut } from "./server";
import { Announcer, Transcript } from "./Transcript";
import { useCall } from "./useCall";
import { languageName, stringsFor, type Strings } from "./strings";

/** More than these would push the settings under the instrument, so they fold into a list. */
const CARDS = 3;

const MODES: Mode[] = ["open", "push-to-talk", "text"];

/** The visitor's language where the assistant speaks it, else the assistant's first. */
function firstLanguage({ languages }: Assistant, before?: string): string {
  const wanted = [...(before ? [before] : []), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((language) => languages.includes(language)) ?? languages[0] ?? "en";
}

export function Talk(props: { assistants: Assistant[]; onSignedOut: () => void }) {
  const { assistants, onSignedOut } = props;
  const [assistant, setAssistant] = useState(assistants[0]!);
  const [language, setLanguage] = useState(() => firstLanguage(assistant));
  const [mode, setMode] = useState<Mode>("open");
  const [call, setCall] = useState<Call>();
  const [open, setOpen] = useState(true);
  const [short, setShort] = useState(false);
  const headphones = useRef(false);
  const state = useCall(call, mode);
  const reader = stringsFor([language, ...navigator.languages]);
  const { strings } = reader;
  const name = localize(assistant.title, language);

  useEffect(() => {
    document.documentElement.lang = reader.language;
    document.title = `${name} · Vivavoce`;
  }, [reader.language, name]);
  useEffect(() => () => call?.close(), [call]);

  useEffect(() => {
    const escape = ({ key }: KeyboardEvent) => key === "Escape" && void call?.interrupt();
    addEventListener("keydown", escape);
    return () => removeEventListener("keydown", escape);
  }, [call]);

  /** The call that runs, or a new one. Only in a click: the browser lets sound begin there. */
  const begin = useCallback((): Call => {
    setOpen(false);
    if (call) {
      if (call.state.status === "idle" || call.state.status === "failed") call.start();
      return call;
    }
    const begun = connect({
      assistant: assistant.name,
      language,
      url: new URL("v1/realtime", location.href),
      token: (request) => createClientSecret(assistant.name, request),
      mode,
      worklets,
      echoCancellation: () => !headphones.current,
      tools: {
        "*": () => {
          throw new Error(strings.toolUnavailable); // better said than left waiting
        },
      },
    });
    setCall(begun);
    return begun;
  }, [call, assistant, language, mode, strings]);

  const hold = useCallback(
    (down: boolean) => {
      if (!down && !call) return;
      setShort(false);
      void (down ? begin() : call!).pushToTalk(down).then((enough) => {
        if (!down && !enough) setShort(true);
      });
    },
    [begin, call],
  );

  const choose = (next: Assistant) => {
    setAssistant(next);
    setLanguage(firstLanguage(next, language));
    setCall(undefined);
  };
  const speak = (next: string) => {
    setLanguage(next);
    call?.setLanguage(next);
  };
  const use = (next: Mode) => {
    setMode(next);
    setShort(false);
    call?.setMode(next);
  };
  const wear = (worn: boolean) => {
    headphones.current = worn;
    if (!call?.state.microphone) return;
    call.stopMic();
    void call.startMic();
  };
  const leave = () => {
    call?.close();
    void signOut().finally(onSignedOut);
  };
  const toggle = () => {
    if (call?.state.microphone) call.stopMic();
    else void begin().startMic();
  };

  return (
    <div className="talk" data-open={open}>
      <header className="brand">
        <h1>
          viva<b>voce</b>
        </h1>
        <p>{strings.tagline}</p>
        <button
          type="button"
          className="secondary settings"
          aria-expanded={open}
          aria-controls="choices"
          onClick={() => setOpen(!open)}
        >
          {strings.settings}
        </button>
      </header>

      <section className="choices" id="choices" aria-label={strings.settings}>
        <Choice
          legend={strings.talkWith}
          look={assistants.length > CARDS ? "list" : "cards"}
          options={assistants.map((one) => ({ value: one.name, name: localize(one.title, language) }))}
          chosen={assistant.name}
          onChoose={(value) => choose(assistants.find((one) => one.name === value)!)}
        />
        {assistant.languages.length > 1 && (
          <Choice
            legend={strings.language}
            options={assistant.languages.map((value) => ({ value, name: languageName(value) }))}
            chosen={language}
            onChoose={speak}
          />
        )}
        <Choice
          legend={strings.mode}
          look="segments"
          options={MODES.map((value) => ({ value, name: strings.modes[value] }))}
          chosen={mode}
          onChoose={use}
        />
        {mode !== "text" && (
          <label className="headphones">
            <input type="checkbox" onChange={(event) => wear(event.target.checked)} />
            <span>
              {strings.headphones} <small>{strings.headphonesWhy}</small>
            </span>
          </label>
        )}
        <button type="button" className="sign-out" onClick={leave}>
          {strings.signOut}
        </button>
      </section>

      <section className="controls" data-mode={mode} aria-label={strings.call}>
        <Microphone state={state} call={call} strings={strings} onSwitch={toggle} onHold={hold} />
        <p className="status" role="status" data-status={state.status}>
          {statusWord(state, strings)}
        </p>
        {mode === "text" && <Announcer lines={state.lines} />}
        <p className="hint">{short ? strings.hints.tooShort : hint(state, strings)}</p>
        <div className="actions">
          {(state.status === "speaking" || state.status === "thinking") && (
            <button
              type="button"
              className="stop"
              aria-label={strings.stopResponse}
              onClick={() => void call?.interrupt()}
            >
              <span aria-hidden="true" /> {strings.stop}
            </button>
          )}
          {state.status === "reconnecting" && (
            <button type="button" className="secondary" onClick={() => call?.start()}>
              {strings.retryNow}
            </button>
          )}
          {call && !["idle", "failed"].includes(state.status) && (
            <button type="button" className="secondary" onClick={() => call.close()}>
              {strings.hangUp}
            </button>
          )}
          {call && state.status === "idle" && state.lines.length > 0 && (
            <button type="button" className="secondary" onClick={() => setCall(undefined)}>
              {strings.newConversation}
            </button>
          )}
        </div>
      </section>

      <main className="page">
        {state.lines.length ? (
          <Transcript lines={state.lines} name={name} language={language} strings={strings} />
        ) : (
          <div className="introduction">
            <h2>{name}</h2>
            {assistant.description && <p>{localize(assistant.description, language)}</p>}
            {!!assistant.notes?.length && (
              <aside aria-label={strings.notes}>
                {assistant.notes.map((note, i) => (
                  <p key={i}>{localize(note, language)}</p>
                ))}
              </aside>
            )}
          </div>
        )}
        {state.error && (
          <Notice
            error={state.error}
            strings={strings}
            onRetry={() => call?.start()}
            onMicrophone={() => void begin().startMic()}
            onWrite={() => {
              use("text");
              call?.start(); // where no more voices are let in, who writes is
            }}
            onSignedOut={onSignedOut}
          />
        )}
        <Composer
          label={strings.messageLabel}
          placeholder={strings.placeholder.replace("{name}", name)}
          send={strings.send}
          onSend={(text) => void begin().sendText(text)}
        />
      </main>
    </div>
  );
}

function statusWord({ status, mode, userSpeaking }: State, strings: Strings): string {
  if (status === "listening" && userSpeaking) return strings.status.userSpeaking;
  const word = strings.status[status];
  return typeof word === "string" ? word : word[mode];
}

function hint({ status, mode, requestingMicrophone, lines }: State, strings: Strings): string {
  if (requestingMicrophone) return strings.hints.requestingMicrophone;
  if ((status === "reconnecting" || status === "failed") && lines.length) return strings.hints.conversationKept;
  return strings.hints[mode];
}

interface Option<T> {
  value: T;
  name: string;
}

interface ChoiceProps<T> {
  legend: string;
  look?: "cards" | "list" | "segments";
  options: Option<T>[];
  chosen: T;
  onChoose: (value: T) => void;
}

function Choice<T extends string>({ legend, look, options, chosen, onChoose }: ChoiceProps<T>) {
  const group = useId();
  if (look === "list")
    return (
      <label className="choice list">
        <span>{legend}</span>
        <select value={chosen} onChange={(event) => onChoose(event.target.value as T)}>
          {options.map(({ value, name }) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </label>
    );
  return (
    <fieldset className={`choice ${look ?? ""}`}>
      <legend>{legend}</legend>
      {options.map(({ value, name }) => (
        <label key={value}>
          <input
            type="radio"
            name={group}
            checked={value === chosen}
            onChange={() => onChoose(value)}
          />
          <span>{name}</span>
        </label>
      ))}
    </fieldset>
  );
}

interface ComposerProps {
  label: string;
  placeholder: string;
  send: string;
  onSend: (text: string) => void;
}

function Composer({ label, placeholder, send, onSend }: ComposerProps) {
  const [text, setText] = useState("");
  const trimmed = text.trim();
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        if (!trimmed) return;
        onSend(trimmed);
        setText("");
      }}
    >
      <input
        type="text"
        aria-label={label}
        placeholder={placeholder}
        autoComplete="off"
        enterKeyHint="send"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" disabled={!trimmed}>
        {send}
      </button>
    </form>
  );
}
