from __future__ import annotations

import asyncio
import io
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from streams import ConversationStream, events, keys
from streams.codec import encode_entry
from streams.connection import redis_client as client_of
from streams.errors import StreamUnavailableError
from streams.event_examples import EXAMPLES
from streams.events import Recorded
from streams.selection import Selection
from streams.sequence import Fork, Gap
from streams.vocabulary import ParticipantKind
from swarm import tail_lines
from swarm.errors import SettingError
from swarm.tail import TailOptions, tail, types_of
from tests.restartable_redis import RestartableRedis
from tests.streams.consuming import say
from tests.streams.strategies import recorded_entries
from tests.swarm.commands_run import ended

if TYPE_CHECKING:
    from redis.asyncio import Redis

UTTERANCE = events.Utterance(
    participant="host",
    utterance_id="u1",
    generated_text="The first point is that rivers flow down.",
    heard_text="The first point",
    heard_ms=700.0,
    generated_ms=2000.0,
    interrupted=True,
)
INTERRUPTION = events.Interruption(
    interrupted="host",
    interruptor="ann",
    interruptor_kind=ParticipantKind.PERSON,
    utterance_id="u1",
    heard_text="The first point",
    unheard_text="is that rivers flow down.",
    heard_ms=700.0,
    generated_ms=2000.0,
    reason="words",
)


def said(text: str) -> events.Transcript:
    return events.Transcript(participant="ann", speech_id="s1", text=text, final=True)


def recorded(event: events.Event, **envelope: object) -> Recorded:
    values: dict[str, object] = {
        "id": "1-0",
        "kind": event.kind,
        "type": getattr(event, "type", ""),
        "seq": 2,
    }
    values |= {"room": "lobby", "session": "s", "prev": "0-1", "source": "x", "at_ms": 1_795_254_689_197}
    return Recorded.model_validate(values | {"occurred_ms": 5, "event": event} | envelope)


class Shown(io.StringIO):
    """An output whose lines a test can wait for."""

    def __init__(self) -> None:
        super().__init__()
        self._came = asyncio.Event()

    def flush(self) -> None:
        self._came.set()

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()

    async def wait(self, needle: str) -> list[str]:
        async with asyncio.timeout(10):
            while needle not in self.getvalue():
                self._came.clear()
                await self._came.wait()
        return self.lines


async def test_a_whole_record_is_shown_once_and_then_it_ends(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(UTTERANCE, source="host")
    await stream.publish(said("stop"), source="scribe")
    out = Shown()
    await tail(redis_client, TailOptions(rooms=("lobby",), from_id="0", follow=False), out)
    opened, utterance, transcript = out.lines
    assert "ROOM_OPENED" in opened
    assert utterance.endswith("host: The first point ~~is that rivers flow down.~~")
    assert transcript.endswith("ann: stop")


async def test_json_lines_hold_the_fields_of_the_entry(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await redis_client.hset(keys.tokens("lobby"), "7", "host")
    entry = await stream.publish(INTERRUPTION, source="host", token=7, traceparent="00-a-b-01")
    out = Shown()
    await tail(
        redis_client,
        TailOptions(
            rooms=("lobby",),
            from_id="0",
            follow=False,
            select=Selection.of(types={"INTERRUPTION"}),
            as_json=True,
        ),
        out,
    )
    [line] = out.lines
    shown = json.loads(line)
    assert shown.pop("data") == INTERRUPTION.model_dump(exclude={"type"}, mode="json")
    assert shown == {
        "id": entry.id,
        "kind": "SYSTEM_SIGNAL",
        "type": "INTERRUPTION",
        "room": "lobby",
        "session": entry.session,
        "seq": 2,
        "prev": entry.prev,
        "source": "host",
        "at_ms": entry.at_ms,
        "occurred_ms": entry.occurred_ms,
        "v": 1,
        "token": 7,
        "late": True,
        "traceparent": "00-a-b-01",
    }


async def test_all_rooms_are_followed_also_those_that_open_later(redis_client: Redis) -> None:
    await ConversationStream(redis_client, "old").publish(said("past"), source="x")
    out = Shown()
    async with asyncio.TaskGroup() as group:
        following = group.create_task(tail(redis_client, TailOptions(), out))
        await asyncio.sleep(0.05)
        await ConversationStream(redis_client, "old").publish(said("in old"), source="x")
        await out.wait("in old")
        await ConversationStream(redis_client, "new").publish(said("in new"), source="x")
        lines = await out.wait("in new")
        following.cancel()
    assert [line.split()[1:3] for line in lines] == [
        ["old", "TRANSCRIPT"],
        ["new", "ROOM_OPENED"],
        ["new", "TRANSCRIPT"],
    ]


async def test_rooms_are_merged_by_time(redis_client: Redis) -> None:
    for number in range(4):
        for room in ("one", "two"):
            await ConversationStream(redis_client, room).publish(said(f"{number}{room}"), source="x")
            await asyncio.sleep(0.002)
    out = Shown()
    options = TailOptions(from_id="0", follow=False, select=Selection.of(types={"TRANSCRIPT"}))
    await tail(redis_client, options, out)
    assert [line.split()[-1] for line in out.lines] == [
        f"{number}{room}" for number in range(4) for room in ("one", "two")
    ]


async def test_what_was_missed_and_what_cannot_be_read_is_said(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    gone = [await stream.publish(said(str(number)), source="x") for number in range(3)]
    await stream.publish(said("after"), source="x")
    await redis_client.xdel(keys.stream("lobby"), gone[1].id, gone[2].id)
    elsewhere = {**encode_entry(gone[0]), "room": "elsewhere", "seq": "9"}
    foreign = await redis_client.xadd(keys.stream("lobby"), dict(elsewhere))
    broken = await redis_client.xadd(keys.stream("lobby"), {"kind": "TRANSCRIPT", "type": "TRANSCRIPT"})
    out, in_json = Shown(), Shown()
    await tail(redis_client, TailOptions(rooms=("lobby",), from_id="0", follow=False), out)
    await tail(redis_client, TailOptions(rooms=("lobby",), from_id="0", follow=False, as_json=True), in_json)
    assert out.lines[2] == "missed 2 event(s) of lobby: seq 3 to 4"
    assert out.lines[-2:] == [
        f"unreadable entry {foreign}: field room names another room",
        f"unreadable entry {broken}: field v is missing",
    ]
    documents = [json.loads(line) for line in in_json.lines]
    assert documents[2]["missed"]["missing"] == 2
    assert documents[-1] == {"unreadable": {"id": broken, "reason": "field v is missing"}}


async def test_only_what_was_asked_for_is_shown_and_a_gap_among_the_rest_all_the_same(
    redis_client: Redis,
) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(said("one"), source="scribe")
    gone = await stream.publish(UTTERANCE, source="host")
    await stream.publish(events.FloorOpened(by="host"), source="host")
    await stream.publish(said("two"), source="expert")
    await redis_client.xdel(keys.stream("lobby"), gone.id)

    async def shown(**chosen: set[str]) -> list[str]:
        out = Shown()
        options = TailOptions(("lobby",), "0", follow=False, select=Selection.of(**chosen))
        await tail(redis_client, options, out)
        return [line.split(maxsplit=1)[1].strip() for line in out.lines]

    missed = "1 event(s) of lobby: seq 3 to 3"
    two = "TRANSCRIPT          ann: two"
    assert await shown(kinds={"TRANSCRIPT"}) == ["TRANSCRIPT          ann: one", missed, two]
    assert await shown(sources={"expert"}) == [missed, two]
    assert await shown(types={"FLOOR_OPENED"}) == [missed, "FLOOR_OPENED        host by=host"]
    assert await shown(kinds={"TRANSCRIPT"}, sources={"host"}) == [missed]


async def test_rooms_are_chosen_by_name_and_by_pattern_as_they_appear(redis_client: Redis) -> None:
    for room in ("demo-1", "lobby", "panel"):
        await ConversationStream(redis_client, room).publish(said(room), source="x")
    named = Shown()
    await tail(redis_client, TailOptions(("lobby", "panel"), "0", follow=False), named)
    assert sorted(line.split()[1] for line in named.lines) == ["lobby", "lobby", "panel", "panel"]
    out = Shown()
    async with asyncio.TaskGroup() as group:
        following = group.create_task(tail(redis_client, TailOptions(("demo-*",), "0"), out))
        await out.wait("ann: demo-1")
        for room in ("another", "demo-2"):
            await ConversationStream(redis_client, room).publish(said(room), source="x")
        lines = await out.wait("ann: demo-2")
        following.cancel()
    assert [line.split()[1] for line in lines] == ["demo-1", "demo-1", "demo-2", "demo-2"]


async def test_words_that_were_forgotten_on_purpose_were_not_missed(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    gone = [await stream.publish(said(str(number)), source="x") for number in range(3)]
    await redis_client.xdel(keys.stream("lobby"), *(entry.id for entry in gone[:2]))
    await stream.publish(events.WordsForgotten(participant="ann", seqs=[2, 3]), source="x")
    out = Shown()
    await tail(redis_client, TailOptions(("lobby",), "0", follow=False), out)
    assert [line.split()[1] for line in out.lines] == ["ROOM_OPENED", "TRANSCRIPT", "WORDS_FORGOTTEN"]
    assert out.lines[-1].endswith("2 event(s) with words of ann erased")


async def test_what_was_trimmed_after_the_entry_to_start_from_was_missed(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    entries = [await stream.publish(said(str(number)), source="x") for number in range(4)]
    await redis_client.xdel(keys.stream("lobby"), *(entry.id for entry in entries[1:3]))
    out, in_json = Shown(), Shown()
    options = TailOptions(("lobby",), entries[0].id, follow=False)
    await tail(redis_client, options, out)
    assert out.lines[0] == "missed events of lobby: seq 1 to 4, or some of them"
    await tail(redis_client, replace(options, as_json=True), in_json)
    assert json.loads(in_json.lines[0])["missed"]["exact"] is False


def test_types_are_named_in_any_case_by_pattern_and_before_they_are_known() -> None:
    assert types_of([]) is None
    assert types_of(["bid", "NOVELTY"]) == {"BID", "NOVELTY"}
    granted = types_of(["floor_re*"])
    assert granted == {"FLOOR_REQUESTED", "FLOOR_RELEASED", "FLOOR_REVOKED", "FLOOR_REVOKING"}
    with pytest.raises(SettingError) as caught:
        types_of(["ROOF_*"])
    assert caught.value.setting == "--type"


@pytest.mark.parametrize("event_type", sorted(EXAMPLES))
def test_every_known_event_has_words_and_no_more_than_a_line(event_type: str) -> None:
    line = tail_lines.plain(tail_lines.readable(recorded(EXAMPLES[event_type]), with_room=False))
    assert event_type in line
    assert len(line) < 160
    said_of = line.partition(event_type)[2].strip()
    assert said_of


@pytest.mark.real
async def test_the_command_chooses_and_ends(real_redis: Redis, real_redis_url: str) -> None:
    stream = ConversationStream(real_redis, "lobby")
    await stream.publish(said("hello"), source="scribe")
    await stream.publish(events.FloorOpened(by="host"), source="host")
    await ConversationStream(real_redis, "other").publish(said("elsewhere"), source="scribe")
    env = {"REDIS_URL": real_redis_url}
    chosen = ("--no-follow", "--json", "--kind", "transcript", "--source", "scribe")
    both, one, wrong = await asyncio.gather(
        ended("tail", *chosen, env=env),
        ended("tail", "--room", "lob*", *chosen, env=env),
        ended("tail", "--type", "ROOF_*", env=env),
    )
    texts = [json.loads(line)["data"]["text"] for line in both.stdout.splitlines()]
    assert (texts, both.exit_code, both.noise) == (["hello", "elsewhere"], 0, [])
    assert [json.loads(line)["room"] for line in one.stdout.splitlines()] == ["lobby"]
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "--type" in wrong.stderr


@pytest.mark.real
async def test_it_begins_at_a_time(redis_client: Redis) -> None:
    await say(redis_client, "lobby", "early")
    await asyncio.sleep(0.01)
    [entry_id] = await say(redis_client, "lobby", "late")
    at_ms = int(entry_id.partition("-")[0])
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().replace(tzinfo=None)
    for text in (local.isoformat(), datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(), str(at_ms - 1)):
        out = Shown()
        await tail(redis_client, TailOptions(rooms=("lobby",), from_id=text, follow=False), out)
        [line] = out.lines
        assert line.endswith("late")


@pytest.mark.parametrize("names", [(), ("lobby",)])
async def test_it_says_that_redis_lost_what_was_shown(
    caplog: pytest.LogCaptureFixture, names: tuple[str, ...]
) -> None:
    server = RestartableRedis().start()
    client = client_of(server.url)
    out = Shown()
    try:
        async with asyncio.TaskGroup() as group:
            following = group.create_task(tail(client, TailOptions(rooms=names, from_id="0"), out))
            await say(client, "lobby", "before")
            await out.wait("before")
            server.kill()
            await asyncio.sleep(0.3)
            server.start(empty=True)
            await say(client, "lobby", "after")
            lines = await out.wait("after")
            following.cancel()
    finally:
        await client.aclose()
        server.remove()
    assert [line for line in lines if "missed events of lobby: seq 3" in line]
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == ["streams.waiting_for_redis", "streams.redis_is_back"]


async def test_it_survives_a_restart(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="streams")
    server = RestartableRedis().start()
    client = client_of(server.url)
    stream = ConversationStream(client, "lobby")
    out = Shown()
    try:
        async with asyncio.TaskGroup() as group:
            following = group.create_task(tail(client, TailOptions(from_id="0"), out))
            await stream.publish(said("before"), source="x")
            await out.wait("before")
            server.kill()
            await asyncio.sleep(0.05)
            server.start()
            await stream.publish(said("after"), source="x")
            lines = await out.wait("after")
            following.cancel()
        assert [line.split()[2] for line in lines] == ["ROOM_OPENED", "TRANSCRIPT", "TRANSCRIPT"]
        server.kill()
        with pytest.raises(StreamUnavailableError):
            await tail(client, TailOptions(rooms=("lobby",), from_id="0", follow=False), out)
    finally:
        await client.aclose()
        server.remove()


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        (TailOptions(from_id="yesterday"), "--from"),
        (TailOptions(from_id="1-2-3"), "--from"),
        (TailOptions(from_id="99999999999999999999"), "--from"),
        (TailOptions(rooms=("a room",)), "room"),
    ],
)
async def test_a_wrong_option_names_the_setting(
    redis_client: Redis, options: TailOptions, setting: str
) -> None:
    with pytest.raises(SettingError) as caught:
        await tail(redis_client, options, Shown())
    assert caught.value.setting == setting


def test_who_asks_for_whom_is_told() -> None:
    asked = events.FloorRequested(participant="host", priority=2, request_id="r", on_behalf_of="expert")
    assert tail_lines.readable(recorded(asked), with_room=False).plain.endswith(
        "host asks for expert at priority 2"
    )


def test_words_cannot_steer_the_terminal() -> None:
    line = tail_lines.readable(recorded(said("\x1b[2Jgone\rline\u202e")), with_room=False)
    assert line.plain.endswith(r"ann: \x1b[2Jgone\rline\u202e")


def test_unheard_words_are_struck_out_and_heard_ones_are_not() -> None:
    for event in (UTTERANCE, INTERRUPTION):
        line = tail_lines.readable(recorded(event), with_room=True)
        [struck] = [span for span in line.spans if "strike" in str(span.style)]
        assert line.plain[struck.start : struck.end] == "is that rivers flow down."
        assert "The first point ~~is that" in tail_lines.plain(line)
    whole = UTTERANCE.model_copy(update={"heard_text": UTTERANCE.generated_text})
    assert "~~" not in tail_lines.plain(tail_lines.readable(recorded(whole), with_room=True))
    nothing = UTTERANCE.model_copy(update={"heard_text": ""})
    assert tail_lines.plain(tail_lines.readable(recorded(nothing), with_room=True)).endswith(
        "host: ~~The first point is that rivers flow down.~~"
    )


@given(recorded_entries())
def test_every_entry_has_one_readable_line_and_one_document(entry: Recorded) -> None:
    for line in (tail_lines.readable(entry, with_room=True), tail_lines.readable(entry, with_room=False)):
        assert len(line.plain.splitlines()) == 1
        assert len(tail_lines.plain(line).splitlines()) == 1
    document = tail_lines.document(entry)
    assert "\n" not in document
    shown = json.loads(document)
    assert (shown["id"], shown["seq"], shown["type"]) == (entry.id, entry.seq, entry.type)


def test_gaps_and_forks_have_documents() -> None:
    assert json.loads(tail_lines.missed_document(Gap("r", "s", 3, 6))) == {
        "missed": {"room": "r", "session": "s", "after_seq": 3, "before_seq": 6, "missing": 2}
    }
    fork = Fork("r", "s", 4, "9-0", "3-0", "8-0")
    assert json.loads(tail_lines.missed_document(fork))["fork"]["prev"] == "3-0"
    assert "forks at seq 4" in tail_lines.missed_line(fork).plain
