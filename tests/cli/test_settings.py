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
        ("[server]\nhost = '''\nport = 1\n'''\nport = -1\n",
         "vivavoce.toml:5: server.port: must be at least 0"),
        ("\nserver.port = -1\n", "vivavoce.toml:2: server.port: must be at least 0"),
        ('\n"server" = { host = "a", "port" = -1 }\n',
         "vivavoce.toml:2: server.port: must be at least 0"),
        ('[server]\nallowed_origins = [\n"a",\n1]\n',
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
