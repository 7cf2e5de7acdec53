// Audio without a call: the microphone, the loudspeaker, and recordings as pictures and files.

export { RATE } from "./rate";
export {
  AudioPlayer,
  type LoudspeakerState,
  type PlaybackProgress,
  type PlayerOptions,
} from "./player";
export { AudioRecorder, type RecorderOptions } from "./recorder";
export { peaks, wav } from "./waveform";
export type { WorkletOptions } from "./worklet";
