// What the talk page does: it keeps the choices of the user, and one call with the chosen assistant.

import {
  type Call,
  type CallOptions,
  type Item,
  type Mode,
  prepare,
  type Session,
  type Transport,
} from "@vivavoce/client";
import { watch } from "@vivavoce/client/report";
import worklets from "@vivavoce/client/worklets?worker&url";
import { useCallback, useEffect, useRef, useState } from "react";
import { type MapView, mapView } from "./map";
import { forgetAll, recall, remember, rememberConversation, rememberVoice } from "./memory";
import { isPaused, isUnderWay } from "./presence";
import { type Assistant, createClientSecret, signOut } from "./server";
import { stringsFor } from "./strings";
import { useCall } from "./useCall";
import { useEarlier } from "./useEarlier";

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

type Beginning = Pick<CallOptions, "conversationId"> & { items?: Item[] };

export type Talking = ReturnType<typeof useTalk>;

/** Return the choices, the call with its state, and what the user can do. */
export function useTalk(assistants: Assistant[], onSignedOut: () => void) {
  const [remembered] = useState(recall);
  const [assistant, setAssistant] = useState(() =>
    firstAssistant(assistants, remembered.assistant),
  );
  const [language, setLanguage] = useState(() => firstLanguage(assistant, remembered.language));
  const preferred = useRef<Mode>(remembered.mode ?? "open"); // chosen by the user
  const [mode, setMode] = useState<Mode>(() => modeFor(assistant, language, preferred.current));
  const [call, setCall] = useState<Call>();
  const [tooShort, setTooShort] = useState(false);
  const [map, setMap] = useState<MapView>();
  const headphones = useRef(false);
  const state = useCall(call, mode);
  const { strings } = stringsFor([language, ...navigator.languages]);

  useEffect(() => () => call?.close(), [call]);
  useEffect(() => {
    if (call) rememberConversation(assistant.name, state.conversationId);
  }, [call, assistant, state.conversationId]);

  const makeCall = useCallback(
    (earlier: Beginning = {}): Call => {
      const { [assistant.name]: id } = recall().conversations; // a click may be faster than its items
      const made = prepare({
        ...(id && { conversationId: id }),
        ...earlier,
        assistant: assistant.name,
        language,
        url: new URL("v1/realtime", location.href),
        token: (request) =>
          createClientSecret(assistant.name, request, recall().voices[assistant.name]),
        mode,
        events: ["vivavoce"],
        worklets,
        transport: recall().transport ?? "auto",
        echoCancellation: () => !headphones.current,
        microphone: () => recall().microphone || undefined,
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
      watch(made, new URL("api/connections", location.href));
      let session: Session | undefined;
      made.onEvent((event) => {
        if (event.type === "session.created") session = event.session;
      });
      made.useLoudspeaker(recall().loudspeaker ?? "");
      setCall(made);
      setMap(undefined);
      return made;
    },
    [assistant, language, mode, strings],
  );

  /** Return the running call, or start one. Run it in a click: only then browsers play audio. */
  const ensureCall = useCallback((): Call => {
    const ensured = call ?? makeCall();
    if (isPaused(ensured.state)) ensured.resume();
    else if (!isUnderWay(ensured.state)) ensured.start();
    return ensured;
  }, [call, makeCall]);

  const showEarlier = useEarlier(call, makeCall);
  const [opened, setOpened] = useState(0); // conversations of the drawer
  useEffect(() => {
    const { [assistant.name]: id } = recall().conversations;
    if (id) showEarlier(assistant.name, id);
  }, [assistant, opened, showEarlier]);

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

  const leaveCall = () => {
    setCall(undefined);
    setMap(undefined);
  };
  const changeMode = (next: Mode) => {
    setMode(next);
    setTooShort(false);
    call?.setMode(next);
  };
  const chooseAssistant = (next: Assistant) => {
    const spoken = firstLanguage(next, language);
    leaveCall();
    setAssistant(next);
    setLanguage(spoken);
    setMode(modeFor(next, spoken, preferred.current));
    remember({ assistant: next.name, language: spoken });
  };
  const restartMicrophone = () => {
    if (!call?.state.microphone) return;
    call.stopMic();
    void call.startMic();
  };

  return {
    assistant,
    language,
    mode,
    call,
    state,
    strings,
    tooShort,
    map,
    ensureCall,
    hold,
    chooseAssistant,
    closeMap: () => setMap(undefined),
    chooseLanguage: (next: string) => {
      setLanguage(next);
      remember({ language: next });
      call?.setLanguage(next);
      changeMode(modeFor(assistant, next, preferred.current));
    },
    chooseMode: (next: Mode) => {
      preferred.current = next;
      remember({ mode: next });
      changeMode(next);
    },
    /** The next session speaks with it. */
    chooseVoice: (next: string) => rememberVoice(assistant.name, next),
    /** Begin another session in the same conversation. Run it in a click. */
    restart: () => {
      if (!call) return;
      const heard = call.state.microphone;
      call.close();
      call.start();
      if (heard) void call.startMic();
    },
    /** Use this microphone; without an id, the one of the system. */
    chooseMicrophone: (id: string | undefined) => {
      remember({ microphone: id ?? "" });
      restartMicrophone();
    },
    /** Use this loudspeaker; without an id, the one of the system. */
    chooseLoudspeaker: (id: string | undefined) => {
      remember({ loudspeaker: id ?? "" });
      call?.useLoudspeaker(id ?? "");
    },
    /** The next call connects in this way. */
    chooseTransport: (next: "auto" | Transport) => {
      remember({ transport: next });
      if (!call) return;
      call.close();
      setCall(undefined);
      setOpened((count) => count + 1); // shows the conversation again
    },
    setHeadphones: (worn: boolean) => {
      headphones.current = worn;
      restartMicrophone();
    },
    toggleMicrophone: () => {
      if (call?.state.microphone) call.stopMic();
      else void ensureCall().startMic();
    },
    /** Show it, in the language that it had last. */
    openConversation: (name: string, id: string, spoken: string | null) => {
      const next = assistants.find((one) => one.name === name);
      if (!next) return;
      call?.close();
      rememberConversation(name, id);
      if (next === assistant) leaveCall();
      else chooseAssistant(next);
      if (spoken && next.languages.includes(spoken)) {
        setLanguage(spoken);
        remember({ language: spoken });
        setMode(modeFor(next, spoken, preferred.current));
      }
      setOpened((count) => count + 1);
    },
    beginAnew: () => {
      rememberConversation(assistant.name, undefined);
      leaveCall();
    },
    leavePage: () => {
      call?.close();
      void signOut().finally(() => {
        forgetAll();
        onSignedOut();
      });
    },
  };
}
