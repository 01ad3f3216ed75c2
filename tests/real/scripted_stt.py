"""A streaming recogniser for an AgentSession that hears what a test says it hears, when it says so."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, stt
from livekit.agents.language import LanguageCode

if TYPE_CHECKING:
    from host_agent.offline.voice import Speech as Spoken

WAIT_LIMIT_S = 5.0


class ScriptedSTT(stt.STT):
    """Tells the newest stream; `streams` counts how many there were."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.streams = 0
        self.audio_frames = 0
        self.newest: _Stream | None = None

    async def _recognize_impl(self, buffer: Any, **_: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(self, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS, **_: Any) -> stt.RecognizeStream:
        self.streams += 1
        self.newest = _Stream(stt=self, conn_options=conn_options)
        return self.newest

    def hear(self, text: str, *, final: bool, confidence: float = 0.9) -> None:
        """Tell the session of words."""
        assert self.newest is not None, "no stream was opened"
        kind = stt.SpeechEventType.FINAL_TRANSCRIPT if final else stt.SpeechEventType.INTERIM_TRANSCRIPT
        data = stt.SpeechData(language=LanguageCode("en"), text=text, confidence=confidence)
        self.newest.tell(stt.SpeechEvent(type=kind, alternatives=[data]))

    async def follow(self, made: Spoken, onset_s: float, *, late_ms: float, final_ms: float = 300.0) -> float:
        """Hear the words of `made`, whose sound began at `onset_s`, each `late_ms` after its end.

        The final ones come `final_ms` after the last. Returns when the last interim words were told.
        """
        told_s = onset_s
        first_ms = made.words[0].start_ms
        for n, word in enumerate(made.words, 1):
            await _until(onset_s + (word.end_ms - first_ms + late_ms) / 1000)
            told_s = time.monotonic()
            self.hear(" ".join(each.text for each in made.words[:n]), final=False)
        await asyncio.sleep(final_ms / 1000)
        self.hear(made.text, final=True)
        return told_s


class _Stream(stt.RecognizeStream):
    def __init__(self, *, stt: ScriptedSTT, conn_options: Any) -> None:
        self._owner = stt
        super().__init__(stt=stt, conn_options=conn_options)

    def tell(self, event: stt.SpeechEvent) -> None:
        self._event_ch.send_nowait(event)

    async def _run(self) -> None:
        async for _ in self._input_ch:
            self._owner.audio_frames += 1


async def _until(at_s: float) -> None:
    await asyncio.sleep(max(0.0, at_s - time.monotonic()))
