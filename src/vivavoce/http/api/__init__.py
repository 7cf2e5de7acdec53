"""Serve Vivavoce's own API: plain JSON, with times as in RFC 3339."""
