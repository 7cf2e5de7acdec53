"""Imports aiortc without PyAV. Its package imports this first, so others may `import aiortc` then.

aiortc imports PyAV for its own codecs, which this package does not use. PyAV's wheels contain x264
and x265, which are under the GPL, and 100 MB of code for video. So aiortc gets classes of the same
names instead, which nothing can be done with (docs/decisions/webrtc.md). They are removed after the
import: another package of this process may want the real PyAV.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_NAMES = {
    "av": ("AudioFrame", "AudioResampler", "CodecContext", "FFmpegError", "Packet", "VideoFrame"),
    "av.frame": ("Frame",),
    "av.packet": ("Packet",),
    "av.video": (),
    "av.video.codeccontext": ("VideoCodecContext",),
}


def _unusable(name: str) -> type[Exception]:
    """Make a class of this name. It is an exception, because aiortc catches one of them."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError(f"PyAV's {name} is not there: Vivavoce imports aiortc without PyAV")

    return type(name, (Exception,), {"__init__": refuse, "create": staticmethod(refuse)})


@contextmanager
def _names_of_pyav() -> Iterator[None]:
    """Let `import av` give the names alone. If PyAV is loaded already, nothing changes."""
    if "av" in sys.modules:
        yield
        return
    modules = {name: ModuleType(name) for name in _NAMES}
    for name, classes in _NAMES.items():
        for each in classes:
            setattr(modules[name], each, _unusable(each))
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, modules[name])
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


with _names_of_pyav():
    import aiortc
    import aiortc.rtcrtpreceiver

__all__ = ["aiortc"]
