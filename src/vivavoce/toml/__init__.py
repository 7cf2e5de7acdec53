"""Read the TOML that people write, and report its mistakes in plain words with their lines.

Settings, assistants and scripts use it. An assistant's JSON files get the same treatment.
"""

from .key_lines import KeyLines, KeyPath, json_lines, line_of, toml_lines
from .messages import did_you_mean, plain_message
from .reading import TomlFile, parse_json, read_toml

__all__ = [
    "KeyLines",
    "KeyPath",
    "TomlFile",
    "did_you_mean",
    "json_lines",
    "line_of",
    "parse_json",
    "plain_message",
    "read_toml",
    "toml_lines",
]
