// What the assistant does now, as the page shows it: one word for the grille, and one text for the user. Only
// this file knows the statuses of the client.

import type { State } from "@vivavoce/client";
import type { Strings } from "./strings";
import { toolTitle } from "./toolText";

/** `hearing`: the user speaks. `ready`: it is the user's turn, and nothing of the user is heard. */
export type Presence =
  | "idle"
  | "asking"
  | "connecting"
  | "ready"
  | "listening"
  | "hearing"
  | "thinking"
  | "usingTool"
  | "speaking"
  | "paused"
  | "reconnecting"
  | "failed";

export function presenceOf(state: State): Presence {
  const { status, why, userSpeaking } = state;
  switch (status) {
    case "listening":
      if (why === "sound_suspended") return "paused";
      if (userSpeaking) return "hearing";
      return why ? "ready" : "listening";
    case "asking_permission":
      return "asking";
    case "using_tool":
      return "usingTool";
    case "ended":
      return isAtRest(state) ? "idle" : "failed";
    default:
      return status;
  }
}

export function presenceText(state: State, { status: texts }: Strings): string {
  const presence = presenceOf(state);
  const tool = runningTool(state);
  switch (presence) {
    case "hearing":
      return texts.userSpeaking;
    case "usingTool":
      return tool ? texts.usingTool.replace("{tool}", toolTitle(tool)) : texts.thinking;
    case "idle":
    case "ready":
      return texts[presence][state.mode];
    default:
      return texts[presence];
  }
}

/** True before a call, and after one that ended without an error. */
export const isAtRest = ({ status, why }: State): boolean =>
  status === "idle" || (status === "ended" && (why === "closed" || why === "hung_up"));

/** A call is under way, also while it is being opened again. */
export const isUnderWay = ({ status }: State): boolean => status !== "idle" && status !== "ended";

/** The session is open: a setting of the session is fixed. */
export const hasSession = (state: State): boolean =>
  isUnderWay(state) && !["connecting", "reconnecting"].includes(state.status);

/** The user may stop an answer. */
export const canStop = ({ status }: State): boolean =>
  ["speaking", "thinking", "using_tool"].includes(status);

export const isReconnecting = ({ status }: State): boolean => status === "reconnecting";

/** The call has ended in an error. */
export const hasFailed = (state: State): boolean => state.status === "ended" && !isAtRest(state);

/** The system or the browser has paused a device. */
export const isPaused = ({ why }: State): boolean => why === "sound_suspended";

const runningTool = ({ toolCards }: State): string | undefined =>
  toolCards.findLast(({ state }) => state === "running")?.name;
