"""Serve the voices of an assistant, each with a sample of its sound."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ...assistants import Assistant
from ...core.types import Caller
from ...errors import EngineError
from ...runtime.refusals import SERVER, CallRefused, no_assistant
from ..services import At, ByEither, Services

router = APIRouter(prefix="/api/assistants/{name}/voices", tags=["assistants"])


class VoiceInfo(BaseModel):
    name: str
    default: bool = Field(description="True for the voice in `assistant.toml`")


class VoiceList(BaseModel):
    data: list[VoiceInfo]
    samples: bool = Field(description="Whether the server can speak a sample of each")


@router.get("", summary="The voices in which an assistant can speak")
async def listed(at: At, caller: ByEither, name: str, language: str | None = None) -> VoiceList:
    assistant = _found(at, caller, name)
    names = at.samples.names(assistant, assistant.pick_language(language))
    own = assistant.voice.name
    return VoiceList(
        data=[VoiceInfo(name=each, default=each == own) for each in names],
        samples=assistant.engine == "cascade",
    )


@router.get(
    "/{voice}/sample",
    summary="The greeting in one voice, as a WAV file",
    response_class=Response,
    responses={200: {"content": {"audio/wav": {}}}},
)
async def sample(
    at: At, caller: ByEither, name: str, voice: str, language: str | None = None
) -> Response:
    assistant = _found(at, caller, name)
    try:
        made = await at.samples.wav(assistant, assistant.pick_language(language), voice)
    except EngineError as error:
        raise CallRefused(503, error.code, str(error), type=SERVER) from error
    except TimeoutError as error:
        message = "The voice is busy. Try again."
        raise CallRefused(503, "voice_busy", message, type=SERVER) from error
    if made is None:
        raise CallRefused(404, "voice_not_found", f"There is no voice '{voice[:60]}'.")
    return Response(made, media_type="audio/wav")


def _found(at: Services, caller: Caller, name: str) -> Assistant:
    found = at.catalogue.get(name)
    if found is None or not at.policy.may_list(caller, name):
        raise no_assistant(name, caller, at.catalogue, at.policy)
    return found
