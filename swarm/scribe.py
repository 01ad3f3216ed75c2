"""Who writes down what people say: one process of a room, so that what several hear is written once.

Every process feeds its scribe all it hears. The one that holds the lease writes; the others keep what they
heard lately and write it if they get the lease. Writing is idempotent, so that a takeover loses nothing and
repeats nothing: one SPEECH_STARTED, one SPEECH_ENDED and one final TRANSCRIPT for each stretch of speech.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from redis.exceptions import RedisError

from streams import events as ev
from streams import keys, scripts
from streams.connection import end_if_cancelled
from streams.errors import StreamError
from swarm.errors import SwarmError
from swarm.spawning import Spawning
from swarm.speech_notes import SpeechNote, SpeechNotes, Turn
from swarm.speech_traces import SpeechTraces

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from adapters.ports import SpeechEnded, SpeechProgress, SpeechStarted, WordsHeard
    from streams.conversation_stream import ConversationStream
    from streams.events import Recorded
    from streams.hub import StreamHub, Watch

logger = logging.getLogger(__name__)

_AWAY_S = 0.25
_ANSWER_TRIES = 3


@dataclass(frozen=True, slots=True)
class ScribeSettings:
    """How the scribes of a room take turns; the same in all of them."""

    lease_ms: int = 2_000
    kept_s: float = 15.0
    """How long a process that does not write keeps what it heard."""
    words_limit_s: float = 2.0
    """How long after the end of speech the recogniser's last words are waited for; 0 without a recogniser."""
    same_onset_ms: int = 600
    """Onsets of one person closer than this are one onset, heard by several."""
    call_limit_s: float = 1.0
    turn_limit_s: float = 5.0
    """Longest for `on_turn`."""


class Scribe:
    """Writes SPEECH_STARTED, SPEECH_ENDED and TRANSCRIPT while it holds the lease. A `SpeechListener`.

    `on_turn` is awaited after each final TRANSCRIPT, in one process; again in another where that one died
    before it returned. What it asks of the floor under `turn.request_id` happens once. `on_done` is called
    with the person in every process once the turn has been dealt with, or, where another process writes, once
    its TRANSCRIPT is seen. `process` is a name that no other process of the room has.
    """

    def __init__(
        self,
        stream: ConversationStream,
        *,
        hub: StreamHub,
        process: str,
        on_turn: Callable[[Turn], Awaitable[None]],
        on_done: Callable[[str], None] | None = None,
        settings: ScribeSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.room = stream.room
        self.on_done = on_done
        self._stream = stream
        self._hub = hub
        self._process = keys.checked_name(process, "process")
        self._on_turn = on_turn
        self._settings = settings or ScribeSettings()
        self._clock = clock
        self._script = stream.redis.register_script(scripts.load("swarm", "scribe.lua"))
        self._keys = [
            keys.stream(self.room),
            keys.meta(self.room),
            keys.scribe(self.room),
            keys.speeches(self.room),
        ]
        self._notes = SpeechNotes()
        self._written: dict[str, SpeechNote] = {}
        self._traces = SpeechTraces(self.room, process)
        self._answering: set[str] = set()
        self._leads = False
        self._lease_due_s = 0.0
        self._alive_s = clock()
        self._changed = asyncio.Event()
        self._spawning = Spawning()
        self._watch: Watch | None = None

    @property
    def leads(self) -> bool:
        """Whether this process writes, as far as it knows."""
        return self._leads

    async def __aenter__(self) -> Self:
        if not self._stream.server_clock.known:
            await self._stream.measure_clock(rounds=1)
        self._watch = await self._hub.watch(self.room, self._saw)
        await self._spawning.__aenter__()
        self._spawning.spawn(self._run())
        return self

    async def __aexit__(self, *error: Any) -> None:
        if self._watch is not None:
            self._watch.close()
        try:
            if self._leads:
                self._leads = False
                await self._call("resign", {})
        except (RedisError, OSError) as away:
            logger.info("swarm.scribe_resignation_lost", extra={"error": type(away).__name__})
        finally:
            await self._spawning.__aexit__(*error)

    # What is heard

    def on_speech_started(self, event: SpeechStarted) -> None:
        """Take note. Never waits."""
        self._notes.started(event)
        self._changed.set()

    def on_speech_progress(self, event: SpeechProgress) -> None:
        """Nothing to write."""

    def on_words(self, event: WordsHeard) -> None:
        """Take note. Never waits."""
        if self._notes.words(event, self._clock()):
            self._changed.set()

    def on_speech_ended(self, event: SpeechEnded) -> None:
        """Take note. Never waits."""
        if self._notes.ended(event):
            self._changed.set()

    def _saw(self, recorded: Recorded) -> None:
        event = recorded.event
        if isinstance(event, ev.Transcript) and event.final and recorded.source != self._process:
            self._done(event.participant)

    def _done(self, person: str) -> None:
        if self.on_done is not None:
            self.on_done(person)

    # Writing

    async def _run(self) -> None:
        while True:
            end_if_cancelled()
            self._changed.clear()
            try:
                await self._lease()
                if self._leads:
                    await self._write()
                    await self._admit_gap()
            except (StreamError, RedisError, OSError) as error:
                logger.info("swarm.scribe_waits", extra={"error": type(error).__name__})
                self._leads = False
                self._lease_due_s = self._clock() + _AWAY_S
            self._notes.forget_before(self._alive_s - self._settings.kept_s)
            try:
                async with asyncio.timeout(self._idle_s()):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _idle_s(self) -> float:
        """Return how long nothing will be due."""
        dues = [self._lease_due_s]
        if self._leads:
            limit_s = self._settings.words_limit_s
            notes = [note for note in self._notes if note.speech_id not in self._answering]
            dues += [due for note in notes if (due := note.due_s(limit_s)) is not None]
        return max(0.0, min(dues) - self._clock())

    async def _lease(self) -> None:
        if self._clock() < self._lease_due_s:
            return
        self._took(await self._call("lease", {}))

    def _took(self, reply: list[str]) -> None:
        """Note from a reply who leads, and when to ask again."""
        lease_s = self._settings.lease_ms / 1000
        if reply[0] == "other":
            self._leads = False
            self._written.clear()
            # Not before it can have lapsed, and not all at once.
            self._lease_due_s = self._clock() + max(0.0, int(reply[1]) / 1000) + random.uniform(0.002, 0.05)
            return
        if not self._leads:
            logger.info("swarm.scribe_leads", extra={"room": self.room})
        self._leads = True
        self._lease_due_s = self._clock() + lease_s / 3

    async def _write(self) -> None:
        for each in self._notes:
            note = each.settled(self._clock(), self._settings.words_limit_s)
            if self._written.get(note.speech_id) == note or note.speech_id in self._answering:
                continue
            with self._traces.noting(note.speech_id) as traceparent:
                reply = await self._call("note", self._arguments(note, traceparent))
            self._took(reply)
            if not self._leads:
                return
            self._written[note.speech_id] = note
            self._wrote(note, reply)

    async def _admit_gap(self) -> None:
        lost = self._notes.given_up
        if lost is None:
            return
        at_ms = self._stream.server_clock.at_ms
        gap = ev.RecordGap(
            lost=lost.count,
            from_ms=at_ms(lost.from_s),
            to_ms=at_ms(lost.to_s),
            reason="notes full",
        )
        await self._stream.publish(gap, source=self._process)
        self._notes.given_up = None

    def _wrote(self, note: SpeechNote, reply: list[str]) -> None:
        _, speech_id, onset_ms, ended_ms, final, answered, text = reply
        if note.ended_s is None or final != "1":
            return
        if answered == "1":
            self._finish(note)
            return
        turn = Turn(speech_id, note.person, text, int(onset_ms), int(ended_ms))
        self._answering.add(note.speech_id)
        self._spawning.spawn(self._answer(note, turn))

    async def _answer(self, note: SpeechNote, turn: Turn) -> None:
        for _ in range(_ANSWER_TRIES):
            try:
                async with asyncio.timeout(self._settings.turn_limit_s):
                    with self._traces.following(note.speech_id):
                        await self._on_turn(turn)
                await self._call("answered", {"person": turn.person, "id": turn.speech_id})
            except (StreamError, SwarmError, RedisError, OSError) as error:
                logger.warning("swarm.turn_waits", extra={"error": type(error).__name__})
                await asyncio.sleep(_AWAY_S)
            except Exception:
                logger.exception("swarm.turn_failed", extra={"speech_id": turn.speech_id})
                break
            else:
                break
        self._finish(note)

    def _finish(self, note: SpeechNote) -> None:
        self._notes.drop(note.speech_id)
        self._written.pop(note.speech_id, None)
        self._answering.discard(note.speech_id)
        self._traces.over(note.speech_id)
        self._done(note.person)

    def _arguments(self, note: SpeechNote, traceparent: str) -> dict[str, Any]:
        at_ms = self._stream.server_clock.at_ms
        return {
            "person": note.person,
            "id": note.speech_id,
            "onset_ms": at_ms(note.onset_s),
            "ended_ms": 0 if note.ended_s is None else at_ms(note.ended_s),
            "duration_ms": note.duration_ms,
            "words_ms": at_ms(note.words_s if note.words_s is not None else note.touched_s),
            "interim": note.interim,
            "final": False if note.final is None else note.final,
            "confidence": -1 if note.confidence is None else note.confidence,
            "same_onset_ms": self._settings.same_onset_ms,
            "traceparent": traceparent,
        }

    async def _call(self, command: str, arguments: dict[str, Any]) -> list[str]:
        async with asyncio.timeout(self._settings.call_limit_s):
            raw = await self._script(
                keys=self._keys,
                args=[command, self.room, self._process, self._settings.lease_ms, json.dumps(arguments)],
            )
        self._alive_s = self._clock()
        parts = cast("list[bytes | str]", raw)
        return [part.decode() if isinstance(part, bytes) else part for part in parts]
