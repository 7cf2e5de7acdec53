// The transcript, with the speaker beside each line. Words that the user has not heard yet are lighter.

import type { Line } from "@vivavoce/client";
import { memo, useEffect, useRef } from "react";
import type { Strings } from "./strings";

interface Props {
  lines: readonly Line[];
  name: string;
  language: string;
  strings: Strings;
}

/** Show the lines, and follow the last one unless the user has scrolled up. */
export function Transcript({ lines, name, language, strings }: Props) {
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
      aria-live="off" // a screen reader would read every word over the voice: see `Announcer`
      aria-label={strings.transcript}
      tabIndex={0}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        followed.current = scrollHeight - scrollTop - clientHeight < 80;
      }}
    >
      {lines.map((line) => (
        <TranscriptLine
          key={line.id}
          line={line}
          name={line.role === "user" ? strings.you : name}
          language={language}
          strings={strings}
        />
      ))}
      <div ref={end} className="end" />
    </div>
  );
}

interface LineProps {
  line: Line;
  name: string;
  language: string;
  strings: Strings;
}

const TranscriptLine = memo(function TranscriptLine({ line, name, language, strings }: LineProps) {
  const { role, text, heard, status } = line;
  return (
    <article className={`line ${role}`} data-status={status} aria-label={name}>
      <b>{name}</b>
      <p lang={language}>
        {status === "untranscribed" ? strings.notUnderstood : text.slice(0, heard)}
        {text.length > heard && <span className="not-heard">{text.slice(heard)}</span>}
        {status === "in_progress" && !text && <Dots />}
        {status === "unsent" && <small>{strings.unsent}</small>}
        {status === "interrupted" && " —"}
        {status === "interrupted" && <small>{strings.interrupted}</small>}
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

/** Make screen readers read finished answers, in text mode, where no voice does. */
export function Announcer({ lines }: { lines: readonly Line[] }) {
  const done = lines.filter(({ role, status }) => role === "assistant" && status !== "in_progress");
  return (
    <p className="visually-hidden" aria-live="polite">
      {done.at(-1)?.text}
    </p>
  );
}
