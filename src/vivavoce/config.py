"""Settings: defaults, then `vivavoce.toml`, then the environment. Read once, at start, here only.

`VIVAVOCE_<SECTION>__<KEY>` wins over the file; a secret may also come from the file that
`VIVAVOCE_<SECTION>__<KEY>_FILE` names. An unknown key is a mistake, reported with all others.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from .errors import TOO_MANY_DIGITS, ConfigError, Mistake, misread
from .file_reading import UnreadableFile, read_text

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

PREFIX = "VIVAVOCE_"
MIB = 2**20
FILE_BYTES = MIB  # of the settings
SECRET_BYTES = 64 * 1024


class SettingsSection(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ServerSection(SettingsSection):
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    public_url: str | None = None  # what people open, if it is not http://host:port
    allowed_origins: tuple[str, ...] = ()  # besides the server's own: CORS and WebSocket `Origin`
    tls_cert: Path | None = None  # PEM files; both or none
    tls_key: Path | None = None
    public_metrics: bool = False  # may anybody who reaches us read /metrics?


class CallsSection(SettingsSection):
    default_assistant: str = "charlotte"
    max_minutes: int = Field(60, ge=1, le=24 * 60)  # the protocol's own limit is 60
    run_ahead_s: float = Field(4.0, ge=0.2, le=60)  # how far spoken answers run ahead of real time
    max_message_bytes: int = Field(
        16 * 1024 * 1024, ge=64 * 1024
    )  # the largest message of a client
    send_buffer_bytes: int = Field(1024 * 1024, ge=64 * 1024)  # waiting for one client's socket
    slow_client_timeout_s: float = Field(10.0, ge=1)  # an outbox full for so long closes its client
    max_calls: int = Field(200, ge=1)  # calls in this process
    overload_lag_ms: float = Field(20.0, ge=0)  # sound or process so late, too often: no new voices
    overload_wait_s: float = Field(
        2.0, ge=0, le=10
    )  # the same for the wait for a recogniser; 0: off
    tokens_per_minute: int = Field(10_000_000, ge=1)  # of one call
    max_calls_per_key: int = Field(
        100, ge=1
    )  # of them, with one API key and the secrets minted by it
    max_pending_connections: int = Field(500, ge=1)  # connections that are no calls, or not yet
    max_items: int = Field(10_000, ge=1)  # of a conversation
    item_bytes: int = Field(15 * MIB, ge=1024, le=15 * MIB)  # of one that a client writes
    conversation_bytes: int = Field(64 * MIB, ge=1024)  # of all those
    session_bytes: int = Field(MIB, ge=16 * 1024)  # that a client adds to its session
    max_out_of_band_responses: int = Field(
        8, ge=0
    )  # of one call at once, beside its conversation's own
    audio_cache_bytes: int = Field(
        4 * 1024 * 1024, ge=0
    )  # of a call's items, kept for who retrieves


class SpeechSection(SettingsSection):
    stt_workers: int = Field(4, ge=1, le=64)  # pocketsphinx processes: talkers heard at once
    smart_turn_model: Path | None = None  # an ONNX file that judges pauses under `semantic_vad`
    worker_timeout_s: float = Field(
        10.0, ge=0.5
    )  # recogniser and voice processes that say nothing are hung


class OpenAISection(SettingsSection):
    """The HTTP endpoints behind the adapters named `openai`. Any compatible server will do."""

    base_url: str = "https://api.openai.com/v1"
    api_key: SecretStr | None = None  # default: OPENAI_API_KEY
    chat_model: str = "gpt-5-mini"
    transcription_model: str = "gpt-4o-mini-transcribe"
    transcription_stream: bool = True  # words as they are written, from servers that do that
    speech_model: str = "gpt-4o-mini-tts"
    timeout_s: float = Field(30.0, ge=1)


class NetSection(SettingsSection):
    allow_private: bool = False  # may outgoing HTTP reach loopback and private addresses?


class Settings(SettingsSection):
    server: ServerSection = ServerSection()
    calls: CallsSection = CallsSection()
    speech: SpeechSection = SpeechSection()
    openai: OpenAISection = OpenAISection()
    net: NetSection = NetSection()


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a file and the environment. Raises `ConfigError` with every mistake."""
    data: dict[str, Any] = {}
    text = ""
    name = str(path) if path else "settings"
    if path is not None:
        try:
            text = read_text(path, FILE_BYTES)
            data = tomllib.loads(text)
        except UnreadableFile as error:
            raise ConfigError([Mistake(name, "", error.line, error.reason)]) from None
        except tomllib.TOMLDecodeError as error:
            message, line = misread(error)
            raise ConfigError([Mistake(name, "", line, message)]) from None
        except RecursionError:
            raise ConfigError([Mistake(name, "", None, "is nested too deeply")]) from None
        except ValueError:
            raise ConfigError([Mistake(name, "", None, TOO_MANY_DIGITS)]) from None
    given, mistakes = _overlay(data, environ)
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        lines = _lines(text)
        for flaw in error.errors(include_url=False, include_input=False):
            place = tuple(map(str, flaw["loc"]))
            if variable := given.get(place[:2]):
                mistakes.append(Mistake(variable, "", None, _plain(flaw)))
            else:
                mistakes.append(Mistake(name, ".".join(place), lines.get(place[:2]), _plain(flaw)))
    if mistakes:
        raise ConfigError(mistakes)
    return settings


def _overlay(
    data: dict[str, Any], environ: Mapping[str, str]
) -> tuple[dict[tuple[str, ...], str], list[Mistake]]:
    """Put the environment's word over the file's. Which variable gave what; and the mistakes."""
    given: dict[tuple[str, ...], str] = {}
    mistakes = []
    for name, value in sorted(environ.items()):
        section, _, key = name.removeprefix(PREFIX).lower().partition("__")
        if not name.startswith(PREFIX) or not key:
            continue
        keys = _keys(section)
        if key not in keys and key.endswith("_file") and key.removesuffix("_file") in keys:
            key = key.removesuffix("_file")
            try:
                value = read_text(Path(value), SECRET_BYTES).strip()
            except UnreadableFile as error:
                mistakes.append(Mistake(name, "", None, error.reason))
                continue
        if key not in keys:
            known = [f"{s}__{k}".upper() for s in Settings.model_fields for k in _keys(s)]
            unknown = _unknown(name.removeprefix(PREFIX), known, PREFIX)
            mistakes.append(Mistake(name, "", None, unknown))
            continue
        target = data.setdefault(section, {})
        if isinstance(target, dict):
            several = "tuple" in str(keys[key].annotation)
            target[key] = [v.strip() for v in value.split(",") if v.strip()] if several else value
            given[section, key] = name
    return given, mistakes


def _keys(section: str) -> Mapping[str, FieldInfo]:
    field = Settings.model_fields.get(section)
    return getattr(field.annotation, "model_fields", {}) if field else {}


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """Where sections and keys stand. Good for what settings look like, not for all of TOML."""
    found: dict[tuple[str, ...], int] = {}
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([\w-]+)\s*\]", line):
            section = (header[1],)
            found.setdefault(section, number)
        elif key := re.match(r"\s*([\w-]+)\s*=", line):
            found.setdefault((*section, key[1]), number)
    return found


def _unknown(word: str, known: Iterable[str], prefix: str = "") -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return "there is no such setting" + (f"; did you mean {prefix}{near[0]}?" if near else "")


_KINDS = {
    "int": "must be a whole number",
    "float": "must be a number",
    "bool": "must be true or false",
    "string": "must be text",
    "tuple": "must be a list",
    "path": "must be a path",
    "model": "must be a section of its own, with its keys below it",
}


def _plain(flaw: ErrorDetails) -> str:
    """What is wrong, for somebody who knows TOML and not pydantic."""
    limits = flaw.get("ctx", {})
    match flaw["type"]:
        case "extra_forbidden":
            *section, word = map(str, flaw["loc"])
            return _unknown(word, _keys(section[0]) if section else Settings.model_fields)
        case "greater_than_equal":
            return f"must be at least {limits['ge']}"
        case "less_than_equal":
            return f"must be at most {limits['le']}"
        case kind:
            return _KINDS.get(kind.partition("_")[0], flaw["msg"])
