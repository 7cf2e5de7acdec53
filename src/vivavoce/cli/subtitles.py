"""Format a transcript as lines, as subtitles (SubRip, WebVTT) or as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .printable import printable, printable_json
from .transcript_log import Cue, Utterance

_ARROW = re.compile("-{2,}>")


@dataclass(frozen=True, slots=True)
class SubtitleFormat:
    """A format that can be written cue by cue, while the session is running."""

    head: str
    cue: Callable[[int, Cue], str]  # its number, from 1


def _text(number: int, cue: Cue) -> str:
    return f"{_said(cue)}\n"


def _srt(number: int, cue: Cue) -> str:
    times = f"{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}"
    said = _ARROW.sub("->", _said(cue))  # players look for times by their arrow
    return f"{number}\n{times}\n{said}\n\n"


def _vtt(number: int, cue: Cue) -> str:
    times = f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}"
    text = _plain(cue.text)
    said = text if cue.speaker is None else f"<v {_plain(cue.speaker)}>{text}"
    return f"{times}\n{said}\n\n"


FORMATS = {
    "text": SubtitleFormat("", _text),
    "srt": SubtitleFormat("", _srt),
    "vtt": SubtitleFormat("WEBVTT\n\n", _vtt),
}


def as_json(transcript: Iterable[Utterance], duration_ms: int) -> str:
    """Format a transcript as JSON, with times in seconds and the failed utterances apart."""
    cues = [cue for utterance in transcript for cue in utterance.cues]
    return printable_json(json.dumps(
        {
            "text": " ".join(cue.text for cue in cues),
            "duration": duration_ms / 1000,
            "segments": [
                {"id": index, "start": cue.start_ms / 1000, "end": cue.end_ms / 1000,
                 "text": cue.text} | ({"speaker": cue.speaker} if cue.speaker else {})
                for index, cue in enumerate(cues)
            ],
            "failed": [
                {"start": u.start_ms / 1000, "end": (u.end_ms or u.start_ms) / 1000,
                 "message": u.failure}
                for u in transcript
                if u.failure is not None
            ],
        },
        ensure_ascii=False,
        indent=2,
    ))  # fmt: skip


def write(format: SubtitleFormat, cues: Iterable[Cue]) -> str:
    return format.head + "".join(format.cue(i, cue) for i, cue in enumerate(cues, 1))


def _said(cue: Cue) -> str:
    return printable(cue.text if cue.speaker is None else f"{cue.speaker}: {cue.text}")


def _plain(text: str) -> str:
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{ms:03}"
