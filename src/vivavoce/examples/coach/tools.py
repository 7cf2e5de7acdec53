"""The tools of the coach: players, builds and squads in the assistant's own database.

A user reads and changes only what is theirs. All users share the players.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import Field

from vivavoce import Call, tool
from vivavoce.api import Database, EngineError

Position = Literal[
    "goalkeeper", "centre_back", "right_back", "left_back", "midfielder", "playmaker",
    "right_winger", "left_winger", "striker",
]  # fmt: skip
Change = Literal["replace", "add", "remove"]
Name = Annotated[str, Field(min_length=2, max_length=80)]
SquadName = Annotated[str, Field(min_length=1, max_length=60)]
Rating = Annotated[int, Field(ge=1, le=120)]

RATING = 75  # of a new player, if the user does not say it
FOUND = 5  # players of one search
SQUAD = 26  # players of one squad
READ = 20  # players of one screenshot

POSITIONS: dict[str, dict[str, list[str]]] = {
    "goalkeeper": {"en": ["keeper", "goalie"], "it": ["portiere"]},
    "centre_back": {
        "en": ["center back", "centre half", "defender"],
        "it": ["difensore centrale", "difensore", "centrale"],
    },
    "right_back": {"it": ["terzino destro"]},
    "left_back": {"it": ["terzino sinistro"]},
    "midfielder": {"en": ["central midfielder"], "it": ["centrocampista", "mediano", "mezzala"]},
    "playmaker": {
        "en": ["attacking midfielder", "number ten"],
        "it": ["trequartista", "regista", "fantasista"],
    },
    "right_winger": {"en": ["right wing"], "it": ["ala destra", "esterno destro"]},
    "left_winger": {"en": ["left wing"], "it": ["ala sinistra", "esterno sinistro"]},
    "striker": {
        "en": ["forward", "centre forward", "center forward", "number nine"],
        "it": ["attaccante", "centravanti", "punta"],
    },
}
SPOKEN = {
    "it": {position: words["it"][0] for position, words in POSITIONS.items()},
    "en": {position: position.replace("_", " ") for position in POSITIONS},
}
SAVED = {
    "en": "{name} is saved as {position}, rating {rating}.",
    "it": "{name} è salvato come {position}, valore {rating}.",
}
SAVED_IN = {
    "en": "{name} is saved as {position}, rating {rating}, and is in the squad {squad}.",
    "it": "{name} è salvato come {position}, valore {rating}, ed è nella rosa {squad}.",
}
HOLDS = {
    "en": "The squad {squad} has {count}: {players}.",
    "it": "La rosa {squad} ha {count}: {players}.",
}
EMPTY = {"en": "The squad {squad} is empty.", "it": "La rosa {squad} è vuota."}
NO_SQUAD = {
    "en": "There is no squad called {squad}. You have {squads}.",
    "it": "Non c'è nessuna rosa chiamata {squad}. Hai {squads}.",
}
WHICH_SQUAD = {"en": "Which squad? You have {squads}.", "it": "Quale rosa? Hai {squads}."}
NONE = {"en": "no squad yet", "it": "nessuna rosa ancora"}
FOUND_TEXT = {"en": "I found {players}.", "it": "Ho trovato {players}."}
NOT_FOUND = {
    "en": "I know no player called {query}.",
    "it": "Non conosco nessun giocatore chiamato {query}.",
}
CLOSE = {"en": " Do you mean {names}?", "it": " Intendi {names}?"}
TOO_MANY = {"en": "A squad has at most 26 players.", "it": "Una rosa ha al massimo 26 giocatori."}
RESET = {
    "en": "All squads and saved players are gone. {count} players of mine remain.",
    "it": "Rose e giocatori salvati non ci sono più. Restano {count} giocatori di base.",
}
NO_PICTURE = {
    "en": "I cannot read pictures here. Tell me the player's name, position and rating.",
    "it": "Qui non posso leggere immagini. Dimmi nome, ruolo e valore del giocatore.",
}
NOTHING_READ = {
    "en": "I can read no player in this picture.",
    "it": "In questa immagine non leggo nessun giocatore.",
}
READ_TEXT = {"en": "I read {players}.", "it": "Leggo {players}."}

ASK_NAME = {"en": "Which player?", "it": "Quale giocatore?"}
ASK_SQUAD = {"en": "Which squad?", "it": "Quale rosa?"}


def key(text: str) -> str:
    """Return a name without capitals and accents, so that it is found however it is spelled."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def say(call: Call, texts: Mapping[str, str], **values: object) -> str:
    """Return a sentence in the language of the call."""
    return texts["it" if call.language.startswith("it") else "en"].format(**values)


def told(call: Call, rows: Iterable[Mapping[str, Any]]) -> str:
    """List players as they are spoken."""
    names = SPOKEN["it" if call.language.startswith("it") else "en"]
    return ", ".join(
        f"{row['name']} ({names.get(row['position'], row['position'])}, {row['rating']})"
        for row in rows
    )


def owner(call: Call) -> str:
    """Return who the squads belong to. Without a user, one for all."""
    return call.user or ""


@tool(
    say={"en": "I write him down.", "it": "Me lo segno."},
    effects=True,
    data_arguments="allow",  # players come from a screenshot, and only the user's squads change
    slots={
        "name": {
            "ask": ASK_NAME,
            "after": {"en": ["called", "named", "name is"], "it": ["chiamato", "si chiama"]},
        },
        "position": {
            "ask": {"en": "In which position?", "it": "In che ruolo?"},
            "synonyms": POSITIONS,
        },
        "squad": {"after": {"en": ["squad"], "it": ["rosa"]}},
    },
)  # fmt: skip
async def save_player(
    call: Call,
    name: Name,
    position: Position,
    rating: Rating | None = None,
    squad: SquadName | None = None,
) -> dict[str, object]:
    """Save a player as the user plays him, and add him to a squad if one is named.

    Args:
        name: the player's name
        position: where he plays
        rating: from 1 to 120
        squad: the name of a squad; a new name makes a new squad
    """
    async with call.db.transaction() as db:
        base = await db.fetch_one(
            "INSERT INTO players (name, key, position, rating) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET key = key RETURNING id, name, rating",
            name.strip(), key(name), position, rating or RATING,
        )  # fmt: skip
        assert base is not None
        rating = rating or base["rating"]
        build = await db.fetch_one(
            "INSERT INTO builds (player_id, owner, position, rating) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET rating = rating RETURNING id",
            base["id"], owner(call), position, rating,
        )  # fmt: skip
        assert build is not None
        if squad is not None:
            held = await make_squad(db, owner(call), squad)
            await put(call, db, held["id"], [build["id"]])
            squad = held["name"]
    texts = SAVED if squad is None else SAVED_IN
    names = SPOKEN["it" if call.language.startswith("it") else "en"]
    spoken = say(call, texts, name=base["name"], position=names[position], rating=rating,
                 squad=squad)  # fmt: skip
    return {"spoken": spoken, "player_id": base["id"], "build_id": build["id"], "squad": squad}


@tool(
    say={"en": "Let me look.", "it": "Guardo subito."},
    slots={"squad": {"ask": ASK_SQUAD, "after": {"en": ["squad"], "it": ["rosa"]}}},
)  # fmt: skip
async def load_squad(call: Call, squad: SquadName | None = None) -> dict[str, object]:
    """Load a squad with its players.

    Args:
        squad: its name; not needed if the user has one squad
    """
    held = await find_squad(call, call.db, squad)
    return await described(call, held)


@tool(
    say={"en": "Let me look.", "it": "Cerco subito."},
    slots={
        "query": {"ask": ASK_NAME, "after": {"en": ["called", "named"], "it": ["chiamato"]}}
    },
)  # fmt: skip
async def search_player(
    call: Call, query: Annotated[str, Field(min_length=2, max_length=80)]
) -> dict[str, object]:
    """Search players by a part of the name, or by position. The best come first.

    Args:
        query: a name, a part of it, or a position
    """
    wanted = position_of(query)
    rows = await call.db.fetch(
        "SELECT id, name, position, rating FROM players"
        " WHERE instr(key, :key) > 0 OR position = :position"
        " ORDER BY rating DESC, name LIMIT :most",
        {"key": key(query), "position": wanted or "", "most": FOUND},
    )
    if rows:
        return {"spoken": say(call, FOUND_TEXT, players=told(call, rows)), "players": rows}
    spoken = say(call, NOT_FOUND, query=query) + await close_names(call, call.db, query)
    return {"spoken": spoken, "players": []}


@tool(
    say={"en": "I change the squad.", "it": "Cambio la rosa."},
    effects=True,
    data_arguments="allow",  # players come from a search, and only the user's squads change
    slots={
        "squad": {"ask": ASK_SQUAD, "after": {"en": ["squad"], "it": ["rosa"]}},
        "players": {"ask": {"en": "Which players?", "it": "Quali giocatori?"}},
    },
)  # fmt: skip
async def update_squad(
    call: Call,
    squad: SquadName,
    players: Annotated[list[Name], Field(min_length=1, max_length=SQUAD)],
    change: Change = "replace",
) -> dict[str, object]:
    """Replace the players of a squad, or add some, or remove some. All of it or nothing happens.

    Args:
        squad: the name of the squad; a new name makes a new squad, unless players are removed
        players: their names, which must be known
        change: what happens with them
    """
    async with call.db.transaction() as db:
        builds = [await build_of(call, db, name) for name in players]
        if change == "remove":
            held = await find_squad(call, db, squad)
        else:
            held = await make_squad(db, owner(call), squad)
        if change != "add":
            chosen = builds if change == "remove" else None
            await take_out(db, held["id"], chosen)
        if change != "remove":
            await put(call, db, held["id"], [build for build, _ in builds])
    return await described(call, held)


@tool(
    say={"en": "I read the picture.", "it": "Leggo l'immagine."},
    timeout=30,
)  # fmt: skip
async def analyze_screenshot(
    call: Call, text: Annotated[str, Field(max_length=4000)] = ""
) -> dict[str, object]:
    """Read players from a screenshot of the game. It saves nothing.

    Args:
        text: what stands in the picture, if you can see it; otherwise the newest picture is read
    """
    if not text:
        try:
            text = await call.read_image()
        except EngineError:  # no picture was sent, or this server cannot read any
            return {"spoken": say(call, NO_PICTURE), "players": []}
    players = [found for line in text.splitlines() if (found := player_in(line))][:READ]
    if not players:
        return {"spoken": say(call, NOTHING_READ), "players": []}
    return {"spoken": say(call, READ_TEXT, players=told(call, players)), "players": players}


@tool(approve="staff", effects=True, repeat="allow")
async def reset_squads(call: Call) -> dict[str, object]:
    """Delete all squads, builds and saved players of everybody. The players that shipped remain."""
    async with call.db.transaction() as db:
        for table in ("squad_builds", "squads", "builds"):
            await db.execute(f"DELETE FROM {table}")
        await db.execute("DELETE FROM players WHERE NOT shipped")
        row = await db.fetch_one("SELECT count(*) AS count FROM players")
    assert row is not None
    return {"spoken": say(call, RESET, count=row["count"])}


# The database


async def make_squad(db: Database, user: str, name: str) -> dict[str, Any]:
    """Return the user's squad of this name. Make it if there is none."""
    row = await db.fetch_one(
        "INSERT INTO squads (owner, name, key) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET key = key RETURNING id, name",
        user, name.strip(), key(name),
    )  # fmt: skip
    assert row is not None
    return row


async def find_squad(call: Call, db: Database, name: str | None) -> dict[str, Any]:
    """Return the user's squad of this name, or the only one. Raises `EngineError`."""
    rows = await db.fetch(
        "SELECT id, name, key FROM squads WHERE owner = ? ORDER BY name LIMIT 20", owner(call)
    )
    found = [row for row in rows if name is None or row["key"] == key(name)]
    if len(found) == 1:
        return found[0]
    squads = ", ".join(row["name"] for row in rows) or say(call, NONE)
    texts = NO_SQUAD if name is not None else WHICH_SQUAD
    raise EngineError(say(call, texts, squad=name, squads=squads))


async def build_of(call: Call, db: Database, name: str) -> tuple[int, int]:
    """Return the user's newest build of a player, and the player. Raises `EngineError`.

    A player whom the user has not built yet is taken as he is.
    """
    rows = await db.fetch(
        "SELECT id, name, position, rating FROM players WHERE key = :key"
        " UNION SELECT id, name, position, rating FROM players WHERE key LIKE '% ' || :key",
        {"key": key(name)},
    )
    exact = [row for row in rows if key(row["name"]) == key(name)] or rows
    if len(exact) != 1:
        spoken = say(call, NOT_FOUND, query=name)
        raise EngineError(spoken + await close_names(call, db, name))
    player = exact[0]
    build = await db.fetch_one(
        "SELECT id FROM builds WHERE player_id = ? AND owner = ? ORDER BY id DESC LIMIT 1",
        player["id"], owner(call),
    )  # fmt: skip
    if build is None:
        build = await db.fetch_one(
            "INSERT INTO builds (player_id, owner, position, rating) VALUES (?, ?, ?, ?)"
            " RETURNING id",
            player["id"], owner(call), player["position"], player["rating"],
        )  # fmt: skip
    assert build is not None
    return build["id"], player["id"]


async def put(call: Call, db: Database, squad_id: int, builds: Iterable[int]) -> None:
    """Add builds to a squad, behind the others. Raises `EngineError` if there are too many."""
    for build_id in builds:
        await db.execute(
            "INSERT OR IGNORE INTO squad_builds (squad_id, build_id, place)"
            " SELECT ?, ?, ifnull(max(place), 0) + 1 FROM squad_builds WHERE squad_id = ?",
            squad_id, build_id, squad_id,
        )  # fmt: skip
    row = await db.fetch_one(
        "SELECT count(*) AS count FROM squad_builds WHERE squad_id = ?", squad_id
    )
    assert row is not None
    if row["count"] > SQUAD:
        raise EngineError(say(call, TOO_MANY))


async def take_out(db: Database, squad_id: int, builds: list[tuple[int, int]] | None) -> None:
    """Remove all builds of these players from a squad. None: of all players."""
    if builds is None:
        await db.execute("DELETE FROM squad_builds WHERE squad_id = ?", squad_id)
    for _, player_id in builds or ():
        await db.execute(
            "DELETE FROM squad_builds WHERE squad_id = ?"
            " AND build_id IN (SELECT id FROM builds WHERE player_id = ?)",
            squad_id, player_id,
        )  # fmt: skip


async def described(call: Call, squad: Mapping[str, Any]) -> dict[str, object]:
    """Return a squad with its players, and the sentence for it."""
    rows = await call.db.fetch(
        "SELECT builds.id AS build_id, players.name, builds.position, builds.rating"
        " FROM squad_builds JOIN builds ON builds.id = build_id"
        " JOIN players ON players.id = player_id WHERE squad_id = ? ORDER BY place",
        squad["id"],
    )
    texts = HOLDS if rows else EMPTY
    spoken = say(call, texts, squad=squad["name"], count=len(rows), players=told(call, rows))
    return {"spoken": spoken, "squad": squad["name"], "players": rows}


async def close_names(call: Call, db: Database, query: str) -> str:
    """Return a question with names that look like this one, or nothing."""
    rows = await db.fetch("SELECT name, key FROM players ORDER BY rating DESC LIMIT 1000")
    names = {
        word: row["name"] for row in reversed(rows) for word in (row["key"], *row["key"].split())
    }
    close = dict.fromkeys(names[each] for each in get_close_matches(key(query), names, 3, 0.75))
    return say(call, CLOSE, names=", ".join(close)) if close else ""


# Words


def position_of(text: str) -> str | None:
    """Return the position that a text says, in either language."""
    wanted = key(text)
    for position, words in POSITIONS.items():
        said = [position.replace("_", " "), *(each for texts in words.values() for each in texts)]
        if wanted in said:
            return position
    return None


def player_in(line: str) -> dict[str, object] | None:
    """Read a line of a screenshot: a name, a position and a rating, in any order."""
    rating = re.search(r"\b(1[01]\d|120|[4-9]\d)\b", line)
    if rating is None:
        return None
    rest = f" {key(line.replace(rating[0], ' '))} "
    spellings = sorted(
        (
            (said, position)
            for position, words in POSITIONS.items()
            for said in (position.replace("_", " "), *words["it"], *words.get("en", ()))
        ),
        key=lambda each: -len(each[0]),
    )
    found = next(((said, at) for said, at in spellings if f" {said} " in rest), None)
    if found is None:
        return None
    name = re.sub(r"[^\w' -]", " ", line.replace(rating[0], " "))
    name = re.sub(re.escape(found[0]), " ", name, flags=re.IGNORECASE)
    name = " ".join(name.split()).strip(" -'")
    return {"name": name, "position": found[1], "rating": int(rating[0])} if len(name) > 1 else None
