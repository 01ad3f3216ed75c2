"""Stand-ins around a host: an output with a playout that tests move, a text model, a voice, a record."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_response import LlmResponse
from google.genai import types
from pydantic import PrivateAttr

from host_agent import HeardCascadeLive, UniversalHostAgent, WordEgress
from host_agent.offline.sentences import SentenceBuffer
from streams.events import Event
from streams.vocabulary import Decision, ParticipantKind, Playout, Verdict
from tests.host_agent.memory_output import MemoryOutput

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable

    from google.adk.models.llm_request import LlmRequest

_E = TypeVar("_E", bound=Event)
WORD_MS = 200.0
HZ = 16_000


@dataclass(frozen=True, slots=True)
class SpeechSeen:
    speech_id: str = "s1"
    onset_s: float = 0.0
    detected_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CutSeen:
    utterance_id: str
    by: str
    by_kind: ParticipantKind
    playout: Playout
    verdict: Verdict
    speech: SpeechSeen | None
    gate_s: float
    decided_s: float


@dataclass(frozen=True, slots=True)
class Word:
    speech_id: str
    text: str
    final: bool = True
    failed: bool = False


@dataclass(slots=True)
class Grant:
    token: int = 7
    held: bool = True

    def valid(self) -> bool:
        return self.held


class RecordList:
    """A Record that keeps what was reported."""

    def __init__(self) -> None:
        self.reports: list[tuple[float, Event, int | None]] = []

    def report(
        self, event: Event, *, source: str, token: int | None = None, occurred_s: float | None = None
    ) -> None:
        self.reports.append((time.monotonic(), event, token))

    def of(self, kind: type[_E]) -> list[_E]:
        return [event for _, event, _ in self.reports if isinstance(event, kind)]


class ScriptModel(BaseLlm):
    """A text model that says its replies in order and remembers what it was asked."""

    model: str = "script"
    _replies: list[str | Exception] = PrivateAttr(default_factory=list)
    _requests: list[list[tuple[str, str]]] = PrivateAttr(default_factory=list)
    _gate: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)
    _asked: asyncio.Event = PrivateAttr(default_factory=asyncio.Event)

    def __init__(self, *replies: str | Exception, **data: Any) -> None:
        super().__init__(**data)
        self._replies = list(replies)
        self._gate.set()

    @property
    def requests(self) -> list[list[tuple[str, str]]]:
        return self._requests

    @property
    def gate(self) -> asyncio.Event:
        """Cleared: the model thinks until it is set."""
        return self._gate

    async def asked(self) -> None:
        """Return when the model was asked for the first time."""
        async with asyncio.timeout(5):
            await self._asked.wait()

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        self._requests.append(
            [
                (content.role or "", "".join(part.text or "" for part in content.parts or []))
                for content in llm_request.contents
            ]
        )
        self._asked.set()
        await self._gate.wait()
        reply = self._replies.pop(0) if self._replies else "nothing more."
        if isinstance(reply, Exception):
            raise reply
        for word in reply.split(" "):
            content = types.Content(role="model", parts=[types.Part(text=f"{word} ")])
            yield LlmResponse(content=content, partial=True)


@dataclass(frozen=True, slots=True)
class VoicedWord:
    text: str
    end_ms: float


@dataclass(frozen=True, slots=True)
class Stretch:
    pcm: bytes
    words: tuple[VoicedWord, ...]
    sample_rate_hz: int = HZ


class MetronomeVoice:
    """Says each word in WORD_MS."""

    async def stream(self, text: AsyncIterable[str]) -> AsyncIterator[Stretch]:
        waiting = SentenceBuffer()
        async for delta in text:
            for sentence in waiting.push(delta):
                yield self._say(sentence)
        for sentence in waiting.flush():
            yield self._say(sentence)

    def _say(self, sentence: str) -> Stretch:
        words = sentence.split()
        spans = tuple(VoicedWord(word, (at + 1) * WORD_MS) for at, word in enumerate(words))
        return Stretch(pcm=bytes(int(len(words) * WORD_MS * HZ / 1000) * 2), words=spans)


def cascade(model: BaseLlm) -> HeardCascadeLive:
    return HeardCascadeLive(model, tts=WordEgress(MetronomeVoice()))


@dataclass(slots=True)
class Cast:
    """A host with what is around it."""

    host: UniversalHostAgent
    output: MemoryOutput
    record: RecordList
    model: ScriptModel

    def cut(self, by: str = "paul", *, person: bool = True, signal: bool = True) -> None:
        """Cut the latest utterance off as an adapter does, in one step."""
        utterance_id = self.output.current
        now_s = time.monotonic()
        cut = CutSeen(
            utterance_id=utterance_id,
            by=by,
            by_kind=ParticipantKind.PERSON if person else ParticipantKind.AGENT,
            playout=self.output.drop(utterance_id),
            verdict=Verdict(Decision.INTERRUPT, "keyword", "stop"),
            speech=SpeechSeen(onset_s=now_s - 0.2, detected_s=now_s - 0.1) if person else None,
            gate_s=now_s - 0.05,
            decided_s=now_s,
        )
        self.host.on_cut(cut)
        if person and signal:
            self.host.queue.send_activity_start()

    def hear(self, speech_id: str, text: str, *, started: bool = False) -> None:
        """Give the host a person's window with its final words."""
        self.host.on_window_opened(speech_id)
        if not started:
            self.host.queue.send_activity_start()
        self.host.queue.send_realtime(bytes(3200))
        self.host.queue.send_activity_end()
        self.host.on_words(Word(speech_id, text))


@contextlib.asynccontextmanager
async def on_stage(
    *replies: str | Exception,
    name: str = "host",
    instant: bool = False,
    model: Callable[[ScriptModel], Any] = cascade,
    **options: Any,
) -> AsyncIterator[Cast]:
    """A running host over a scripted text model."""
    script = ScriptModel(*replies)
    output, record = MemoryOutput(instant=instant), RecordList()
    host = UniversalHostAgent(
        name=name, model=model(script), instruction="Be brief.", output=output, record=record, **options
    )
    async with host:
        yield Cast(host, output, record, script)
