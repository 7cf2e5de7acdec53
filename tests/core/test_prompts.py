"""The server changes the prompt of a running call, in a session and in a relay."""

from __future__ import annotations

import json

import msgspec

from vivavoce.core.inputs import FromClient, PromptRendered
from vivavoce.protocol import server
from vivavoce.protocol.client import ResponseCreate
from vivavoce.protocol.config import SessionConfig

from ..support.scenario import Scenario, config, update
from ..support.upstream import CREATED, SESSION, UPDATED, frame
from .relay_scenario import CREATE, RelayScenario

BRIEF = msgspec.structs.replace(config(), instructions="Be brief.")


def rendered(text: str, before: str = "Be brief.") -> PromptRendered:
    return PromptRendered(text, before, "it")


# A session


def test_the_next_response_follows_the_new_prompt() -> None:
    story = Scenario(BRIEF)
    story.tell(rendered("Be kind."))
    (updated,) = story.sent
    assert isinstance(updated, server.SessionUpdated)
    assert isinstance(updated.session, SessionConfig)
    assert updated.session.instructions == "Be kind."
    story.tell(ResponseCreate())
    assert story.request.config.instructions == "Be kind."


def test_a_running_response_keeps_its_prompt() -> None:
    story = Scenario(BRIEF)
    story.tell(ResponseCreate(), rendered("Be kind."))
    assert story.request.config.instructions == "Be brief."


def test_a_client_with_its_own_instructions_keeps_them() -> None:
    story = Scenario(BRIEF)
    story.tell(update(instructions="Rhyme."))
    story.forget()
    story.tell(rendered("Be kind."))
    assert story.sent == []
    assert story.session.config.instructions == "Rhyme."
    story.tell(update(instructions=None))  # back to the assistant's
    assert story.session.config.instructions == "Be kind."


def test_a_new_prompt_is_no_activity_of_the_user() -> None:
    story = Scenario(BRIEF, inactivity_s=60.0)
    story.wait(50)
    story.tell(rendered("Be kind."))
    story.wait(11)
    assert story.session.closed


# A relay


def asked(story: RelayScenario) -> list[object]:
    """Return the instructions that the upstream was asked for, in order."""
    updates = (json.loads(data) for data in story.up)
    return [u["session"]["instructions"] for u in updates if u["type"] == "session.update"]


def confirmed(instructions: str) -> bytes:
    return frame("session.updated", session=SESSION | {"instructions": instructions})


def test_an_upstream_is_asked_for_the_new_prompt() -> None:
    story = RelayScenario()
    story.tell(rendered("Be kind."))
    assert asked(story) == ["Be kind."]
    story.hear(confirmed("Be kind."))
    story.tell(rendered("Be fast.", before="Be kind."))
    assert asked(story) == ["Be kind.", "Be fast."]


def test_an_upstream_keeps_the_instructions_of_a_client() -> None:
    story = RelayScenario()
    story.hear(confirmed("Rhyme."))
    story.tell(rendered("Be kind."))
    assert asked(story) == []


def test_a_prompt_of_the_handshake_follows_it() -> None:
    story = RelayScenario(opened=False)
    story.tell(rendered("Be kind."))
    assert asked(story) == ["Be brief."]  # by the handshake
    story.hear(CREATED, UPDATED)
    assert asked(story) == ["Be brief.", "Be kind."]


def test_another_upstream_is_asked_for_the_latest_prompt() -> None:
    story = RelayScenario()
    story.tell(rendered("Be kind."))
    story.log.clear()
    story.relay.replace_upstream(0.0)
    story.log += story.relay.effects()
    assert asked(story) == ["Be kind."]


def test_an_upstream_that_refuses_a_prompt_is_reported_to_the_operator_alone() -> None:
    story = RelayScenario()
    story.tell(rendered("Be kind."))
    event_id = json.loads(story.up[-1])["event_id"]
    body = {"type": "invalid_request_error", "code": "invalid_value", "message": "No.",
            "param": None, "event_id": event_id}  # fmt: skip
    story.hear(frame("error", error=body))
    assert story.down == []
    assert not story.errors


def test_a_frame_of_a_client_passes_beside_a_new_prompt() -> None:
    story = RelayScenario()
    story.tell(rendered("Be kind."), FromClient(CREATE))
    assert [json.loads(data)["type"] for data in story.up] == ["session.update", "response.create"]
