"""Finds libopus and declares its functions (RFC 6716; the names are those of `opus.h`).

Python wheels carry the library for each platform. The first library that loads is used:

    opuslib-next-bundled   opuslib_next/_native/{libopus.so, libopus.dylib, opus.dll}
    the system             what `ctypes.util.find_library("opus")` finds

The decision about both is docs/decisions/webrtc.md.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.util
from collections.abc import Iterator
from ctypes import POINTER, c_char_p, c_int, c_int32, c_void_p
from pathlib import Path

from ...errors import VivavoceError

_PACKAGE = "opuslib_next"
_FILES = ("libopus.so", "libopus.dylib", "opus.dll")
_HELP = "Install Vivavoce with the extra 'webrtc', or the library itself (Debian: libopus0)."


class OpusMissingError(VivavoceError):
    """No libopus can be loaded on this machine. The message says what to install."""


def candidates() -> Iterator[str]:
    """Return the files and names to try, the best first."""
    # The package itself is not imported: it would load the library too, and a second binding.
    found = importlib.util.find_spec(_PACKAGE)
    for folder in (found.submodule_search_locations or ()) if found else ():
        for name in _FILES:
            if (file := Path(folder, "_native", name)).is_file():
                yield str(file)
    if system := ctypes.util.find_library("opus"):
        yield system


@functools.cache
def load() -> ctypes.CDLL:
    """Return the library, loaded once per process. Raises `OpusMissingError`."""
    failures = []
    for name in candidates():
        try:
            return _declare(ctypes.CDLL(name))
        except (OSError, AttributeError) as error:  # not loadable, or another library
            failures.append(f"{Path(name).name}: {error}")
    why = f" These do not load: {'; '.join(failures)}." if failures else ""
    raise OpusMissingError(f"WebRTC needs the audio codec library libopus.{why} {_HELP}")


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    """Declare the functions in use. Without it, ctypes would cut pointers to 32 bits."""
    declare = (
        ("opus_encoder_create", c_void_p, (c_int32, c_int, c_int, POINTER(c_int))),
        ("opus_encode", c_int32, (c_void_p, c_char_p, c_int, c_void_p, c_int32)),
        ("opus_encoder_destroy", None, (c_void_p,)),
        ("opus_decoder_create", c_void_p, (c_int32, c_int, POINTER(c_int))),
        ("opus_decode", c_int, (c_void_p, c_char_p, c_int32, c_void_p, c_int, c_int)),
        ("opus_decoder_destroy", None, (c_void_p,)),
        ("opus_packet_get_nb_samples", c_int, (c_char_p, c_int32, c_int32)),
        ("opus_get_version_string", c_char_p, ()),
    )
    for name, result, arguments in declare:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    # `…_ctl` takes a variable number of arguments, which some processors pass in another way than
    # declared ones. ctypes passes only the arguments after `argtypes` as variable ones.
    for name in ("opus_encoder_ctl", "opus_decoder_ctl"):
        function = getattr(library, name)
        function.restype, function.argtypes = c_int, (c_void_p, c_int)
    return library
