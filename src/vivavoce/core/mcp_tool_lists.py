"""The lists of the tools of a session's MCP servers (protocol §4.10).

Each server that the session names is asked once. Its list becomes an item of the conversation.
Clients that wait for the tools learn how it ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..protocol import server
from ..protocol.config import McpTool, Tool
from ..protocol.items import McpListedTool, McpListTools
from . import effects as do
from .call_settings import CallParts
from .inputs import ListResult, ListToolsFailed, ToolsListed
from .mcp_tools import ListedServer


@dataclass(frozen=True, slots=True)
class _Asked:
    server: McpTool
    previous: str | None  # id of the item before that of the list


class McpToolLists:
    """The lists that the session asked for, and `listed`: those that have come."""

    def __init__(self, parts: CallParts[do.ListTools], *, available: bool) -> None:
        """`available`: the driver performs `ListTools`. Otherwise each list fails at once."""
        self._effects = parts.effects
        self._conversation = parts.conversation
        self._quota = parts.quota
        self._available = available
        self._asked: dict[str, _Asked] = {}  # by the id of the list's item
        self._newest: dict[str, str] = {}  # id of the newest list's item, by the server's label
        self.listed: dict[str, ListedServer] = {}  # by label

    def ask(self, tools: Iterable[McpTool]) -> None:
        """Ask for the tools of new MCP servers."""
        for tool in tools:
            item_id, label = self._effects.new_id("mcpl"), tool.server_label
            previous = self._conversation.last_id
            self._asked[item_id] = _Asked(tool, previous)
            self._newest[label] = item_id
            self.listed.pop(label, None)
            self._effects.send(server.McpListInProgress(item_id=item_id))
            item = McpListTools(id=item_id, server_label=label)
            self._effects.send(server.ItemAdded(previous_item_id=previous, item=item))
            if self._available:
                self._effects.request(do.ListTools(item_id, tool))
            else:
                self.take(ListToolsFailed(item_id))

    def take(self, event: ListResult) -> None:
        """Complete the item of a list. It is empty if it failed, or has no room.

        A late list is ignored.
        """
        asked = self._asked.pop(event.item_id, None)
        if asked is None:
            return
        label = asked.server.server_label
        outcome: type[server.McpListCompleted | server.McpListFailed] = server.McpListFailed
        tools: tuple[McpListedTool, ...] = ()
        if isinstance(event, ToolsListed) and self._fits(event, label):
            outcome, tools = server.McpListCompleted, event.tools
            if self._newest.get(label) == event.item_id:
                self.listed[label] = ListedServer(asked.server, tools)
        if event.item_id in self._conversation:  # no client has deleted it
            item = McpListTools(id=event.item_id, server_label=label, tools=tools)
            self._effects.send(server.ItemDone(previous_item_id=asked.previous, item=item))
        self._effects.send(outcome(item_id=event.item_id))

    def _fits(self, event: ToolsListed, label: str) -> bool:
        item = McpListTools(id=event.item_id, server_label=label, tools=event.tools)
        return event.item_id not in self._conversation or self._quota.hold(item)

    def keep(self, tools: Iterable[Tool]) -> None:
        """Forget the servers that the session does not name any more."""
        labels = {tool.server_label for tool in tools if isinstance(tool, McpTool)}
        for label in self.listed.keys() - labels:
            del self.listed[label]
            del self._newest[label]
