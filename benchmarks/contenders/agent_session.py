"""livekit AgentSession in a real room without keys: as it comes, and tuned as far as its options allow.

It says given audio (`session.say(text, audio=...)`), so it needs no model and no voice. Its warm-up, in
which it ignores people for the first 3 s of its first speech, is spent on a speech that is not measured.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from agent_voice import RATE_HZ, agent_speech

from contenders.contender import PERSON, Notes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WARM_UP_S = 3.3
REST_LIMIT_S = 5.0


class AgentSessionContender:
    """`tuned` stops on the first news of a speaking user, takes 10 ms frames and never resumes."""

    def __init__(self, *, tuned: bool) -> None:
        self._tuned = tuned
        self._session: Any = None
        self._room: Any = None
        self._speech: Any = None
        self._detected_s: float | None = None
        self._gate_s: float | None = None
        self._said = ""

    async def start(self, url: str, token: str) -> None:
        from livekit import rtc
        from livekit.agents import Agent

        self._room = rtc.Room()
        await self._room.connect(url, token)
        self._session, options = self._made()
        self._session.on("user_state_changed", self._on_user_state)
        self._session.on("agent_state_changed", self._on_agent_state)
        self._session.on("conversation_item_added", self._on_item)
        await self._session.start(Agent(instructions=""), room=self._room, room_options=options)
        await asyncio.to_thread(agent_speech)
        await self.speak()
        await asyncio.sleep(WARM_UP_S)
        await self.finish()

    async def speak(self) -> None:
        self._detected_s = self._gate_s = None
        self._said = ""
        self._speech = self._session.say(agent_speech().text, audio=_frames())

    async def finish(self) -> Notes:
        if self._speech is not None and not self._speech.done():
            self._speech.interrupt(force=True)
            async with asyncio.timeout(REST_LIMIT_S):
                await self._speech.wait_for_playout()
            await asyncio.sleep(0.05)  # the item is added after the playout
        return Notes(detected_s=self._detected_s, gate_s=self._gate_s, said=self._said)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.aclose()
        if self._room is not None:
            await self._room.disconnect()

    def _made(self) -> tuple[Any, Any]:
        """The session and its room options."""
        from livekit.agents import AgentSession, inference
        from livekit.agents.voice.room_io import AudioInputOptions, RoomOptions

        if not self._tuned:
            return AgentSession(), RoomOptions(participant_identity=PERSON)
        session = AgentSession(
            vad=inference.VAD(model="silero"),
            turn_handling={
                "turn_detection": "vad",
                "interruption": {"min_duration": 0.05, "resume_false_interruption": False},
            },
        )
        return session, RoomOptions(
            participant_identity=PERSON, audio_input=AudioInputOptions(frame_size_ms=10)
        )

    def _on_user_state(self, event: Any) -> None:
        if event.new_state == "speaking" and self._detected_s is None:
            self._detected_s = time.monotonic()
            if self._tuned:
                self._gate_s = self._detected_s
                self._session.interrupt()

    def _on_agent_state(self, event: Any) -> None:
        if event.old_state == "speaking" and self._gate_s is None and self._detected_s is not None:
            self._gate_s = time.monotonic()

    def _on_item(self, event: Any) -> None:
        if getattr(event.item, "role", "") == "assistant":
            self._said = event.item.text_content or ""


async def _frames() -> AsyncIterator[Any]:
    from livekit import rtc

    for pcm in agent_speech().chunks():
        yield rtc.AudioFrame(pcm, RATE_HZ, 1, len(pcm) // 2)
