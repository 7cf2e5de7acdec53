"""Our own API: plain JSON, RFC 3339 times."""
