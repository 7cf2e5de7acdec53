"""A server controls the call of a person, with the unmodified `openai` package on both sides."""

from __future__ import annotations

import asyncio

import httpx2
from openai import AsyncOpenAI

from ..support.served import Served
from .test_openai import Conversation


def test_a_server_controls_a_running_call(served: Served, key: str) -> None:
    a_server_controls_a_call(served, key, "echo")


def a_server_controls_a_call(served: Served, key: str, assistant: str) -> None:
    """Let the person's client know only the effects that it sees."""
    minted = httpx2.post(
        f"{served.url}/v1/realtime/client_secrets",
        json={"vivavoce": {"assistant": assistant}},
        headers={"Authorization": f"Bearer {key}"},
    ).json()["value"]

    async def main() -> None:
        async with (
            AsyncOpenAI(base_url=f"{served.url}/v1", api_key=minted) as browser,
            AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key) as backend,
            browser.realtime.connect(model="any") as connection,
        ):
            person = Conversation(connection)
            await person.until("session.created")
            headers = connection._connection.response.headers  # type: ignore[union-attr]
            call_id = headers["Vivavoce-Call-Id"]
            async with backend.realtime.connect(call_id=call_id) as control:
                await control_it(person, Conversation(control))
                assert person.audio_ms() > 0
            # The control connection is gone; the call is not.
            await person.say(type="input_audio_buffer.clear")
            await person.until("input_audio_buffer.cleared")

    asyncio.run(main())


async def control_it(person: Conversation, server: Conversation) -> None:
    # It changes the instructions, which the person's browser may not, and the prompt's variables.
    await person.configure(instructions="Be rude.")
    assert person.events[-1].session.instructions != "Be rude."
    prompt = {"id": "pmpt_1", "variables": {"city": "Turin"}}
    await server.configure(instructions="Speak of Turin.", prompt=prompt)
    updated = await person.until("session.updated")
    assert updated.session.instructions == "Speak of Turin."
    assert updated.session.prompt.variables == {"city": "Turin"}

    # It puts in what the person then sees, and has it answered.
    await server.type("one two three four five six seven eight nine ten " * 20)
    added = await person.until("conversation.item.done")
    assert added.item.content[0].text.startswith("one two")
    await server.connection.response.create()
    begun = await person.until("response.created")

    # It hears the words but not the sound, and cancels.
    await person.until("response.output_audio.delta")
    await server.until("response.output_audio_transcript.delta")
    await server.connection.response.cancel()
    done = await person.until("response.done")
    assert (done.response.id, done.response.status) == (begun.response.id, "cancelled")
    await server.until("response.done")
    kinds = {event.type for event in server.events}
    assert "response.output_audio.done" in kinds
    assert not kinds & {"session.created", "response.output_audio.delta"}

    # Its errors go to the sideband only.
    await server.connection.response.cancel(event_id="mine")
    error = await server.until("error")
    assert (error.error.code, error.error.event_id) == ("response_cancel_not_active", "mine")
    await server.say(type="input_audio_buffer.clear")
    await person.until("input_audio_buffer.cleared")  # `until` fails at any error
