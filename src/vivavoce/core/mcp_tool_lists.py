"""The lists of the tools of a session's MCP servers (protocol §4.10).

Each server that the session names is asked once. Its list becomes an item of the conversation.
Clients that wait for the tools learn how it ends.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..protocol import server
from ..protocol.config import McpTool
from ..protocol.items import McpListTools
from . import effects as do
from .call_settings import CallParts
from .inputs import ListResult, ListToolsFailed, ToolsListed
from .item_editor import ItemEditor


class McpToolLists:
    """The lists that were asked for and have not come yet."""

    def __init__(
        self, parts: CallParts[do.ListTools], editing: ItemEditor, *, available: bool
    ) -> None:
        """`available`: somebody performs `ListTools`. Otherwise each list fails at once."""
        self._effects = parts.effects
        self._conversation = parts.conversation
        self._editing = editing
        self._available = available
        self._labels: dict[str, str] = {}  # of the servers, by the id of the list's item

    def ask(self, tools: Iterable[McpTool]) -> None:
        """Ask for the tools of new MCP servers."""
        for tool in tools:
            item_id = self._effects.new_id("mcpl")
            self._labels[item_id] = tool.server_label
            self._effects.send(server.McpListInProgress(item_id=item_id))
            if self._available:
                self._effects.request(do.ListTools(item_id, tool))
            else:
                self.take(ListToolsFailed(item_id))

    def take(self, event: ListResult) -> None:
        """Add a list to the conversation. It is empty if it failed."""
        label = self._labels.pop(event.item_id, None)
        if label is None:
            return
        listed = event.tools if isinstance(event, ToolsListed) else ()
        item = McpListTools(id=event.item_id, server_label=label, tools=listed)
        self._editing.add(item, self._conversation.last_id)
        outcome = (
            server.McpListCompleted if isinstance(event, ToolsListed) else server.McpListFailed
        )
        self._effects.send(outcome(item_id=item.id))
