"""`swarm floor watch`: the floor each time it changes."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from streams.connection import backoff_s, end_if_cancelled
from streams.errors import StreamUnavailableError
from streams.hub import StreamHub
from swarm import tail_lines
from swarm.floor_cli import shown
from swarm.floor_cli.calls import floor_of, glance, see_to_room
from swarm.redis_connection import redis_of_swarm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from redis.asyncio import Redis

    from streams.events import Recorded
    from swarm.floor_client import FloorClient
    from swarm.floor_status import FloorStatus

EVENTS_SHOWN = 8
LONGEST_BURST = 256
"""Events kept for one look at the floor; of more, the newest."""
_RECHECK_S = 10.0
_SHORTEST_S = 0.1
_TIMES = ("now_ms", "remaining_ms", "waited_ms")


async def watch(room: str, *, as_json: bool, out: TextIO, zone: tzinfo) -> None:
    """Write the floor of `room` to `out` each time that it changes, until cancelled.

    Events say when to look, and a lease that ends says so too; what is written is what the floor then was.
    While Redis is away it waits.

    Raises:
        SettingError: see `calls.act`.
        StreamUnavailableError: Redis went away before the first look.
    """
    async with redis_of_swarm() as redis:
        await see_to_room(redis, room, new=False)
        floor = floor_of(redis, room)
        came: deque[Recorded] = deque(maxlen=LONGEST_BURST)
        hint = asyncio.Event()

        def saw(recorded: Recorded) -> None:
            came.append(recorded)
            hint.set()

        async with StreamHub(redis) as hub:
            await hub.watch(room, saw)
            with ExitStack() as stack:
                writer = stack.enter_context(_Json(room, out) if as_json else _writer(room, out, zone))
                status = await glance(redis, floor)
                while True:
                    events = list(came)
                    came.clear()
                    writer.write(status, events)
                    status = await _next(redis, floor, status, hint, writer)


async def _next(
    redis: Redis, floor: FloorClient, status: FloorStatus, hint: asyncio.Event, writer: _Writer
) -> FloorStatus:
    """Return the floor as it is after the next event, or when the lease seen last is over."""
    wait_s = max(_SHORTEST_S, status.remaining_ms / 1000) if status.holder is not None else _RECHECK_S
    try:
        async with asyncio.timeout(wait_s):
            await hint.wait()
    except TimeoutError:
        pass
    hint.clear()
    delays: Iterator[float] | None = None
    while True:
        end_if_cancelled()
        try:
            return await glance(redis, floor)
        except StreamUnavailableError as error:
            if delays is None:
                writer.away(error.reason)
            delays = delays or backoff_s()
            await asyncio.sleep(next(delays))


class _Writer:
    """Writes what the floor is, where it differs from what was written last."""

    tells_events = False
    """Whether an event is worth writing about where the floor is as it was: others may have looked before."""

    def __init__(self, room: str, out: TextIO) -> None:
        self._room = room
        self._out = out
        self._last: dict[str, Any] | None = None

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to put back."""

    def write(self, status: FloorStatus, events: list[Recorded]) -> None:
        document = shown.status_document(self._room, status)
        told = [each for each in events if each.type.startswith(("FLOOR_", "SETTINGS_", "ROOM_"))]
        timeless = _without_times(document)
        if timeless != self._last or (told and self.tells_events):
            self._last = timeless
            self._write(status, document, told)
            self._out.flush()

    def away(self, reason: str) -> None:
        """Say that Redis does not answer; the log does, where there are lines."""

    def _write(self, status: FloorStatus, document: dict[str, Any], events: list[Recorded]) -> None:
        raise NotImplementedError


class _Json(_Writer):
    tells_events = True

    def _write(self, status: FloorStatus, document: dict[str, Any], events: list[Recorded]) -> None:
        happened = [{"id": each.id, "seq": each.seq, "type": each.type} for each in events]
        self._out.write(json.dumps({**document, "events": happened}) + "\n")


class _Lines(_Writer):
    def __init__(self, room: str, out: TextIO, zone: tzinfo) -> None:
        super().__init__(room, out)
        self._zone = zone

    def _write(self, status: FloorStatus, document: dict[str, Any], events: list[Recorded]) -> None:
        encoding = self._out.encoding or "utf-8"
        line = f"{tail_lines.time_of_day(status.now_ms, self._zone)} {shown.status_line(self._room, status)}"
        self._out.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


class _Terminal(_Writer):
    """The floor in place, and the last events below it."""

    def __init__(self, room: str, out: TextIO, zone: tzinfo) -> None:
        super().__init__(room, out)
        self._zone = zone
        self._events: deque[Text] = deque(maxlen=EVENTS_SHOWN)
        console = Console(file=out, highlight=False, markup=False, emoji=False)
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> _Terminal:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def write(self, status: FloorStatus, events: list[Recorded]) -> None:
        for each in events:
            if each.kind == "SYSTEM_SIGNAL":
                line = tail_lines.readable(each, with_room=False, zone=self._zone)
                line.no_wrap, line.overflow = True, "ellipsis"
                self._events.append(line)
        self._live.update(Group(shown.status_view(self._room, status), Text(), *self._events), refresh=True)

    def away(self, reason: str) -> None:
        self._events.append(Text(f"Redis is away: {tail_lines.safe(reason)}", style="bold red"))
        self._live.update(Group(*self._events), refresh=True)


def _writer(room: str, out: TextIO, zone: tzinfo) -> _Writer:
    return _Terminal(room, out, zone) if out.isatty() else _Lines(room, out, zone)


def _without_times(document: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in document.items() if name not in _TIMES}
    kept["queue"] = [
        {name: value for name, value in each.items() if name not in _TIMES} for each in document["queue"]
    ]
    return kept
