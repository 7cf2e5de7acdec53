"""The engine named `scripted`: a cascade whose every stage follows one script."""

from __future__ import annotations

from ..base import Engine, TextToSpeech
from ..cascade import Cascade
from .parts import ScriptedBrain, ScriptedStt, Tones
from .script import Script


def scripted(script: Script | None = None, tts: TextToSpeech | None = None) -> Engine:
    """Make an engine for one call. It echoes without a script, and beeps without a voice."""
    script = script or Script()
    return Cascade(ScriptedStt(script), ScriptedBrain(script), tts or Tones(script))
