"""Exit with a sentence if `vivavoce serve` could not listen on the port. `make run` asks first.

The set-up of `make run` takes minutes, and the port would be found in use only after it. This runs
before `.venv` exists, with any Python 3. What it cannot tell, the server will.

Usage: port_is_free.py PORT DATA_DIR
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path


def host_of(data_dir: str) -> str:
    """Return the host that the settings name."""
    if given := os.environ.get("VIVAVOCE_SERVER__HOST"):
        return given
    try:
        import tomllib

        server = tomllib.loads(Path(data_dir, "vivavoce.toml").read_text("utf-8-sig"))["server"]
        return str(server.get("host", "127.0.0.1"))
    except (ImportError, OSError, ValueError, KeyError, AttributeError):
        return "127.0.0.1"


def reason(host: str, port: int) -> str | None:
    """Return why the port cannot be used. None: it can, or the server has to find out."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host.strip("[]"), port), family=family).close()
    except socket.gaierror:
        return None
    except OSError as error:
        return os.strerror(error.errno).lower() if error.errno else str(error)
    except OverflowError:
        return "a port is at most 65535"
    return None


def main() -> None:
    """Check the port of the command line."""
    port, data_dir = sys.argv[1:]
    if not port.isdecimal():
        sys.exit(f"PORT={port} is not a number.")
    host = host_of(data_dir)
    if why := reason(host, int(port)):
        sys.exit(f"Port {port} of {host} cannot be used: {why}. Choose another: make run PORT=9000")


if __name__ == "__main__":
    main()
