"""A self-hosted server for realtime voice assistants."""

__version__ = "0.1.0"
