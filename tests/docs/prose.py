"""Find the prose of this project: documents, docstrings, comments, messages and test names."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

SPOKEN = frozenset({"description", "help", "message", "summary"})  # keywords with a sentence
GENERATED = frozenset({"docs/reference/coverage.md"})
NOT_OURS = frozenset(
    {"node_modules", "dist", "static", "examples", "environments", "recordings", "sounds",
     "brain_data"}
)  # fmt: skip


class Block(NamedTuple):
    """One paragraph, comment, docstring, message or test name; its lines start at `line`."""

    file: str
    line: int
    text: str
    docstring: bool = False


class Comment(NamedTuple):
    line: int
    text: str
    alone: bool  # on a line without code


def files(root: Path) -> Iterator[Path]:
    """Yield every file with prose of ours, in a stable order."""
    yield from sorted(root.glob("*.md"))
    for folder in ("src", "packages", "tests", "benchmarks", "scripts", "docs", "web"):
        for path in sorted((root / folder).rglob("*")):
            inside = path.relative_to(root).parts
            if path.suffix not in {".md", ".py", ".ts", ".tsx"} or path.name.endswith(".d.ts"):
                continue
            if any(part.startswith(".") or part in NOT_OURS for part in inside):
                continue
            if "/".join(inside) not in GENERATED:
                yield path


def folder_of(name: str) -> str:
    """Return the folder with a budget: a package of the source, a folder of tests, or a root."""
    parts = name.split("/")[:-1]
    depth = {"src": 3, "tests": 2, "packages": 2, "web": 2}.get(parts[0] if parts else "", 1)
    return "/".join(parts[:depth]) or "."


def blocks(root: Path, path: Path) -> Iterator[Block]:
    """Yield the prose of one file, by its kind."""
    name = path.relative_to(root).as_posix()
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        yield from _markdown(name, text)
    elif path.suffix == ".py":
        yield from _docstrings_and_messages(name, ast.parse(text))
        yield from _joined(name, _python_comments(text))
    else:
        yield from _joined(name, _script_comments(text))


def _markdown(name: str, text: str) -> Iterator[Block]:
    """Yield paragraphs, list items and table rows, without code."""
    start, lines, fenced = 0, list[str](), False
    for number, line in enumerate([*text.splitlines(), ""], 1):
        stripped = line.strip()
        if stripped.startswith("```"):
            fenced = not fenced
            stripped = ""
        alone = stripped.startswith(("|", "#")) or re.match(r"(?:[-*]|\d+\.) ", stripped)
        code = fenced or line.startswith("    ") or stripped.startswith("<!--")
        if lines and (not stripped or alone or code):
            yield Block(name, start, "\n".join(lines))
            lines = []
        if stripped and not code:
            if not lines:
                start = number
            lines.append(re.sub(r"^(?:[-*#]+|\d+\.) ", "", stripped))


def _docstrings_and_messages(name: str, tree: ast.Module) -> Iterator[Block]:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False):
            value = node.body[0].value  # type: ignore[attr-defined]
            yield from _paragraphs(name, value.lineno, value.value)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield Block(name, node.lineno, node.name.removeprefix("test_").replace("_", " "))
        for text in _messages(node):
            yield Block(name, text.lineno, str(text.value))


def _messages(node: ast.AST) -> Iterator[ast.Constant]:
    """Yield the sentences that users or operators read: errors, log lines, help."""
    spoken: list[ast.AST] = []
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        spoken = [node.exc]
    elif isinstance(node, ast.Call):
        spoken = [word.value for word in node.keywords if word.arg in SPOKEN]
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            spoken += node.args if node.func.value.id == "log" else []
    for part in spoken:
        for text in ast.walk(part):
            if isinstance(text, ast.Constant) and isinstance(text.value, str) and " " in text.value:
                yield text


def _paragraphs(name: str, first: int, text: str) -> Iterator[Block]:
    """Split a docstring at empty lines and drawings; the first paragraph is its summary."""
    number = first
    for index, paragraph in enumerate(text.split("\n\n")):
        lines = paragraph.split("\n")
        if not any(re.search(r"[─│►┌└├]|\w {3,}\w", line) for line in lines):
            yield Block(name, number, "\n".join(line.strip() for line in lines), index == 0)
        number += len(lines) + 1


def _python_comments(text: str) -> Iterator[Comment]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not re.match(
            r"#!|# (?:type|noqa|fmt)\b", token.string
        ):
            alone = not token.line[: token.start[1]].strip()
            yield Comment(token.start[0], token.string.lstrip("# "), alone)


def _script_comments(text: str) -> Iterator[Comment]:
    """Yield the comments of TypeScript, by their usual layout."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.search(r"(?:^|\s)//+ (.*)$|^\s*(?:/\*\*?|\*) (.*?)(?:\*/)?$", line):
            alone = line.strip().startswith(("/", "*"))
            yield Comment(number, (found[1] or found[2] or "").strip(), alone)


def _joined(name: str, comments: Iterable[Comment]) -> Iterator[Block]:
    """Join comments on consecutive lines. One behind code begins a new block."""
    start, lines = 0, list[str]()
    for number, text, alone in comments:
        if lines and (number != start + len(lines) or not alone):
            yield Block(name, start, "\n".join(lines))
            lines = []
        if not lines:
            start = number
        lines.append(text)
    if lines:
        yield Block(name, start, "\n".join(lines))
