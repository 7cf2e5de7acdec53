// The measure of the echo, the report, and the texts of the check page.

import { expect, test } from "vitest";
import { echoDb, TONES, toneEnergy } from "../src/check/echo";
import { CHECKS, reportOf } from "../src/check/results";
import { checkStringsFor } from "../src/check/strings";
import { pageLanguages } from "../src/strings";

const RATE = 48_000;
const sine = (frequency: number, amplitude: number) =>
  Float32Array.from(
    { length: 16_384 },
    (_, i) => amplitude * Math.sin((2 * Math.PI * frequency * i) / RATE),
  );

test("the energy of a tone is found at its own frequency", () => {
  expect(toneEnergy(sine(784, 0.5), RATE, 784)).toBeCloseTo(0.25, 2);
  expect(toneEnergy(sine(784, 0.5), RATE, 1175)).toBeLessThan(0.001);
});

test("an echo is as loud as the tones that the microphone hears", () => {
  const quiet = sine(50, 0.1);
  expect(echoDb(quiet, quiet, RATE)).toBe(0);
  const loud = echoDb(quiet, sine(TONES[2], 0.1), RATE);
  expect(loud).toBeGreaterThan(20);
  expect(echoDb(quiet, sine(TONES[2], 0.01), RATE)).toBeLessThan(loud);
});

test("a report names each check, and only words and figures of its own", () => {
  const report = reportOf(
    { udp: { verdict: "good", finding: "udp_good", value: 120 } },
    "Browser/1",
  );
  const lines = report.split("\n");
  expect(lines.slice(0, 2)).toEqual(["Vivavoce check", "user agent: Browser/1"]);
  expect(lines.slice(2).map((line) => line.split(":")[0])).toEqual([...CHECKS]);
  expect(lines).toContain("udp: good, udp_good (120)");
  expect(lines).toContain("echo: not tested");
});

test.each(pageLanguages)("in %s each finding has a sentence", (language) => {
  const { findings } = checkStringsFor([language]).strings;
  const english = checkStringsFor(["en"]).strings.findings;
  expect(Object.keys(findings)).toEqual(Object.keys(english));
  for (const [name, { sentence, cause }] of Object.entries(findings)) {
    expect(sentence, name).toMatch(/^\S.*\.$/);
    const original = english[name as keyof typeof english];
    expect(!!cause, name).toBe(!!original.cause);
    expect(sentence.includes("{value}"), name).toBe(original.sentence.includes("{value}"));
    if (language !== "en") expect(sentence, name).not.toBe(original.sentence);
  }
});
