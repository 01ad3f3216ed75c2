"""What happens in the demo, and in which order. Waits for events, never for the clock alone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host_agent.ports import Prompt
from streams import events as ev
from streams.vocabulary import ParticipantKind
from swarm.participant import Priority

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from streams.events import Event, Recorded
    from swarm.demo.person import Microphone
    from swarm.session import SwarmSession

HOST, EXPERT, PERSON = "host", "expert", "person"
STEP_LIMIT_S = 30.0
"""No step of the story takes so long; the story then ends."""


class _StuckError(Exception):
    """What the story waits for did not happen."""


class Happenings:
    """The room's events as they come, to be waited for."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[Event], bool], asyncio.Future[Event]]] = []
        self.all: list[Recorded] = []
        self._held: int | None = None
        self._speaking: set[str] = set()

    @property
    def busy(self) -> bool:
        """Whether an agent holds the floor or a person speaks."""
        return self._held is not None or bool(self._speaking)

    def feed(self, entry: Recorded) -> None:
        """Take one event."""
        self.all.append(entry)
        match entry.event:
            case ev.FloorGranted():
                self._held = entry.token
            case ev.FloorReleased() | ev.FloorRevoked() | ev.FloorExpired() if entry.token == self._held:
                self._held = None
            case ev.SpeechStarted(participant=who):
                self._speaking.add(who)
            case ev.SpeechEnded(participant=who):
                self._speaking.discard(who)
            case _:
                pass
        for matches, future in tuple(self._waiting):
            if not future.done() and matches(entry.event):
                future.set_result(entry.event)

    async def next(self, matches: Callable[[Event], bool], limit_s: float = STEP_LIMIT_S) -> Event | None:
        """Return the next event that matches, or None if it does not come in time."""
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        entry = (matches, future)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(limit_s):
                return await future
        except TimeoutError:
            return None
        finally:
            self._waiting.remove(entry)

    async def first_audio(self, who: str) -> None:
        """Wait until `who` is heard next.

        Raises:
            _StuckError: it is not, for too long.
        """
        if await self.next(lambda e: isinstance(e, ev.FloorTaken) and e.participant == who) is None:
            raise _StuckError


@dataclass(frozen=True, slots=True)
class Voices:
    """The person's recordings, int16 mono at the microphone's rate."""

    backchannel: NDArray[np.int16]
    cut_in: NDArray[np.int16]


async def story(
    session: SwarmSession, happenings: Happenings, microphone: Microphone, voices: Voices
) -> None:
    """Turns by the stick, a backchannel, an agent cutting in, a person cutting in, and the answer.

    Ends early where a step does not happen; the report says which.
    """
    with suppress(_StuckError):
        await _story(session, happenings, microphone, voices)


async def _story(
    session: SwarmSession, happenings: Happenings, microphone: Microphone, voices: Voices
) -> None:
    host, expert = session.agents[HOST], session.agents[EXPERT]

    await host.ask(Prompt("Open the conversation, explain the talking stick, and hand over to expert."))
    await happenings.first_audio(HOST)
    await asyncio.sleep(1.6)
    await microphone.say(voices.backchannel)
    await happenings.first_audio(EXPERT)

    await happenings.first_audio(HOST)
    await asyncio.sleep(2.0)
    await expert.ask(
        Prompt("Correct the host in one sentence, and hand back to host."),
        priority=Priority.URGENT,
        reason="a correction",
    )
    await happenings.first_audio(EXPERT)

    await happenings.first_audio(HOST)
    await asyncio.sleep(5.0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(microphone.say(voices.cut_in))
        await happenings.next(
            lambda e: isinstance(e, ev.Interruption) and e.interruptor_kind is ParticipantKind.PERSON, 5.0
        )
    await happenings.first_audio(HOST)
    await happenings.next(lambda e: isinstance(e, ev.FloorReleased) and e.participant == HOST)


async def accompany(
    session: SwarmSession, happenings: Happenings, microphone: Microphone, recording: NDArray[np.int16]
) -> None:
    """Have the agents talk for as long as the person's recording lasts, and answer its end."""
    playing = asyncio.Event()

    async def play() -> None:
        with suppress(_StuckError):
            await happenings.first_audio(HOST)
        await asyncio.sleep(1.0)
        await microphone.say(recording)
        playing.set()

    async def talk() -> None:
        while not playing.is_set():
            await session.agents[HOST].ask(Prompt("Go on explaining, then hand over to expert."))
            await happenings.next(lambda e: isinstance(e, ev.FloorReleased), STEP_LIMIT_S)
            await settled(happenings)

    async with asyncio.TaskGroup() as tasks:
        talking = tasks.create_task(talk())
        await play()
        talking.cancel()
    await settled(happenings)


async def settled(happenings: Happenings, quiet_s: float = 2.0) -> None:
    """Return when nobody has held the floor or spoken for `quiet_s`, or nothing has come for too long."""
    while await happenings.next(lambda _: True, STEP_LIMIT_S if happenings.busy else quiet_s) is not None:
        pass
