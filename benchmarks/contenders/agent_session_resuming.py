"""livekit AgentSession that resumes after a false interruption, knowing the words or not."""

from __future__ import annotations

from typing import Any

from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, AgentSession, inference, stt
from livekit.agents.language import LanguageCode
from livekit.agents.voice.room_io import AudioInputOptions, RoomOptions

from contenders.agent_session import AgentSessionContender
from contenders.contender import PERSON

CONFIDENCE = 0.9


class ToldSTT(stt.STT):
    """A streaming recogniser that is told by the harness what the person says, and when it is known."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self._newest: _ToldStream | None = None

    async def _recognize_impl(self, buffer: Any, **_: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(self, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS, **_: Any) -> stt.RecognizeStream:
        """Listen to the session's audio."""
        self._newest = _ToldStream(stt=self, conn_options=conn_options)
        return self._newest

    def tell(self, text: str, *, final: bool) -> None:
        """All that is known of the speech so far."""
        kind = stt.SpeechEventType.FINAL_TRANSCRIPT if final else stt.SpeechEventType.INTERIM_TRANSCRIPT
        data = stt.SpeechData(language=LanguageCode("en"), text=text, confidence=CONFIDENCE)
        if self._newest is not None:
            self._newest.tell(stt.SpeechEvent(type=kind, alternatives=[data]))


class _ToldStream(stt.RecognizeStream):
    def tell(self, event: stt.SpeechEvent) -> None:
        self._event_ch.send_nowait(event)

    async def _run(self) -> None:
        async for _ in self._input_ch:
            pass


class ResumingContender(AgentSessionContender):
    """As it comes (`kind` empty), or `tuned`: silent, and going on, as soon as its options allow.

    Both have a recogniser that finds no words in an acknowledgement, as any words would cut the agent off.
    `told` is as it comes with a recogniser that finds them, `min_words` the same but deaf to a single word.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(tuned=False)
        self._kind = kind
        self._recogniser = ToldSTT()

    def hear(self, text: str, *, final: bool) -> None:
        """Take what the person has said so far."""
        if self._kind in ("told", "min_words"):
            self._recogniser.tell(text, final=final)

    def _made(self) -> tuple[Any, Any]:
        if self._kind not in _TUNED:
            return AgentSession(stt=self._recogniser), RoomOptions(participant_identity=PERSON)
        session = AgentSession(
            stt=self._recogniser,
            vad=inference.VAD(model="silero"),
            turn_handling={"turn_detection": "vad", "interruption": _RESUMES_SOON | _TUNED[self._kind]},
        )
        options = RoomOptions(participant_identity=PERSON, audio_input=AudioInputOptions(frame_size_ms=10))
        return session, options


_RESUMES_SOON: dict[str, Any] = {"resume_false_interruption": True, "false_interruption_timeout": 0.5}
_TUNED: dict[str, dict[str, Any]] = {"tuned": {"min_duration": 0.05}, "min_words": {"min_words": 2}}
