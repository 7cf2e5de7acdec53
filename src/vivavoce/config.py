"""Settings: defaults, then `vivavoce.toml`, then the environment. Read once, at start, here only.

`VIVAVOCE_<SECTION>__<KEY>` wins over the file; a secret may also come from the file that
`VIVAVOCE_<SECTION>__<KEY>_FILE` names. An unknown key is a mistake, reported with all others.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from .errors import ConfigError, Mistake

PREFIX = "VIVAVOCE_"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Server(Section):
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    public_url: str | None = None  # what people open, if it is not http://host:port
    allowed_origins: tuple[str, ...] = ()  # besides the server's own: CORS and WebSocket `Origin`
    tls_cert: Path | None = None  # PEM files; both or none
    tls_key: Path | None = None


class Calls(Section):
    default_assistant: str = "charlotte"
    max_minutes: int = Field(60, ge=1, le=24 * 60)  # the protocol's own limit is 60
    run_ahead_s: float = Field(4.0, ge=0.2, le=60)  # how far spoken answers run ahead of real time
    frame_bytes: int = Field(16 * 1024 * 1024, ge=64 * 1024)  # the largest message of a client
    outbox_bytes: int = Field(1024 * 1024, ge=64 * 1024)  # waiting for one client's socket
    slow_client_s: float = Field(10.0, ge=1)  # an outbox full for so long closes its client
    at_once: int = Field(200, ge=1)  # calls in this process


class Speech(Section):
    stt_workers: int = Field(4, ge=1, le=64)  # pocketsphinx processes: talkers heard at once


class OpenAI(Section):
    """The HTTP endpoints behind the adapters named `openai`. Any compatible server will do."""

    base_url: str = "https://api.openai.com/v1"
    api_key: SecretStr | None = None  # default: OPENAI_API_KEY
    chat_model: str = "gpt-5-mini"
    transcription_model: str = "gpt-4o-mini-transcribe"
    speech_model: str = "gpt-4o-mini-tts"
    timeout_s: float = Field(30.0, ge=1)


class Net(Section):
    allow_private: bool = False  # may outgoing HTTP reach loopback and private addresses?


class Settings(Section):
    server: Server = Server()
    calls: Calls = Calls()
    speech: Speech = Speech()
    openai: OpenAI = OpenAI()
    net: Net = Net()


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a file and the environment. Raises `ConfigError` with every mistake."""
    data: dict[str, Any] = {}
    name = str(path) if path else "settings"
    if path is not None:
        try:
            data = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ConfigError([Mistake(name, "", None, error.strerror or str(error))]) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError([Mistake(name, "", None, str(error))]) from None
    mistakes = _overlay(data, environ)
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        mistakes += [
            Mistake(name, ".".join(map(str, e["loc"])), None, e["msg"])
            for e in error.errors(include_url=False, include_input=False)
        ]
    if mistakes:
        raise ConfigError(mistakes)
    return settings


def _overlay(data: dict[str, Any], environ: Mapping[str, str]) -> list[Mistake]:
    """Put the environment's word over the file's."""
    mistakes = []
    for name, value in sorted(environ.items()):
        section, _, key = name.removeprefix(PREFIX).lower().partition("__")
        if not name.startswith(PREFIX) or not key:
            continue
        field = Settings.model_fields.get(section)
        keys = getattr(field.annotation, "model_fields", {}) if field else {}
        if key not in keys and key.endswith("_file") and key.removesuffix("_file") in keys:
            key = key.removesuffix("_file")
            try:
                value = Path(value).read_text("utf-8").strip()
            except OSError as error:
                mistakes.append(Mistake(name, "", None, error.strerror or str(error)))
                continue
        target = data.setdefault(section, {})
        if isinstance(target, dict):
            several = key in keys and "tuple" in str(keys[key].annotation)
            target[key] = [v.strip() for v in value.split(",") if v.strip()] if several else value
    return mistakes
