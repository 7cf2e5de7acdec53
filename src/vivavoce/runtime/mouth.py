"""Shapes what a session says for the wire: sound in the format that the client asked for."""

from __future__ import annotations

from ..protocol import server


class Mouth:
    def shape(self, event: server.ServerEvent) -> server.ServerEvent | None:
        return event
