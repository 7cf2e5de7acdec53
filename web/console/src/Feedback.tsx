// One question after a call: a thumb, and one line. It is not asked again for the same call.

import { type FormEvent, useState } from "react";
import { giveFeedback, type Score } from "./server";
import type { Strings } from "./strings";

interface Props {
  call: string;
  strings: Strings;
  onDismiss: () => void;
}

export function Feedback({ call, strings: { feedback }, onDismiss }: Props) {
  const [score, setScore] = useState<Score>();
  const [text, setText] = useState("");
  const [sent, setSent] = useState<"sent" | "failed">();
  const send = (given: Score, line = "") =>
    giveFeedback(call, given, line).then(
      () => true,
      () => false,
    );
  const choose = (given: Score) => {
    setScore(given);
    void send(given).then((taken) => setSent(taken ? undefined : "failed"));
  };
  const finish = (event: FormEvent) => {
    event.preventDefault();
    void send(score!, text).then((taken) => setSent(taken ? "sent" : "failed"));
  };
  if (sent === "sent")
    return (
      <p className="feedback" role="note">
        {feedback.thanks}
      </p>
    );
  return (
    <form className="feedback" aria-label={feedback.question} onSubmit={finish}>
      <p>{sent === "failed" ? feedback.failed : feedback.question}</p>
      <div className="scores">
        {(["up", "down"] as const).map((each) => (
          <button
            key={each}
            type="button"
            className="secondary"
            aria-pressed={score === each}
            onClick={() => choose(each)}
          >
            <span aria-hidden="true">{each === "up" ? "👍" : "👎"}</span> {feedback[each]}
          </button>
        ))}
        <button type="button" className="secondary" onClick={onDismiss}>
          {feedback.later}
        </button>
      </div>
      {score && (
        <div className="line-about">
          <input
            aria-label={feedback.line}
            placeholder={feedback.line}
            maxLength={500}
            value={text}
            onChange={({ target }) => setText(target.value)}
          />
          <button type="submit" className="secondary" disabled={!text.trim()}>
            {feedback.send}
          </button>
        </div>
      )}
    </form>
  );
}
