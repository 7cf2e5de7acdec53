# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of libespeak-ng as it takes to speak: one voice at a time, sound by callback.

The library keeps its state in globals, so there is one of it in a process, used by one thread.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable
from dataclasses import dataclass

BUFFER_MS = 40
_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: no sound card, the callback gets it all
_DONT_EXIT = 0x8000
_UTF8 = 1
_END_OF_LIST, _WORD = 0, 1
_RATE, _PITCH, _RANGE, _GAP = 1, 3, 4, 7

Sink = Callable[[bytes, list[tuple[int, int]]], bool]
"""Takes sound and the (character, ms) of words that begin; returns whether to go on."""


class _Id(c.Union):
    _fields_ = [("number", c.c_int), ("name", c.c_char_p), ("string", c.c_char * 8)]


class _Event(c.Structure):
    _fields_ = [
        ("type", c.c_int),
        ("unique_identifier", c.c_uint),
        ("text_position", c.c_int),
        ("length", c.c_int),
        ("audio_position", c.c_int),
        ("sample", c.c_int),
        ("user_data", c.c_void_p),
        ("id", _Id),
    ]


class _Voice(c.Structure):
    _fields_ = [
        ("name", c.c_char_p),
        ("languages", c.c_void_p),
        ("identifier", c.c_char_p),
        ("gender", c.c_ubyte),
        ("age", c.c_ubyte),
        ("variant", c.c_ubyte),
        ("xx1", c.c_ubyte),
        ("score", c.c_int),
        ("spare", c.c_void_p),
    ]


_Callback = c.CFUNCTYPE(c.c_int, c.POINTER(c.c_short), c.c_int, c.POINTER(_Event))


@dataclass(frozen=True, slots=True)
class Manner:
    """The voice that speaks a text, and its manner."""

    voice: str
    pitch: int = 50
    range: int = 50
    rate: int = 175
    gap: int = 0


class MissingLibraryError(Exception):
    """Raised if this machine has no espeak-ng that works."""


class Library:
    def __init__(self) -> None:
        self._library, self.rate = _open()
        library = self._library
        library.espeak_SetVoiceByName.argtypes = [c.c_char_p]
        library.espeak_ListVoices.argtypes = [c.c_void_p]
        library.espeak_ListVoices.restype = c.POINTER(c.POINTER(_Voice))
        library.espeak_Info.argtypes = [c.c_void_p]
        library.espeak_Info.restype = c.c_char_p
        library.espeak_Synth.argtypes = [
            c.c_char_p,
            c.c_size_t,
            c.c_uint,
            c.c_int,
            c.c_uint,
            c.c_uint,
            c.POINTER(c.c_uint),
            c.c_void_p,
        ]
        self._sink: Sink = lambda sound, words: False
        self._callback = _Callback(self._made)  # kept: the library holds a bare pointer to it
        library.espeak_SetSynthCallback(self._callback)

    @property
    def version(self) -> str:
        return str(self._library.espeak_Info(None).decode().split()[0])

    def voices(self) -> dict[str, str]:
        """Return the identifier of each language's first voice."""
        voices: dict[str, str] = {}
        listed = self._library.espeak_ListVoices(None)
        for voice in _pointed_at(listed):
            # `languages` is a priority byte, then the code; more of them may follow.
            code = c.string_at(voice.languages + 1).decode()
            voices.setdefault(code, voice.identifier.decode())
        return voices

    def speak(self, text: str, manner: Manner, sink: Sink) -> None:
        """Make the sound of a text; `sink` gets it as it comes. `ValueError`: no such voice."""
        library = self._library
        if library.espeak_SetVoiceByName(manner.voice.encode("utf-8", "replace")):
            raise ValueError("espeak-ng has no such voice")
        for parameter, value in (
            (_RATE, manner.rate),
            (_PITCH, manner.pitch),
            (_RANGE, manner.range),
            (_GAP, manner.gap),
        ):
            library.espeak_SetParameter(parameter, value, 0)
        self._sink = sink
        data = _plain(text).encode("utf-8", "replace") + b"\0"
        if library.espeak_Synth(data, len(data), 0, 1, 0, _UTF8, None, None):
            raise ValueError("espeak-ng refused the text")

    def _made(self, sound: c._Pointer[c.c_short], samples: int, events: c._Pointer[_Event]) -> int:
        words = []
        index = 0
        while (event := events[index]).type != _END_OF_LIST:
            if event.type == _WORD:
                words.append((max(event.text_position - 1, 0), max(event.audio_position, 0)))
            index += 1
        pcm = c.string_at(sound, samples * 2) if sound and samples > 0 else b""
        # An exception cannot travel through C: a sink that fails has ended its own request.
        return 0 if self._sink(pcm, words) else 1


def _pointed_at(listed: c._Pointer[c._Pointer[_Voice]]) -> list[_Voice]:
    """Return the structures that a null-terminated list of pointers points to."""
    found = []
    index = 0
    while listed[index]:
        found.append(listed[index].contents)
        index += 1
    return found


def _plain(text: str) -> str:
    """Replace what espeak-ng takes for a command or an end, at the same positions."""
    return "".join(" " if ch < " " or "\x7f" <= ch <= "\x9f" else ch for ch in text)


def _open() -> tuple[c.CDLL, int]:
    """Return the first library that finds its voices, and its sample rate."""
    reasons = []
    for path, data in _candidates():
        try:
            library = c.CDLL(path)
        except OSError as error:
            reasons.append(str(error))
            continue
        library.espeak_Initialize.argtypes = [c.c_int, c.c_int, c.c_char_p, c.c_int]
        where = data.encode() if data else None
        rate: int = library.espeak_Initialize(_SYNCHRONOUS, BUFFER_MS, where, _DONT_EXIT)
        if rate > 0:
            return library, rate
        reasons.append(f"{path} finds no voices")
    raise MissingLibraryError(f"espeak-ng cannot be loaded: {'; '.join(reasons)}")


def _candidates() -> list[tuple[str, str | None]]:
    """Libraries and where their voices are: the wheel's, then the system's."""
    system: list[tuple[str, str | None]] = [("libespeak-ng.so.1", None)]
    try:
        import espeakng_loader
    except ImportError:
        return system
    return [(espeakng_loader.get_library_path(), espeakng_loader.get_data_path()), *system]
