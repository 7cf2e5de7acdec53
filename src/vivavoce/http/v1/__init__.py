"""Serve the OpenAI-compatible API, with OpenAI's shapes, error bodies and Unix times."""
