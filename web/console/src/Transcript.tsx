// The transcript, with the speaker beside each line. Words that the user has not heard yet are lighter. Tools of
// the server stand where they were called, and sources under their answer.

import type { Call, Line, Source, ToolCard as Card } from "@vivavoce/client";
import { Fragment, memo, useEffect, useRef } from "react";
import { Recording } from "./Recording";
import { finishedSentences } from "./sentences";
import { sourceText } from "./sourceText";
import type { Strings } from "./strings";
import { ApprovalAnnouncer, ToolCard } from "./ToolCard";
import type { Decide } from "./useApprovals";

interface Props {
  lines: readonly Line[];
  toolCards: readonly Card[];
  sources: ReadonlyMap<string, readonly Source[]>;
  name: string;
  language: string;
  strings: Strings;
  /** Returns the audio of a spoken message of the user. */
  recordingOf: Call["recordingOf"];
  onDecide: Decide;
}

/** Show the lines, and follow the last one unless the user has scrolled up. */
export function Transcript(props: Props) {
  const { lines, toolCards, sources, name, language, strings, recordingOf, onDecide } = props;
  const end = useRef<HTMLDivElement>(null);
  const followed = useRef(true);
  const last = lines.at(-1);
  useEffect(() => {
    const log = end.current!.parentElement!;
    const resized = new ResizeObserver(() => {
      if (followed.current) end.current?.scrollIntoView({ block: "end" });
    });
    resized.observe(log); // the message field grows, for example
    return () => resized.disconnect();
  }, []);
  const lastCard = toolCards.at(-1);
  const cardsAfter = (line: string | undefined) =>
    toolCards
      .filter(({ after }) => after === line)
      .map((card) => (
        <ToolCard key={card.callId} card={card} strings={strings} onDecide={onDecide} />
      ));
  useEffect(() => {
    if (followed.current) end.current?.scrollIntoView({ block: "end" });
  }, [last, lastCard, sources]);
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
      <ApprovalAnnouncer cards={toolCards} strings={strings} />
      {cardsAfter(undefined)}
      {lines.map((line) => (
        <Fragment key={line.id}>
          <TranscriptLine
            line={line}
            recording={line.role === "user" ? recordingOf(line.id) : undefined}
            sources={sources.get(line.id)}
            name={line.role === "user" ? strings.you : name}
            language={language}
            strings={strings}
          />
          {cardsAfter(line.id)}
        </Fragment>
      ))}
      <div ref={end} className="end" />
    </div>
  );
}

interface LineProps {
  line: Line;
  recording: ReturnType<Call["recordingOf"]>;
  sources: readonly Source[] | undefined;
  name: string;
  language: string;
  strings: Strings;
}

const TranscriptLine = memo(function TranscriptLine(props: LineProps) {
  const { line, recording, sources, name, language, strings } = props;
  const { role, text, heard, status, images } = line;
  return (
    <article className={`line ${role}`} data-status={status} aria-label={name}>
      <b>{name}</b>
      {images && (
        <div className="images">
          {images.map((url, i) => (
            <img key={i} src={url} alt={strings.pictures.sent} />
          ))}
        </div>
      )}
      <p lang={language}>
        {status === "untranscribed" ? strings.notUnderstood : text.slice(0, heard)}
        {text.length > heard && <span className="not-heard">{text.slice(heard)}</span>}
        {status === "in_progress" && !text && <Dots />}
        {status === "unsent" && <small>{strings.unsent}</small>}
        {status === "interrupted" && " —"}
        {status === "interrupted" && <small>{strings.interrupted}</small>}
      </p>
      {recording && <Recording pcm={recording} strings={strings} />}
      {!!sources?.length && (
        <ul className="sources" aria-label={strings.sources.title}>
          {sources.map((source, i) => (
            <li key={i}>{sourceText(source, strings)}</li>
          ))}
        </ul>
      )}
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

/**
 * Make screen readers read answers in text mode, where no voice does: sentence by sentence, while the answer is
 * being written.
 */
export function Announcer({ lines, language }: { lines: readonly Line[]; language: string }) {
  const answer = lines.findLast(({ role }) => role === "assistant");
  const sentences = answer ? finishedSentences(answer, language) : [];
  return (
    <div className="visually-hidden" aria-live="polite" lang={language}>
      {sentences.map((sentence, i) => (
        <p key={`${answer!.id} ${i}`}>{sentence}</p>
      ))}
    </div>
  );
}
