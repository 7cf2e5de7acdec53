// All settings, behind one button: with whom, in which language, how, with which voice and microphone.

import type { Mode } from "@vivavoce/client";
import { Choice } from "./Choice";
import { Devices } from "./Devices";
import { useState } from "react";
import { recall } from "./memory";
import { type Assistant, localize } from "./server";
import { languageName } from "./strings";
import { CheckLink } from "./Notice";
import type { Talking } from "./useTalk";
import { VoiceChoice } from "./VoiceChoice";

/** The maximum shown as cards: with more, the page shows a list. */
const MAX_CARDS = 6;

const TRANSPORTS = ["auto", "webrtc", "websocket"] as const;
const MODES: Mode[] = ["open", "push-to-talk", "text"];

interface Props {
  talking: Talking;
  assistants: Assistant[];
  onInspect: () => void;
}

export function Settings({ talking, assistants, onInspect }: Props) {
  const { assistant, language, mode, strings } = talking;
  const [transport, setTransport] = useState(() => recall().transport ?? "auto");
  return (
    <div className="choices">
      <Choice
        legend={strings.talkWith}
        variant={assistants.length > MAX_CARDS ? "list" : "cards"}
        options={assistants.map(({ name, title }) => ({
          value: name,
          name: localize(title, language),
        }))}
        chosen={assistant.name}
        onChoose={(value) =>
          talking.chooseAssistant(assistants.find(({ name }) => name === value)!)
        }
      />
      {assistant.languages.length > 1 && (
        <Choice
          legend={strings.language}
          options={assistant.languages.map((value) => ({ value, name: languageName(value) }))}
          chosen={language}
          onChoose={talking.chooseLanguage}
        />
      )}
      <Choice
        legend={strings.mode}
        variant="segments"
        options={MODES.map((value) => ({ value, name: strings.modes[value] }))}
        chosen={mode}
        onChoose={talking.chooseMode}
      />
      {mode !== "text" && (
        <>
          <VoiceChoice key={`${assistant.name} ${language}`} talking={talking} />
          <Devices talking={talking} />
          <Choice
            legend={strings.transport.legend}
            variant="segments"
            options={TRANSPORTS.map((value) => ({ value, name: strings.transport[value] }))}
            chosen={transport}
            onChoose={(next) => {
              setTransport(next);
              talking.chooseTransport(next);
            }}
          />
        </>
      )}
      <button type="button" className="secondary" onClick={onInspect}>
        {strings.inspector.title} <kbd>?</kbd>
      </button>
      <CheckLink strings={strings} />
      <button type="button" className="sign-out" onClick={talking.leavePage}>
        {strings.signOut}
      </button>
    </div>
  );
}
