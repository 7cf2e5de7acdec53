"""The companion as it ships: conversations that go on, and notes that belong to one user."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from websockets.sync.client import connect

from vivavoce.app.catalogue import check_assistant
from vivavoce.assistants import SHIPPED
from vivavoce.engines.scripted.script import Rule, Script, ScriptedCall

from ..support.shipped import House, house

COMPANION = check_assistant(SHIPPED / "companion").assistant


def called(pattern: str, name: str, **arguments: object) -> Rule:
    return Rule(pattern=pattern, calls=(ScriptedCall(name=name, arguments=arguments),))


SCRIPT = Script(
    rules=(
        called(r"keep in mind (?P<text>.+)", "remember", text="{text}"),
        called(r"what do you know about (?P<text>.+)\?", "recall", about="{text}"),
        called(r"what do you know of me", "recall"),
        called(r"drop everything", "forget_everything", sure=True),
        called(r"maybe drop all", "forget_everything", sure=False),
        called(r"drop (?P<text>.+)", "forget", about="{text}"),
        Rule(pattern=r'"spoken": ?"(?P<spoken>[^"]*)"', say="{spoken}"),
        Rule(pattern=r'"(?:error|message)": ?"(?P<why>[^"]*)"', say="{why}"),
    )
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house("companion", tmp_path_factory.mktemp("companion") / "data", SCRIPT) as served:
        yield served


def kept(home: House, user: str) -> list[str]:
    file = home.server.data / "databases" / "companion-model.db"
    with closing(sqlite3.connect(file)) as database:
        rows = database.execute("SELECT text FROM memories WHERE user = ? ORDER BY id", (user,))
        return [text for (text,) in rows]


def test_it_is_instructed_and_greets_in_all_its_languages() -> None:
    assert len({COMPANION.instructions(None, each) for each in COMPANION.languages}) == 3
    assert len({COMPANION.greeting(each) for each in COMPANION.languages}) == 3
    assert COMPANION.limits.call_minutes >= 30


def test_notes_are_there_in_the_next_conversation(home: House) -> None:
    async def story() -> None:
        async with home.call(model=True, user="ann", language="en") as first:
            assert await first.say("Keep in mind my dog is called Biscuit") == (
                "I will remember that."
            )
            await first.say("Keep in mind I play the cello")
        async with home.call(model=True, user="ann", language="en") as later:
            told = await later.say("What do you know about the dogs?")
            assert told == "You told me: my dog is called Biscuit."
            told = await later.say("What do you know about motorbikes?")
            assert told == "I remember nothing about that."
            told = await later.say("What do you know of me")
            assert told == "You told me: I play the cello; my dog is called Biscuit."
        assert first.conversation != later.conversation

    asyncio.run(story())


def test_the_same_note_is_kept_once(home: House) -> None:
    async def story() -> None:
        async with home.call(model=True, user="once", language="en") as talk:
            await talk.say("Keep in mind I like figs")
        async with home.call(model=True, user="once", language="en") as talk:
            await talk.say("Keep in mind I like FIGS")

    asyncio.run(story())
    assert kept(home, "once") == ["I like figs"]


def test_user_forgets_one_note_and_then_all(home: House) -> None:
    async def story() -> None:
        async with home.call(model=True, user="bob", language="it") as talk:
            for text in ("il gatto si chiama Zefiro", "abito a Lucca", "suono il flauto"):
                assert await talk.say(f"Keep in mind {text}") == "Me lo ricorderò."
            assert await talk.say("Drop i gatti") == "L'ho dimenticato."
            assert kept(home, "bob") == ["abito a Lucca", "suono il flauto"]
            assert await talk.say("Drop la moto") == "Di questo non ricordo niente."
            assert await talk.say("Maybe drop all") == "Allora lo tengo."
            assert len(kept(home, "bob")) == 2
            told = await talk.say("Drop everything")
            assert told == "Ho dimenticato tutto ciò che mi avevi chiesto di ricordare."
            assert await talk.say("What do you know of me") == "Non ricordo niente di te."

    asyncio.run(story())
    assert kept(home, "bob") == []


def test_user_cannot_hear_or_erase_the_notes_of_another(home: House) -> None:
    async def story() -> None:
        async with home.call(model=True, user="cleo", language="en") as cleo:
            await cleo.say("Keep in mind the blue door is mine")
        async with home.call("&user=cleo", model=True, user="dan", language="en") as dan:
            for attack in (
                "What do you know about the blue door?",
                "What do you know about ' OR user = 'cleo?",
                "What do you know of me",
                "Drop the blue door",
                "Drop everything",
            ):
                await dan.say(attack)
            assert len(dan.outputs) == 5
            assert "mine" not in str(dan.outputs)

    asyncio.run(story())
    assert kept(home, "cleo") == ["the blue door is mine"]


def test_call_without_a_user_has_no_memory(home: House) -> None:
    async def story() -> None:
        async with home.call(model=True, language="en") as talk:
            for said in ("Keep in mind I am nobody", "What do you know of me", "Drop everything"):
                assert await talk.say(said) == "I don't know who you are, so I remember nothing."

    asyncio.run(story())
    assert kept(home, "") == []


def test_the_notes_of_one_user_are_bounded(home: House) -> None:
    file = home.server.data / "databases" / "companion-model.db"
    with closing(sqlite3.connect(file)) as database, database:
        rows = [("full", f"note {n}", f"note {n}") for n in range(200)]
        database.executemany("INSERT INTO memories (user, text, words) VALUES (?, ?, ?)", rows)

    async def story() -> None:
        async with home.call(model=True, user="full", language="en") as talk:
            assert "200 things already" in await talk.say("Keep in mind one more")
            await talk.say("What do you know of me")
            assert len(talk.outputs[-1]["memories"]) == 20

    asyncio.run(story())
    assert len(kept(home, "full")) == 200


def test_erased_words_are_not_left_in_the_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("erased") / "data"
    with house("companion", data, SCRIPT) as home:

        async def story() -> None:
            async with home.call(model=True, user="eve", language="en") as talk:
                await talk.say("Keep in mind the code word is quicksilver")
                await talk.say("Drop everything")

        asyncio.run(story())
        assert home.server.stop() == 0
        files = list((data / "databases").iterdir())
        assert files
        assert not [file for file in files if b"quicksilver" in file.read_bytes()]


# --- without a language model ---


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            [
                ("Remember that my dog is called Biscuit", "I will remember that."),
                ("What is my dog called?", "You told me: my dog is called Biscuit."),
                ("Forget everything", "Shall I forget everything about you?"),
                ("No", "Then I keep it."),
                ("Forget my dog", "I have forgotten that."),
                ("What do you remember?", "I remember nothing about you."),
            ],
        ),
        (
            "it",
            [
                ("Prendi nota", "Che cosa devo ricordare?"),
                ("La chiave è dietro il vaso", "Me lo ricorderò."),
                ("Che cosa ricordi di me?", "Mi hai detto: La chiave è dietro il vaso."),
                ("Dimentica tutto", "Devo dimenticare tutto di te?"),
                ("Sì", "Ho dimenticato tutto ciò che mi avevi chiesto di ricordare."),
            ],
        ),
        (
            "es",
            [
                ("Recuerda que vivo en Lugo", "Lo recordaré."),
                ("¿Qué sabes de mí?", "Me dijiste: vivo en Lugo."),
                ("Olvida que vivo en Lugo", "Lo he olvidado."),
            ],
        ),
    ],
)
def test_notes_are_kept_and_erased_by_phrases(
    home: House, language: str, said: list[tuple[str, str]]
) -> None:
    async def story() -> None:
        async with home.call(user=f"phrases-{language}", language=language) as talk:
            for text, answer in said:
                assert await talk.say(text) == answer

    asyncio.run(story())


# --- saved conversations ---


def test_conversation_is_saved_and_goes_on(home: House) -> None:
    async def story() -> tuple[str, str]:
        async with home.call(model=True, user="fay", language="en") as talk:
            await talk.say("Hello there")
            conversation = talk.conversation
        async with home.call(
            model=True, user="fay", language="en", conversation_id=conversation
        ) as talk:
            answer = await talk.say("And again")
            assert talk.conversation == conversation
        return conversation, answer

    conversation, answer = asyncio.run(story())
    assert answer == "You said: And again"
    messages = home.model.asked("/chat/completions")[-1]["messages"]
    assert [m["content"] for m in messages if m["role"] == "user"] == ["Hello there", "And again"]
    detail = home.request("GET", f"/api/conversations/{conversation}")
    saved = str(detail)
    for words in ("Hello there", "You said: Hello there", "And again", "You said: And again"):
        assert words in saved
    said = [each for each in detail["items"] if each["item"]["type"] == "message"]
    assert {each["input_method"] for each in said if each["item"]["role"] == "user"} == {"text"}
    assert all(each["model"] for each in said if each["item"]["role"] == "assistant")


def test_another_user_cannot_continue_a_conversation(home: House) -> None:
    async def story() -> str:
        async with home.call(model=True, user="gil", language="en") as talk:
            await talk.say("Hello there")
            return talk.conversation

    conversation = asyncio.run(story())

    headers = {"Authorization": f"Bearer {home.secret('companion-model', user='hal')}"}
    url = f"{home.server.ws}?model=companion-model&conversation_id={conversation}"
    with connect(url, additional_headers=headers) as intruder:
        refused = json.loads(intruder.recv(20))
        assert refused["type"] == "error", refused
    assert "Hello there" not in str(refused)
