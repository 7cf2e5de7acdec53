"""The OpenAI-compatible API: its shapes, its error envelope, unix seconds."""
