"""The contract of the record: the same suite on fakeredis and on two versions of the real thing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import pytest
from redis.asyncio import Redis as PlainRedis

from streams import ConversationStream, events, keys, new_request_id
from streams.codec import encode_entry
from streams.entry_pages import PAGE
from streams.errors import (
    ForeignTokenError,
    InvalidEventError,
    RequestTooOldError,
    StreamUnavailableError,
)
from streams.events import Event, UnknownEvent
from streams.request_ids import KEPT_MS

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams.events import Recorded


def said(text: str) -> events.Transcript:
    return events.Transcript(participant="ann", speech_id="s1", text=text, final=True)


def texts(entries: list[Recorded]) -> list[str]:
    return [entry.event.text for entry in entries if isinstance(entry.event, events.Transcript)]


async def redis_ms(redis: Redis) -> int:
    seconds, micros = await redis.time()
    return int(seconds) * 1000 + int(micros) // 1000


async def test_the_first_event_opens_the_room(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby", session="first")
    recorded = await stream.publish(said("hello"), source="scribe")
    opened, hello = await stream.read()
    assert hello == recorded
    assert (opened.type, opened.seq, opened.prev, opened.session) == ("ROOM_OPENED", 1, "", "first")
    assert (hello.type, hello.seq, hello.prev, hello.session) == ("TRANSCRIPT", 2, opened.id, "first")
    assert (hello.kind, hello.room, hello.source, hello.v) == ("TRANSCRIPT", "lobby", "scribe", 1)
    assert (hello.token, hello.late, hello.traceparent) == (None, False, None)
    assert hello.occurred_ms == hello.at_ms
    assert hello.event == said("hello")
    assert await redis_client.smembers(keys.ROOMS) == {"lobby"}


async def test_an_entry_is_flat_and_filterable_without_parsing(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    recorded = await stream.publish(
        events.Bid(participant="ann", score=0.5, reason="knows"),
        source="ann",
        occurred_ms=1234,
        traceparent="00-1-2-01",
    )
    [(_, fields)] = await redis_client.xrange(keys.stream("lobby"), min=recorded.id)
    names = "kind,type,room,session,seq,prev,source,at_ms,occurred_ms,v,traceparent,data"
    assert ",".join(fields) == names
    assert fields["occurred_ms"] == "1234"
    assert fields["data"] == '{"participant":"ann","score":0.5,"reason":"knows","turn_id":""}'


async def test_the_written_time_is_redis_time(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    before_ms = await redis_ms(redis_client)
    recorded = await stream.publish(said("now"), source="scribe")
    assert before_ms <= recorded.at_ms <= await redis_ms(redis_client)
    assert abs(stream.server_clock.now_ms() - await redis_ms(redis_client)) <= 50


async def test_the_second_process_joins_the_open_session(redis_client: Redis) -> None:
    first = ConversationStream(redis_client, "lobby", session="first")
    second = ConversationStream(redis_client, "lobby", session="second")
    await first.publish(said("a"), source="x")
    assert (await second.publish(said("b"), source="y")).session == "first"


async def test_rooms_do_not_share_a_sequence(redis_client: Redis) -> None:
    for room in ("one", "two"):
        recorded = await ConversationStream(redis_client, room).publish(said("a"), source="x")
        assert recorded.seq == 2


async def test_concurrent_producers_leave_no_gap(redis_client: Redis) -> None:
    producers = [ConversationStream(redis_client, "lobby") for _ in range(8)]

    async def produce(number: int, stream: ConversationStream) -> None:
        for count in range(10):
            await stream.publish(said(f"{number}:{count}"), source=f"p{number}")

    async with asyncio.TaskGroup() as group:
        for number, stream in enumerate(producers):
            group.create_task(produce(number, stream))
    entries = await producers[0].read()
    assert [entry.seq for entry in entries] == list(range(1, 82))
    assert [entry.prev for entry in entries] == ["", *(entry.id for entry in entries[:-1])]
    assert len({entry.session for entry in entries}) == 1
    assert [entry.type for entry in entries].count("ROOM_OPENED") == 1


async def test_closing_ends_the_session_and_the_next_event_opens_another(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby", session="first")
    await stream.publish(said("a"), source="x")
    closed = await stream.close_room(source="host", reason="done")
    assert closed is not None
    assert closed == (await stream.read())[-1]
    assert (closed.type, closed.seq, closed.session) == ("ROOM_CLOSED", 3, "first")
    assert await stream.close_room(source="host") is None
    later = ConversationStream(redis_client, "lobby", session="second")
    assert (await later.publish(said("b"), source="x")).session == "second"
    assert [(entry.session, entry.seq) for entry in await stream.read()] == [
        ("first", 1),
        ("first", 2),
        ("first", 3),
        ("second", 1),
        ("second", 2),
    ]
    await later.close_room(source="host")
    assert (await later.publish(said("c"), source="x")).session not in ("first", "second")


async def test_a_retried_request_appends_nothing_and_returns_the_first_entry(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    request_id = new_request_id(await redis_ms(redis_client))
    first = await stream.publish(said("once"), source="x", request_id=request_id)
    again = await stream.publish(said("twice"), source="x", request_id=request_id)
    assert again == first
    assert texts(await stream.read()) == ["once"]


async def test_concurrent_retries_append_once(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    request_id = new_request_id(await redis_ms(redis_client))
    async with asyncio.TaskGroup() as group:
        tries = [
            group.create_task(stream.publish(said("once"), source="x", request_id=request_id))
            for _ in range(10)
        ]
    assert len({task.result().id for task in tries}) == 1
    assert texts(await stream.read()) == ["once"]


async def test_a_request_id_is_remembered_for_two_minutes(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    now_ms = await redis_ms(redis_client)
    for request_id, least_ms, most_ms in (
        (new_request_id(now_ms), KEPT_MS - 5000, KEPT_MS),
        ("turn:speech-1", KEPT_MS - 5000, KEPT_MS),
        (new_request_id(now_ms + 60_000), KEPT_MS + 50_000, KEPT_MS + 60_000),
        (new_request_id(now_ms + 10**9), KEPT_MS, 2 * KEPT_MS),
    ):
        await stream.publish(said("x"), source="x", request_id=request_id)
        left_ms = await redis_client.pttl(keys.request("lobby", request_id))
        assert least_ms <= left_ms <= most_ms


async def test_an_older_request_id_is_refused(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    request_id = new_request_id(await redis_ms(redis_client) - KEPT_MS - 50)
    with pytest.raises(RequestTooOldError) as caught:
        await stream.publish(said("late"), source="x", request_id=request_id)
    assert KEPT_MS < caught.value.age_ms < KEPT_MS + 5000
    assert await stream.read() == []


async def test_a_request_whose_entry_was_removed_is_not_repeated(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    first = await stream.publish(said("forget me"), source="x", request_id="r1")
    await redis_client.xdel(keys.stream("lobby"), first.id)
    with pytest.raises(InvalidEventError, match="removed"):
        await stream.publish(said("forget me"), source="x", request_id="r1")
    assert texts(await stream.read()) == []


async def test_a_report_with_a_granted_token_is_accepted_and_marked_once_late(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await redis_client.hset(keys.tokens("lobby"), mapping={"41": "ann", "42": "bob"})
    await redis_client.hset(keys.floor("lobby"), "token", "42")
    current = await stream.publish(said("now"), source="bob", token=42)
    late = await stream.publish(said("before"), source="ann", token=41)
    assert (current.token, current.late) == (42, False)
    assert (late.token, late.late) == (41, True)
    assert [entry.late for entry in await stream.read()] == [False, False, True]


@pytest.mark.parametrize("token", [41, 99])
async def test_a_token_of_somebody_else_is_refused_and_leaves_no_trace(
    redis_client: Redis, token: int
) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await redis_client.hset(keys.tokens("lobby"), "41", "ann")
    with pytest.raises(ForeignTokenError) as caught:
        await stream.publish(said("x"), source="mallory", token=token, request_id="r1")
    assert (caught.value.source, caught.value.token) == ("mallory", token)
    assert await stream.read() == []
    assert await redis_client.exists(keys.request("lobby", "r1")) == 0


async def test_large_tokens_stay_exact(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    token = 1_795_254_689_197_123
    await redis_client.hset(keys.tokens("lobby"), str(token), "ann")
    assert (await stream.publish(said("x"), source="ann", token=token)).token == token
    assert (await stream.read())[-1].token == token


async def test_reading_goes_on_after_an_id(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    entries = [await stream.publish(said(str(number)), source="x") for number in range(5)]
    assert texts(await stream.read(entries[1].id)) == ["2", "3", "4"]
    assert texts(await stream.read(entries[1].id, count=2)) == ["2", "3"]
    assert await stream.read(entries[-1].id) == []
    assert await ConversationStream(redis_client, "empty").read() == []


async def test_a_broken_entry_is_reported_and_hides_no_other(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(said("before"), source="x")
    broken = await redis_client.xadd(keys.stream("lobby"), {"kind": "SYSTEM_SIGNAL"})
    not_text = await redis_client.xadd(keys.stream("lobby"), {b"kind": b"\xff\xfe"})
    await stream.publish(said("after"), source="x")
    found: list[InvalidEventError] = []
    assert texts(await stream.read(on_invalid=found.append)) == ["before", "after"]
    assert [error.entry_id for error in found] == [broken, not_text]
    found.clear()
    async with stream.subscribe("0", types={"TRANSCRIPT"}, on_invalid=found.append) as entries:
        assert [(await anext(entries)).seq for _ in range(2)] == [2, 3]
    assert len(found) == 2


async def test_history_goes_past_any_number_of_foreign_entries_to_what_is_there_when_it_begins(
    redis_client: Redis,
) -> None:
    stream = ConversationStream(redis_client, "lobby")
    first = await stream.publish(said("a"), source="x")
    for _ in range(PAGE + 10):  # a whole page has nothing to give, the next one less than its number
        await redis_client.xadd(keys.stream("lobby"), {"hello": "world"})
    elsewhere = {**encode_entry(first), "room": "elsewhere"}
    foreign = await redis_client.xadd(keys.stream("lobby"), dict(elsewhere))
    await stream.publish(said("b"), source="x")
    wrong: list[str] = []
    history = stream.history(on_invalid=lambda error: wrong.append(error.entry_id or ""))
    got = [await anext(history)]
    await stream.publish(said("too late"), source="x")
    got += [entry async for entry in history]
    assert texts(got) == ["a", "b"]
    assert len(wrong) == PAGE + 11
    assert wrong[-1] == foreign
    assert texts([entry async for entry in stream.history(foreign)]) == ["b", "too late"]


async def test_history_of_a_room_without_a_record_is_empty(redis_client: Redis) -> None:
    assert [entry async for entry in ConversationStream(redis_client, "lobby").history()] == []


async def test_unknown_events_are_published_as_they_were_read(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    strange = UnknownEvent(
        original_kind="NEW", original_type="NOVELTY", original_v=7, data={"x": [1, {"y": None}]}
    )
    recorded = await stream.publish(strange, source="x")
    assert (recorded.kind, recorded.type, recorded.v) == ("NEW", "NOVELTY", 7)
    assert (await stream.read())[-1].event == strange


class Applause(Event):
    type: Literal["APPLAUSE"] = "APPLAUSE"
    loudness_db: float


async def test_an_event_of_the_callers_own_type_is_unknown_to_readers(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    recorded = await stream.publish(Applause(loudness_db=70.5), source="x")
    assert recorded.type == "APPLAUSE"
    assert recorded.event == UnknownEvent(
        original_kind="SYSTEM_SIGNAL", original_type="APPLAUSE", data={"loudness_db": 70.5}
    )
    assert (await stream.read())[-1] == recorded


@pytest.mark.parametrize("name", ["", "a b", "a{b}", "x" * 129, "line\nbreak"])
async def test_malformed_names_are_refused(redis_client: Redis, name: str) -> None:
    with pytest.raises(InvalidEventError):
        ConversationStream(redis_client, name)
    stream = ConversationStream(redis_client, "lobby")
    with pytest.raises(InvalidEventError):
        await stream.publish(said("x"), source=name)
    if len(name) != 129:
        with pytest.raises(InvalidEventError):
            await stream.publish(said("x"), source="x", request_id=name)
    assert await stream.read() == []


async def test_scripts_are_loaded_again_when_the_server_forgot_them(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(said("a"), source="x")
    await redis_client.script_flush()
    await stream.publish(said("b"), source="x")
    assert texts(await stream.read()) == ["a", "b"]


async def test_subscribing_gives_what_was_there_and_what_comes(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(said("old"), source="x")
    got: list[str] = []

    async def follow(from_id: str) -> None:
        async for entry in stream.subscribe(from_id):
            if isinstance(entry.event, events.Transcript):
                got.append(f"{from_id}:{entry.event.text}")
                if entry.event.text == "new":
                    return

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(follow("0"))
        subscription = stream.subscribe()
        await subscription.__aenter__()
        await asyncio.sleep(0.02)
        await stream.publish(said("new"), source="x")
        newest = await anext(subscription)
    assert texts([newest]) == ["new"]
    assert got == ["0:old", "0:new"]


async def test_nothing_is_lost_when_a_subscriber_gives_up_waiting(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    got: list[str] = []

    async def produce() -> None:
        for number in range(30):
            await stream.publish(said(str(number)), source="x")
            await asyncio.sleep(0.002)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group, stream.subscribe() as entries:
        group.create_task(produce())
        while "29" not in got:
            try:
                async with asyncio.timeout(0.003):
                    got += texts([await anext(entries)])
            except TimeoutError:
                continue
    assert got == [str(number) for number in range(30)]


async def test_a_key_that_is_no_stream_is_an_error_not_a_wait(real_redis: Redis) -> None:
    # Not on fakeredis: its XREAD trips over a key that is no stream with an AttributeError.
    await real_redis.set(keys.stream("lobby"), "not a stream")
    stream = ConversationStream(real_redis, "lobby")
    with pytest.raises(StreamUnavailableError):
        await stream.publish(said("x"), source="x")
    with pytest.raises(StreamUnavailableError):
        await stream.read()
    with pytest.raises(StreamUnavailableError):
        await anext(stream.subscribe("0"))


async def test_a_client_that_does_not_decode_serves_as_well(real_redis_url: str, real_redis: Redis) -> None:
    async with ConversationStream.connect(real_redis_url, "lobby", decode_responses=False) as stream:
        first = await stream.publish(said("b\u00e9"), source="x", request_id="r")
        assert await stream.publish(said("b\u00e9"), source="x", request_id="r") == first
        assert (await stream.read())[-1] == first
        assert await anext(stream.subscribe("0", types={"TRANSCRIPT"})) == first
        assert (await stream.close_room(source="x")) == (await stream.read())[-1]


async def test_a_client_that_repeats_commands_by_itself_writes_once(
    real_redis_url: str, real_redis: Redis
) -> None:
    # redis-py's default outside of from_url: three silent retries
    plain = PlainRedis(unix_socket_path=real_redis_url.removeprefix("unix://"))
    stream = ConversationStream(plain, "lobby")
    recorded = await stream.publish(said("x"), source="x")
    requests = [key async for key in plain.scan_iter(keys.request("lobby", "*"))]
    assert len(requests) == 1
    assert await plain.get(requests[0]) == recorded.id.encode()
    await plain.aclose()
