"""Everything HTTP: `v1` is OpenAI's, `api` is our own, the rest is the page and its health."""
