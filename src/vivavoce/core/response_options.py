"""The options in which one response differs from its session (protocol §3.10)."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ..protocol.client import AudioOptions, CustomVoice, ResponseOptions
from ..protocol.config import Audio, AudioOutput, SessionConfig

T = TypeVar("T")


def with_options(config: SessionConfig, options: ResponseOptions) -> SessionConfig:
    """Return the session's configuration with the options of one response."""
    return msgspec.structs.replace(
        config,
        instructions=_or(options.instructions, config.instructions),
        output_modalities=_or(options.output_modalities, config.output_modalities),
        tools=_or(options.tools, config.tools),
        tool_choice=_or(options.tool_choice, config.tool_choice),
        max_output_tokens=_or(options.max_output_tokens, config.max_output_tokens),
        parallel_tool_calls=_or(options.parallel_tool_calls, config.parallel_tool_calls),
        reasoning=_or(options.reasoning, config.reasoning),
        prompt=_or(options.prompt, config.prompt),
        audio=_audio(config.audio, options.audio),
    )


def _audio(audio: Audio, options: AudioOptions | None) -> Audio:
    if options is None or options.output is None:
        return audio
    voice = options.output.voice
    output = AudioOutput(
        format=_or(options.output.format, audio.output.format),
        voice=_or(voice.id if isinstance(voice, CustomVoice) else voice, audio.output.voice),
        speed=audio.output.speed,
    )
    return Audio(input=audio.input, output=output)


def _or(option: T | None, default: T) -> T:
    return default if option is None else option
