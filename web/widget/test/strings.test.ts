import { expect, test } from "vitest";
import type { State } from "@vivavoce/client";
import { isLive, phaseOf } from "../src/phase";
import { pickLanguage, stringsFor } from "../src/strings";

const state = (status: State["status"], microphone = false) =>
  ({ status, microphone }) as unknown as State;

test("the texts follow the first language that the widget has", () => {
  expect(stringsFor(["de-CH", "it-CH", "en"]).talk).toBe("Parla");
  expect(stringsFor(["de"]).talk).toBe("Talk");
  expect(pickLanguage(["es-MX"], ["en", "es"])).toBe("es");
  expect(pickLanguage(["fr"], [])).toBe("en");
});

test("every status of a call has a text in every language", () => {
  const statuses: readonly State["status"][] = [
    "idle",
    "asking_permission",
    "connecting",
    "listening",
    "thinking",
    "using_tool",
    "speaking",
    "reconnecting",
    "ended",
  ];
  for (const status of statuses)
    for (const language of ["en", "it", "es"])
      expect(stringsFor([language]).status[phaseOf(state(status))]).toBeTypeOf("string");
});

test("a call that listens without a microphone says so", () => {
  expect(phaseOf(state("listening", true))).toBe("listening");
  expect(phaseOf(state("listening", false))).toBe("ready");
  expect(isLive(phaseOf(state("ended")))).toBe(false);
  expect(isLive(phaseOf(undefined))).toBe(false);
});
