"""Whatever a client of any language sends, the floor answers, and goes on working."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streams.connection import redis_client as client_of
from streams.errors import InvalidEventError
from swarm import floor_commands as fc
from swarm.floor_link import FloorLink
from swarm.floor_script import FloorScript, floor_keys, source
from swarm.floor_state import FloorSettings

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from swarm.floor_link import Answer

ROOM = "cellar"
NAME, ID, TOKEN = "ada", "r1", "7"
SHAPES: dict[str, dict[str, Any]] = {
    "request": {
        **{"participant": NAME, "request_id": ID, "priority": 2, "on_behalf_of": "", "reason": ""},
        "observed_token": "0",
        "resume_token": "0",
    },
    "confirm": {"participant": NAME, "request_id": ID},
    "renew": {"participant": NAME, "token": TOKEN, "sounding": True},
    "take": {"participant": NAME, "token": TOKEN, "participant_kind": "agent"},
    "release": {"participant": NAME, "token": TOKEN, "tail_done": True, "to": "", "reason": ""},
    "withdraw": {"participant": NAME, "request_id": ID, "reason": ""},
    "revoke": {"by": NAME, "token": "0", "reason": ""},
    "preempt": {"person": NAME, "observer": "p1", "observed_token": TOKEN, "reason": ""},
    "person_speaking": {"person": NAME, "observer": "p1", "words": False},
    "person_silent": {"person": NAME, "observer": "p1"},
    "close": {"by": NAME, "reason": ""},
    "open": {"by": NAME},
    "configure": {"by": NAME, "settings": FloorSettings().as_dict()},
    "deny": {"by": NAME, "participant": "bob", "reason": ""},
    "grant_to": {"by": NAME, "participant": "bob", "request_id": "r2", "reason": "", "now": False},
    "mute": {"by": NAME, "participant": "bob", "muted": True},
    "gone": {"participant": NAME},
    "backchannel": {"participant": NAME},
    "tick": {},
}
COMMANDS = (*SHAPES, "settle", "", "REQUEST")
FIELDS = sorted({field for shape in SHAPES.values() for field in shape})
values = st.one_of(
    st.sampled_from(["ada", "", "two words", "br{ace}", "1", "-1", "9" * 40, "x" * 5000, "\x00", "agent"]),
    st.integers(-(2**60), 2**60),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(list(FloorSettings().as_dict())), st.floats(), max_size=3),
    st.just(FloorSettings().as_dict()),
)
arguments = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS), values).map(json.dumps),
    st.text(max_size=20),
    st.sampled_from(["[]", "null", "[" * 2000, '{"participant":', "1e999"]),
)
rooms = st.sampled_from([ROOM, ROOM, ROOM, "", "other", "two words"])
CHECKS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
OUTCOMES = {"granted", "queued", "denied", "ended", "stale", "changed", "unchanged", "invalid", "lent"}


async def try_all(redis: Any, sent: list[tuple[str, str, str, str]]) -> None:
    script = redis.register_script(source())
    good = json.dumps(FloorSettings().as_dict())
    for command, room, by, given_arguments in sent:
        reply = await script(keys=floor_keys(ROOM), args=[command, room, by, given_arguments, good])
        assert reply[4] in OUTCOMES, reply
    floor = FloorScript(redis, ROOM, FloorSettings())
    await floor.run(fc.Open(by="chair"), "chair")
    await floor.run(fc.Configure(by="chair", settings=FloorSettings().as_dict()), "chair")
    await floor.run(fc.Mute(by="chair", participant="zoe", muted=False), "chair")
    for person, entry in (await floor.read()).people.items():
        for observer in entry.observers:
            await floor.run(fc.PersonSilent(person=person, observer=observer), "chair")
    hold = (await floor.read()).hold
    if hold is not None:
        await floor.run(fc.Revoke(by="chair"), "chair")
    outcome, _ = await floor.run(fc.Request(participant="zoe", request_id="zoe-asks"), "zoe")
    assert isinstance(outcome, fc.Granted | fc.Queued)


sent_by_anybody = st.lists(
    st.tuples(st.sampled_from(COMMANDS), rooms, values.map(str), arguments), max_size=12
)


@CHECKS
@given(sent=sent_by_anybody)
async def test_garbage_cannot_wedge_the_floor_on_the_fake(sent: list[Any]) -> None:
    redis = FakeAsyncRedis(decode_responses=True, encoding_errors="surrogateescape")
    await try_all(redis, sent)
    await redis.aclose()


@CHECKS
@given(sent=sent_by_anybody)
async def test_garbage_cannot_wedge_the_floor_on_a_real_server(real_redis_url: str, sent: list[Any]) -> None:
    redis = client_of(real_redis_url, db=5)
    await redis.flushdb()
    await try_all(redis, sent)
    await redis.aclose()


@pytest.mark.parametrize("command", SHAPES)
async def test_each_argument_is_checked(redis_client: Redis, command: str) -> None:
    script = redis_client.register_script(source())
    good = json.dumps(FloorSettings().as_dict())

    async def outcome(given_arguments: dict[str, Any]) -> list[str]:
        arguments = [command, ROOM, NAME, json.dumps(given_arguments), good]
        return (await script(keys=floor_keys(ROOM), args=arguments))[4:]

    assert (await outcome(SHAPES[command]))[0] != "invalid"
    before = await redis_client.hgetall(floor_keys(ROOM)[2])
    for field in SHAPES[command]:
        for bad in (None, [], {}, 1.5, -1, float("nan"), "x" * 5000, {"lease_ms": 2}):
            assert await outcome({**SHAPES[command], field: bad}) == ["invalid", field], (field, bad)
        missing = {name: value for name, value in SHAPES[command].items() if name != field}
        assert await outcome(missing) == ["invalid", field]
    assert await redis_client.hgetall(floor_keys(ROOM)[2]) == before


class Answers:
    """Counts what a link is told."""

    def __init__(self) -> None:
        self.told = 0

    def __call__(self, answer: Answer) -> None:
        self.told += 1


names = st.one_of(
    st.text(max_size=6),
    st.tuples(
        st.text(max_size=2), st.sampled_from("\x7f\x80\x85\xa0\u2003\u2028\ufeff\U0001f600 {\n\x00")
    ).map("".join),
    st.tuples(st.sampled_from("a\xe9\u2003\U0001f600"), st.integers(120, 210)).map(
        lambda made: made[0] * made[1]
    ),
    st.just("half \ud83d".replace(" ", "-")),
)


@CHECKS
@given(name=names, request_id=names)
@example(name="a\x7fb", request_id="r")
@example(name="ada", request_id="r\x7f")
async def test_what_the_edge_lets_pass_the_script_takes_and_nothing_else(name: str, request_id: str) -> None:
    redis = FakeAsyncRedis(decode_responses=True)
    told = Answers()
    link = FloorLink(redis, ROOM, FloorSettings(), clock=time.monotonic, limit_s=5, on_answer=told)
    command = fc.Confirm(participant=name, request_id=request_id)
    try:
        await link.send(command, "ada")
        fits = True
    except InvalidEventError:
        fits = False
    assert told.told == fits
    arguments = json.dumps({"participant": name, "request_id": request_id})
    reply = await redis.register_script(source())(
        keys=floor_keys(ROOM),
        args=["confirm", ROOM, "ada", arguments, json.dumps(FloorSettings().as_dict())],
    )
    assert (reply[4] != "invalid") == fits, reply
    await redis.aclose()


async def test_a_room_s_first_settings_are_checked_too() -> None:
    redis = FakeAsyncRedis(decode_responses=True)
    script = redis.register_script(source())
    for wrong in ("", "{}", "[]", json.dumps({**FloorSettings().as_dict(), "lease_ms": 10**9})):
        reply = await script(keys=floor_keys(ROOM), args=["tick", ROOM, "ada", "{}", wrong])
        assert reply[4:] == ["invalid", "settings"]
    assert await redis.keys("*") == []
    await redis.aclose()
