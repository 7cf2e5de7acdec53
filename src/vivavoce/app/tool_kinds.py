"""Register the kinds of tools that come with the server."""

from __future__ import annotations

from ..engines.registry import AdapterRequest, AdapterSpec
from ..tools.base import ToolRunner
from ..tools.http_table import HttpTable


async def _make_http(request: AdapterRequest) -> ToolRunner:
    from ..net.http import HttpClient
    from ..tools.http import HttpTool

    private = request.resources.settings.net.allow_private
    http = await request.resources.once(
        "vivavoce.tools.http", lambda: HttpClient(allow_private=private, tries=1)
    )
    return HttpTool(request.table, http, request.assistant.folder)


http = AdapterSpec(kind="tool", name="http", make=_make_http, table_model=HttpTable, remote=True)
