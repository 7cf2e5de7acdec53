"""Serve the list of assistants, without their instructions."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from ...assistants import Assistant
from ...runtime.refusals import no_assistant
from ..services import At, ByEither, Services

router = APIRouter(prefix="/api/assistants", tags=["assistants"])


class AssistantInfo(BaseModel):
    name: str
    title: dict[str, str] = Field(description="By language")
    description: dict[str, str] = Field(description="By language")
    languages: list[str] = Field(description="The first is the fallback")
    hears: list[str] = Field(
        description="The languages in which people can speak to it; in others they write"
    )
    default: bool = Field(description="True for `calls.default_assistant`")
    roles: list[str]
    engine: str
    voice: str
    suggestions: dict[str, list[str]] = Field(
        description="Questions to offer before a call, by language"
    )
    notes: list[dict[str, str]] = Field(
        description="Notices to read before a call, each by language; English is always present"
    )


class AssistantList(BaseModel):
    data: list[AssistantInfo]


@router.get("", summary="The assistants that the caller may list")
async def listed(at: At, caller: ByEither) -> AssistantList:
    allowed = [one for one in at.catalogue if at.policy.may_list(caller, one.name)]
    return AssistantList(data=[_info(at, one) for one in allowed])


@router.get("/{name}", summary="One assistant")
async def one(at: At, caller: ByEither, name: str) -> AssistantInfo:
    found = at.catalogue.get(name)
    if found is None or not at.policy.may_list(caller, name):
        raise no_assistant(name, caller, at.catalogue, at.policy)
    return _info(at, found)


def _info(at: Services, assistant: Assistant) -> AssistantInfo:
    return AssistantInfo(
        name=assistant.name,
        title={language: assistant.title(language) for language in assistant.languages},
        description={language: assistant.description(language) for language in assistant.languages},
        languages=list(assistant.languages),
        hears=at.hears(assistant),
        default=assistant.name == at.default_assistant,
        roles=list(assistant.roles),
        engine=assistant.engine,
        voice=assistant.voice.name,
        suggestions={
            language: list(assistant.suggestions(language)) for language in assistant.languages
        },
        notes=at.notes(assistant),
    )
