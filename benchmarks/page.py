"""Measure the talk page in Chromium: sizes of its files, first paint, time until it listens."""

from __future__ import annotations

import gzip
import json
import wave
from collections.abc import Callable
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

import vivavoce

from .figures import Target, figure, table, verdict
from .serving import folder, run, serve

RUNS = 5
CHROMIUM = "/usr/bin/chromium"
STATIC = Path(vivavoce.__file__).parent / "http" / "static"
CHOOSE = "try { sessionStorage.vivavoce = JSON.stringify({ transport: '%s' }) } catch {}"
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
CLICK = """
async () => {
  const status = document.querySelector("[role=status]");
  const began = performance.now();
  const heard = new Promise((resolve) => {
    new MutationObserver(() => {
      if (status.dataset.presence === "listening") resolve(performance.now() - began);
    }).observe(status, { attributes: true, characterData: true, childList: true });
  });
  document.querySelector("button.microphone").click();
  return heard;
}
"""
FILES = {
    "script, before a call": "index-*.js",
    "script, for sound": "voice-*.js",
    "script, for WebRTC": "peer-*.js",
    "style": "*.css",
    "typeface": "*.woff2",
}


def sizes() -> list[list[str]]:
    """Return the sizes in kB, as a server sends them. A typeface is compressed already."""
    rows = []
    for name, pattern in FILES.items():
        contents = [file.read_bytes() for file in (STATIC / "assets").glob(pattern)]
        sent = [len(c) if pattern == "*.woff2" else len(gzip.compress(c)) for c in contents]
        rows.append([f"{name}, kB", figure([sum(sent) / 1000]), "", ""])
    return rows


def painted(page: Page) -> float:
    return float(page.evaluate(PAINT))


def listening(page: Page) -> float:
    page.get_by_role("button", name="Microphone").wait_for()
    return float(page.evaluate(CLICK))


def visits(browser: Browser, url: str, measure: Callable[[Page], float], transport: str,
           state: object) -> list[float]:  # fmt: skip
    """Return one value for each visit, with an empty cache. The first one is not counted."""
    values = []
    for _ in range(RUNS + 1):
        context = browser.new_context(storage_state=state, permissions=["microphone"])  # type: ignore[arg-type]
        context.add_init_script(CHOOSE % transport)
        page = context.new_page()
        page.goto(url)
        page.get_by_role("textbox").wait_for()
        values.append(measure(page))
        context.close()
    return values[1:]


def silence(file: Path) -> Path:
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, 48_000, 0, "NONE", ""))
        out.writeframes(bytes(2 * 48_000))
    return file


def main() -> str:
    rows = sizes()
    with folder() as data, serve(data) as served, sync_playwright() as started:
        flags = (
            "--no-sandbox", "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={silence(data / 'silence.wav')}",
        )  # fmt: skip
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(flags))
        context = browser.new_context()
        page = context.new_page()
        page.goto(json.loads(run("link", "--json", data=data))["link"])
        page.get_by_role("textbox").wait_for()
        measured = partial(visits, browser, served.url, state=context.storage_state())
        for name, measure, transport, target in (
            ("first paint, ms", painted, "auto", Target(1000)),
            ("click → listening, WebSocket, ms", listening, "websocket", None),
            ("click → listening, WebRTC, ms", listening, "webrtc", None),
        ):
            values = measured(measure, transport)
            good = verdict(values, target)
            rows.append([name, figure(values), str(target or ""), good])
        browser.close()
    return table(["the talk page", "median / p95", "target", "met"], rows)
