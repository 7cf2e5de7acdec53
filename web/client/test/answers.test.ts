// Every typed question is answered, whatever the server is doing when it is typed, and however late both sides
// learn of each other.

import { expect, test } from "vitest";
import type { ClientEvent, Response, ServerEvent } from "../src/protocol";
import { view } from "../src/state";
import { reduce } from "../src/turn";
import { initialTurn, type Input, type Turn } from "../src/turnState";
import { pick, seeded } from "./walk";

const SEEDS = 500;

type Kind = "gives way" | "refuses" | "refuses late";

/**
 * A server that makes one response at a time. One that "gives way" cancels its greeting for a request, as ours
 * does. The others refuse a request while a response is active; "late": after events that it has sent since.
 */
class Server {
  readonly answered: string[] = [];
  responses = 0;
  #next = 0;
  #active: { id: string; items: string[]; greeting: boolean } | undefined;
  #items: string[] = [];
  #late: ServerEvent[] = [];

  constructor(
    readonly kind: Kind,
    readonly out: ServerEvent[],
  ) {}

  greet(): void {
    this.#begin(true);
  }

  /** Go on with what takes time: the active response, and refusals that are on their way. */
  work(): void {
    this.#finish("completed");
    this.out.push(...this.#late.splice(0));
  }

  get idle(): boolean {
    return !this.#active && !this.#late.length;
  }

  receive(event: ClientEvent): void {
    switch (event.type) {
      case "conversation.item.create": {
        const item = event.item as { id: string };
        this.#items.push(item.id);
        const done = { ...item, status: "completed" } as never;
        this.out.push({ type: "conversation.item.added", item: done, previous_item_id: null });
        this.out.push({ type: "conversation.item.done", item: done });
        return;
      }
      case "response.cancel":
        return this.#active
          ? this.#finish("cancelled")
          : this.#refuse("response_cancel_not_active", event);
      case "response.create":
        if (this.#active?.greeting && this.kind === "gives way") this.#finish("cancelled");
        if (this.#active) return this.#refuse("conversation_already_has_active_response", event);
        return this.#begin(false);
    }
  }

  #begin(greeting: boolean): void {
    if (!greeting) this.responses++;
    this.#active = { id: `resp_${++this.#next}`, items: [...this.#items], greeting };
    this.out.push({ type: "response.created", response: this.#response("in_progress") });
  }

  #finish(status: "completed" | "cancelled"): void {
    if (!this.#active) return;
    const response = this.#response(status);
    if (status === "completed" && !this.#active.greeting) this.answered.push(...this.#active.items);
    this.#active = undefined;
    this.out.push({ type: "response.done", response });
  }

  #response = (status: Response["status"]): Response => ({
    id: this.#active!.id,
    status,
    status_details: null,
    conversation_id: "conv_1",
    output: [],
  });

  #refuse(code: string, event: ClientEvent): void {
    const error = {
      code,
      message: "A sentence.",
      event_id: "event_id" in event ? event.event_id : undefined,
    };
    (this.kind === "refuses late" ? this.#late : this.out).push({ type: "error", error } as never);
  }
}

/** Play one conversation to its end. */
function play(seed: number, kind: Kind): { turn: Turn; asked: string[]; server: Server } {
  const random = seeded(seed);
  const up: ClientEvent[] = [];
  const down: ServerEvent[] = [];
  const server = new Server(kind, down);
  const asked: string[] = [];
  let turn = initialTurn({ mode: pick(random, ["open", "text"]) });
  let flushes = 0;
  const feed = (input: Input): void => {
    const step = reduce(turn, input);
    turn = step.turn;
    for (const action of step.actions) {
      if (action.type === "send") up.push(action.event);
      if (action.type === "flush_playback") flushes++;
    }
  };
  const steps: Record<string, () => void> = {
    up: () => up.length && server.receive(up.shift()!),
    down: () => down.length && feed({ type: "server_event", event: down.shift()! }),
    work: () => server.work(),
    flushed: () => flushes && (flushes--, feed({ type: "playback_flushed", positions: [] })),
  };
  feed({ type: "connection_opening", link: "connecting" });
  feed({ type: "server_event", event: { type: "session.created", session: {} } });
  if (random() < 0.8) server.greet();
  const questions = pick(random, [1, 1, 2, 3]);
  while (asked.length < questions || up.length || down.length || flushes || !server.idle) {
    if (asked.length < questions && random() < 0.2) {
      const id = `item_${asked.length + 1}`;
      asked.push(id);
      feed({ type: "text_entered", id, text: "Why?" });
    } else steps[pick(random, Object.keys(steps))]!();
  }
  return { turn, asked, server };
}

test.each<Kind>(["gives way", "refuses", "refuses late"])(
  "every question is answered by a server that %s",
  (kind) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { turn, asked, server } = play(seed, kind);
      expect(server.answered, `seed ${seed}`).toContain(asked.at(-1));
      expect(server.responses, `seed ${seed}`).toBeLessThanOrEqual(asked.length);
      expect(view(turn).status, `seed ${seed}`).toMatch(/^(ready|listening)$/);
      expect(turn.error, `seed ${seed}`).toBeUndefined();
    }
  },
);
