"""The specs of the server's own adapters. Entry points in pyproject.toml name them."""
