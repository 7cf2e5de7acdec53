// The parts of a chat, without styles. Each takes the attributes of its element, and reads the chat of the
// nearest `Root`.

import type { Line, ToolCard } from "@vivavoce/client";
import {
  type ComponentProps,
  createContext,
  type FormEvent,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useRef,
} from "react";
import { type Strings, stringsFor } from "./strings";
import type { RealtimeChatApi } from "./useRealtimeChat";

interface Shared {
  chat: RealtimeChatApi;
  strings: Strings;
  language: string | undefined;
}

const Context = createContext<Shared | undefined>(undefined);

function useShared(): Shared {
  const shared = useContext(Context);
  if (!shared) throw new Error("A part of a chat stands inside of <Root>.");
  return shared;
}

export interface RootProps {
  /** What `useRealtimeChat` returned. */
  chat: RealtimeChatApi;
  /** Of the texts: `en`, `it` or `es`. */
  language?: string;
  /** Texts of your own. */
  strings?: Partial<Strings>;
  children?: ReactNode;
}

/** Give the parts inside of it one chat. */
export function Root({ chat, language, strings, children }: RootProps) {
  const shared = useMemo(
    () => ({ chat, language, strings: stringsFor(language, strings) }),
    [chat, language, strings],
  );
  return <Context.Provider value={shared}>{children}</Context.Provider>;
}

interface ConnectProps extends ComponentProps<"button"> {
  /** The role of the user, for the `token` callback. */
  role?: string;
}

/** A button that connects, and disconnects while a call runs. */
export function Connect({ role, ...props }: ConnectProps) {
  const { chat, strings, language } = useShared();
  const live = chat.isConnected || chat.isLoading;
  return (
    <button
      type="button"
      onClick={() => (live ? chat.disconnect() : void chat.connect(role, language))}
      {...props}
    >
      {props.children ?? (live ? strings.disconnect : strings.connect)}
    </button>
  );
}

/** A button that opens and closes the microphone. */
export function Microphone(props: ComponentProps<"button">) {
  const { chat, strings } = useShared();
  const { microphone } = chat;
  return (
    <button
      type="button"
      aria-pressed={microphone}
      disabled={!chat.isConnected}
      onClick={() => (microphone ? chat.stopMicrophone() : void chat.startMicrophone())}
      {...props}
    >
      {props.children ?? (microphone ? strings.mute : strings.unmute)}
    </button>
  );
}

/** A button that stops an answer. It is there while the assistant speaks. */
export function Stop(props: ComponentProps<"button">) {
  const { chat, strings } = useShared();
  if (!chat.isSpeaking) return null;
  return (
    <button type="button" onClick={chat.interrupt} {...props}>
      {props.children ?? strings.stop}
    </button>
  );
}

/** What the call does now, in words. `data-status` has the status. */
export function Status(props: ComponentProps<"p">) {
  const { chat, strings } = useShared();
  return (
    <p role="status" data-status={chat.status} {...props}>
      {props.children ?? strings.status[chat.status]}
    </p>
  );
}

/** What went wrong, and what the user can do. */
export function Trouble(props: ComponentProps<"p">) {
  const { chat, strings } = useShared();
  if (!chat.problem) return null;
  const { code, message } = chat.problem;
  return (
    <p role="alert" data-code={code} {...props}>
      {strings.errors[code] ?? (message || strings.failed)}
    </p>
  );
}

/** An element whose custom property `--level` follows the loudness, 0 to 1. */
export function Level(props: ComponentProps<"span">) {
  const { chat } = useShared();
  const element = useRef<HTMLSpanElement>(null);
  const { isConnected, isSpeaking } = chat;
  useEffect(() => {
    if (!isConnected) return;
    let frame = 0;
    const draw = () => {
      const { in: user, out } = chat.levels;
      element.current?.style.setProperty("--level", (isSpeaking ? out : user).toFixed(2));
      frame = requestAnimationFrame(draw);
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, [chat, isConnected, isSpeaking]);
  return <span ref={element} aria-hidden="true" data-status={chat.status} {...props} />;
}

interface TranscriptProps extends Omit<ComponentProps<"div">, "children"> {
  /** Render one line in your own way. */
  renderLine?: (line: Line) => ReactNode;
}

/** The conversation while it is spoken. Words that the user has not heard are in a `span`. */
export function Transcript({ renderLine, ...props }: TranscriptProps) {
  const { chat, strings } = useShared();
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (element.current) element.current.scrollTop = element.current.scrollHeight;
  }, [chat.messages]);
  // A screen reader would read every word over the voice, so only finished answers of text calls are live.
  const read = chat.mode === "text" ? "polite" : "off";
  return (
    <div
      ref={element}
      role="log"
      aria-live={read}
      aria-label={strings.transcript}
      tabIndex={0}
      {...props}
    >
      {chat.messages.map((line) =>
        renderLine ? renderLine(line) : <Spoken key={line.id} line={line} />,
      )}
    </div>
  );
}

function Spoken({ line }: { line: Line }) {
  const { strings } = useShared();
  const { role, text, heard, status } = line;
  const name = role === "user" ? strings.you : strings.assistant;
  return (
    <article aria-label={name} data-role={role} data-status={status}>
      <b>{name}</b>
      <p>
        {status === "untranscribed" ? strings.notUnderstood : text.slice(0, heard)}
        {text.length > heard && <span data-heard="false">{text.slice(heard)}</span>}
        {status === "interrupted" && " —"}
      </p>
    </article>
  );
}

/** The tools that the server runs, with two buttons where one waits for the user. */
export function Tools(props: ComponentProps<"ul">) {
  const { chat, strings } = useShared();
  if (!chat.tools.length) return null;
  const buttons = (card: ToolCard) => (
    <>
      <button type="button" onClick={() => void chat.approve(card, true)}>
        {strings.approve}
      </button>
      <button type="button" onClick={() => void chat.approve(card, false)}>
        {strings.reject}
      </button>
    </>
  );
  return (
    <ul {...props}>
      {chat.tools.map((card) => (
        <li key={card.callId} data-state={card.state}>
          {strings.tool}: <code>{card.name}</code> {card.progress}
          {card.state === "waiting" && card.approval?.by === "user" && buttons(card)}
        </li>
      ))}
    </ul>
  );
}

/** A field and a button to write instead of speaking. */
export function Form(props: ComponentProps<"form">) {
  const { chat, strings } = useShared();
  const send = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const field = event.currentTarget.elements.namedItem("text") as HTMLInputElement;
    const text = field.value.trim();
    if (!text || !chat.isConnected) return;
    field.value = "";
    void chat.sendText(text);
  };
  return (
    <form onSubmit={send} {...props}>
      <input
        name="text"
        autoComplete="off"
        aria-label={strings.message}
        placeholder={strings.message}
      />
      <button type="submit" disabled={!chat.isConnected}>
        {strings.send}
      </button>
    </form>
  );
}
