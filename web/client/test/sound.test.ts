// The devices of a browser, as far as they can be followed outside of one: how often a call opens them.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BrowserSound } from "../src/sound";

const track = () => ({ stopped: false, addEventListener() {}, stop() { this.stopped = true; } });
const streamOf = (...tracks: ReturnType<typeof track>[]) => ({ getTracks: () => tracks });

class Port {
  onmessage = () => {};
  postMessage(): void {}
}

class TestNode {
  readonly port = new Port();
  connect(next: unknown): unknown {
    return next;
  }
}

class TestContext {
  readonly state = "running";
  readonly audioWorklet = { addModule: async () => {} };
  readonly destination = {};
  createMediaStreamSource(): TestNode {
    return new TestNode();
  }
  async close(): Promise<void> {}
}

let asked: ((stream: unknown) => void)[] = [];

beforeEach(() => {
  asked = [];
  const getUserMedia = () => new Promise((resolve) => asked.push(resolve));
  vi.stubGlobal("navigator", { mediaDevices: { getUserMedia } });
  vi.stubGlobal("AudioContext", TestContext);
  vi.stubGlobal("AudioWorkletNode", TestNode);
});
afterEach(() => vi.unstubAllGlobals());

test("a second request while the browser asks the user does not open a second stream", async () => {
  const sound = new BrowserSound({ worklets: "worklets.js" });
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
  const sound = new BrowserSound({ worklets: "worklets.js" });
  for (const count of [1, 2]) {
    await expect(sound.record()).rejects.toThrow("no");
    expect(navigator.mediaDevices.getUserMedia).toHaveBeenCalledTimes(count);
  }
});

test("a flush that meets the end of the call reports nothing and does not hang", async () => {
  const sound = new BrowserSound({ worklets: "worklets.js" });
  await sound.wake();
  const flushed = sound.flush();
  sound.close();
  expect(await flushed).toEqual([]);
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
  const sound = new BrowserSound({ worklets: "worklets.js" });
  await expect(sound.wake()).rejects.toThrow("no network");
  expect(await sound.flush()).toEqual([]);
  await sound.wake();
  expect(loads).toBe(2);
});
