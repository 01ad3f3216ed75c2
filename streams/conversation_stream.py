"""The record of one room: publish, read, subscribe."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Self, cast

from redis.exceptions import RedisError

from streams import keys, rooms, scripts
from streams.clock import ServerClock
from streams.codec import encode_event
from streams.connection import TIMEOUT_S, redis_client, retries_by_itself, server_time_ms
from streams.entry_pages import entry_pages
from streams.errors import InvalidEventError, StreamError, StreamUnavailableError
from streams.events import Event, Recorded, RoomClosed
from streams.gap_check import log_missed
from streams.group_consumer import Consumer
from streams.intake import decoded, log_invalid
from streams.publish_call import PublishCall, publish_args, publish_keys, written
from streams.script_call import ScriptCall
from streams.selection import Selection, beginning, checked_id
from streams.subscription import Subscription
from streams.tracing import publishing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence

    from redis.asyncio import Redis

    from streams.consumer_settings import ConsumerSettings
    from streams.sequence import Fork, Gap


class ConversationStream:
    """The record of one room.

    `redis` may decode its replies or not. `session` names the session that this process would open the room
    with the first time; a fresh id if None. Every call ends within `timeout_s`.
    """

    def __init__(
        self,
        redis: Redis,
        room: str,
        *,
        session: str | None = None,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
        server_clock: ServerClock | None = None,
    ) -> None:
        self._redis = redis
        self._room = keys.checked_name(room, "room")
        self._session = keys.checked_name(session or uuid.uuid4().hex, "session")
        self._timeout_s = timeout_s
        self._monotonic = clock
        self._server_clock = server_clock or ServerClock(clock)
        self._append = ScriptCall(redis, scripts.load("streams", "publish.lua"), publish_keys(room))
        self._close = redis.register_script(scripts.load("streams", "close_room.lua"))
        self._seen_session: str | None = None
        self._owns_redis = False

    @classmethod
    def connect(cls, url: str, room: str, *, timeout_s: float = TIMEOUT_S, **settings: Any) -> Self:
        """Return the record of `room` on a connection of its own, which `aclose` ends. No I/O yet.

        Raises:
            ValueError: the URL is no Redis URL.
            InvalidEventError: the name can be no room.
        """
        stream = cls(redis_client(url, **settings), room, timeout_s=timeout_s)
        stream._owns_redis = True
        return stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the connection, if `connect` made it."""
        if self._owns_redis:
            await self._redis.aclose()

    @property
    def room(self) -> str:
        """The room's name."""
        return self._room

    @property
    def redis(self) -> Redis:
        """The client that all calls go through."""
        return self._redis

    @property
    def server_clock(self) -> ServerClock:
        """Redis's clock, as the replies to this object told it."""
        return self._server_clock

    @publishing
    async def publish(
        self,
        event: Event,
        *,
        source: str,
        token: int | None = None,
        occurred_ms: int | None = None,
        request_id: str | None = None,
        traceparent: str | None = None,
    ) -> Recorded:
        """Append `event` in one script call and return its entry.

        `occurred_ms` is on Redis's clock, the time of writing if None. With a `token`, it has to have been
        granted to `source`; a report whose token is not the current one any more is marked `late`. A retry
        with the same `request_id` appends nothing and returns the first entry.

        Raises:
            InvalidEventError: the event has no JSON form, a name is malformed, or the entry that the
                request id led to was removed since.
            ForeignTokenError: the token was never granted to the source.
            RequestTooOldError: the request id is older than KEPT_MS.
            StreamUnavailableError: no answer in time, or refused; whether the event was written is unknown.
        """
        if request_id is None and retries_by_itself(self._redis):
            # A client that sends a command again by itself would write the event twice.
            request_id = uuid.uuid4().hex
        call = PublishCall.of(
            event,
            room=self._room,
            source=source,
            token=token,
            occurred_ms=occurred_ms,
            request_id=request_id,
            traceparent=traceparent,
        )
        [outcome] = await self.publish_all([call])
        if isinstance(outcome, StreamError):
            raise outcome
        return outcome

    async def publish_all(self, calls: Sequence[PublishCall]) -> list[Recorded | StreamError]:
        """Append the events of several calls in order and in one round trip, with nothing between them.

        Returns each one's entry, or why it was refused, as `publish` raises it.

        Raises:
            StreamUnavailableError: no answer in time, or refused; which were written is unknown.
        """
        if self._seen_session is None:
            await self._answer(rooms.register(self._redis, self._room))
        args = publish_args(self._room, self._session, calls)
        request_keys = [call.request_key for call in calls]
        sent_s = self._monotonic()
        now_us, *replies = await self._answer(self._append(*args, more_keys=request_keys))
        self._server_clock.observe(int(now_us) / 1000, sent_s, self._monotonic())
        outcomes: list[Recorded | StreamError] = []
        for call, reply in zip(calls, replies, strict=True):
            try:
                recorded = call.outcome(reply)
            except StreamError as error:
                outcomes.append(error)
            else:
                outcomes.append(recorded)
                if recorded.session != self._seen_session:
                    await self._note_session(recorded.session)
        return outcomes

    async def close_room(self, *, source: str, reason: str = "") -> Recorded | None:
        """Write ROOM_CLOSED as the session's last event; None where no session was open.

        The next event in the room opens a new session.

        Raises:
            InvalidEventError: the source's name is malformed.
            StreamUnavailableError: no answer in time, or refused.
        """
        event = RoomClosed(reason=reason)
        encoded = encode_event(event)
        args = [self._room, keys.checked_name(source, "source"), encoded.data]
        reply = await self._answer(
            self._close(keys=[keys.stream(self._room), keys.meta(self._room)], args=args)
        )
        if not reply:
            return None
        entry = written(event, encoded, room=self._room, source=source, written_as=reply)
        if entry.session == self._session:
            self._session = uuid.uuid4().hex
        return entry

    async def read(
        self,
        from_id: str = "0",
        *,
        count: int | None = None,
        on_invalid: Callable[[InvalidEventError], None] | None = None,
    ) -> list[Recorded]:
        """Return the entries after `from_id` (exclusive), oldest first, at most `count`.

        An entry that breaks the schema is left out and handed to `on_invalid`, or logged: a list shorter
        than `count` need not be the end. `history` gives all.

        Raises:
            ValueError: `from_id` is no entry id.
            StreamUnavailableError: no answer in time, or refused.
        """
        request = cast(
            "Any", self._redis.xrange(keys.stream(self._room), min=f"({checked_id(from_id)}", count=count)
        )
        return decoded(self._room, await self._answer(request), on_invalid or log_invalid)

    async def history(
        self, from_id: str = "0", *, on_invalid: Callable[[InvalidEventError], None] | None = None
    ) -> AsyncGenerator[Recorded]:
        """Yield what is there when this begins, after `from_id` (exclusive), oldest first.

        An entry that breaks the schema is left out and handed to `on_invalid`, or logged.

        Raises:
            StreamUnavailableError: no answer in time, or refused.
        """
        pages = entry_pages(
            self._redis,
            keys.stream(self._room),
            f"({checked_id(from_id)}",
            ask=lambda request: self._answer(request()),
        )
        async with aclosing(pages):
            async for page in pages:
                for recorded in decoded(self._room, page, on_invalid or log_invalid):
                    yield recorded

    def subscribe(
        self,
        from_id: str = "$",
        *,
        from_ms: float | None = None,
        kinds: Collection[str] | None = None,
        types: Collection[str] | None = None,
        sources: Collection[str] | None = None,
        on_invalid: Callable[[InvalidEventError], None] | None = None,
        on_missed: Callable[[Gap | Fork], None] = log_missed,
    ) -> Subscription:
        """Return an async iterator over the entries after `from_id`; `$` is the newest one.

        With `from_ms` (Redis time): from then on. `$` is settled by `async with` or the first entry asked
        for. What breaks the schema goes to `on_invalid`, a `Gap` or `Fork` to `on_missed`; else it is logged.
        """
        return Subscription(
            self._redis,
            self._room,
            from_id=beginning(from_id, from_ms),
            select=Selection.of(kinds, types, sources),
            on_invalid=on_invalid or log_invalid,
            on_missed=on_missed,
        )

    def consumer(
        self,
        group: str,
        name: str | None = None,
        *,
        settings: ConsumerSettings | None = None,
        on_missed: Callable[[Gap | Fork], None] = log_missed,
    ) -> Consumer:
        """Return a member of the group `group` over this room; see `streams.consumer`."""
        return Consumer(self._redis, group, name, rooms=[self._room], settings=settings, on_missed=on_missed)

    async def measure_clock(self, rounds: int = 3) -> ServerClock:
        """Ask Redis for its time `rounds` times and return the clock that follows from the quickest answer.

        Raises:
            StreamUnavailableError: no answer in time, or refused.
        """
        for _ in range(rounds):
            sent_s = self._monotonic()
            shown_ms = await self._answer(server_time_ms(self._redis, keys.stream(self._room)))
            self._server_clock.observe(shown_ms, sent_s, self._monotonic())
        return self._server_clock

    async def _note_session(self, session: str) -> None:
        if session == self._session:  # used up: the next time the room opens it is another session
            self._session = uuid.uuid4().hex
        # A new session may mean a Redis that lost its data, and with it the list of rooms.
        if self._seen_session not in (None, session):
            try:
                await self._answer(rooms.register(self._redis, self._room))
            except StreamUnavailableError:
                return  # the event is written; the next one tries again
        self._seen_session = session

    async def _answer(self, request: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await request
        except (RedisError, OSError) as error:
            raise StreamUnavailableError(str(error) or type(error).__name__) from error
