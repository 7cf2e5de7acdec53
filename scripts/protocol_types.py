#!/usr/bin/env python3
"""Write the events of the protocol as TypeScript, from the msgspec types of the server.

.venv/bin/python scripts/protocol_types.py

A test compares the file with the types, so a change of an event asks for this command.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias, get_args

import msgspec.inspect as inspect

from vivavoce.protocol import client, own_events, server

FILE = Path(__file__).parents[1] / "web/client/src/protocol.generated.ts"
HEAD = """\
// Made by `scripts/protocol_types.py` from the types of the server. Do not edit it.
//
// A field may be missing where the sender may leave it out. Both sides send the objects inside of
// events.
"""

UNIONS = {
    "ClientEvent": client.ClientEvent,
    "ServerEvent": server.ServerEvent,
    "OwnEvent": own_events.OwnEvent,
}
ALWAYS_SENT = (server.ServerEvent, own_events.OwnEvent)

Struct: TypeAlias = inspect.StructType


class Writer:
    """Collects interfaces: one for each struct that is reached."""

    def __init__(self) -> None:
        self._interfaces: dict[str, str] = {}
        self._owners: dict[str, type] = {}
        self._full = {each for union in ALWAYS_SENT for each in get_args(union)}

    def union(self, name: str, members: tuple[type, ...]) -> str:
        """Return a union of events, each with an interface of its own."""
        names = [self._type(each) for each in inspect.multi_type_info(members)]
        return f"export type {name} =\n" + "\n".join(f"  | {each}" for each in names) + ";\n"

    @property
    def interfaces(self) -> list[str]:
        return [self._interfaces[name] for name in sorted(self._interfaces)]

    def _struct(self, info: Struct) -> str:
        name = _name(info.cls)
        owner = self._owners.setdefault(name, info.cls)
        assert owner is info.cls, f"two types have the name {name}"
        if name not in self._interfaces:
            self._interfaces[name] = ""  # a struct may contain itself
            tag = [f'  {info.tag_field}: "{info.tag}";\n'] if info.tag_field else []
            fields = [self._field(info, field) for field in info.fields]
            self._interfaces[name] = f"export interface {name} {{\n{''.join(tag + fields)}}}\n"
        return name

    def _field(self, info: Struct, field: inspect.Field) -> str:
        kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        unset = any(_is_unset(kind) for kind in kinds)
        optional = unset or (not field.required and info.cls not in self._full)
        kept = " | ".join(dict.fromkeys(self._type(k) for k in kinds if not _is_unset(k)))
        return f"  {field.encode_name}{'?' if optional else ''}: {kept};\n"

    def _type(self, info: inspect.Type) -> str:  # one branch for each kind of type
        match info:
            case inspect.StructType():
                return self._struct(info)
            case inspect.UnionType(types=types):
                return " | ".join(dict.fromkeys(map(self._type, types)))
            case inspect.LiteralType(values=values):
                return " | ".join(f'"{value}"' for value in values)
            case inspect.Metadata(type=type_):
                return self._type(type_)
            case inspect.StrType() | inspect.BytesType():  # bytes travel as base64
                return "string"
            case inspect.IntType() | inspect.FloatType():
                return "number"
            case inspect.BoolType():
                return "boolean"
            case inspect.NoneType():
                return "null"
            case inspect.AnyType() | inspect.RawType():
                return "unknown"
            case inspect.CustomType() if info.cls is object:
                return "unknown"
            case inspect.DictType(value_type=value):
                return f"Record<string, {self._type(value)}>"
            case inspect.TupleType(item_types=items):
                return f"readonly [{', '.join(map(self._type, items))}]"
            case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
                return f"readonly ({self._type(item)})[]"
        raise TypeError(f"no TypeScript for {info}")


def _is_unset(info: inspect.Type) -> bool:
    return isinstance(info, inspect.CustomType) and info.cls.__name__ == "UnsetType"


def _name(cls: type) -> str:
    return cls.__name__.lstrip("_")


def text() -> str:
    """Return the whole file."""
    writer = Writer()
    unions = [writer.union(name, get_args(union)) for name, union in UNIONS.items()]
    return "\n".join([HEAD, *unions, *writer.interfaces])


if __name__ == "__main__":
    FILE.write_text(text())
