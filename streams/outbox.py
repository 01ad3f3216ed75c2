"""Reports for the record from those who must not wait: a bounded queue that a task drains in order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from streams.background import Background
from streams.connection import backoff_s, end_if_cancelled
from streams.errors import InvalidEventError, RequestTooOldError, StreamError, StreamUnavailableError
from streams.events import Event, Interruption, RecordGap
from streams.fresh_ids import new_request_id
from streams.publish_call import PublishCall
from streams.tracing import Sending, sending

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from streams.conversation_stream import ConversationStream

logger = logging.getLogger(__name__)

_BATCH = 32
"""Reports in one round trip: Redis does nothing else for some 2 ms."""
_LINGER_S = 0.005
"""So long a report waits for company; then fewer round trips are under way when one is urgent."""
_URGENT = (Interruption,)


@dataclass(slots=True)
class _Lost:
    """Reports that had to make room: how many, and when they happened (monotonic s)."""

    count: int
    from_s: float
    to_s: float
    source: str
    request_id: str | None = None


@dataclass(slots=True)
class _Report:
    event: Event
    source: str
    token: int | None
    occurred_s: float
    sending: Sending
    request_id: str | None = None


class Outbox:
    """Takes reports at once and writes them in order, as soon as Redis lets it; `async with Outbox(stream)`.

    Reports that come within a few ms of each other go in one round trip; an INTERRUPTION goes at once.
    While Redis is away up to `capacity` reports wait; then the oldest make room, and one RECORD_GAP in
    their place says how many were lost, and when. A report whose token was never granted to its source, or
    that breaks the schema, is logged and counted in `refused`. A report whose answer was lost is repeated
    under the same request id; only one that stays unanswered for longer than such ids are remembered may be
    written twice.
    """

    def __init__(
        self,
        stream: ConversationStream,
        *,
        capacity: int = 1000,
        flush_limit_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity {capacity}: at least 1")
        self._stream = stream
        self._capacity = capacity
        self._flush_limit_s = flush_limit_s
        self._clock = clock
        self._waiting: deque[_Report] = deque()
        self._lost: _Lost | None = None
        self._writing = 0
        self._came = asyncio.Event()
        self._urgent = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._background = Background(self.run, name="outbox")
        self.refused = 0
        """Reports that the record would not take."""

    async def __aenter__(self) -> Self:
        await self._background.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.flush(self._flush_limit_s)
        finally:
            await self._background.__aexit__(exc_type, exc, traceback)
            if self.waiting:
                logger.warning("streams.outbox_abandoned", extra={"reports": self.waiting})

    @property
    def waiting(self) -> int:
        """Reports not yet written, the one being written included."""
        return len(self._waiting) + self._writing

    def report(
        self,
        event: Event,
        *,
        source: str,
        token: int | None = None,
        occurred_s: float | None = None,
        traceparent: str | None = None,
    ) -> None:
        """Have `event` recorded; never waits. `occurred_s` is monotonic, now if None."""
        occurred_s = self._clock() if occurred_s is None else occurred_s
        if len(self._waiting) >= self._capacity:
            self._give_up(self._waiting.popleft())
        way = sending(event, room=self._stream.room, source=source, traceparent=traceparent)
        self._waiting.append(_Report(event, source, token, occurred_s, way))
        self._drained.clear()
        self._came.set()
        if isinstance(event, _URGENT) or len(self._waiting) >= _BATCH:
            self._urgent.set()

    async def flush(self, timeout_s: float) -> bool:
        """Wait until everything is written, at most `timeout_s`; False where something still waits."""
        if self._waiting:
            self._urgent.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._drained.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Write until cancelled; `async with` does it in a task of its own."""
        while True:
            await self._came.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_S):
                    await self._urgent.wait()
            self._came.clear()
            self._urgent.clear()
            while self._waiting or self._lost:
                # What is being written has left the queue: nothing that may be on its way can be given up.
                batch: list[_Report | _Lost] = [self._lost] if self._lost else []
                self._lost = None
                batch += [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
                await self._write(batch)
            self._drained.set()

    async def _write(self, batch: list[_Report | _Lost]) -> None:
        delays = backoff_s()
        too_old = False
        while batch:
            self._writing = len(batch)
            end_if_cancelled()
            try:
                if too_old or not self._stream.server_clock.known:
                    await self._stream.measure_clock(rounds=1)
                for item in batch:
                    item.request_id = item.request_id or new_request_id(self._stream.server_clock.now_ms())
                batch = await self._publish(batch)
                too_old = bool(batch)
            except StreamUnavailableError as error:
                delay_s = next(delays)
                logger.info("streams.outbox_waits", extra={"reason": error.reason, "delay_s": delay_s})
                await asyncio.sleep(delay_s)
        self._writing = 0

    async def _publish(self, batch: list[_Report | _Lost]) -> list[_Report | _Lost]:
        """Publish in one round trip; returns those whose request id was too old."""
        calls: list[tuple[_Report | _Lost, PublishCall]] = []
        for item in batch:
            try:
                calls.append((item, self._call(item)))
            except InvalidEventError as error:
                self._refuse(error)
                if isinstance(item, _Report):
                    item.sending.ended(error)
        outcomes = await self._stream.publish_all([call for _, call in calls]) if calls else []
        too_old: list[_Report | _Lost] = []
        for (item, _), outcome in zip(calls, outcomes, strict=True):
            if isinstance(outcome, RequestTooOldError):
                # Redis was away for longer than it remembers, or its clock was set.
                item.request_id = None
                too_old.append(item)
                continue
            if isinstance(outcome, StreamError):
                self._refuse(outcome)
            if isinstance(item, _Report):
                item.sending.ended(outcome)
        return too_old

    def _call(self, item: _Report | _Lost) -> PublishCall:
        at_ms, room = self._stream.server_clock.at_ms, self._stream.room
        if isinstance(item, _Lost):
            gap = RecordGap(
                lost=item.count, from_ms=at_ms(item.from_s), to_ms=at_ms(item.to_s), reason="outbox full"
            )
            return PublishCall.of(gap, room=room, source=item.source, request_id=item.request_id)
        return PublishCall.of(
            item.event,
            room=room,
            source=item.source,
            token=item.token,
            occurred_ms=at_ms(item.occurred_s),
            request_id=item.request_id,
            traceparent=item.sending.traceparent,
        )

    def _refuse(self, error: StreamError) -> None:
        self.refused += 1
        logger.warning("streams.report_refused", extra={"error": type(error).__name__})

    def _give_up(self, report: _Report) -> None:
        report.sending.ended("made room in a full outbox")
        if self._lost is None:
            self._lost = _Lost(1, report.occurred_s, report.occurred_s, report.source)
        else:
            self._lost.count += 1
            self._lost.from_s = min(self._lost.from_s, report.occurred_s)
            self._lost.to_s = max(self._lost.to_s, report.occurred_s)
