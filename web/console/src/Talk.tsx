// The talk page. Before the first word the stage fills it; then the transcript does, and the stage stands aside.

import { useCallback, useEffect, useState } from "react";
import { Composer } from "./Composer";
import { Dialog } from "./Dialog";
import { Drawer } from "./Drawer";
import { Inspector } from "./Inspector";
import type { ErrorAction } from "./errorActions";
import { Feedback } from "./Feedback";
import { Notice } from "./Notice";
import { isAtRest, isReconnecting, isUnderWay } from "./presence";
import { type Assistant, localize } from "./server";
import { Settings } from "./Settings";
import { type Layout, Stage } from "./Stage";
import { stringsFor } from "./strings";
import { TopBar } from "./TopBar";
import { Transcript } from "./Transcript";
import { useApprovals } from "./useApprovals";
import { useConnection } from "./useConnection";
import { useEventLog } from "./useEventLog";
import { useEndedCall } from "./useEndedCall";
import { useFullScreen } from "./useFullScreen";
import { useSession } from "./useSession";
import { useTalk } from "./useTalk";
import { VenueMap } from "./VenueMap";

export function Talk(props: { assistants: Assistant[]; onSignedOut: () => void }) {
  const { assistants, onSignedOut } = props;
  const talking = useTalk(assistants, onSignedOut);
  const { assistant, language, mode, call, state, strings, map, ensureCall } = talking;
  const [sheet, setSheet] = useState<"settings" | "conversations" | "inspector">();
  const [full, setFull] = useFullScreen();
  const decide = useApprovals(call, state.toolCards);
  const session = useSession(call, isUnderWay(state));
  const connection = useConnection(isUnderWay(state));
  const name = localize(assistant.title, language);
  const said = state.lines.length > 0 || state.toolCards.length > 0;
  const layout: Layout = full ? "full" : said ? "talking" : "empty";
  const waiting = isReconnecting(state) && state.error?.retryAfter !== undefined;
  const { ended, dismiss } = useEndedCall(call, state.status === "ended" && isAtRest(state));
  const act = (action: ErrorAction) => {
    if (action === "resume") call?.resume();
    else if (action === "microphone") void ensureCall().startMic();
    else if (action === "sign_in") onSignedOut();
    else if (action === "earlier") setSheet("conversations");
    else {
      if (action === "write") talking.chooseMode("text");
      call?.start(); // a server that is full still accepts text sessions
    }
  };
  useDocument(name, language);
  useEffect(() => {
    const interruptOnEscape = ({ key }: KeyboardEvent) =>
      key === "Escape" && !document.querySelector("dialog[open]") && void call?.interrupt();
    addEventListener("keydown", interruptOnEscape);
    return () => removeEventListener("keydown", interruptOnEscape);
  }, [call]);
  const recordingOf = useCallback((id: string) => call?.recordingOf(id), [call]);
  const readLog = useEventLog(call);
  const closeSheet = (closed: typeof sheet) => () =>
    setSheet((open) => (open === closed ? undefined : open)); // it may have opened another one
  useQuestionMark(useCallback(() => setSheet("inspector"), []));

  return (
    <div className="talk" data-layout={layout}>
      <TopBar
        strings={strings}
        session={session}
        connection={connection}
        full={full}
        onFull={() => setFull(!full)}
        onConversations={() => setSheet("conversations")}
        onSettings={() => setSheet("settings")}
      />
      <Stage talking={talking} layout={layout} waiting={waiting} />
      <main className="page">
        {said && (
          <Transcript
            lines={state.lines}
            toolCards={state.toolCards}
            sources={state.sources}
            name={name}
            language={language}
            strings={strings}
            recordingOf={recordingOf}
            onDecide={decide}
          />
        )}
        {map && <VenueMap view={map} strings={strings} onClose={talking.closeMap} />}
        {ended && !state.error && (
          <Feedback key={ended} call={ended} strings={strings} onDismiss={dismiss} />
        )}
        {state.error && (
          <Notice
            error={state.error}
            mode={mode}
            waiting={waiting}
            strings={strings}
            onAction={act}
          />
        )}
      </main>
      <Composer
        name={name}
        strings={strings}
        onSend={(text, images) => void ensureCall().sendText(text, images)}
      />
      <Dialog
        title={strings.drawer.title}
        side="left"
        open={sheet === "conversations"}
        closeLabel={strings.close}
        onClose={closeSheet("conversations")}
      >
        <Drawer talking={talking} assistants={assistants} onDone={closeSheet("conversations")} />
      </Dialog>
      <Dialog
        title={strings.settings}
        side="right"
        open={sheet === "settings"}
        closeLabel={strings.done}
        onClose={closeSheet("settings")}
      >
        <Settings
          talking={talking}
          assistants={assistants}
          onInspect={() => setSheet("inspector")}
        />
      </Dialog>
      <Dialog
        title={strings.inspector.title}
        side="right"
        open={sheet === "inspector"}
        closeLabel={strings.close}
        onClose={closeSheet("inspector")}
      >
        <Inspector talking={talking} readLog={readLog} />
      </Dialog>
    </div>
  );
}

/** Do something at the key `?`, except where it is typed, or where a dialog is open. */
function useQuestionMark(act: () => void): void {
  useEffect(() => {
    const press = ({ key, target }: KeyboardEvent) => {
      const typed = (target as Element).closest("input, textarea, select, dialog");
      if (key === "?" && !typed) act();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [act]);
}

/** Give the document the language and the title. */
function useDocument(name: string, language: string): void {
  const { language: pageLanguage } = stringsFor([language, ...navigator.languages]);
  useEffect(() => {
    document.documentElement.lang = pageLanguage;
    document.title = `${name} · Vivavoce`;
  }, [pageLanguage, name]);
}
