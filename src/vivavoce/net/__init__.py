"""Outgoing HTTP and WebSockets. No other package opens a connection to another server."""
