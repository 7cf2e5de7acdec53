"""`vivavoce conversations`: the conversations in the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from ..access import audit
from ..clock import now
from ..protocol.items import FunctionCall, FunctionOutput, Message
from ..store.base import ConversationPage, ConversationRow, ItemRow
from .common import (
    DataDir,
    JsonOption,
    as_json,
    data_folder_of,
    fail,
    opened_store,
    pluralise,
    print_json,
    run,
    when,
)
from .operator import operator
from .terminal import confirm, out

app = typer.Typer(help="Conversations: list, show, export, delete", no_args_is_help=True)


@app.command("list")
def listed(
    assistant: Annotated[str | None, typer.Option(help="Only with this assistant")] = None,
    user: Annotated[str | None, typer.Option(help="Only of this user")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    data_dir: DataDir = None,
    json: JsonOption = False,
) -> None:
    """List conversations, the newest first."""

    async def work() -> ConversationPage:
        async with opened_store(data_folder_of(data_dir)) as store:
            assistants = None if assistant is None else [assistant]
            return await store.conversations(assistants=assistants, subject=user, limit=limit)

    page = run(work())
    if json:
        print_json([row.shown() for row in page.data])
        return
    if not page.data:
        out.print("There are no conversations yet.")
        return
    width = max(len(row.id) for row in page.data)
    out.print(f"[dim]{'id':{width}}  {'last':16}  {'assistant':16}  user[/dim]")
    for row in page.data:
        out.line(f"{row.id}  {when(row.updated_at)}  {row.assistant:16}  {row.subject or '–'}")
    if page.has_more:
        out.print(f"There are more: --limit {limit * 2}")


@app.command()
def show(conversation_id: str, data_dir: DataDir = None, json: JsonOption = False) -> None:
    """Print the items of a conversation in order."""
    row, items = _read(data_dir, conversation_id)
    if json:
        print_json(_whole(row, items))
        return
    out.line(f"{row.id} with {row.assistant}, started {when(row.created_at)}")
    out.line("")
    for kept in items:
        out.line(_line(kept))


@app.command()
def export(
    conversation_id: str,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="A file; default: standard output")
    ] = None,
    data_dir: DataDir = None,
    json: JsonOption = False,
) -> None:
    """Write a conversation with all its items as JSON."""
    whole = _whole(*_read(data_dir, conversation_id))
    if out_file is None:
        print_json(whole)
        return
    try:
        out_file.write_text(as_json(whole) + "\n", "utf-8")
    except OSError as error:
        fail(f"{out_file} cannot be written: {error.strerror}.")
    if json:
        print_json({"file": str(out_file)})


@app.command()
def delete(
    conversation_id: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    data_dir: DataDir = None,
    json: JsonOption = False,
) -> None:
    """Delete a conversation, its calls and their figures. This cannot be undone."""
    if not yes:
        confirm(f"Delete {conversation_id} for good?")

    async def work() -> tuple[int, bool]:
        async with opened_store(data_folder_of(data_dir)) as store:
            count = len(await store.items(conversation_id))
            act = audit.act("conversation_deleted", operator(), conversation_id, now())
            return count, await store.delete_conversation(conversation_id, act)

    count, deleted = run(work())
    if not deleted:
        fail(f"There is no conversation {conversation_id}.")
    if json:
        print_json({"id": conversation_id, "deleted": True})
    else:
        out.line(f"{conversation_id} is deleted, with its {pluralise(count, 'item')}.")


def _read(data_dir: Path | None, conversation_id: str) -> tuple[ConversationRow, list[ItemRow]]:
    async def work() -> tuple[ConversationRow | None, list[ItemRow]]:
        async with opened_store(data_folder_of(data_dir)) as store:
            return await store.conversation(conversation_id), await store.items(conversation_id)

    row, items = run(work())
    if row is None:
        fail(f"There is no conversation {conversation_id}.")
    return row, items


def _whole(row: ConversationRow, items: list[ItemRow]) -> dict[str, Any]:
    return row.shown() | {"items": [msgspec.to_builtins(item) for item in items]}


def _line(row: ItemRow) -> str:
    """Format one item for a terminal."""
    item = row.item
    match item:
        case Message(role=role):
            said = " ".join(text for part in item.content if (text := part.text or part.transcript))
            heard = ""
            if row.sent_ms and row.heard_ms is not None and row.heard_ms < row.sent_ms:
                heard = f"  [heard {row.heard_ms / 1000:.1f} of {row.sent_ms / 1000:.1f} s]"
            return f"{role:>9}: {row.generated or said or '…'}{heard}"
        case FunctionCall(name=name, arguments=arguments):
            return f"     call: {name}({arguments})"
        case FunctionOutput(output=output):
            return f"   result: {output}"
        case _:
            return f"          {type(item).__name__}"
