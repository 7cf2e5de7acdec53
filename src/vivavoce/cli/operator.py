"""Name the user at the command line for the audit log."""

from __future__ import annotations

import getpass
import os


def operator() -> str:
    """Return `cli:` and the user of the operating system that this process runs as.

    The environment (`USER`, `LOGNAME`) does not decide where the system knows the user.
    """
    try:
        import pwd
    except ImportError:  # Windows
        return f"cli:{getpass.getuser()}"
    uid = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(uid).pw_name}"
    except KeyError:  # a container often runs as a number without a name
        return f"cli:{uid}"
