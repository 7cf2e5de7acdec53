// The devices of a voice call. A page that only writes and reads does without this code: a call loads it.

import type { ErrorCode } from "./errors";
import { microphoneErrorCode } from "./microphoneError";
import { AudioPlayer } from "./player";
import { AudioRecorder } from "./recorder";
import type { ServerEvent } from "./protocol";
import { Recordings } from "./recordings";
import type { BrowserSound, SoundOptions } from "./sound";

export class Voice {
  readonly recorder: AudioRecorder;
  readonly player: AudioPlayer;
  readonly recordings = new Recordings();
  readonly #gates: boolean;

  /** Make both devices, and tell `sound` of what happens to them. */
  constructor(sound: BrowserSound, options: SoundOptions, context: () => AudioContext) {
    this.recorder = new AudioRecorder(options);
    this.#gates = options.voiceActivity ?? false;
    this.player = new AudioPlayer({ ...options, context });
    this.recorder.onAudio = (pcm) => sound.onNews({ type: "audio_recorded", pcm });
    this.recorder.onLost = () => sound.onNews({ type: "microphone_lost" });
    this.recorder.onPaused = (paused) => sound.onNews({ type: "microphone_paused", paused });
    this.player.onState = (state) => sound.onNews({ type: "loudspeaker_changed", state });
    this.player.onProgress = (progress) =>
      sound.onNews({ type: "playback_progressed", ...progress });
  }

  /** Follow an event of the server. It decides when a turn ends, so until then it hears everything. */
  note(event: ServerEvent, overSocket: boolean): void {
    this.recordings.note(event, overSocket);
    if (!this.#gates) return;
    switch (event.type) {
      case "session.created":
      case "session.updated": {
        const listens = !!event.session.audio?.input?.turn_detection;
        const held = event.type === "session.updated" ? {} : { held: false };
        return this.recorder.gate({ gated: overSocket && listens, ...held });
      }
      case "input_audio_buffer.speech_started":
        return this.recorder.gate({ held: true });
      case "input_audio_buffer.speech_stopped":
      case "input_audio_buffer.committed":
        return this.recorder.gate({ held: false });
    }
  }

  /** Open the microphone. Return why it does not open. */
  record(): Promise<ErrorCode | undefined> {
    return this.recorder.start().then(() => undefined, microphoneErrorCode);
  }
}
