// The devices of a voice call. A page that only writes and reads does without this code: a call loads it.

import { AudioPlayer } from "./player";
import { AudioRecorder } from "./recorder";
import { Recordings } from "./recordings";
import type { BrowserSound, SoundOptions } from "./sound";

export class Voice {
  readonly recorder: AudioRecorder;
  readonly player: AudioPlayer;
  readonly recordings = new Recordings();

  /** Make both devices, and tell `sound` of what happens to them. */
  constructor(sound: BrowserSound, options: SoundOptions, context: () => AudioContext) {
    this.recorder = new AudioRecorder(options);
    this.player = new AudioPlayer({ ...options, context });
    this.recorder.onAudio = (pcm) => sound.onRecorded(pcm);
    this.recorder.onLost = () => sound.onMicrophoneLost();
    this.recorder.onPaused = (paused) => sound.onMicrophonePaused(paused);
    this.player.onState = (state) => sound.onLoudspeaker(state);
    this.player.onProgress = (progress) => sound.onProgress(progress);
  }
}
