// A chat with its styles: import `@vivavoce/react/style.css` once.

import type { ChatOptions } from "./chat";
import {
  Connect,
  Form,
  Level,
  Microphone,
  Root,
  Status,
  Stop,
  Tools,
  Transcript,
  Trouble,
} from "./parts";
import type { Strings } from "./strings";
import { type RealtimeChatApi, useRealtimeChat } from "./useRealtimeChat";

interface Look {
  /** Of the texts and of the call: `en`, `it` or `es`. */
  interfaceLanguage?: string;
  strings?: Partial<Strings>;
  className?: string;
  /** The role of the user, for the `token` callback. */
  role?: string;
}

/** A whole chat: connect, indicators of listening and speaking, transcript, tools, text field. */
export function RealtimeChat({
  interfaceLanguage,
  strings,
  className,
  role,
  ...options
}: ChatOptions & Look) {
  const chat = useRealtimeChat(options);
  return (
    <RealtimeChatView chat={chat} {...look({ interfaceLanguage, strings, className, role })} />
  );
}

/** The same for a chat of your own `useRealtimeChat`. */
export function RealtimeChatView({
  chat,
  interfaceLanguage,
  strings,
  className = "",
  role,
}: { chat: RealtimeChatApi } & Look) {
  return (
    <Root
      chat={chat}
      {...(interfaceLanguage && { language: interfaceLanguage })}
      {...(strings && { strings })}
    >
      <section className={`vivavoce-chat ${className}`.trim()} data-status={chat.status}>
        <header>
          <Level className="level" />
          <Status />
          <Stop className="stop" />
          <Connect className="connect" {...(role && { role })} />
        </header>
        <Transcript className="transcript" />
        <Tools className="tools" />
        <Trouble className="trouble" />
        <footer>
          <Microphone className="microphone" />
          <Form />
        </footer>
      </section>
    </Root>
  );
}

/** Leave out what is undefined. */
const look = (given: { [Key in keyof Look]: Look[Key] | undefined }): Look =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
