"""An assistant's `tools.py`: what the server loads, and what it says of mistakes."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from vivavoce.app.adapters import known
from vivavoce.app.catalogue import check_assistant, load_catalogue
from vivavoce.app.data_folder import DataFolder
from vivavoce.assistants import load
from vivavoce.errors import AssistantError
from vivavoce.tools import tools_file
from vivavoce.tools.function_table import functions_of

from ..support.served import TAKES_ALL, Served, serve

ADA = 'name = "ada"\nengine = "scripted"\n[instructions]\ndefault = "Help."\n'
TOOLS = '''
from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from vivavoce import Call, tool

@dataclass
class Booking:
    day: date
    seats: int

@tool(say="Moment.", effects=True)
async def book(call: Call, day: date, seats: int = 1) -> Booking:
    """Book seats."""
    await call.say("I book it.")
    return Booking(day, seats)

def helper() -> None: ...
'''


def assistant(parent: Path, tools: str = TOOLS, toml: str = ADA, name: str = "ada") -> Path:
    folder = parent / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "assistant.toml").write_text(toml.replace('"ada"', f'"{name}"', 1))
    (folder / "tools.py").write_text(tools)
    return folder


def mistakes(folder: Path) -> list[str]:
    with pytest.raises(AssistantError) as raised:
        check_assistant(folder)
    return [str(each) for each in raised.value.mistakes]


def test_every_declared_function_is_a_tool(tmp_path: Path) -> None:
    before = sys.path.copy()
    checked = check_assistant(assistant(tmp_path))
    assert checked.functions == 1
    (book,) = functions_of(checked.assistant)
    assert (book.spec.name, book.rules.effects, book.rules.say) == ("book", True, {"*": "Moment."})
    assert sys.path == before
    assert not list(tmp_path.glob("**/__pycache__"))


def test_an_assistant_without_the_file_has_no_functions(tmp_path: Path) -> None:
    folder = assistant(tmp_path)
    (folder / "tools.py").unlink()
    assert tools_file.load(folder) == ()


def test_the_file_is_loaded_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    folder = assistant(tmp_path)
    (first,) = tools_file.load(folder)
    assert tools_file.load(folder)[0] is first
    assistant(tmp_path, TOOLS.replace("Book seats.", "Book a table."))
    assert tools_file.load(folder)[0].spec.description == "Book a table."


def test_two_assistants_have_modules_of_their_own(tmp_path: Path) -> None:
    one, two = assistant(tmp_path), assistant(tmp_path, name="bob")
    modules = {tools_file.load(folder)[0].function.__module__ for folder in (one, two)}
    assert len(modules) == 2
    assert all(name.startswith("vivavoce_tools.") for name in modules)


PRICED = """
from vivavoce import tool
from . import prices
from .prices import CURRENCY

@tool
def price() -> str:
    \"\"\"Return the price.\"\"\"
    from .words import say
    return say(prices.BREAD, CURRENCY)
"""


def priced(parent: Path, name: str, bread: int) -> Path:
    folder = assistant(parent, PRICED, name=name)
    (folder / "prices.py").write_text(f"BREAD = {bread}\nCURRENCY = 'euros'\n")
    (folder / "words.py").write_text(
        "from .prices import BREAD\ndef say(n, c): return f'{n} {c} {BREAD}'\n"
    )
    return folder


def price(folder: Path) -> object:
    (tool,) = tools_file.load(folder)
    return tool.function()


def test_the_file_imports_others_of_its_folder_which_no_other_assistant_sees(
    tmp_path: Path,
) -> None:
    before, path = set(sys.modules), list(sys.path)
    ada, bob = priced(tmp_path, "ada", 3), priced(tmp_path, "bob", 5)
    assert (price(ada), price(bob)) == ("3 euros 3", "5 euros 5")
    assert sys.path == path
    new = set(sys.modules) - before
    assert all(each.startswith(tools_file.MODULES) for each in new), new
    with pytest.raises(ImportError):
        __import__("prices")
    assert not list(ada.rglob("*.pyc"))


def test_a_changed_file_that_was_imported_is_loaded_again(tmp_path: Path) -> None:
    ada = priced(tmp_path, "ada", 3)
    assert price(ada) == "3 euros 3"
    assert tools_file.load(ada) is tools_file.load(ada)
    (ada / "prices.py").write_text("BREAD = 4\nCURRENCY = 'euros'\n")
    assert price(ada) == "4 euros 4"
    (ada / "words.py").write_text("def say(n, c): return f'{c} {n}'\n")
    assert price(ada) == "euros 4", "imported by a function, and changed afterwards"


def test_a_tool_may_import_a_file_while_others_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = assistant(tmp_path)
    tools = tools_file.load(ada)
    package, read = tools_file._loaded[ada], tools_file._read
    (ada / "late.py").write_text("")

    reads: list[str] = []

    def read_beside_an_import(folder: Path, name: str) -> str:
        reads.append(name)
        if len(reads) > 1:  # the first one is before the comparison
            package.sources["late.py"] = ""
        return read(folder, name)

    monkeypatch.setattr(tools_file, "_read", read_beside_an_import)
    assert tools_file.load(ada) == tools
    assert tools_file.load(ada) == tools


@pytest.mark.parametrize(
    ("prices", "mistake"),
    [
        ("BREAD = 1\nCURRENCY = 1 / 0\n", "ada/prices.py:2: ZeroDivisionError: division by zero"),
        ("BREAD =\n", "ada/prices.py:1: SyntaxError: invalid syntax"),
        ("BREAD = 1\n", "ada/tools.py:4: ImportError: cannot import name 'CURRENCY' from "),
        (None, "ada/tools.py:3: ImportError: cannot import name 'prices' from "),
    ],
)
def test_a_mistake_in_an_imported_file_has_file_and_line(
    tmp_path: Path, prices: str | None, mistake: str
) -> None:
    ada = priced(tmp_path, "ada", 3)
    assert price(ada) == "3 euros 3"
    (ada / "prices.py").unlink()
    if prices is not None:
        (ada / "prices.py").write_text(prices)
    (told,) = mistakes(ada)
    assert told.startswith(mistake), told
    (ada / "prices.py").write_text("BREAD = 6\nCURRENCY = 'euros'\n")
    assert price(ada) == "6 euros 6"


def test_an_import_without_a_dot_says_how_it_is_written(tmp_path: Path) -> None:
    ada = assistant(tmp_path, "import prices\n")
    (ada / "prices.py").write_text("BREAD = 1\n")
    told = "ada/tools.py:1: a file of this folder is imported by: from . import prices"
    assert mistakes(ada) == [told]


@pytest.mark.parametrize(
    ("tools", "mistake"),
    [
        ("import nowhere", "ada/tools.py:1: ModuleNotFoundError: No module named 'nowhere'"),
        ("\nx = (", "ada/tools.py:2: SyntaxError: '(' was never closed"),
        ("def f():\n    1 / 0\nf()", "ada/tools.py:2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)", "ada/tools.py:2: SystemExit: 3"),
        (
            "from vivavoce import tool\n\n@tool\ndef f(day) -> None:\n    'Do.'",
            'ada/tools.py:3: the parameter "day" has no type',
        ),
        (
            "from vivavoce import tool\n@tool(repeat='often')\ndef f() -> None:\n    'Do.'",
            "ada/tools.py:2: repeat must be one of join, reject, allow",
        ),
        (
            "from vivavoce import tool\n@tool\ndef f() -> None:\n    'Do.'\ng = f\n"
            "@tool\ndef f() -> None:\n    'Do.'",
            'ada/tools.py:6: two tools are named "f"',
        ),
        ("x = '\0'", "ada/tools.py: SyntaxError: source code string cannot contain null bytes"),
    ],
)  # fmt: skip
def test_a_mistake_has_file_line_and_message(tmp_path: Path, tools: str, mistake: str) -> None:
    (told,) = mistakes(assistant(tmp_path, tools))
    assert told.replace("ValueError: source", "SyntaxError: source") == mistake


def test_a_broken_file_breaks_its_assistant_and_no_other(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    assistant(data.assistants, "1 / 0")
    assistant(data.assistants, name="bob")
    catalogue = load_catalogue(data)
    assert catalogue.get("bob") is not None
    assert list(catalogue.broken) == ["ada"]


def test_the_server_loads_a_corrected_file(tmp_path: Path) -> None:
    folder = assistant(tmp_path)
    tools_file.load(folder)
    assistant(tmp_path, "1 / 0")
    for _ in range(2):
        assert len(mistakes(folder)) == 1
    assistant(tmp_path)
    assert check_assistant(folder).functions == 1


# Tables


def test_a_table_replaces_the_rules_of_a_function(tmp_path: Path) -> None:
    table = '[[tools]]\nkind = "function"\nname = "book"\napprove = "user"\ntimeout = 5\n'
    table += 'description = "Book a table."\nsay = { en = "I book it." }\n'
    before = functions_of(load(assistant(tmp_path), known()))[0]
    changed = functions_of(load(assistant(tmp_path, toml=ADA + table), known()))[0]
    said = {"en": "I book it."}
    rules = replace(before.rules, approve="user", timeout_s=5.0, say=said)
    assert changed.rules == rules
    assert changed.spec.description == "Book a table."


@pytest.mark.parametrize(
    ("table", "mistake"),
    [
        ('kind = "function"\nname = "bok"',
         'ada/assistant.toml:7: tools.0.name: tools.py has no such tool (did you mean "book"?)'),
        ('kind = "function"\nname = "book"\nroles = ["guests"]',
         'ada/assistant.toml:8: tools.0.roles: "guests" is not among the roles '
         '(did you mean "guest"?)'),
        ('kind = "http"\nname = "book2"\ndescription = "B"\nrequest = "GET https://a.example/"\n'
         'roles = ["staff"]',
         'ada/assistant.toml:10: tools.0.roles: "staff" is not among the roles'),
        ('kind = "function"\nname = "book"\napprove = "me"',
         "ada/assistant.toml:8: tools.0.approve: must be 'never', 'user' or 'staff'"),
        ('kind = "function"\nname = "book"\n[[tools]]\nkind = "function"\nname = "book"',
         'ada/assistant.toml:10: tools.1.name: there are two tables for "book"'),
        ('name = "book"', 'ada/tools.py: the client has a tool named "book", too'),
        ('kind = "function"\nname = "book"\nphrases.en = ["book for {dya}"]',
         'ada/assistant.toml:7: tools.0.name: the phrase "book for {dya}" names no parameter: dya'),
        ('kind = "functions"\nname = "book"', "ada/assistant.toml:6: tools.0.kind: must be one of"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_table_has_its_line(tmp_path: Path, table: str, mistake: str) -> None:
    (told,) = mistakes(assistant(tmp_path, toml=f"{ADA}[[tools]]\n{table}\n"))
    assert told.startswith(mistake)


# A whole call

SCRIPT = """
[[rules]]
when = "table"
calls = [{ name = "book", arguments = { day = "2027-03-01", seats = 2 } }]

[[rules]]
pattern = '"seats":(?P<seats>[0-9]+)'
say = "{seats} seats are booked."
"""
SLOW = TOOLS.replace(
    '    await call.say("I book it.")\n', "    await asyncio.sleep(1.5)\n"
).replace("from dataclasses", "import asyncio\nfrom dataclasses")


async def ask(served: Served, *, spoken: bool) -> list[dict[str, Any]]:
    """Ask for a table, and read the events to the end of the answer."""
    headers = {"api-key": served.key()}
    async with connect(f"{served.ws}?model=ada", additional_headers=headers) as socket:
        part = {"type": "input_text", "text": "A table for two."}
        item = {"type": "message", "role": "user", "content": [part]}
        modes = ["audio" if spoken else "text"]
        for event in (
            {"type": "session.update",
             "session": {"type": "realtime", "output_modalities": modes}},
            {"type": "conversation.item.create", "item": item},
            {"type": "response.create"},
        ):  # fmt: skip
            await socket.send(json.dumps(event))
        events: list[dict[str, Any]] = []
        async with asyncio.timeout(30):
            while not (spoken_texts(events) or [""])[-1].endswith("booked."):
                events.append(json.loads(await socket.recv()))
        return events


def spoken_texts(events: list[dict[str, Any]]) -> list[str]:
    parts = [
        part
        for event in events
        if event["type"] == "response.done"
        for item in event["response"]["output"]
        for part in item.get("content", ())
    ]
    return [part.get("transcript") or part.get("text") for part in parts]


def test_a_call_runs_a_function_of_the_assistant(tmp_path: Path) -> None:
    toml = ADA.replace(
        'engine = "scripted"', 'engine = "scripted"\nscripted.script = "script.toml"'
    )
    folder = assistant(tmp_path / "assistants", toml=toml)
    (folder / "script.toml").write_text(SCRIPT)
    slow = assistant(tmp_path / "assistants", SLOW, toml=toml, name="slow")
    (slow / "script.toml").write_text(SCRIPT)
    with serve(tmp_path, **TAKES_ALL) as served:
        checked = served.cli("assistants", "check", str(folder))
        events = asyncio.run(ask(served, spoken=False))
    assert "1 tool (server: function)" in checked
    (output,) = [
        event["item"]["output"]
        for event in events
        if event["type"] == "conversation.item.done"
        and event["item"]["type"] == "function_call_output"
    ]
    assert json.loads(output) == {"day": "2027-03-01", "seats": 2}
    assert spoken_texts(events) == ["I book it.", "2 seats are booked."]


def test_a_slow_function_has_a_filler(tmp_path: Path) -> None:
    toml = ADA.replace(
        'engine = "scripted"', 'engine = "scripted"\nscripted.script = "script.toml"'
    )
    folder = assistant(tmp_path / "assistants", SLOW, toml=toml)
    (folder / "script.toml").write_text(SCRIPT)
    with serve(tmp_path, **TAKES_ALL) as served:
        events = asyncio.run(ask(served, spoken=True))
    assert spoken_texts(events) == ["Moment.", "2 seats are booked."]
