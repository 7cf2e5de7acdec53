// The checks of microphone, loudspeaker and echo. Run them in a click: only then browsers play and record.

import { echoDb, LOUD_ECHO_DB, SOME_ECHO_DB, TONES } from "./echo";
import { type Result, result } from "./results";
import type { Finding } from "./strings";

const LISTEN_MS = 3_000;
const QUIET_MS = 700;
const TONE_S = 0.35;
const QUIET_LEVEL = 0.01; // of full scale: a voice at arm's length is louder
const SAMPLES = 16_384;

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Return the finding for an exception of `getUserMedia`. */
function whyClosed(error: unknown): Finding {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError") return "microphone_refused";
  if (name === "NotFoundError") return "microphone_missing";
  return name === "SecurityError" ? "microphone_insecure" : "microphone_busy";
}

interface Listening {
  context: AudioContext;
  analyser: AnalyserNode;
  close: () => void;
}

async function listen(): Promise<Listening> {
  if (!navigator.mediaDevices) throw new DOMException("no microphone here", "SecurityError");
  const audio = { channelCount: 1, echoCancellation: true, noiseSuppression: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: SAMPLES });
  context.createMediaStreamSource(stream).connect(analyser);
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    void context.close();
  };
  return { context, analyser, close };
}

/** Play the tones one after the other. Return the time that they take, in ms. */
function play(context: AudioContext): number {
  const volume = new GainNode(context, { gain: 0.2 });
  volume.connect(context.destination);
  TONES.forEach((frequency, i) => {
    const tone = new OscillatorNode(context, { frequency });
    tone.connect(volume);
    tone.start(context.currentTime + i * TONE_S);
    tone.stop(context.currentTime + (i + 1) * TONE_S);
  });
  return TONES.length * TONE_S * 1000;
}

/** Listen for 3 s. `onLevel` receives the level, 0 to 1, about thirty times a second. */
export async function checkMicrophone(onLevel: (level: number) => void): Promise<Result> {
  try {
    const { analyser, close } = await listen();
    const samples = new Float32Array(1024);
    let loudest = 0;
    for (const began = performance.now(); performance.now() - began < LISTEN_MS; await wait(33)) {
      analyser.getFloatTimeDomainData(samples);
      const level = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
      loudest = Math.max(loudest, level);
      onLevel(Math.min(1, level * 5));
    }
    close();
    onLevel(0);
    const percent = Math.round(loudest * 100);
    if (loudest === 0) return result("bad", "microphone_silent");
    if (loudest < QUIET_LEVEL) return result("poor", "microphone_quiet", percent);
    return result("good", "microphone_heard", percent);
  } catch (error) {
    return result("bad", whyClosed(error));
  }
}

/** Play the tones. Whether they were heard, only the user can say. */
export async function playTones(): Promise<boolean> {
  try {
    const context = new AudioContext();
    await context.resume();
    await wait(play(context) + 100);
    await context.close();
    return true;
  } catch {
    return false;
  }
}

/** Play the tones, and measure how much of them the microphone hears through the browser's echo canceller. */
export async function checkEcho(): Promise<Result> {
  try {
    const { context, analyser, close } = await listen();
    const [quiet, during] = [new Float32Array(SAMPLES), new Float32Array(SAMPLES)];
    await wait(QUIET_MS);
    analyser.getFloatTimeDomainData(quiet);
    await wait(play(context));
    analyser.getFloatTimeDomainData(during);
    const db = echoDb(quiet, during, context.sampleRate);
    close();
    if (db >= LOUD_ECHO_DB) return result("bad", "echo_loud", db);
    if (db >= SOME_ECHO_DB) return result("poor", "echo_some", db);
    return result("good", "echo_none", Math.max(0, db));
  } catch (error) {
    return result("bad", whyClosed(error));
  }
}
