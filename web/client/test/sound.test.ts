// The devices of a browser, as far as they can be followed outside of one: how often a call opens them.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BrowserSound, type SoundNews } from "../src/sound";
import * as voice from "../src/voice";

class Track extends EventTarget {
  stopped = false;
  muted = false;
  stop(): void {
    this.stopped = true;
  }
  mute(muted: boolean): void {
    this.muted = muted;
    this.dispatchEvent(new Event(muted ? "mute" : "unmute"));
  }
}
const track = () => new Track();
const streamOf = (...tracks: ReturnType<typeof track>[]) => ({ getTracks: () => tracks });

class Port {
  static posted: object[] = [];
  onmessage = () => {};
  postMessage(message: object): void {
    Port.posted.push(message);
  }
}

class TestNode {
  readonly port = new Port();
  connect(next: unknown): unknown {
    return next;
  }
}

class TestContext extends EventTarget {
  static made: TestContext[] = [];
  state = "running";
  resumes = true;
  constructor() {
    super();
    TestContext.made.push(this);
  }
  change(state: string): void {
    this.state = state;
    this.dispatchEvent(new Event("statechange"));
  }
  resume(): Promise<void> {
    if (!this.resumes) return new Promise(() => {});
    this.change("running");
    return Promise.resolve();
  }
  readonly audioWorklet = { addModule: async () => {} };
  readonly destination = {};
  createMediaStreamSource(): TestNode {
    return new TestNode();
  }
  async close(): Promise<void> {}
}

/** Return the state of a device that the news tells. */
function toldBy(news: SoundNews): (string | boolean)[] {
  if (news.type === "loudspeaker_changed") return [news.state];
  return news.type === "microphone_paused" ? [news.paused] : [];
}

const browserSound = () => new BrowserSound({ worklets: "worklets.js" }, async () => voice);

let asked: ((stream: unknown) => void)[] = [];

beforeEach(() => {
  asked = [];
  TestContext.made = [];
  const getUserMedia = () => new Promise((resolve) => asked.push(resolve));
  vi.stubGlobal("navigator", { mediaDevices: { getUserMedia } });
  vi.stubGlobal("AudioContext", TestContext);
  vi.stubGlobal("AudioWorkletNode", TestNode);
});
afterEach(() => vi.unstubAllGlobals());

test("a second request while the browser asks the user does not open a second stream", async () => {
  const sound = browserSound();
  await sound.wake();
  const first = sound.record();
  sound.stopRecording(); // the first request is no longer wanted
  const second = sound.record();
  const tracks = asked.map(track);
  asked.forEach((answer, i) => answer(streamOf(tracks[i]!)));
  await Promise.all([first, second]);
  sound.stopRecording();
  expect(tracks.filter(({ stopped }) => !stopped)).toEqual([]);
  expect(tracks).toHaveLength(1);
});

test("a request after a refusal asks the browser again", async () => {
  const refused = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  vi.stubGlobal("navigator", { mediaDevices: { getUserMedia: vi.fn(refused) } });
  const sound = browserSound();
  for (const count of [1, 2]) {
    expect(await sound.record()).toBe("microphone_refused");
    expect(navigator.mediaDevices.getUserMedia).toHaveBeenCalledTimes(count);
  }
});

test("a flush that meets the end of the call reports nothing and does not hang", async () => {
  const sound = browserSound();
  await sound.wake();
  const flushed = sound.flush();
  sound.close();
  expect(await flushed).toEqual([]);
});

test("after a flush nothing is loud", async () => {
  const nodes: TestNode[] = [];
  class PlayerNode extends TestNode {
    constructor() {
      super();
      nodes.push(this);
    }
  }
  vi.stubGlobal("AudioWorkletNode", PlayerNode);
  const sound = browserSound();
  await sound.wake();
  const position = { item: "item_1", ms: 40 };
  const report = { data: { position, level: 0.7, drained: false } };
  (nodes[0]!.port.onmessage as (event: object) => void)(report);
  expect(sound.levels.out).toBe(0.7);
  const flushed = sound.flush();
  await Promise.resolve();
  await Promise.resolve();
  expect(sound.levels.out).toBe(0);
  sound.close();
  await flushed;
});

test("a flush does not wait for a loudspeaker that takes long to open, which is flushed when it opens", async () => {
  vi.useFakeTimers();
  let load = (): void => {};
  const posted: object[] = [];
  class Context extends TestContext {
    override readonly audioWorklet = {
      addModule: () => new Promise<void>((done) => (load = done)),
    };
  }
  class PlayerNode extends TestNode {
    override readonly port = Object.assign(new Port(), {
      postMessage: (data: object) => void posted.push(data),
    });
  }
  vi.stubGlobal("AudioContext", Context);
  vi.stubGlobal("AudioWorkletNode", PlayerNode);
  const sound = browserSound();
  sound.play("item_1", new Int16Array(240));
  const flushed = sound.flush();
  sound.play("item_2", new Int16Array(240));
  await vi.advanceTimersByTimeAsync(600);
  expect(await flushed).toBeUndefined();
  load();
  await vi.advanceTimersByTimeAsync(0);
  expect(posted).toMatchObject([{ item: "item_1" }, { flush: 1 }, { item: "item_2" }]);
  await vi.advanceTimersByTimeAsync(600);
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test("worklets that could not be loaded are loaded again at the next click", async () => {
  let loads = 0;
  class Context extends TestContext {
    override readonly audioWorklet = {
      addModule: async () => {
        if (!loads++) throw new Error("no network");
      },
    };
  }
  vi.stubGlobal("AudioContext", Context);
  const sound = browserSound();
  const told: unknown[] = [];
  sound.onNews = (news) => told.push(...toldBy(news));
  await sound.wake();
  expect(await sound.flush()).toEqual([]);
  await sound.wake();
  expect(loads).toBe(2);
  expect(told).toEqual(["failed", "running"]);
});

test("W1_ without AudioWorklet a loudspeaker is insecure, and neither waking nor playing throws", async () => {
  class Context extends TestContext {
    override readonly audioWorklet = undefined as unknown as TestContext["audioWorklet"];
  }
  vi.stubGlobal("AudioContext", Context);
  vi.stubGlobal("isSecureContext", false);
  const sound = browserSound();
  const told: unknown[] = [];
  sound.onNews = (news) => told.push(...toldBy(news));
  await sound.wake();
  sound.play("item_1", new Int16Array(8));
  expect(await sound.flush()).toEqual([]);
  expect(new Set(told)).toEqual(new Set(["insecure"]));
});

test("W1_ a flush that a suspended loudspeaker does not answer ends after 300 ms", async () => {
  vi.useFakeTimers();
  const sound = browserSound();
  await sound.wake();
  const flushed = sound.flush();
  await vi.advanceTimersByTimeAsync(300);
  expect(await flushed).toBeUndefined();
  vi.useRealTimers();
});

test("W3_ a suspended loudspeaker and a muted microphone are told at every change", async () => {
  const sound = browserSound();
  const told: unknown[] = [];
  sound.onNews = (news) => told.push(...toldBy(news));
  await sound.wake();
  const recording = sound.record();
  const microphone = track();
  asked[0]!(streamOf(microphone));
  await recording;
  const [speaker, input] = TestContext.made;
  const changes: [() => void, unknown][] = [
    [() => speaker!.change("suspended"), "suspended"],
    [() => speaker!.change("interrupted"), "suspended"],
    [() => speaker!.change("running"), "running"],
    [() => microphone.mute(true), true],
    [() => microphone.mute(false), false],
    [() => input!.change("interrupted"), true],
    [() => input!.change("running"), false],
  ];
  for (const [change, state] of changes) {
    told.length = 0;
    change();
    await Promise.resolve();
    await Promise.resolve();
    expect(told).toEqual([state]);
  }
  told.length = 0;
  sound.close();
  speaker!.change("closed");
  input!.change("closed");
  microphone.mute(true);
  await Promise.resolve();
  expect(told).toEqual([]);
});

test("W3_ waking resumes both devices, and a browser that does not resume is told as suspended", async () => {
  vi.useFakeTimers();
  const sound = browserSound();
  await sound.wake();
  const recording = sound.record();
  asked[0]!(streamOf(track()));
  await recording;
  const told: unknown[] = [];
  for (const context of TestContext.made) context.state = "suspended";
  sound.onNews = (news) => told.push(...toldBy(news));
  await sound.wake();
  expect(TestContext.made.map(({ state }) => state)).toEqual(["running", "running"]);
  for (const context of TestContext.made)
    Object.assign(context, { state: "suspended", resumes: false });
  const waking = sound.wake();
  await vi.advanceTimersByTimeAsync(1000);
  await waking;
  expect(told.at(-1)).toBe("suspended");
  vi.useRealTimers();
});

test("W3_ a page that is shown again resumes what was suspended", async () => {
  const shown = Object.assign(new EventTarget(), { visibilityState: "visible" });
  vi.stubGlobal("document", shown);
  const sound = browserSound();
  await sound.wake();
  const [speaker] = TestContext.made;
  speaker!.change("suspended");
  shown.dispatchEvent(new Event("visibilitychange"));
  await new Promise((resolve) => setTimeout(resolve));
  expect(speaker!.state).toBe("running");
  sound.close();
  speaker!.change("suspended");
  shown.dispatchEvent(new Event("visibilitychange"));
  await new Promise((resolve) => setTimeout(resolve));
  expect(speaker!.state).toBe("suspended");
});

test("only a recorder that is asked to follows the voice, while the server listens for speech", async () => {
  const open = async (voiceActivity: boolean) => {
    const sound = new BrowserSound({ worklets: "w.js", voiceActivity }, async () => voice);
    await sound.wake();
    const recording = sound.record();
    asked.at(-1)!(streamOf(track()));
    await recording;
    Port.posted = [];
    return sound;
  };
  const session = (turn_detection: object | null) =>
    ({ type: "session.updated", session: { audio: { input: { turn_detection } } } }) as const;
  const speech = (what: "started" | "stopped") =>
    ({ type: `input_audio_buffer.speech_${what}`, item_id: "item_1" }) as const;
  const follows = await open(true);
  for (const event of [session({ type: "semantic_vad" }), speech("started"), speech("stopped")])
    follows.note(event, true);
  follows.note(session(null), true); // push-to-talk
  expect(Port.posted).toEqual([
    { gated: true, held: false },
    { gated: true, held: true },
    { gated: true, held: false },
    { gated: false, held: false },
  ]);
  follows.note(session({ type: "semantic_vad" }), false); // over WebRTC
  expect(Port.posted.at(-1)).toEqual({ gated: false, held: false });
  (await open(false)).note(session({ type: "semantic_vad" }), true);
  expect(Port.posted).toEqual([]);
});
