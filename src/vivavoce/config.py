"""Settings: defaults, then `vivavoce.toml`, then the environment. Only this module reads them.

`VIVAVOCE_<SECTION>__<KEY>` wins over the file. `VIVAVOCE_<SECTION>__<KEY>_FILE` names a file that
holds the value, for secrets. An unknown key and a value that can never work are mistakes, reported
together with all others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from . import web_address
from .environment import misspelled_setting
from .errors import ConfigError, Mistake
from .file_reading import UnreadableFileError, read_text
from .toml import KeyPath, TomlFile, did_you_mean, line_of, plain_message, read_toml, toml_lines
from .web_address import InvalidAddressError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

PREFIX = "VIVAVOCE_"
MIB = 2**20
FILE_BYTES = MIB  # of vivavoce.toml
SECRET_BYTES = 64 * 1024


def _address(check: Callable[[str], str]) -> AfterValidator:
    """Return a validator for addresses, whose message names what is wrong."""

    def validate(value: str) -> str:
        try:
            return check(value)
        except InvalidAddressError as error:
            raise PydanticCustomError("address", "{why}", {"why": str(error)}) from None

    return AfterValidator(validate)


def _origin(value: str) -> str:
    return value if value == "*" else web_address.origin(value)


def _host_header(value: str) -> str:
    return value if value == "*" else web_address.host(value)


def _openai_url(value: str) -> str:
    url = web_address.server_url(value)
    for path in (
        "/chat/completions",
        "/audio/speech",
        "/audio/transcriptions",
        "/embeddings",
        "/models",
    ):
        if url.endswith(path):
            raise InvalidAddressError(f"must end before {path}, usually with /v1")
    return url


def _api_key(value: SecretStr) -> SecretStr:
    """Refuse a key that no HTTP header can carry."""
    key = value.get_secret_value()
    if not key:
        raise PydanticCustomError("key", "must not be empty")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise PydanticCustomError("key", "must be one line of ASCII without spaces")
    return value


def _port_range(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] > value[1]:
        raise PydanticCustomError("ports", "must begin with the lower port")
    return value


Host = Annotated[str, _address(web_address.host)]
IpAddress = Annotated[str, _address(web_address.ip)]
Stun = Annotated[str, _address(web_address.stun)]
Turn = Annotated[str, _address(web_address.turn)]
Port = Annotated[int, Field(ge=1024, le=65535)]
HostHeader = Annotated[str, _address(_host_header)]
Origin = Annotated[str, _address(_origin)]
ServerUrl = Annotated[str, _address(web_address.server_url)]
OpenAIUrl = Annotated[str, _address(_openai_url)]
ApiKey = Annotated[SecretStr, AfterValidator(_api_key)]
Name = Annotated[str, Field(min_length=1)]


class SettingsSection(BaseModel):
    """A frozen table of the settings without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ServerSection(SettingsSection):
    host: Host = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    public_url: ServerUrl | None = None  # the address in the browser, if it is not http://host:port
    # in addition to the server's own origin; for CORS and WebSocket `Origin`
    allowed_origins: tuple[Origin, ...] = ()
    # names in `Host` that the server answers to, in addition to its addresses; *: all
    allowed_hosts: tuple[HostHeader, ...] = ()
    tls_cert: Path | None = None  # PEM files: set both, or neither
    tls_key: Path | None = None
    public_metrics: bool = False  # serve /metrics without a credential


class CallsSection(SettingsSection):
    default_assistant: Name = "charlotte"
    # the protocol's own limit is 60
    max_minutes: int = Field(60, ge=1, le=24 * 60)
    # seconds of audio that are sent before they are played
    run_ahead_s: float = Field(4.0, ge=0.2, le=60)
    # bytes of one client message
    max_message_bytes: int = Field(16 * 1024 * 1024, ge=64 * 1024)
    # bytes that wait for one client's socket
    send_buffer_bytes: int = Field(1024 * 1024, ge=64 * 1024)
    # close a client whose outbox is full for this long
    slow_client_timeout_s: float = Field(10.0, ge=1)
    # calls at once in this process
    max_calls: int = Field(200, ge=1)
    # refuse new voice calls while audio or the event loop is often later than this; 0: never
    overload_lag_ms: float = Field(20.0, ge=0)
    # refuse new voice calls while the wait for a recogniser is longer; 0: never
    overload_wait_s: float = Field(2.0, ge=0, le=10)
    # model tokens of one call
    tokens_per_minute: int = Field(10_000_000, ge=1)
    # calls at once of one API key and the client secrets that it minted
    max_calls_per_key: int = Field(100, ge=1)
    # calls at once of one user, whatever the credentials
    max_calls_per_user: int = Field(5, ge=1)
    # calls at once of one client secret
    max_calls_per_secret: int = Field(10, ge=1)
    # WebSockets that are not admitted yet, or refused
    max_pending_connections: int = Field(500, ge=1)
    # per conversation
    max_items: int = Field(10_000, ge=1)
    # of one item that a client creates
    item_bytes: int = Field(15 * MIB, ge=1024, le=15 * MIB)
    # of all items that clients create
    conversation_bytes: int = Field(64 * MIB, ge=1024)
    # of all conversations in running calls; of those by one key; of those of one user
    all_conversations_bytes: int = Field(1024 * MIB, ge=1024)
    conversations_bytes_per_key: int = Field(512 * MIB, ge=1024)
    conversations_bytes_per_user: int = Field(128 * MIB, ge=1024)
    # of a session's configuration
    session_bytes: int = Field(MIB, ge=16 * 1024)
    # of one call at once, in addition to the response in its conversation
    max_out_of_band_responses: int = Field(8, ge=0)
    # the callers whose sessions may name MCP servers: those with an API key, all, or none
    client_mcp_servers: Literal["keys", "all", "none"] = "keys"
    # per call, of item audio for `conversation.item.retrieve`
    audio_cache_bytes: int = Field(4 * 1024 * 1024, ge=0)


class SpeechSection(SettingsSection):
    # pocketsphinx processes, each decodes one utterance at a time
    stt_workers: int = Field(4, ge=1, le=64)
    # an ONNX file that scores pauses under `semantic_vad`
    smart_turn_model: Path | None = None
    # restart a recogniser or voice process that is silent for longer
    worker_timeout_s: float = Field(10.0, ge=0.5)


class OpenAISection(SettingsSection):
    """The HTTP endpoints of the adapters named `openai`, on any compatible server."""

    base_url: OpenAIUrl = "https://api.openai.com/v1"
    api_key: ApiKey | None = None  # default: OPENAI_API_KEY
    chat_model: Name = "gpt-5-mini"
    # the field of a request that limits the answer's length
    chat_limit_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    transcription_model: Name = "gpt-4o-mini-transcribe"
    transcription_stream: bool = (
        True  # receive words as they are recognised, if the server streams them
    )
    speech_model: Name = "gpt-4o-mini-tts"
    timeout_s: float = Field(30.0, ge=1)


class NetSection(SettingsSection):
    allow_private: bool = False  # allow outgoing HTTP to loopback and private addresses


class AdaptersSection(BaseModel):
    """A table for each adapter that has settings. The adapter's package says what it may hold."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, dict[str, Any]]

    def names(self) -> frozenset[str]:
        return frozenset(self.__pydantic_extra__ or {})

    def table(self, name: str) -> Mapping[str, Any]:
        return (self.__pydantic_extra__ or {}).get(name, {})


class TransportTable(BaseModel):
    """The server's own key in `[transports.NAME]`. Its package defines the other keys."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    required: bool = False  # the server does not start without this transport


class TransportsSection(BaseModel):
    """A table for each transport of another package. A transport without a table is off."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, TransportTable]

    def names(self) -> frozenset[str]:
        return frozenset(self.__pydantic_extra__ or {})

    def table(self, name: str) -> Mapping[str, Any]:
        found = (self.__pydantic_extra__ or {}).get(name)
        return (found.model_extra or {}) if found else {}

    def required(self, name: str) -> bool:
        found = (self.__pydantic_extra__ or {}).get(name)
        return found is not None and found.required


class WebRtcSection(SettingsSection):
    """Calls over WebRTC: where this server listens, and which servers help pages to reach it."""

    enabled: bool = True
    # of this machine, to listen on; empty: all
    bind: tuple[IpAddress, ...] = ()
    # UDP, the first and the last; each call takes one of each address. None: any
    port_range: Annotated[tuple[Port, Port], AfterValidator(_port_range)] | None = None
    # that clients reach, if this machine is behind a NAT that keeps ports
    public_address: IpAddress | None = None
    # listen on 127.0.0.1 too. None: if server.host is a loopback address
    loopback: bool | None = None
    # of this server and of pages, such as stun:stun.example.com:3478
    stun: tuple[Stun, ...] = ()
    # of pages, such as turn:turn.example.com:3478?transport=udp
    turn: tuple[Turn, ...] = ()
    turn_secret: ApiKey | None = None  # `static-auth-secret` of coturn
    # a call whose client has not connected by then ends
    connect_timeout_s: float = Field(15.0, ge=1, le=120)

    @model_validator(mode="after")
    def _turn_has_a_secret(self) -> Self:
        if bool(self.turn) != (self.turn_secret is not None):
            raise PydanticCustomError("turn", "must set both turn and turn_secret, or neither")
        return self


class SecretFrom(SettingsSection):
    """The place of a secret: a variable of the environment, or a file in the data folder."""

    env: Name | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise PydanticCustomError("secret", 'must be { env = "…" } or { file = "…" }')
        return self


class WebhookSection(SettingsSection):
    """A program of the operator that gets events."""

    url: ServerUrl  # gets a POST for each event
    secret: SecretFrom  # signs each request: base64, as `whsec_…`
    events: tuple[Name, ...] = ()  # types; empty: all


class VisionSection(SettingsSection):
    """The model that reads images for tools, where tesseract is not installed."""

    model: Name | None = None  # None: no model
    base_url: OpenAIUrl | None = None  # None: that of [openai], with its key
    api_key: ApiKey | None = None


class EmbeddingSection(SettingsSection):
    """The model behind `embedding = "openai"`, on any compatible server."""

    model: Name = "text-embedding-3-small"
    base_url: OpenAIUrl | None = None  # None: that of [openai], with its key
    api_key: ApiKey | None = None
    dimensions: int | None = Field(None, ge=1, le=8192)  # None: the model's own
    # texts in one request
    batch_size: int = Field(64, ge=1, le=128)
    # before each question and each piece of the knowledge, as the model was trained
    query_prefix: str = Field("", max_length=1000)
    passage_prefix: str = Field("", max_length=1000)
    timeout_s: float = Field(30.0, ge=1)


class Settings(SettingsSection):
    server: ServerSection = ServerSection()
    calls: CallsSection = CallsSection()
    speech: SpeechSection = SpeechSection()
    openai: OpenAISection = OpenAISection()
    vision: VisionSection = VisionSection()
    embedding: EmbeddingSection = EmbeddingSection()
    net: NetSection = NetSection()
    webrtc: WebRtcSection = WebRtcSection()
    adapters: AdaptersSection = AdaptersSection()
    transports: TransportsSection = TransportsSection()
    webhooks: tuple[WebhookSection, ...] = ()


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of a file and the environment. Raises `ConfigError`: every mistake."""
    name = str(path) if path else "settings"
    try:
        file = read_toml(path, FILE_BYTES) if path else TomlFile({}, "")
    except UnreadableFileError as error:
        raise ConfigError([Mistake(name, "", error.line, error.reason)]) from None
    given, mistakes = _overlay(file.data, environ)
    try:
        settings = Settings.model_validate(file.data)
    except ValidationError as error:
        lines = toml_lines(file.text)
        for each in error.errors(include_url=False, include_input=False):
            key = each["loc"]
            if variable := given.get(key[:2]):
                mistakes.append(Mistake(variable, "", None, _message(each)))
            else:
                dotted = ".".join(map(str, key))
                mistakes.append(Mistake(name, dotted, line_of(lines, key), _message(each)))
    if mistakes:
        raise ConfigError(mistakes)
    return settings


def _overlay(
    data: dict[str, Any], environ: Mapping[str, str]
) -> tuple[dict[KeyPath, str], list[Mistake]]:
    """Write the environment's values into `data`. Return each key's variable, and the mistakes."""
    given: dict[KeyPath, str] = {}
    mistakes = []
    for name, value in sorted(environ.items()):
        word = name.removeprefix(PREFIX)
        section, _, key = word.lower().partition("__")
        if not name.startswith(PREFIX) or not section or not key:
            if (meant := misspelled_setting(name, value, _variables())) is not None:
                message = f'is not a setting (did you mean "{PREFIX}{meant}"?)'
                mistakes.append(Mistake(name, "", None, message))
            continue
        keys = _keys(section)
        if key not in keys and key.endswith("_file") and key.removesuffix("_file") in keys:
            key = key.removesuffix("_file")
            try:
                value = _secret(Path(value))
            except UnreadableFileError as error:
                mistakes.append(Mistake(name, "", None, error.reason))
                continue
            if (other := given.get((section, key))) is not None:
                mistakes.append(Mistake(name, "", None, f"is set in addition to {other}"))
                continue
        if key not in keys:
            mistakes.append(Mistake(name, "", None, _unknown(word, _variables(), PREFIX)))
            continue
        target = data.setdefault(section, {})
        if isinstance(target, dict):
            several = "tuple" in str(keys[key].annotation)
            target[key] = [v.strip() for v in value.split(",") if v.strip()] if several else value
            given[section, key] = name
    return given, mistakes


def _secret(file: Path) -> str:
    """Read the value in a file, without the spaces and line breaks around it."""
    if not (value := read_text(file, SECRET_BYTES).strip()):
        raise UnreadableFileError("is empty")
    return value


def _variables() -> list[str]:
    return [f"{s}__{k}".upper() for s in Settings.model_fields for k in _keys(s)]


def _keys(section: str) -> Mapping[str, FieldInfo]:
    field = Settings.model_fields.get(section)
    return getattr(field.annotation, "model_fields", {}) if field else {}


def _message(error: ErrorDetails) -> str:
    if error["type"] != "extra_forbidden":
        return plain_message(error)
    *section, key = map(str, error["loc"])
    return _unknown(key, _keys(section[0]) if section else Settings.model_fields)


def _unknown(name: str, names: Iterable[str], prefix: str = "") -> str:
    return f"is not a setting{did_you_mean(name, names, prefix)}"
