// The rules of a call, pure: an input (a command of the page, a server event, news of the connection, the
// microphone or the loudspeaker) leads to the next state and to actions that `call.ts` performs. The rules
// know no sockets, no timers and no audio devices.
//
// `commands.ts` has the rules for the page, the microphone and the loudspeaker; `devices.ts` those for devices
// that fail or are paused; `serverEvents.ts` those for the connection and the server; `responses.ts` what they
// share.

import * as commands from "./commands";
import * as devices from "./devices";
import type { PlayedPosition } from "./playout";
import { cutPlayback, interrupt, sendDrafts } from "./responses";
import * as server from "./serverEvents";
import { applyRun } from "./toolCards";
import type { Action, Input, Step, Turn } from "./turnState";

/** Apply one input. The actions are to be performed in order. */
export function reduce(turn: Turn, input: Input): Step {
  const actions: Action[] = [];
  return { turn: applyInput(turn, input, actions), actions };
}

function applyInput(turn: Turn, input: Input, out: Action[]): Turn {
  switch (input.type) {
    case "started":
      return commands.start(turn, out);
    case "closed":
      return commands.close(turn, out);
    case "text_entered":
      return commands.enterText(turn, { images: [], ...input }, out);
    case "interrupted":
      return interrupt(turn, out);
    case "mode_changed":
      return commands.changeMode(turn, input.mode, out);
    case "language_changed":
      return commands.changeLanguage(turn, input.language, out);
    case "talk_pressed":
      return commands.pressTalk(turn, out);
    case "talk_released":
      return commands.releaseTalk(turn, out);
    case "microphone_requested":
      return commands.requestMicrophone(turn, out);
    case "microphone_opened":
      return commands.openMicrophone(turn, out);
    case "microphone_failed":
      return commands.failMicrophone(turn, input.code);
    case "microphone_stopped":
      return commands.stopMicrophone(turn, out);
    case "microphone_lost":
      return commands.loseMicrophone(turn, out);
    case "devices_changed":
      return commands.changeDevices(turn, out);
    case "microphone_paused":
      return { ...turn, microphonePaused: input.paused };
    case "loudspeaker_changed":
      return devices.changeLoudspeaker(turn, input.state, out);
    case "resumed":
      return devices.resumeDevices(turn, out);
    case "audio_recorded":
      return commands.sendAudio(turn, input.pcm, input.bufferedBytes, out);
    case "playback_progressed":
      return commands.progressPlayback(turn, input);
    case "playback_flushed":
      return endFlush(turn, input.positions, out);
    case "tools_finished":
      return commands.returnToolResults(turn, input.results, out);
    case "tool_run_read":
      return { ...turn, toolRuns: applyRun(turn.toolRuns, input.run) };
    case "mcp_request_answered":
      return commands.answerMcpRequest(turn, input.request, input.approve, out);
    case "sources_read":
      return server.noteSources(turn, input.item, input.sources);
    case "connection_opening":
      return server.openConnection(turn, input.link);
    case "connection_lost":
      return server.loseConnection(turn, input.link, input.error);
    case "connection_failed":
      return server.failConnection(turn, input.error, out);
    case "transport_chosen":
      return { ...turn, transport: input.transport };
    case "conversation_gone":
      return server.replaceConversation(turn);
    case "server_event":
      return server.applyServerEvent(turn, input.event, out);
  }
}

/** Note where playback was cut. Typed messages that waited for this are sent. */
function endFlush(turn: Turn, positions: readonly PlayedPosition[], out: Action[]): Turn {
  const flushed = { ...turn, flushes: Math.max(0, turn.flushes - 1) };
  return sendDrafts(cutPlayback(flushed, positions, out), out);
}
