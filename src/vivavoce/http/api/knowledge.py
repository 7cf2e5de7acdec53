"""Add, read and remove the files of an assistant's knowledge, over HTTP with an API key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ...access import audit
from ...assistants import Assistant
from ...core.types import Caller
from ...engines.resources import refreshed
from ...errors import AssistantError, EngineError
from ...file_reading import MissingFileError, UnreadableFileError
from ...knowledge.folder import KnowledgeFolder
from ...runtime.refusals import CallRefused, no_assistant
from ..services import At, ByKey, Services

router = APIRouter(prefix="/api/knowledge", tags=["knowledge"])


class KnowledgeFileInfo(BaseModel):
    path: str = Field(description="Relative to the assistant's folder `knowledge`")
    bytes: int
    pieces: int = Field(description="Passages that were found in it")
    mistakes: list[str] = Field(description="What could not be read, each with its place")
    warnings: list[str] = Field(description="What is not used")


class KnowledgeFiles(BaseModel):
    data: list[KnowledgeFileInfo]


@router.get("/{assistant}", summary="The files of an assistant's knowledge")
async def listed(at: At, caller: ByKey, assistant: str) -> KnowledgeFiles:
    found = _found(at, caller, assistant)
    with _readable():
        files = await asyncio.to_thread(KnowledgeFolder(found).files)
    return KnowledgeFiles(data=[await _info(at, found, each.path, each.size) for each in files])


@router.get("/{assistant}/{path:path}", summary="One file, byte for byte", response_class=Response)
async def read(at: At, caller: ByKey, assistant: str, path: str) -> Response:
    folder = KnowledgeFolder(_found(at, caller, assistant))
    try:
        data = await asyncio.to_thread(folder.read, path)
    except UnreadableFileError as error:
        _refuse(path, error)
    return Response(
        data,
        media_type="application/octet-stream",  # so that no browser shows a page of others
        headers={"Content-Disposition": "attachment"},
    )


@router.put("/{assistant}/{path:path}", summary="Add or replace a file; the body is its bytes")
async def write(
    at: At, caller: ByKey, assistant: str, path: str, request: Request
) -> KnowledgeFileInfo:
    found = _found(at, caller, assistant)
    data = await request.body()
    try:
        changed = await asyncio.to_thread(KnowledgeFolder(found).write, path, data)
    except UnreadableFileError as error:
        _refuse(path, error)
    if changed:
        await _record(at, caller, "knowledge_written", f"{found.name}/{path}")
        await _refresh(at, found, path)
    info = await _info(at, found, path, len(data))
    with _readable():
        unused = await asyncio.to_thread(KnowledgeFolder(found).warnings, path)
    return info.model_copy(update={"warnings": [*info.warnings, *map(str, unused)]})


@router.delete("/{assistant}/{path:path}", status_code=204, summary="Remove a file")
async def remove(at: At, caller: ByKey, assistant: str, path: str) -> None:
    found = _found(at, caller, assistant)
    try:
        await asyncio.to_thread(KnowledgeFolder(found).remove, path)
    except UnreadableFileError as error:
        _refuse(path, error)
    await _record(at, caller, "knowledge_removed", f"{found.name}/{path}")
    await _refresh(at, found, path)


def _found(at: Services, caller: Caller, name: str) -> Assistant:
    found = at.catalogue.get(name)
    if found is None or not at.policy.may_list(caller, name):
        raise no_assistant(name, caller, at.catalogue, at.policy)
    return found


async def _record(at: Services, caller: Caller, action: audit.Action, target: str) -> None:
    await audit.record(at.store, audit.act(action, audit.actor(caller), target, at.now()))


async def _refresh(at: Services, assistant: Assistant, path: str) -> None:
    """Make the change true before the answer is sent, without waiting for the observer."""
    file = KnowledgeFolder(assistant).file(path)
    with _readable():
        await refreshed(await at.knowledge(assistant), {file.folder / file.name})


@contextmanager
def _readable() -> Iterator[None]:
    """Turn a folder that cannot be listed into a refusal."""
    try:
        yield
    except (EngineError, AssistantError) as error:
        raise CallRefused(409, "knowledge_not_readable", str(error)) from None


async def _info(at: Services, assistant: Assistant, path: str, size: int) -> KnowledgeFileInfo:
    with _readable():
        snapshot = (await at.knowledge(assistant)).snapshot
    name = path.rpartition("/")[2]
    about = f"{assistant.name}/knowledge/{path}:"
    told = [str(each) for each in (*snapshot.unreadable, *snapshot.mistakes)]
    warned = [str(each) for each in snapshot.warnings]
    return KnowledgeFileInfo(
        path=path,
        bytes=size,
        pieces=sum(chunk.source == name for chunk in snapshot.chunks),
        mistakes=[each for each in told if each.startswith(about)],
        warnings=[each for each in warned if each.startswith(about)],
    )


def _refuse(path: str, error: UnreadableFileError) -> NoReturn:
    shown = path[:100] if path.isprintable() else ""
    if isinstance(error, MissingFileError):
        raise CallRefused(404, "file_not_found", f"There is no file '{shown}'.", param="path")
    raise CallRefused(400, "invalid_file", f"The file '{shown}' {error.reason}.", param="path")
