"""Mistakes in settings are reported in plain words, with their places."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vivavoce import config
from vivavoce.errors import ConfigError


def mistakes(tmp_path: Path, text: str = "", **environ: str) -> list[str]:
    file = tmp_path / "vivavoce.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(file, environ)
    return [str(mistake).removeprefix(f"{tmp_path}/") for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\n[server]\nprot = 1\n",
         "vivavoce.toml:3: server.prot: is not a setting (did you mean \"port\"?)"),
        ("[servers]\n",
         "vivavoce.toml:1: servers: is not a setting (did you mean \"server\"?)"),
        ("[server]\nport = 99999\n", "vivavoce.toml:2: server.port: must be at most 65535"),
        ("[calls]\nmax_calls = 0\n", "vivavoce.toml:2: calls.max_calls: must be at least 1"),
        ('[calls]\nmax_calls = "few"\n',
         "vivavoce.toml:2: calls.max_calls: must be a whole number"),
        ('[net]\nallow_private = "so"\n',
         "vivavoce.toml:2: net.allow_private: must be true or false"),
        ("server = 1\n",
         "vivavoce.toml:1: server: must be a table"),
        ("[server]\nallowed_origins = 1\n",
         "vivavoce.toml:2: server.allowed_origins: must be a list"),
        ("[calls]\nslow_client_timeout_s = inf\n",
         "vivavoce.toml:2: calls.slow_client_timeout_s: must be a finite number"),
        (f"[server]\nport = {'9' * 400}\n", "vivavoce.toml:2: server.port: must be at most 65535"),
        (f"[server]\nport = {'9' * 5000}\n",
         "vivavoce.toml: has a number of more than 4300 digits"),
        ("a = " + "[" * 5000, "vivavoce.toml: is nested too deeply"),
        ("[calls]\ndefault_assistant = '''\nport = 1\n'''\n[server]\nport = -1\n",
         "vivavoce.toml:6: server.port: must be at least 0"),
        ("\nserver.port = -1\n", "vivavoce.toml:2: server.port: must be at least 0"),
        ('\n"server" = { host = "a", "port" = -1 }\n',
         "vivavoce.toml:2: server.port: must be at least 0"),
        ('[server]\nallowed_origins = [\n"*",\n1]\n',
         "vivavoce.toml:4: server.allowed_origins.1: must be text"),
        ("[net]\nallow_private\n", "vivavoce.toml:2: Expected '=' after a key in a key/value pair"),
    ],
)  # fmt: skip
def test_mistake_in_the_settings_file_is_reported_with_its_line(
    tmp_path: Path, text: str, told: str
) -> None:
    assert mistakes(tmp_path, text) == [told]


def test_settings_file_that_is_not_utf8_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "vivavoce.toml"
    file.write_bytes(b"# \xe0\n")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        config.load(file, {})


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_settings_and_secrets_that_are_not_regular_files_are_mistakes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match=r"pipe: is a pipe, not a regular file"):
        config.load(pipe, {})
    assert mistakes(
        tmp_path,
        VIVAVOCE_OPENAI__API_KEY_FILE=str(pipe),
        VIVAVOCE_OPENAI__BASE_URL_FILE="/dev/zero",
    ) == [
        "VIVAVOCE_OPENAI__API_KEY_FILE: is a pipe, not a regular file",
        "VIVAVOCE_OPENAI__BASE_URL_FILE: is a device, not a regular file",
    ]


def test_secret_file_that_is_not_utf8_is_one_of_the_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"sk-\xff")
    assert mistakes(
        tmp_path, VIVAVOCE_OPENAI__API_KEY_FILE=str(file), VIVAVOCE_SERVER__PORT="many"
    ) == [
        "VIVAVOCE_OPENAI__API_KEY_FILE: is not UTF-8 (invalid start byte)",
        "VIVAVOCE_SERVER__PORT: must be a whole number",
    ]


def test_mistakes_in_the_environment_name_their_variables(tmp_path: Path) -> None:
    assert mistakes(
        tmp_path,
        "[server]\nport = 9000\n",
        VIVAVOCE_SERVER__PORT="many",
        VIVAVOCE_SERVR__HOST="x",
        VIVAVOCE_NOTHING__LIKE_IT="x",
        VIVAVOCE_OPENAI__API_KEY_FILE=str(tmp_path / "nowhere"),
        VIVAVOCE_DATA_DIR="is none of ours",
    ) == [
        "VIVAVOCE_NOTHING__LIKE_IT: is not a setting",
        "VIVAVOCE_OPENAI__API_KEY_FILE: there is no such file",
        'VIVAVOCE_SERVR__HOST: is not a setting (did you mean "VIVAVOCE_SERVER__HOST"?)',
        "VIVAVOCE_SERVER__PORT: must be a whole number",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('public_url = "voice.example.com"',
         "server.public_url: must start with https:// or http:// and name a server"),
        ('public_url = "voice.example.com:8080"',
         "server.public_url: must start with https:// or http:// and name a server"),
        ('public_url = "https:/voice.example.com"',
         "server.public_url: must start with https:// or http:// and name a server"),
        ('public_url = "wss://voice.example.com"',
         "server.public_url: must start with https:// or http:// and name a server"),
        ('public_url = " https://voice.example.com"',
         "server.public_url: must start with https:// or http:// and name a server"),
        ('public_url = "https://voice example.com"',
         "server.public_url: must start with https:// or http:// and name a server"),
        ('public_url = ""',
         "server.public_url: must start with https:// or http:// and name a server"),
        ('public_url = "https://voice.example.com:0"',
         "server.public_url: must have a port from 1 to 65535, or none"),
        ('public_url = "https://voice.example.com:"',
         "server.public_url: must have a port from 1 to 65535, or none"),
        ('public_url = "https://voice.example.com:70000"',
         "server.public_url: must start with https:// or http:// and name a server"),
        ('public_url = "https://voice.example.com/?a=b"',
         "server.public_url: must have no password, query or fragment"),
        ('public_url = "https://me@voice.example.com"',
         "server.public_url: must have no password, query or fragment"),
        ('public_url = "https://münchen.example"',
         "server.public_url: must be in ASCII, as browsers send it: a name as xn--…, a path with "
         "%"),
        ('allowed_origins = ["https://shop.example.com", "https://shop.example.com/chat"]',
         "server.allowed_origins.1: must end behind the name and port: https://shop.example.com "
         "(browsers send no path)"),
        ('allowed_origins = ["shop.example.com"]',
         "server.allowed_origins.0: must start with https:// or http:// and name a server"),
        ('allowed_origins = ["https://*.example.com"]',
         "server.allowed_origins.0: must start with https:// or http:// and name a server"),
        ('allowed_origins = ["null"]',
         "server.allowed_origins.0: must name a website, such as https://shop.example.com"),
        ('allowed_hosts = ["https://voice.example.com"]',
         "server.allowed_hosts.0: must be a name or an IP address, without a scheme, a port or a "
         "path"),
        ('allowed_hosts = ["voice.example.com:8080"]',
         "server.allowed_hosts.0: must be a name or an IP address, without a scheme, a port or a "
         "path"),
        ('host = "http://localhost"',
         "server.host: must be a name or an IP address, without a scheme, a port or a path"),
        ('host = "localhost:8080"',
         "server.host: must be a name or an IP address, without a scheme, a port or a path"),
        ('host = ""',
         "server.host: must be a name or an IP address, without a scheme, a port or a path"),
        ("port = 70000", "server.port: must be at most 65535"),
    ],
)  # fmt: skip
def test_O4_address_that_can_never_work_is_refused_with_its_line(
    tmp_path: Path, text: str, told: str
) -> None:
    assert mistakes(tmp_path, f"[server]\n{text}\n") == [f"vivavoce.toml:2: {told}"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('base_url = "localhost:11434/v1"',
         "base_url: must start with https:// or http:// and name a server"),
        ('base_url = "//localhost/v1"',
         "base_url: must start with https:// or http:// and name a server"),
        ('base_url = "http://:11434/v1"',
         "base_url: must start with https:// or http:// and name a server"),
        ('base_url = "http://localhost:11434/v1/chat/completions/"',
         "base_url: must end before /chat/completions, usually with /v1"),
        ('base_url = "https://api.example.com/v1?key=1"',
         "base_url: must have no password, query or fragment"),
        ('api_key = ""', "api_key: must not be empty"),
        ('api_key = "sk-1\\nsk-2"', "api_key: must be one line of ASCII without spaces"),
        ('api_key = "\\uFEFFsk-1"', "api_key: must be one line of ASCII without spaces"),
        ('chat_model = ""', "chat_model: must not be empty"),
    ],
)  # fmt: skip
def test_O4_model_server_that_can_never_work_is_refused_with_its_line(
    tmp_path: Path, text: str, told: str
) -> None:
    assert mistakes(tmp_path, f"[openai]\n{text}\n") == [f"vivavoce.toml:2: openai.{told}"]


def test_O4_addresses_are_kept_as_programs_compare_them(tmp_path: Path) -> None:
    file = tmp_path / "vivavoce.toml"
    file.write_text(
        '[server]\nhost = "[::1]"\npublic_url = "https://voice.example.com/assistant/"\n'
        'allowed_origins = ["*", "https://Shop.Example.com:443/", "http://[::1]:8080"]\n'
        'allowed_hosts = ["*", "voice.example.com", "192.0.2.1"]\n'
    )
    server = config.load(file, {}).server
    assert server.host == "::1"
    assert server.public_url == "https://voice.example.com/assistant"
    assert server.allowed_origins == ("*", "https://shop.example.com", "http://[::1]:8080")
    assert server.allowed_hosts == ("*", "voice.example.com", "192.0.2.1")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("VIVAVOCE_SERVER_PORT", "VIVAVOCE_SERVER__PORT"),
        ("VIVAVOCE_SERVER_PROT", "VIVAVOCE_SERVER__PORT"),
        ("VIVAVOCE_PORT", "VIVAVOCE_SERVER__PORT"),
        ("VIVAVOCE_PUBLIC_URL", "VIVAVOCE_SERVER__PUBLIC_URL"),
        ("VIVAVOCE__SERVER__PORT", "VIVAVOCE_SERVER__PORT"),
        ("VIVAVOCE_OPENAI_API_KEY", "VIVAVOCE_OPENAI__API_KEY"),
        ("VIVAVOCE_OPENAI_API_KEY_FILE", "VIVAVOCE_OPENAI__API_KEY_FILE"),
        ("VIVAVOCE_OPENAI_BASE_URL", "VIVAVOCE_OPENAI__BASE_URL"),
        ("VIVAVOCE_CALLS_DEFAULT__ASSISTANT", "VIVAVOCE_CALLS__DEFAULT_ASSISTANT"),
        ("vivavoce_server__port", "VIVAVOCE_SERVER__PORT"),
    ],
)
def test_O4_misspelled_variable_is_a_mistake(tmp_path: Path, name: str, meant: str) -> None:
    told = f'{name}: is not a setting (did you mean "{meant}"?)'
    assert mistakes(tmp_path, **{name: "9000"}) == [told]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VIVAVOCE_DATA_DIR", "data"),
        ("VIVAVOCE_API_KEY", "vk_1"),
        ("VIVAVOCE_SERVER_PORT", "tcp://10.0.0.1:80"),
        ("VIVAVOCE_PORT", "tcp://10.0.0.1:80"),
        ("VIVAVOCE_SERVICE_HOST", "10.0.0.1"),
        ("VIVAVOCE_SERVICE_PORT", "80"),
        ("VIVAVOCE_SERVER_SERVICE_HOST", "10.0.0.1"),
        ("VIVAVOCE_SERVER_SERVICE_PORT_HTTP", "80"),
        ("VIVAVOCE_SERVER_PORT_80_TCP_PORT", "80"),
        ("VIVAVOCE_SERVER_PORT_80_TCP_PROTO", "tcp"),
        ("VIVAVOCE_HOME", "/opt/vivavoce"),
        ("PORT", "9000"),
    ],
)
def test_O4_variable_of_another_program_is_ignored(name: str, value: str) -> None:
    assert config.load(None, {name: value}) == config.load(None, {})


def test_O4_byte_order_marks_are_not_part_of_a_value(tmp_path: Path) -> None:
    file, secret = tmp_path / "vivavoce.toml", tmp_path / "key"
    file.write_bytes(b"\xef\xbb\xbf[server]\r\nport = 9000\r\n")
    secret.write_bytes(b"\xef\xbb\xbfsk-1\r\n")
    settings = config.load(file, {"VIVAVOCE_OPENAI__API_KEY_FILE": str(secret)})
    assert settings.server.port == 9000
    assert settings.openai.api_key
    assert settings.openai.api_key.get_secret_value() == "sk-1"


def test_O4_files_that_windows_writes_as_utf16_are_read(tmp_path: Path) -> None:
    file, secret = tmp_path / "vivavoce.toml", tmp_path / "key"
    file.write_text("[server]\nport = 9000\n", "utf-16")
    secret.write_text("sk-1\r\n", "utf-16")
    settings = config.load(file, {"VIVAVOCE_OPENAI__API_KEY_FILE": str(secret)})
    assert settings.server.port == 9000
    assert settings.openai.api_key
    assert settings.openai.api_key.get_secret_value() == "sk-1"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf \r\n"])
def test_O4_empty_secret_file_is_a_mistake(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    assert mistakes(tmp_path, VIVAVOCE_OPENAI__API_KEY_FILE=str(file)) == [
        "VIVAVOCE_OPENAI__API_KEY_FILE: is empty"
    ]


def test_O4_variable_and_its_file_contradict_each_other(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-1")
    assert mistakes(
        tmp_path, VIVAVOCE_OPENAI__API_KEY="sk-2", VIVAVOCE_OPENAI__API_KEY_FILE=str(file)
    ) == ["VIVAVOCE_OPENAI__API_KEY_FILE: is set in addition to VIVAVOCE_OPENAI__API_KEY"]
