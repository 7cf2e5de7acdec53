// How a connection goes on after a close, and when it tries again.

import { expect, test } from "vitest";
import { nextAttempt } from "../src/backoff";
import { afterClose, type AfterClose, type Close } from "../src/closeCodes";

const rejected = { code: "x", message: "A sentence." };
const busy = { type: "rate_limit_error", code: "server_busy", message: "A sentence." };
const gone = { code: "conversation_not_found", message: "A sentence." };

const close = (code: number, more: Partial<Close> = {}): Close => ({
  code,
  reason: "",
  wasOpen: true,
  error: undefined,
  mayRenewSecret: true,
  continuing: false,
  ...more,
});

const cases: [name: string, close: Close, next: AfterClose][] = [
  ["a normal close ends the call", close(1000), { next: "end" }],
  ["a restart is retried without an error", close(1012, { error: rejected }), { next: "retry" }],
  [
    "a server that cannot open a session is retried and its message shown",
    close(1013, { wasOpen: false, error: rejected }),
    { next: "retry", error: { code: "server", message: "A sentence." } },
  ],
  [
    "a full server is retried and called busy",
    close(1013, { wasOpen: false, error: busy }),
    { next: "retry", error: { code: "busy", message: "A sentence." } },
  ],
  [
    "a secret refused before a session is renewed",
    close(3000, { wasOpen: false }),
    { next: "renew_secret" },
  ],
  [
    "a renewed secret that is refused too is final",
    close(3000, { wasOpen: false, mayRenewSecret: false }),
    { next: "fail", error: { code: "not_signed_in" } },
  ],
  [
    "a secret refused during a session is final",
    close(3000, { error: rejected }),
    { next: "fail", error: { code: "not_signed_in", message: "A sentence." } },
  ],
  [
    "a refused call is final",
    close(4000, { wasOpen: false, error: rejected }),
    { next: "fail", error: { code: "refused", message: "A sentence." } },
  ],
  [
    "a limit that is used up is final and called busy",
    close(4000, { wasOpen: false, error: busy }),
    { next: "fail", error: { code: "busy", message: "A sentence." } },
  ],
  [
    "a deleted conversation is replaced where the call continues one",
    close(4000, { wasOpen: false, error: gone, continuing: true }),
    { next: "new_conversation" },
  ],
  [
    "a deleted conversation is a refusal where the call does not continue one",
    close(4000, { wasOpen: false, error: gone }),
    { next: "fail", error: { code: "refused", message: "A sentence." } },
  ],
  ["an unknown close code is final", close(1008), { next: "fail", error: { code: "refused" } }],
];

test.each(cases)("%s", (_, closed, next) => expect(afterClose(closed)).toEqual(next));

test("a lost network gets 12 attempts, a server that sends an error 5", () => {
  const attempts = (hadSession: boolean, error?: object) =>
    Array.from({ length: 20 }, (_, n) => nextAttempt(n, hadSession, error, () => 1)).findIndex(
      (next) => "giveUp" in next,
    );
  expect(attempts(true)).toBe(12);
  expect(attempts(false)).toBe(5);
  expect(attempts(true, rejected)).toBe(5);
});

test("after the last attempt the error names the cause", () => {
  const last = (error?: object) => nextAttempt(12, true, error, () => 1);
  expect(last()).toEqual({ giveUp: { code: "network" } });
  expect(last(rejected)).toEqual({ giveUp: { code: "unavailable", message: "A sentence." } });
  expect(last(busy)).toEqual({ giveUp: { code: "busy", message: "A sentence." } });
});

test.each([0, 4])(
  "N9_ attempt %i waits as long as retry_after says, and not longer",
  (attempts) => {
    for (const seconds of [1, 20])
      for (const random of [0, 1])
        expect(nextAttempt(attempts, true, { retry_after: seconds }, () => random)).toEqual({
          waitMs: seconds * 1000,
        });
  },
);

test("N9_ only a server that has no room for voices is called busy, other limits are full", () => {
  const ended = (error: object) => {
    const next = afterClose(
      close(1013, { wasOpen: false, error: { message: "A sentence.", ...error } }),
    );
    return "error" in next ? next.error : undefined;
  };
  const message = "A sentence.";
  expect(ended({ code: "server_busy", retry_after: 7 })).toEqual({
    code: "busy",
    message,
    retryAfter: 7,
  });
  for (const code of ["rate_limit_exceeded", "insufficient_quota", "too_many_calls"])
    expect(ended({ code })).toEqual({ code: "full", message });
});

test("W2_ the reason of a close tells why the server ended the call", () => {
  const after = (code: number, reason: string) => afterClose(close(code, { reason }));
  expect(after(4000, "conversation_deleted")).toEqual({
    next: "fail",
    error: { code: "conversation_deleted" },
  });
  expect(after(4000, "conversation_continued_elsewhere")).toEqual({
    next: "fail",
    error: { code: "continued_elsewhere" },
  });
  expect(after(4000, "something_else")).toEqual({ next: "fail", error: { code: "refused" } });
  expect(after(1012, "conversation_deleted")).toEqual({ next: "retry" });
});
