"""The memory of the companion: short notes of a user, that the user can hear and erase.

Each user has own notes. A call without a user has none: nothing is read and nothing is kept.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import takewhile
from typing import Annotated

from pydantic import Field

from vivavoce import Call, tool
from vivavoce.api import EngineError

MEMORIES = 200  # of one user; a person who hears them all needs a quarter of an hour
HEARD = 20  # of them in one answer, the ones that fit best
PREFIX = 3  # letters that forms of one word have in common, at least

SAY = {
    "en": {
        "unknown": "I don't know who you are, so I remember nothing.",
        "kept": "I will remember that.",
        "full": "I remember {n} things already. Let me forget something first.",
        "none": "I remember nothing about you.",
        "none_of_it": "I remember nothing about that.",
        "heard": "You told me: {what}.",
        "forgot": "I have forgotten that.",
        "forgot_all": "I have forgotten everything that you asked me to remember.",
        "keep_all": "Then I keep it.",
    },
    "it": {
        "unknown": "Non so chi sei, quindi non ricordo niente.",
        "kept": "Me lo ricorderò.",
        "full": "Ricordo già {n} cose. Prima fammi dimenticare qualcosa.",
        "none": "Non ricordo niente di te.",
        "none_of_it": "Di questo non ricordo niente.",
        "heard": "Mi hai detto: {what}.",
        "forgot": "L'ho dimenticato.",
        "forgot_all": "Ho dimenticato tutto ciò che mi avevi chiesto di ricordare.",
        "keep_all": "Allora lo tengo.",
    },
    "es": {
        "unknown": "No sé quién eres, así que no recuerdo nada.",
        "kept": "Lo recordaré.",
        "full": "Ya recuerdo {n} cosas. Antes hazme olvidar alguna.",
        "none": "No recuerdo nada de ti.",
        "none_of_it": "De eso no recuerdo nada.",
        "heard": "Me dijiste: {what}.",
        "forgot": "Lo he olvidado.",
        "forgot_all": "He olvidado todo lo que me pediste recordar.",
        "keep_all": "Entonces lo guardo.",
    },
}

# Words that say nothing about a memory.
COMMON = frozenset(
    re.findall(
        r"\w+",
        """a about all an and are at be did do does for from have he her his i in is it me my of on
        or our she that the their they this to was what when where which who with you your s
        al alla che chi come con cosa da dei del della di dove e ha ho i il io la le lo mi mia mie
        miei mio per quale quando sono su sul tu un una
        como con cual cuando de donde el en es esta la las los me mi mis para por que quien se soy
        su sus te tengo un una y yo""",
    )
)

Memory = dict[str, object]


def say(call: Call, key: str, /, **facts: object) -> str:
    return SAY.get(call.language, SAY["en"])[key].format(**facts)


def user_of(call: Call) -> str:
    """Return the user of the call. Raises `EngineError` if the call has no user."""
    if not call.user:
        raise EngineError(say(call, "unknown"))
    return call.user


def words_of(text: str) -> list[str]:
    """Return the words of a text, without accents and in small letters."""
    parted = unicodedata.normalize("NFD", text.casefold())
    return re.findall(r"\w+", "".join(c for c in parted if not unicodedata.combining(c)))


def share(about: str, memory: str) -> float:
    """Return which part of the words of `about` a memory holds, without the common ones."""
    wanted = [word for word in words_of(about) if word not in COMMON]
    held = words_of(memory)
    found = [word for word in wanted if any(alike(word, each) for each in held)]
    return len(found) / len(wanted) if wanted else 0.0


def alike(one: str, other: str) -> bool:
    """Return whether two words are forms of one word: dog and dogs, gatto and gatti."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    same = len(list(pairs))
    rest = max(len(one), len(other)) - same
    return rest == 0 or (same >= PREFIX and rest <= (1 if same < 2 * PREFIX else 2))


async def memories_of(call: Call, user: str) -> list[Memory]:
    """Return the memories of a user, the newest first."""
    return await call.db.fetch(
        "SELECT id, text, substr(at, 1, 10) AS day FROM memories WHERE user = ?"
        " ORDER BY id DESC LIMIT ?",
        user,
        MEMORIES,
    )


@tool(
    effects=True,
    slots={
        "text": {
            "ask": {
                "en": "What shall I remember?",
                "it": "Che cosa devo ricordare?",
                "es": "¿Qué tengo que recordar?",
            },
            "after": {
                "en": ["remember that"],
                "it": ["ricorda che", "ricordati che"],
                "es": ["recuerda que"],
            },
        }
    },
)
async def remember(
    call: Call, text: Annotated[str, Field(min_length=1, max_length=300)]
) -> dict[str, object]:
    """Remember something for this user in later conversations.

    Args:
        text: one short sentence, in the user's words
    """
    user, words = user_of(call), " ".join(words_of(text))
    async with call.db.transaction() as db:
        held = await db.fetch_one("SELECT COUNT(*) AS n FROM memories WHERE user = ?", user)
        if held and held["n"] >= MEMORIES:
            raise EngineError(say(call, "full", n=MEMORIES))
        await db.execute(
            "INSERT INTO memories (user, text, words) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            user,
            text.strip(),
            words,
        )
    return {"spoken": say(call, "kept")}


@tool
async def recall(
    call: Call, about: Annotated[str, Field(max_length=300)] = ""
) -> dict[str, object]:
    """Look up what this user has asked to remember.

    Args:
        about: the words that the memory may contain. Without them, all memories.
    """
    held = await memories_of(call, user_of(call))
    if not held:
        return {"spoken": say(call, "none"), "memories": []}
    if any(word not in COMMON for word in words_of(about)):
        fits = [(share(about, str(memory["text"])), memory) for memory in held]
        held = [m for s, m in sorted(fits, key=lambda each: -each[0]) if s > 0]
    if not held:
        return {"spoken": say(call, "none_of_it"), "memories": []}
    told = [{"text": memory["text"], "day": memory["day"]} for memory in held[:HEARD]]
    what = "; ".join(str(each["text"]).rstrip(".") for each in told)
    return {"spoken": say(call, "heard", what=what), "memories": told}


@tool(
    effects=True,
    slots={
        "about": {
            "ask": {
                "en": "What shall I forget?",
                "it": "Che cosa devo dimenticare?",
                "es": "¿Qué tengo que olvidar?",
            },
            "after": {"en": ["about"], "it": ["su"], "es": ["sobre"]},
        }
    },
)
async def forget(
    call: Call, about: Annotated[str, Field(min_length=1, max_length=300)]
) -> dict[str, object]:
    """Forget what this user has asked to remember about something.

    Args:
        about: words that the memory contains; every memory with all of them is erased
    """
    user = user_of(call)
    held = await memories_of(call, user)
    found = [memory for memory in held if share(about, str(memory["text"])) == 1.0]
    for memory in found:
        await erase(call, "DELETE FROM memories WHERE user = ? AND id = ?", user, memory["id"])
    return {"spoken": say(call, "forgot" if found else "none_of_it"), "forgotten": len(found)}


@tool(
    effects=True,
    repeat="allow",
    slots={
        "sure": {
            "ask": {
                "en": "Shall I forget everything about you?",
                "it": "Devo dimenticare tutto di te?",
                "es": "¿Tengo que olvidar todo sobre ti?",
            }
        }
    },
)
async def forget_everything(call: Call, sure: bool) -> dict[str, object]:
    """Forget everything that this user has asked to remember.

    Args:
        sure: whether the user has confirmed it
    """
    user = user_of(call)
    if not sure:
        return {"spoken": say(call, "keep_all"), "forgotten": 0}
    count = await erase(call, "DELETE FROM memories WHERE user = ?", user)
    return {"spoken": say(call, "forgot_all" if count else "none"), "forgotten": count}


async def erase(call: Call, sql: str, *values: object) -> int:
    """Delete rows so that their words are overwritten in the file. Return how many they were."""
    await call.db.fetch("PRAGMA secure_delete = ON")
    return await call.db.execute(sql, *values)
