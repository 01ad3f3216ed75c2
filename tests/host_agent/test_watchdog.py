from __future__ import annotations

import asyncio
import time

from host_agent.watchdog import Alarm, Watchdog
from host_agent.watching import Watching


def test_overdue_things_are_told_once_and_earliest_first():
    dog = Watchdog()
    dog.arm(Alarm.NO_FIRST_AUDIO, now_s=0, limit_s=5)
    dog.arm(Alarm.NOT_INTERRUPTED, now_s=1, limit_s=1)
    assert dog.next_deadline_s() == 2
    assert dog.overdue(1.9) == ()
    assert dog.overdue(9) == (Alarm.NOT_INTERRUPTED, Alarm.NO_FIRST_AUDIO)
    assert dog.overdue(9) == ()
    assert dog.next_deadline_s() is None


def test_arming_again_keeps_the_earlier_deadline():
    dog = Watchdog()
    dog.arm(Alarm.NOT_INTERRUPTED, now_s=0, limit_s=1)
    dog.arm(Alarm.NOT_INTERRUPTED, now_s=0.9, limit_s=1)
    assert dog.next_deadline_s() == 1
    dog.disarm(Alarm.NOT_INTERRUPTED)
    assert not dog.armed(Alarm.NOT_INTERRUPTED)


async def test_what_is_forgotten_raises_no_alarm():
    alarms: list[Alarm] = []
    watching = Watching(clock=time.monotonic, on_alarm=alarms.append)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(watching.run())
        watching.expect(Alarm.NO_FIRST_AUDIO, 0.02)
        watching.expect(Alarm.NOT_INTERRUPTED, 0.03)
        watching.forget(Alarm.NO_FIRST_AUDIO)
        await asyncio.sleep(0.06)
        running.cancel()
    assert alarms == [Alarm.NOT_INTERRUPTED]
