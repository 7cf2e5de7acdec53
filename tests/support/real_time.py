"""Run stories with processes and sockets in them, which know no virtual time."""

from vivavoce.testing.live import live as live
