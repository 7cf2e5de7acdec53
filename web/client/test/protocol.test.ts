// The events that the client reads and sends are those of the server. The type checker decides this.

import { expectTypeOf, test } from "vitest";
import type * as generated from "../src/protocol.generated";
import type { ClientEvent, ServerEvent } from "../src/protocol";

type Known = generated.ServerEvent | generated.OwnEvent;

test("the client knows no event that the server does not know", () => {
  expectTypeOf<Exclude<ServerEvent["type"], Known["type"]>>().toEqualTypeOf<never>();
  expectTypeOf<
    Exclude<ClientEvent["type"], generated.ClientEvent["type"]>
  >().toEqualTypeOf<never>();
});

test("an event has the fields that the client reads", () => {
  type Fields<E> = Omit<E, "item" | "response" | "session" | "error">; // of which it reads a part
  type Read = Extract<generated.ServerEvent, { type: ServerEvent["type"] }>;
  type ReadAs<T> = ServerEvent extends infer E
    ? E extends { type: infer Types }
      ? T extends Types
        ? Omit<E, "type">
        : never
      : never
    : never;
  type Wrong = {
    [T in Read["type"]]: Fields<Extract<Read, { type: T }>> extends Fields<ReadAs<T>> ? never : T;
  }[Read["type"]];
  expectTypeOf<Wrong>().toEqualTypeOf<never>();
});
