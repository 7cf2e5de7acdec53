"""The public API for packages that add a recogniser, a brain, a voice, tools or a transport.

Import these names from here, and from no other module of the server. `vivavoce.testing` has the
contract suites that test them. `docs/extending` shows complete packages.
"""

from .assistants import Assistant
from .audio.pcm import BYTES_PER_MS, SAMPLE_RATE, duration_ms, silence
from .audio.resample import Resampler
from .core.ledger import Word
from .core.types import Segment, ToolSpec, Transcript
from .engines.base import (
    AudioChunk,
    Brain,
    EndOfTurnModel,
    GenerateOutput,
    GenerateRequest,
    GenerationCut,
    OnTranscript,
    SpeechDetector,
    SpeechToText,
    TextToSpeech,
    ToolDeclined,
    VoiceRequest,
)
from .engines.registry import AdapterNotUsableError, AdapterRequest, AdapterSpec
from .engines.resources import AdapterResources
from .engines.transport_spec import Endpoint, TransportSpec
from .errors import EngineError
from .knowledge.base import Embedder, KnowledgeUse, Passage, Retriever, TextKind
from .protocol.items import FunctionCall, FunctionOutput, Item, Message, Part
from .protocol.server import CachedTokens, InputTokens, Logprob, OutputTokens, Usage
from .runtime.client import Client
from .runtime.media_client import MediaClient
from .runtime.outbox import Connection
from .runtime.refusals import CallRefused
from .runtime.transport_services import TransportCall, TransportServices
from .tools.base import RuledToolRunner, ToolContext, ToolRequest, ToolResult, ToolRules, ToolRunner
from .tools.database import Database, DatabaseError

__all__ = [
    "BYTES_PER_MS",
    "SAMPLE_RATE",
    "AdapterNotUsableError",
    "AdapterRequest",
    "AdapterResources",
    "AdapterSpec",
    "Assistant",
    "AudioChunk",
    "Brain",
    "CachedTokens",
    "CallRefused",
    "Client",
    "Connection",
    "Database",
    "DatabaseError",
    "Embedder",
    "EndOfTurnModel",
    "Endpoint",
    "EngineError",
    "FunctionCall",
    "FunctionOutput",
    "GenerateOutput",
    "GenerateRequest",
    "GenerationCut",
    "InputTokens",
    "Item",
    "KnowledgeUse",
    "Logprob",
    "MediaClient",
    "Message",
    "OnTranscript",
    "OutputTokens",
    "Part",
    "Passage",
    "Resampler",
    "Retriever",
    "RuledToolRunner",
    "Segment",
    "SpeechDetector",
    "SpeechToText",
    "TextKind",
    "TextToSpeech",
    "ToolContext",
    "ToolDeclined",
    "ToolRequest",
    "ToolResult",
    "ToolRules",
    "ToolRunner",
    "ToolSpec",
    "Transcript",
    "TransportCall",
    "TransportServices",
    "TransportSpec",
    "Usage",
    "VoiceRequest",
    "Word",
    "duration_ms",
    "silence",
]
