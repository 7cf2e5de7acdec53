// The pane for engineers: the connection, the latency of each part of each turn, what was heard, the passages of
// an answer, and the events. It can be copied as JSON, and contains none of the words that people said.

import { useEffect, useState } from "react";
import { Copy } from "./Copy";
import type { LoggedEvent } from "./eventLog";
import type { Strings } from "./strings";
import { type Details, useDetails } from "./useDetails";
import type { ReadLog } from "./useEventLog";
import type { Talking } from "./useTalk";

const SHOWN_EVENTS = 200;

export function Inspector({ talking, readLog }: { talking: Talking; readLog: ReadLog }) {
  const { strings } = talking;
  const events = useLatest(readLog);
  const details = useDetails(talking, events);
  const texts = strings.inspector;
  return (
    <div className="inspector">
      <Copy
        texts={{ ...texts, ...strings.drawer, copy: texts.copy }}
        text={() => JSON.stringify({ ...details, events }, null, 2)}
      />
      <h3>{texts.connection}</h3>
      <ConnectionFacts details={details} strings={strings} />
      <h3>{texts.turns}</h3>
      {details.turns.length ? <Turns {...{ details, strings }} /> : <p>{texts.nothing}</p>}
      <h3>{texts.answers}</h3>
      {details.answers.length ? <Answers {...{ details, strings }} /> : <p>{texts.nothing}</p>}
      <h3>{texts.events}</h3>
      {events.length ? <Events events={events} label={texts.events} /> : <p>{texts.nothing}</p>}
    </div>
  );
}

/** Read the log twice a second. */
function useLatest(read: ReadLog): readonly LoggedEvent[] {
  const [events, setEvents] = useState(read);
  useEffect(() => {
    const timer = setInterval(() => setEvents(read()), 500);
    return () => clearInterval(timer);
  }, [read]);
  return events;
}

const ms = (value: number | null | undefined): string =>
  value === null || value === undefined ? "–" : `${Math.round(value)} ms`;

function ConnectionFacts({ details, strings }: { details: Details; strings: Strings }) {
  const { transport, call, conversation, connection } = details;
  const texts = strings.inspector;
  const { packetsLost = 0, packetsReceived = 0 } = connection ?? {};
  const share = (100 * packetsLost) / Math.max(1, packetsLost + packetsReceived);
  const facts: [string, string][] = [
    [strings.transport.legend, strings.transport[transport]],
    [texts.conversation, conversation ?? "–"],
    ...(call ? [[texts.call, call] as [string, string]] : []),
    ...(connection
      ? ([
          [texts.roundTrip, ms(connection.roundTripMs)],
          [texts.jitter, ms(connection.jitterMs)],
          [texts.loss, `${share.toFixed(1)} % (${packetsLost})`],
        ] as [string, string][])
      : []),
  ];
  return (
    <dl>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Turns({ details, strings }: { details: Details; strings: Strings }) {
  const { inspector: texts } = strings;
  return (
    <div className="wide" tabIndex={0} role="region" aria-label={texts.turns}>
      <table>
        <thead>
          <tr>
            <th scope="col">{texts.time}</th>
            <th scope="col">{texts.firstAudio}</th>
            <th scope="col">{texts.recogniser}</th>
            <th scope="col">{texts.brain}</th>
            <th scope="col">{texts.voice}</th>
            <th scope="col">{texts.status}</th>
          </tr>
        </thead>
        <tbody>
          {details.turns.map((turn) => (
            <tr key={turn.id}>
              <td>{new Date(turn.created_at).toLocaleTimeString()}</td>
              <td>{ms(turn.first_audio_ms)}</td>
              <td>{ms(turn.stt_ms)}</td>
              <td>{ms(turn.brain_ms)}</td>
              <td>{ms(turn.tts_ms)}</td>
              <td>{turn.status}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Answers({ details, strings }: { details: Details; strings: Strings }) {
  const { inspector: texts } = strings;
  return (
    <ul>
      {details.answers.map(({ id, heard_ms, sent_ms, sources }) => (
        <li key={id}>
          <code>{id}</code>
          <p>
            {(heard_ms === null ? texts.uncut : texts.heard)
              .replace("{heard}", ms(heard_ms))
              .replace("{sent}", ms(sent_ms))}
          </p>
          {sources.map((source) => (
            <p key={source.id} className="passage">
              {source.source} {source.place} · {source.score.toFixed(2)} · <code>{source.id}</code>
            </p>
          ))}
        </li>
      ))}
    </ul>
  );
}

function Events({ events, label }: { events: readonly LoggedEvent[]; label: string }) {
  return (
    <ol className="events" tabIndex={0} aria-label={label}>
      {events
        .slice(-SHOWN_EVENTS)
        .reverse()
        .map(({ type, at, until, count, id }) => (
          <li key={`${at} ${type} ${id}`}>
            <span>
              {(at / 1000).toFixed(3)}
              {count > 1 && `–${(until / 1000).toFixed(3)}`}
            </span>{" "}
            <b>{type}</b> {count > 1 && `× ${count}`} <code>{id}</code>
          </li>
        ))}
    </ol>
  );
}
