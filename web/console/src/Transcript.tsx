// The conversation, set like the script of a play. Of an answer, the words already heard are in full ink.

import type { Line } from "@vivavoce/client";
import { memo, useEffect, useRef } from "react";
import type { Words } from "./words";

interface Props {
  lines: readonly Line[];
  name: string;
  language: string;
  words: Words;
}

export function Transcript({ lines, name, language, words }: Props) {
  const end = useRef<HTMLDivElement>(null);
  const followed = useRef(true);
  const last = lines.at(-1);
  useEffect(() => {
    if (followed.current) end.current?.scrollIntoView({ block: "end" });
  }, [last]);
  return (
    <div
      className="transcript"
      role="log"
      aria-live="off" // every word would be read aloud over the voice; `Announcer` speaks where needed
      aria-label={words.transcript}
      tabIndex={0}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        followed.current = scrollHeight - scrollTop - clientHeight < 80;
      }}
    >
      {lines.map((line) => (
        <Spoken
          key={line.id}
          line={line}
          name={line.who === "user" ? words.you : name}
          language={language}
          words={words}
        />
      ))}
      <div ref={end} className="end" />
    </div>
  );
}

interface SpokenProps {
  line: Line;
  name: string;
  language: string;
  words: Words;
}

const Spoken = memo(function Spoken({ line, name, language, words }: SpokenProps) {
  const { who, text, heard, status } = line;
  return (
    <article className={`line ${who}`} data-status={status} aria-label={name}>
      <b>{name}</b>
      <p lang={language}>
        {status === "lost" ? words.notUnderstood : text.slice(0, heard)}
        {text.length > heard && <span className="coming">{text.slice(heard)}</span>}
        {status === "coming" && !text && <Dots />}
        {status === "unsent" && <small>{words.unsent}</small>}
        {status === "cut" && " —"}
        {status === "cut" && <small>{words.interrupted}</small>}
      </p>
    </article>
  );
});

const Dots = () => (
  <span className="dots" aria-hidden="true">
    <i />
    <i />
    <i />
  </span>
);

/** Reads finished answers to screen readers where no voice does. */
export function Announcer({ lines }: { lines: readonly Line[] }) {
  const done = lines.filter(({ who, status }) => who === "assistant" && status !== "coming");
  return (
    <p className="unseen" aria-live="polite">
      {done.at(-1)?.text}
    </p>
  );
}
