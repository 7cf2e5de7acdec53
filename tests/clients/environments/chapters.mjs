// What the programs of all Node clients have in common: `chapters.py`, for Node.

import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE_MS = 60_000;
const CHUNK_MS = 20;
const BYTES_PER_MS = 48; // PCM16 at 24 kHz

const complaints = [];

/** Note an error that the client has shown to its user. */
export function complain(about) {
  complaints.push(String(about?.stack ?? about));
}

/** The question, 20 ms at a time. */
function voice(place) {
  const pcm = readFileSync(place.spoken);
  const size = CHUNK_MS * BYTES_PER_MS;
  return Array.from({ length: Math.ceil(pcm.length / size) }, (_, i) =>
    pcm.subarray(i * size, (i + 1) * size),
  );
}

/** Say the question, in real time. */
export async function speak(place, send) {
  const began = performance.now();
  for (const [i, piece] of voice(place).entries()) {
    await sleep(Math.max(0, began + i * CHUNK_MS - performance.now()));
    send(piece);
  }
}

/** Break the connection as a network does: no close frame, no goodbye. */
export function cut(place) {
  return new Promise((resolve, reject) => {
    connect(place.cutter, "127.0.0.1").on("error", reject).on("close", resolve).resume();
  });
}

/** What a client is told, in order. Who reads on waits for what is not there yet. */
export class Told {
  all = [];
  #read = 0;
  #waiting = new Set();

  add(event) {
    this.all.push(event);
    this.#waiting.forEach((look) => look());
  }

  /** Read on to an event of this type. */
  until(type) {
    return this.#find(() => {
      while (this.#read < this.all.length) {
        const event = this.all[this.#read++];
        if (event.type === type) return event;
      }
    });
  }

  /** The first event of this type, read or not. */
  first(type) {
    return this.#find(() => this.all.find((event) => event.type === type));
  }

  #find(found) {
    return new Promise((resolve) => {
      const look = () => {
        const event = found();
        if (event) {
          this.#waiting.delete(look);
          resolve(event);
        }
      };
      this.#waiting.add(look);
      look();
    });
  }
}

async function live(chapter, place) {
  const patience = new AbortController();
  const impatience = sleep(PATIENCE_MS, { failed: "it took too long" }, patience);
  try {
    return await Promise.race([chapter(place), impatience]);
  } catch (error) {
    return { failed: error.stack };
  } finally {
    patience.abort();
  }
}

/** Live through each chapter and print the report. */
export async function tell(folder, packages, chapters) {
  const place = JSON.parse(readFileSync(0, "utf8"));
  place.ws_url = `${place.base_url.replace("http", "ws")}/realtime`;
  process.on("warning", complain);
  process.on("unhandledRejection", complain);
  for (const level of ["warn", "error"]) console[level] = (...words) => complain(words.join(" "));
  const versions = {};
  for (const name of packages) {
    const about = await readFile(new URL(`node_modules/${name}/package.json`, folder), "utf8");
    versions[name] = JSON.parse(about).version;
  }
  const told = {};
  for (const chapter of chapters) told[chapter.name] = await live(chapter, place);
  console.log(JSON.stringify({ versions, chapters: told, complaints }));
  process.exit(0);
}
