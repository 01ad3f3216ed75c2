"""Recogniser, model and voice of livekit-agents that need no key: pocketsphinx, rules and espeak-ng."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, llm, stt, tts, utils
from livekit.agents.language import LanguageCode

from adapters.ports import EARS_HZ
from host_agent.offline.replies import Line, Persona, reply
from host_agent.offline.voice import EspeakVoice

if TYPE_CHECKING:
    from host_agent.offline.recogniser import OfflineRecogniser
    from streams.vocabulary import WordsHeard

VOICE_HZ = 22_050
WORDS_LIMIT_S = 3.0
ANSWER_WORDS = frozenset({"yeah", "yes", "yep", "ok", "okay", "sure", "ready", "start", "go"})


class EspeakTTS(tts.TTS):
    """An espeak-ng voice, a sentence at a time."""

    def __init__(self, voice: EspeakVoice | None = None) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=VOICE_HZ, num_channels=1
        )
        self.voice = voice or EspeakVoice("en-us")

    def synthesize(self, text: str, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> tts.ChunkedStream:
        return _EspeakStream(tts=self, input_text=text, conn_options=conn_options)


class _EspeakStream(tts.ChunkedStream):
    _tts: EspeakTTS

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(), sample_rate=VOICE_HZ, num_channels=1, mime_type="audio/pcm"
        )
        made = await self._tts.voice.synthesise(self.input_text)
        output_emitter.push(made.pcm)


class RuleLLM(llm.LLM):
    """Answers by the rules of the offline text model; a yes to a question starts what was offered."""

    def chat(self, *, chat_ctx: llm.ChatContext, **options: Any) -> llm.LLMStream:
        return _RuleStream(
            self,
            chat_ctx=chat_ctx,
            tools=options.get("tools") or [],
            conn_options=options.get("conn_options") or DEFAULT_API_CONNECT_OPTIONS,
        )


class _RuleStream(llm.LLMStream):
    async def _run(self) -> None:
        said = [item for item in self.chat_ctx.items if isinstance(item, llm.ChatMessage)]
        last = next((item.text_content or "" for item in reversed(said) if item.role == "user"), "")
        if ANSWER_WORDS & set(last.lower().strip(" .!").split()):
            text = "Okay, starting now."
        else:
            lines = [
                Line(item.role == "assistant", item.text_content or "")
                for item in said
                if item.role in ("user", "assistant")
            ]
            text = reply(lines, Persona("agent", "guide"))
        self._event_ch.send_nowait(
            llm.ChatChunk(id=utils.shortuuid(), delta=llm.ChoiceDelta(role="assistant", content=text))
        )


class PocketsphinxSTT(stt.STT):
    """The bundled recogniser, one utterance at a time; wrap it in `stt.StreamAdapter` with a detector."""

    def __init__(self, recogniser: OfflineRecogniser) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._recogniser = recogniser
        self._numbers = itertools.count(1)

    async def _recognize_impl(self, buffer: utils.AudioBuffer, **_: Any) -> stt.SpeechEvent:
        frame = utils.merge_frames(buffer)
        samples = np.frombuffer(frame.data, dtype=np.int16).reshape(-1, frame.num_channels)[:, 0]
        heard = soxr.resample(samples.astype(np.float32), frame.sample_rate, EARS_HZ).astype(np.int16)
        words: asyncio.Future[WordsHeard] = asyncio.get_running_loop().create_future()

        def on_words(said: WordsHeard) -> None:
            if said.final and not words.done():
                words.set_result(said)

        stream = self._recogniser.open(f"session-{next(self._numbers)}", "person", on_words)
        stream.push(heard.tobytes())
        stream.finish()
        async with asyncio.timeout(WORDS_LIMIT_S):
            said = await words
        data = stt.SpeechData(language=LanguageCode("en"), text=said.text, confidence=said.confidence or 0.0)
        return stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[data])
