"""An assistant with tools that look, book, order and refund, and a model that follows a script."""

from __future__ import annotations

from pathlib import Path

ASSISTANT = """
name = "shop"
engine = "scripted"
roles = ["guest", "staff"]

[instructions]
default = "Sell."

[scripted]
script = "script.toml"
"""

TOOLS = '''
import asyncio
from pathlib import Path

from vivavoce import Call, tool

BOOK = Path(__file__).parent / "orders.txt"


def note(text: str) -> None:
    with BOOK.open("a") as file:
        file.write(text + "\\n")


@tool
async def look(call: Call, what: str) -> str:
    """Look something up."""
    await call.progress("Looking.")
    return f"{what}: 3 left, for {call.user}"


@tool(effects=True)
async def book(call: Call, seats: int = 1) -> str:
    """Book seats."""
    await asyncio.sleep(0.2)
    note(f"booked {seats}")
    await asyncio.sleep(0.2)
    return f"booked {seats}"


@tool(effects=True, approve="user")
async def order(call: Call, what: str) -> str:
    """Order something."""
    note(f"ordered {what}")
    return f"ordered {what}"


@tool(effects=True, approve="staff")
async def refund(call: Call, euros: int) -> str:
    """Give money back."""
    note(f"refunded {euros}")
    return f"refunded {euros}"
'''

SCRIPT = """
[[rules]]
when = "must confirm"
say = "Shall I order it?"

[[rules]]
when = "member of staff"
say = "I have asked."

[[rules]]
when = "may have happened"
say = "Perhaps it is booked."

[[rules]]
pattern = "^(booked|ordered|refunded) "
say = "Done: {text}"

[[rules]]
when = "book for two"
calls = [{ name = "book", arguments = { seats = 2 } }]

[[rules]]
pattern = "^(order bread|yes)"
calls = [{ name = "order", arguments = { what = "bread" } }]

[[rules]]
when = "money back"
calls = [{ name = "refund", arguments = { euros = 5 } }]
"""


def open_shop(data: Path) -> Path:
    """Write the assistant into a data folder. Return the file with its orders."""
    folder = data / "assistants/shop"
    folder.mkdir(parents=True)
    (folder / "assistant.toml").write_text(ASSISTANT)
    (folder / "tools.py").write_text(TOOLS)
    (folder / "script.toml").write_text(SCRIPT)
    return folder / "orders.txt"


def orders(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
