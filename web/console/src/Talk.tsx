// The talk page: settings and call controls on the left, the transcript on the right.

import {
  type Call,
  type CallOptions,
  type Item,
  type Mode,
  prepare,
  type Session,
  type State,
} from "@vivavoce/client";
import worklets from "@vivavoce/client/worklets?worker&url";
import { useCallback, useEffect, useRef, useState } from "react";
import { Choice } from "./Choice";
import { Composer } from "./Composer";
import { Introduction } from "./Introduction";
import { forgetAll, recall, remember, rememberConversation } from "./memory";
import { type MapView, mapView } from "./map";
import { Microphone } from "./Microphone";
import { Notice } from "./Notice";
import {
  type Assistant,
  createClientSecret,
  listApprovals,
  localize,
  readConversation,
  signOut,
} from "./server";
import { Announcer, Transcript } from "./Transcript";
import { useApprovals } from "./useApprovals";
import { useCall } from "./useCall";
import { VenueMap } from "./VenueMap";
import { languageName, stringsFor, type Strings } from "./strings";

/** The maximum shown as cards: with more, the settings would need scrolling, so the page shows a list. */
const MAX_CARDS = 6;

const MODES: Mode[] = ["open", "push-to-talk", "text"];

/** Return the first language of the user that the assistant has, otherwise its own first. */
function firstLanguage({ languages }: Assistant, before?: string): string {
  const preferred = [
    ...(before ? [before] : []),
    ...navigator.languages.map((tag) => tag.slice(0, 2)),
  ];
  return preferred.find((language) => languages.includes(language)) ?? languages[0] ?? "en";
}

/** Begin with the assistant of the last visit of this tab, or with the default one. */
function firstAssistant(assistants: Assistant[], before?: string): Assistant {
  const remembered = assistants.find(({ name }) => name === before);
  return remembered ?? assistants.find((one) => one.default) ?? assistants[0]!;
}

/** Write where no recogniser knows the language. */
const modeFor = ({ hears }: Assistant, language: string, mode: Mode): Mode =>
  hears.includes(language) ? mode : "text";

export function Talk(props: { assistants: Assistant[]; onSignedOut: () => void }) {
  const { assistants, onSignedOut } = props;
  const [remembered] = useState(recall);
  const [assistant, setAssistant] = useState(() =>
    firstAssistant(assistants, remembered.assistant),
  );
  const [language, setLanguage] = useState(() => firstLanguage(assistant, remembered.language));
  const preferred = useRef<Mode>(remembered.mode ?? "open"); // chosen by the user
  const [mode, setMode] = useState<Mode>(() => modeFor(assistant, language, preferred.current));
  const [call, setCall] = useState<Call>();
  const [open, setOpen] = useState(true);
  const [tooShort, setTooShort] = useState(false);
  const [map, setMap] = useState<MapView>();
  const headphones = useRef(false);
  const state = useCall(call, mode);
  const decide = useApprovals(call, state.toolCards);
  const { language: pageLanguage, strings } = stringsFor([language, ...navigator.languages]);
  const name = localize(assistant.title, language);
  const unheard = !assistant.hears.includes(language);

  useEffect(() => {
    document.documentElement.lang = pageLanguage;
    document.title = `${name} · Vivavoce`;
  }, [pageLanguage, name]);
  useEffect(() => () => call?.close(), [call]);
  useEffect(() => {
    if (call) rememberConversation(assistant.name, state.conversationId);
  }, [call, assistant, state.conversationId]);

  useEffect(() => {
    const interruptOnEscape = ({ key }: KeyboardEvent) =>
      key === "Escape" && void call?.interrupt();
    addEventListener("keydown", interruptOnEscape);
    return () => removeEventListener("keydown", interruptOnEscape);
  }, [call]);

  const makeCall = useCallback(
    (earlier: Pick<CallOptions, "conversationId" | "items"> = {}): Call => {
      const { [assistant.name]: id } = recall().conversations; // a click may be faster than its items
      const made = prepare({
        ...(id && { conversationId: id }),
        ...earlier,
        assistant: assistant.name,
        language,
        url: new URL("v1/realtime", location.href),
        token: (request) => createClientSecret(assistant.name, request),
        mode,
        events: ["vivavoce"],
        worklets,
        transport: "websocket",
        echoCancellation: () => !headphones.current,
        tools: {
          show_map: (args) => {
            const view = mapView(session, "show_map", args, language);
            if (!view) throw new Error(strings.mapUnavailable); // an error reaches the model, which then says so
            setMap(view);
            return strings.mapShown
              .replace("{place}", view.marked.title)
              .replace("{floor}", view.floor);
          },
        },
      });
      let session: Session | undefined;
      made.onEvent((event) => {
        if (event.type === "session.created") session = event.session;
      });
      setCall(made);
      setMap(undefined);
      return made;
    },
    [assistant, language, mode, strings],
  );

  /** Return the running call, or start one. Run it in a click: only then browsers play audio. */
  const ensureCall = useCallback((): Call => {
    setOpen(false);
    const ensured = call ?? makeCall();
    const { status, why } = ensured.state;
    if (status === "idle" || status === "ended") ensured.start();
    else if (why === "sound_suspended") ensured.resume();
    return ensured;
  }, [call, makeCall]);

  /** Show an earlier conversation, which the next call continues. */
  const showEarlier = useEarlier(call, makeCall);
  useEffect(() => {
    const { [assistant.name]: id } = recall().conversations;
    if (id) showEarlier(assistant.name, id);
  }, [assistant, showEarlier]);

  const hold = useCallback(
    (down: boolean) => {
      if (!down && !call) return;
      setTooShort(false);
      void (down ? ensureCall() : call!).pushToTalk(down).then((longEnough) => {
        if (!down && !longEnough) setTooShort(true);
      });
    },
    [ensureCall, call],
  );

  const chooseAssistant = (next: Assistant) => {
    const spoken = firstLanguage(next, language);
    setCall(undefined);
    setMap(undefined);
    setAssistant(next);
    setLanguage(spoken);
    setMode(modeFor(next, spoken, preferred.current));
    remember({ assistant: next.name, language: spoken });
  };
  const chooseLanguage = (next: string) => {
    setLanguage(next);
    remember({ language: next });
    call?.setLanguage(next);
    changeMode(modeFor(assistant, next, preferred.current));
  };
  const chooseMode = (next: Mode) => {
    preferred.current = next;
    remember({ mode: next });
    changeMode(next);
  };
  const changeMode = (next: Mode) => {
    setMode(next);
    setTooShort(false);
    call?.setMode(next);
  };
  const setHeadphones = (worn: boolean) => {
    headphones.current = worn;
    if (!call?.state.microphone) return;
    call.stopMic();
    void call.startMic();
  };
  const leavePage = () => {
    call?.close();
    void signOut().finally(() => {
      forgetAll();
      onSignedOut();
    });
  };
  const beginAnew = () => {
    rememberConversation(assistant.name, undefined);
    setCall(undefined);
    setMap(undefined);
  };
  const waiting = state.status === "reconnecting" && state.error?.retryAfter !== undefined;
  const toggle = () => {
    if (call?.state.microphone) call.stopMic();
    else void ensureCall().startMic();
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
          variant={assistants.length > MAX_CARDS ? "list" : "cards"}
          options={assistants.map(({ name, title }) => ({
            value: name,
            name: localize(title, language),
          }))}
          chosen={assistant.name}
          onChoose={(value) => chooseAssistant(assistants.find(({ name }) => name === value)!)}
        />
        {assistant.languages.length > 1 && (
          <Choice
            legend={strings.language}
            options={assistant.languages.map((value) => ({ value, name: languageName(value) }))}
            chosen={language}
            onChoose={chooseLanguage}
          />
        )}
        <Choice
          legend={strings.mode}
          variant="segments"
          options={MODES.map((value) => ({ value, name: strings.modes[value] }))}
          chosen={mode}
          onChoose={chooseMode}
        />
        {mode !== "text" && (
          <label className="headphones">
            <input type="checkbox" onChange={(event) => setHeadphones(event.target.checked)} />
            <span>
              {strings.headphones} <small>{strings.headphonesWhy}</small>
            </span>
          </label>
        )}
        <button type="button" className="sign-out" onClick={leavePage}>
          {strings.signOut}
        </button>
      </section>

      <section className="controls" data-mode={mode} aria-label={strings.call}>
        <Microphone state={state} call={call} strings={strings} onSwitch={toggle} onHold={hold} />
        <p className="status" role="status" data-status={state.status} data-why={state.why}>
          {statusText(state, strings)}
        </p>
        {mode === "text" && <Announcer lines={state.lines} />}
        <p className="hint" data-warning={unheard || undefined}>
          {tooShort
            ? strings.hints.tooShort
            : unheard
              ? unheardHint(name, language, strings)
              : hint(state, strings)}
        </p>
        <div className="actions">
          {["speaking", "thinking", "using_tool"].includes(state.status) && (
            <button
              type="button"
              className="stop"
              aria-label={strings.stopResponse}
              onClick={() => void call?.interrupt()}
            >
              <span aria-hidden="true" /> {strings.stop}
            </button>
          )}
          {state.status === "reconnecting" && !waiting && (
            <button type="button" className="secondary" onClick={() => call?.start()}>
              {strings.retryNow}
            </button>
          )}
          {call && !["idle", "ended"].includes(state.status) && (
            <button type="button" className="secondary" onClick={() => call.close()}>
              {strings.hangUp}
            </button>
          )}
          {call && isIdle(state) && state.lines.length > 0 && (
            <button type="button" className="secondary" onClick={beginAnew}>
              {strings.newConversation}
            </button>
          )}
        </div>
      </section>

      <main className="page">
        {state.lines.length || state.toolCards.length ? (
          <Transcript
            lines={state.lines}
            toolCards={state.toolCards}
            sources={state.sources}
            name={name}
            language={language}
            strings={strings}
            onDecide={decide}
          />
        ) : (
          <Introduction
            assistant={assistant}
            language={language}
            strings={strings}
            onContinue={(id) => showEarlier(assistant.name, id)}
          />
        )}
        {map && <VenueMap view={map} strings={strings} onClose={() => setMap(undefined)} />}
        {state.error && (
          <Notice
            error={state.error}
            mode={mode}
            waiting={waiting}
            strings={strings}
            onRetry={() => call?.start()}
            onResume={() => call?.resume()}
            onMicrophone={() => void ensureCall().startMic()}
            onWrite={() => {
              chooseMode("text");
              call?.start(); // a server that is full still accepts text sessions
            }}
            onSignedOut={onSignedOut}
          />
        )}
        <Composer
          name={name}
          strings={strings}
          onSend={(text, images) => void ensureCall().sendText(text, images)}
        />
      </main>
    </div>
  );
}

/** Return a function that shows a conversation, unless a call has begun in the meantime. */
function useEarlier(
  call: Call | undefined,
  makeCall: (earlier: { conversationId: string; items: Item[] }) => Call,
): (assistant: string, id: string) => void {
  const latest = useRef({ call, makeCall });
  latest.current = { call, makeCall };
  return useCallback((assistant, id) => {
    readConversation(id).then(
      (items) => {
        if (latest.current.call) return;
        if (!items) return rememberConversation(assistant, undefined);
        const made = latest.current.makeCall({ conversationId: id, items });
        void showWaiting(made, items);
      },
      () => {}, // the call will tell what is wrong
    );
  }, []);
}

/** Show the runs of an earlier conversation that still wait for an approval. */
async function showWaiting(call: Call, items: readonly Item[]): Promise<void> {
  const calls = new Set(items.map((item) => ("call_id" in item ? item.call_id : undefined)));
  const waiting = await listApprovals().catch(() => []); // the call will tell what is wrong
  for (const run of waiting) if (calls.has(run.tool_call_id ?? "")) call.noteToolRun(run);
}

const unheardHint = (name: string, language: string, { hints }: Strings): string =>
  hints.unheard.replace("{name}", name).replace("{language}", languageName(language));

/** True before a call, and after one that ended without an error. */
const isIdle = ({ status, why }: State): boolean =>
  status === "idle" || (status === "ended" && (why === "closed" || why === "hung_up"));

function statusText(state: State, strings: Strings): string {
  const { status, why, mode, userSpeaking } = state;
  if (why === "sound_suspended") return strings.status.paused;
  if (status === "listening" && userSpeaking) return strings.status.userSpeaking;
  const word =
    status === "listening" && why
      ? strings.status.ready
      : strings.status[isIdle(state) ? "idle" : status];
  return typeof word === "string" ? word : word[mode];
}

function hint(state: State, strings: Strings): string {
  const { status, mode, requestingMicrophone, lines } = state;
  if (requestingMicrophone) return strings.hints.requestingMicrophone;
  if ((status === "reconnecting" || (status === "ended" && !isIdle(state))) && lines.length)
    return strings.hints.conversationKept;
  return strings.hints[mode];
}
