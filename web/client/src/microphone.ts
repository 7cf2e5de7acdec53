// The microphone and the talk button of push-to-talk, as values. The button can only be held while the
// microphone is open or being opened.

/** While it is `requesting`, the browser may be asking the user. */
export type Microphone =
  | { readonly phase: "closed" }
  | { readonly phase: "requesting" | "open"; readonly button: TalkButton };

/** While the button is held: ms of audio sent since it was pressed. */
export type TalkButton =
  { readonly held: false } | { readonly held: true; readonly sentMs: number };

export const CLOSED: Microphone = { phase: "closed" };
export const RELEASED: TalkButton = { held: false };

const MIN_UTTERANCE_MS = 100; // the protocol refuses to commit less

export const isHeld = (microphone: Microphone): boolean =>
  microphone.phase !== "closed" && microphone.button.held;

/** True if the audio sent while the button is held is long enough to commit. */
export const isLongEnough = (microphone: Microphone): boolean =>
  microphone.phase !== "closed" &&
  microphone.button.held &&
  microphone.button.sentMs >= MIN_UTTERANCE_MS;

export const release = (microphone: Microphone): Microphone =>
  microphone.phase === "closed" ? microphone : { ...microphone, button: RELEASED };

/** Press the button; a closed microphone is requested. */
export const press = (microphone: Microphone): Microphone => ({
  phase: microphone.phase === "closed" ? "requesting" : microphone.phase,
  button: { held: true, sentMs: 0 },
});

/** Count audio that was sent. */
export function countSent(microphone: Microphone, ms: number): Microphone {
  if (microphone.phase === "closed" || !microphone.button.held) return microphone;
  return { ...microphone, button: { held: true, sentMs: microphone.button.sentMs + ms } };
}
