"""Tools that the server runs itself, behind the port `ToolRunner`."""
