from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streams import events as ev
from streams.events import Recorded
from swarm.demo.scenario import Happenings, settled

if TYPE_CHECKING:
    from streams.events import Event

GRANTED = ev.FloorGranted(participant="host", request_id="r", lease_ms=2000, guard_ms=0, waited_ms=0)


def entry(event: Event, token: int | None = None) -> Recorded:
    return Recorded.model_construct(id="1-0", event=event, token=token)


async def test_a_turn_that_began_before_is_waited_for() -> None:
    happenings = Happenings()
    happenings.feed(entry(GRANTED, 7))
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(settled(happenings, quiet_s=0.01))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        happenings.feed(entry(ev.FloorReleased(participant="other", held_ms=1), 6))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        happenings.feed(entry(ev.FloorReleased(participant="host", held_ms=1), 7))


async def test_a_person_who_speaks_is_waited_for() -> None:
    happenings = Happenings()
    happenings.feed(entry(ev.SpeechStarted(participant="ann", speech_id="s")))
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(settled(happenings, quiet_s=0.01))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        happenings.feed(entry(ev.SpeechEnded(participant="ann", speech_id="s", duration_ms=5)))
