// The page that checks the browser, the devices and the network: a row for each check, and a report.

import { type ReactNode, useEffect, useState } from "react";
import { checkBrowser, checkSecure, checkTurn, checkUdp, checkWebSocket } from "./network";
import { type CheckName, CHECKS, reportOf, type Result, result, type Results } from "./results";
import { checkEcho, checkMicrophone, playTones } from "./sound";
import type { CheckStrings } from "./strings";

export function Check({ strings }: { strings: CheckStrings }) {
  const [results, setResults] = useState<Results>({});
  const [running, setRunning] = useState<CheckName>();
  const [asks, setAsks] = useState(false); // whether the tones were heard
  const [level, setLevel] = useState(0);
  const keep = (name: CheckName, found: Result) => setResults((all) => ({ ...all, [name]: found }));

  useEffect(() => {
    keep("browser", checkBrowser());
    keep("secure", checkSecure());
    void checkWebSocket().then((found) => keep("websocket", found));
  }, []);

  const run = async (name: CheckName) => {
    setRunning(name);
    if (name === "speaker") {
      const played = await playTones();
      setAsks(played);
      if (!played) keep(name, result("bad", "speaker_failed"));
    } else keep(name, await checkOf(name, setLevel));
    setRunning(undefined);
  };
  const answer = (heard: boolean) => {
    setAsks(false);
    keep("speaker", heard ? result("good", "speaker_heard") : result("bad", "speaker_silent"));
  };

  return (
    <main className="check">
      <h1>{strings.title}</h1>
      <p>{strings.intro}</p>
      <ul className="checks">
        {CHECKS.map((name) => (
          <Row
            key={name}
            name={name}
            found={results[name]}
            running={running === name}
            blocked={running !== undefined}
            strings={strings}
            onRun={() => void run(name)}
          >
            {name === "microphone" && running === name && (
              <meter aria-label={strings.level} value={level} />
            )}
            {name === "speaker" && asks && <Heard strings={strings} onAnswer={answer} />}
          </Row>
        ))}
      </ul>
      <Report text={reportOf(results, navigator.userAgent)} strings={strings} />
      <a className="secondary" href="../">
        {strings.talk}
      </a>
    </main>
  );
}

function checkOf(
  name: Exclude<CheckName, "speaker">,
  onLevel: (level: number) => void,
): Result | Promise<Result> {
  switch (name) {
    case "browser":
      return checkBrowser();
    case "secure":
      return checkSecure();
    case "microphone":
      return checkMicrophone(onLevel);
    case "echo":
      return checkEcho();
    case "websocket":
      return checkWebSocket();
    case "udp":
      return checkUdp();
    case "turn":
      return checkTurn();
  }
}

interface RowProps {
  name: CheckName;
  found: Result | undefined;
  running: boolean;
  /** Another check runs. */
  blocked: boolean;
  strings: CheckStrings;
  onRun: () => void;
  children: ReactNode;
}

function Row({ name, found, running, blocked, strings, onRun, children }: RowProps) {
  const text = found && strings.findings[found.finding];
  const title = strings.names[name];
  const action = found ? strings.again : strings.test;
  return (
    <li data-verdict={running ? undefined : found?.verdict}>
      <h2>{title}</h2>
      <div className="finding" role="status" aria-label={title}>
        {running ? (
          <p>{name === "microphone" ? strings.speak : strings.running}</p>
        ) : text ? (
          <>
            <p>
              <b>{strings.verdicts[found.verdict]}.</b>{" "}
              {text.sentence.replace("{value}", String(found.value))}
            </p>
            {text.cause && <p className="cause">{text.cause}</p>}
          </>
        ) : (
          <p>{strings.notTested}</p>
        )}
      </div>
      {children}
      <button
        type="button"
        className="secondary"
        disabled={blocked}
        aria-label={`${action}: ${title}`}
        onClick={onRun}
      >
        {action}
      </button>
    </li>
  );
}

function Heard(props: { strings: CheckStrings; onAnswer: (heard: boolean) => void }) {
  const { strings, onAnswer } = props;
  return (
    <div className="heard" role="group" aria-label={strings.heard}>
      <p>{strings.heard}</p>
      <button type="button" className="secondary" onClick={() => onAnswer(true)}>
        {strings.yes}
      </button>
      <button type="button" className="secondary" onClick={() => onAnswer(false)}>
        {strings.no}
      </button>
    </div>
  );
}

function Report({ text, strings }: { text: string; strings: CheckStrings }) {
  const [copied, setCopied] = useState<boolean>();
  const copy = () =>
    void Promise.resolve(navigator.clipboard?.writeText(text) ?? Promise.reject()).then(
      () => setCopied(true),
      () => setCopied(false),
    );
  return (
    <section className="report" aria-label={strings.report}>
      <h2>{strings.report}</h2>
      <p>{strings.reportWhy}</p>
      <pre tabIndex={0}>{text}</pre>
      <button type="button" className="secondary" onClick={copy}>
        {copied ? strings.copied : strings.copy}
      </button>
      {copied === false && <p role="alert">{strings.notCopied}</p>}
    </section>
  );
}
