"""docs/protocol.md says what the floor's script takes, returns and keeps: all of it, and nothing else."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import fields
from inspect import signature
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, get_args

import pytest

from streams import events as ev
from streams import keys
from streams.conversation_stream import ConversationStream
from streams.request_ids import KEPT_MS
from streams.vocabulary import ParticipantKind
from swarm import floor_commands as fc
from swarm.floor import decide
from swarm.floor_link import LONGEST_REASON
from swarm.floor_script import FloorScript, floor_keys, source
from swarm.floor_state import BOUNDS, RENEWED_LATELY_MS, SILENT_AFTER_MS, Floor, FloorSettings
from swarm.floor_wire import decode_reply, encode_command
from swarm.holdings import RENEWALS_A_LEASE
from swarm.roster import Roster
from swarm.talking_stick import TalkingStick
from swarm.waiters import JITTER_S, RECHECK_S

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams.events import Recorded

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
SCRIPT = source()
SAMPLES: dict[str, tuple[list[object], list[object]]] = {
    "name": (
        ["anna", "é", "a" * 128, "é" * 128, "a\u2003b"],
        ["", "a b", "a{b", "a\x07b", "a\x7fb", "a" * 129, "é" * 129, 7, None],
    ),
    "name or empty": (["", "anna"], ["a b", 7, None]),
    "id": (["0000000000001-x", "a" * 200, "é" * 200], ["", "a b", "a\x7fb", "a" * 201, 7, None]),
    "token": (["0", "1795254689197000"], ["", "x", "-1", "12345678901234567", 7, None]),
    "text": (["", "a b {c}", "x" * 500], [7, None]),
    "priority": ([0, 1, 2, 3, 4], [5, -1, 1.5, "2", None]),
    "flag": ([True, False], [0, "true", None]),
    "participant kind": (["agent", "person"], ["robot", "", 7, None]),
    "settings": (
        [FloorSettings().as_dict(), {"lease_ms": 2_000}],
        [{}, 7, None, {**FloorSettings().as_dict(), "lease_ms": 1}, {"lease": 2_000}],
    ),
}
"""Values that an argument of a kind may have, and some that it may not."""

Rows = list[list[str]]


def section(title: str) -> str:
    """The text under a heading, up to the next of its level or above."""
    level = title.index(" ")
    begin = TEXT.index(f"\n{title}\n") + len(title) + 2
    end = re.search(rf"^#{{1,{level}}} ", TEXT[begin:], re.MULTILINE)
    return TEXT[begin : begin + end.start()] if end else TEXT[begin:]


def rows(title: str, columns: int) -> Rows:
    """The cells of the tables of so many columns under a heading, without their head."""
    found: Rows = []
    for line in section(title).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == columns:
            found.append(cells)
    heads = [after for after, cells in enumerate(found) if set(cells[0]) == {"-"}]
    return [cells for at, cells in enumerate(found) if at not in heads and at + 1 not in heads]


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def name_of(command: type[fc.Command]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", command.__name__).lower()


def commands_told() -> dict[str, dict[str, str]]:
    """Command to argument to kind."""
    return {
        codes(row[0])[0]: dict(re.findall(r"`(\w+)` ([a-z ]+)", row[1])) for row in rows("### Commands", 4)
    }


def test_the_keys_are_those_of_the_script_in_its_order() -> None:
    table = rows("## Keys", 4)
    assert [row[0] for row in table] == [str(n) for n in range(1, len(table) + 1)]
    assert [codes(row[1])[0].replace("{ROOM}", "{r}") for row in table] == floor_keys("r")
    assert f"The set `{keys.ROOMS}` lists the rooms." in TEXT


def test_the_commands_are_those_of_the_script_and_of_the_python_client() -> None:
    told = commands_told()
    assert set(told) == set(re.findall(r"function commands\.(\w+)", SCRIPT))
    ours = {name_of(each): {field.name for field in fields(each)} for each in get_args(fc.Command)}
    assert {name: set(arguments) for name, arguments in told.items()} == ours


@pytest.mark.real
@pytest.mark.parametrize("command", commands_told())
async def test_the_script_takes_these_arguments_of_these_kinds_and_all_of_them(
    command: str, real_redis: Redis
) -> None:
    script = real_redis.register_script(SCRIPT)
    settings = json.dumps(FloorSettings().as_dict())

    async def answer(arguments: dict[str, object]) -> list[str]:
        reply = await script(keys=floor_keys("r"), args=[command, "r", "s", json.dumps(arguments), settings])
        return reply[4:6]

    kinds = commands_told()[command]
    good: dict[str, object] = {name: SAMPLES[kind][0][0] for name, kind in kinds.items()}
    assert (await answer(good))[0] != "invalid"
    for name, kind in kinds.items():
        fine, wrong = SAMPLES[kind]
        for value in fine:
            assert await answer({**good, name: value}) != ["invalid", name], value
        for value in wrong:
            assert await answer({**good, name: value}) == ["invalid", name], value
        assert await answer({other: value for other, value in good.items() if other != name}) == [
            *("invalid", name)
        ]


def test_every_kind_of_an_argument_is_explained() -> None:
    explained = {row[0] for row in rows("## The script", 2) if not row[0].isdigit()}
    used = {kind for arguments in commands_told().values() for kind in arguments.values()}
    assert used == set(SAMPLES)
    assert {kind.removesuffix(" or empty") for kind in used} == explained
    assert f"up to {LONGEST_REASON} characters" in section("## The script")


def test_the_answers_are_those_of_the_script() -> None:
    told = [codes(row[0])[0] for row in rows("### Answers", 3)]
    # Lists that begin with a word; the one that is no answer holds the fields of an entry.
    written = set(re.findall(r"\{\s*'(\w+)'", SCRIPT)) - {"kind"}
    assert set(told) == written


@pytest.mark.parametrize("row", rows("### Answers", 3), ids=lambda row: codes(row[0])[0])
def test_an_answer_has_the_parts_that_it_is_said_to_have(row: list[str]) -> None:
    tag = codes(row[0])[0]
    parts = [part for part in row[1].split(", ") if part]
    head = ["1", "2", "", "", tag]
    decode_reply([*head, *("7" for _ in parts)])
    for wrong in (len(parts) + 1, len(parts) - 1):
        if wrong >= 0:
            with pytest.raises(ValueError, match="no answer"):
                decode_reply([*head, *("7" for _ in range(wrong))])


def random_command(chance: Random, floor: Floor) -> fc.Command:
    """A command with arguments of which many make sense on `floor`."""

    def argument(name: str) -> object:
        token = floor.hold.token if floor.hold else floor.token
        match name:
            case "token" | "observed_token" | "resume_token":
                return chance.choice([token, token, floor.token, 0, 7])
            case "request_id":
                return chance.choice(
                    [*floor.requests, f"q{chance.randrange(40)}", "yield:9", f"{10**12}-old"]
                )
            case "priority":
                return chance.randrange(5)
            case "on_behalf_of" | "to":
                return chance.choice(["", "", "anna", "bob"])
            case "participant":
                holder = [floor.hold.participant] * 4 if floor.hold else []
                return chance.choice(["anna", "bob", "carl", "paul", *holder])
            case "participant_kind":
                return "agent"
            case "settings":
                return {"backchannel_ms": chance.choice([0, 0, 300]), "max_queue": 2}
            case "sounding" | "tail_done" | "words" | "now" | "muted":
                return chance.random() < 0.5
            case "reason":
                return ""
            case _:
                return chance.choice(["paul", "quinn"])

    if floor.queue and chance.random() < 0.05:
        waiting = chance.choice(list(floor.queue.values()))
        return fc.Confirm(participant=waiting.participant, request_id=waiting.request_id)
    kinds = [*get_args(fc.Command), fc.Request, fc.Request, fc.Take, fc.Renew, fc.Renew]
    kind = chance.choice(kinds)
    return kind(**{field.name: argument(field.name) for field in fields(kind)})


def test_each_command_is_answered_as_it_is_said_to_be() -> None:
    told = {(codes(row[0])[0], tag) for row in rows("### Commands", 4) for tag in codes(row[2])}
    chance, seen = Random(7), set[tuple[str, str]]()
    for _ in range(200):
        floor, now_us = Floor(settings=FloorSettings(backchannel_ms=300)), 1_790_000_000_000_000
        for _ in range(150):
            command = random_command(chance, floor)
            now_us += chance.choice([1_000, 50_000, 700_000])
            step = decide(floor, command, now_us)
            floor = step.floor
            seen.add((name_of(type(command)), type(step.outcome).__name__.lower()))
    assert {each for each in seen if each[1] != "invalid"} == told


def test_every_reason_of_the_script_is_told_and_no_other() -> None:
    answers = section("### Answers")
    after = answers[answers.index("A request is refused") :]
    denying = SCRIPT[SCRIPT.index("local function why_denied") : SCRIPT.index("local function deny(")]
    lending = SCRIPT[SCRIPT.index("local function why_no_backchannel") :]
    lending = lending[: lending.index("\nend\n")]
    reasons = {
        *re.findall(r"return '(\w+)'", denying + lending),
        *re.findall(r"'(too_\w+)'", SCRIPT),
        *re.findall(r"'unchanged', (?:a\.muted and )?'(\w+)'", SCRIPT),
        *re.findall(r"'unchanged', a\.muted and '\w+' or '(\w+)'", SCRIPT),
    }
    assert set(codes(after)) == reasons


def test_everything_done_is_told_and_nothing_else() -> None:
    (changed,) = (row for row in rows("### Answers", 3) if row[0] == "`changed`")
    done = set(re.findall(r"\{'changed', '(\w+)'", SCRIPT))
    done |= set(re.findall(r"'changed', a\.muted and '(\w+)' or '\w+'", SCRIPT))
    done |= set(re.findall(r"'changed', a\.muted and '\w+' or '(\w+)'", SCRIPT))
    assert set(codes(changed[2])) == done


def test_the_settings_have_these_defaults_and_bounds() -> None:
    told = {codes(row[0])[0]: tuple(map(int, row[1:4])) for row in rows("## Settings", 5)}
    defaults = FloorSettings().as_dict()
    assert told == {name: (defaults[name], *BOUNDS[name]) for name in BOUNDS}


def test_the_events_are_those_that_the_script_writes() -> None:
    told = {codes(row[0])[0] for row in rows("## Events", 3)}
    written = set(re.findall(r"emit\('(\w+)'", SCRIPT)) | set(re.findall(r"type = '(\w+)'", SCRIPT))
    assert told == written


def event_classes() -> dict[str, type[ev.Event]]:
    found: dict[str, type[ev.Event]] = {}
    for each in vars(ev).values():
        if isinstance(each, type) and issubclass(each, ev.Event) and "type" in each.model_fields:
            found[str(each.model_fields["type"].default)] = each
    return found


@pytest.mark.parametrize("row", rows("## Events", 3), ids=lambda row: codes(row[0])[0])
def test_an_event_has_these_fields_and_may_miss_these(row: list[str]) -> None:
    model = event_classes()[codes(row[0])[0]].model_fields
    told = dict(re.findall(r"`(\w+)`(\??)", row[1]))
    assert set(told) == set(model) - {"type"}
    for name, may_be_missing in told.items():
        assert bool(may_be_missing) == (model[name].default is None), name


def test_the_numbers_of_the_rules_are_those_that_are_kept() -> None:
    rules = section("## Rules for a client")
    assert "at a third of the lease" in rules
    assert RENEWALS_A_LEASE == 3
    assert signature(TalkingStick).parameters["margin_ms"].default == 100
    assert f"up to {JITTER_S * 1000:.0f} ms at random" in rules
    assert f"it looks after {RECHECK_S:.0f} s" in rules
    assert f"remembered for {KEPT_MS // 1000} s" in rules
    answers = section("### Answers")
    assert f"heard of within {SILENT_AFTER_MS} ms" in answers
    assert f"renewed within {RENEWED_LATELY_MS} ms" in answers
    assert f"SILENT_AFTER_MS, RENEWED_LATELY_MS = {SILENT_AFTER_MS}, {RENEWED_LATELY_MS}\n" in SCRIPT
    assert "KEPT_MS, " in SCRIPT
    assert f" = {KEPT_MS}, " in SCRIPT
    node = (Path(__file__).parents[1] / "node" / "floor.mjs").read_text()
    assert "a margin (100 ms)" in rules
    assert "MARGIN_MS = 100;" in node
    assert "'yield:'" in SCRIPT


def test_nothing_is_named_that_does_not_exist() -> None:
    files = ("streams/events.py", "swarm/lua/roster.lua")
    known = SCRIPT + "".join((Path(__file__).parents[2] / file).read_text() for file in files)
    for code in codes(re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)):
        if re.fullmatch(r"[A-Za-z_]+", code):
            assert re.search(rf"\b{code}\b", known), code


COMMANDS: tuple[fc.Command, ...] = (
    fc.Request(participant="anna", request_id="q1", reason="first"),
    fc.Request(participant="bob", request_id="q2", priority=3),
    fc.Request(participant="carl", request_id="q3"),
    fc.Backchannel(participant="bob"),
    fc.PersonSpeaking(person="paul", observer="p1", words=True),
    fc.Mute(by="chair", participant="mallory"),
    fc.Close(by="chair", reason="lunch"),
)


@pytest.mark.real
async def test_the_keys_hold_what_they_are_said_to_hold(real_redis: Redis) -> None:
    settings = FloorSettings(backchannel_ms=500, room_idle_ms=60_000, grace_ms=100)
    script = FloorScript(real_redis, "r", settings)
    for command in COMMANDS:
        await script.run(command, "test")
    await Roster(real_redis, "r").join("anna", ParticipantKind.AGENT, "host")
    preempting = fc.Preempt(person="paul", observer="p1", observed_token=0)
    token = int(await real_redis.hget(keys.floor("r"), "token") or 0)
    await script.run(fc.Preempt(person="paul", observer="p1", observed_token=token), "test")
    assert encode_command(preempting)[0] == "preempt"

    for row in rows("## Keys", 4):
        key = codes(row[1])[0].replace("{ROOM}", "{r}")
        assert await real_redis.type(key) == row[2], key
        if "to JSON" in row[3]:
            entries: list[dict[str, Any]] = [json.loads(each) for each in await real_redis.hvals(key)]
            assert all(set(each) == set(codes(row[3])) for each in entries), key
        if key == keys.meta("r"):
            assert set(await real_redis.hkeys(key)) == set(codes(row[3]))
    told = section("## Keys")
    told = told[told.index("Fields of the floor:") : told.index("The set `")]
    kept = set(re.findall(r"\bset\('(\w+)'", SCRIPT))
    assert set(codes(told)) == kept
    assert set(await real_redis.hkeys(keys.floor("r"))) <= kept | set(BOUNDS)

    entries_found: list[Recorded] = await ConversationStream(real_redis, "r").read()
    first = (await real_redis.xrange(keys.stream("r"), count=2))[1][1]
    events = section("## Events")
    assert set(first) | {"token", "traceparent"} == set(codes(events[: events.index("The\nscript")]))
    assert {each.type for each in entries_found if each.source == "test"} <= {
        codes(row[0])[0] for row in rows("## Events", 3)
    }


@pytest.mark.real
async def test_a_message_on_the_channel_of_the_stream_says_that_there_is_something_to_read(
    real_redis: Redis,
) -> None:
    sharded = (
        "REDIS_VERSION_NUM" in SCRIPT and int((await real_redis.info("server"))["redis_version"][0]) >= 7
    )
    subscriber = real_redis.pubsub()
    try:
        await (subscriber.ssubscribe if sharded else subscriber.subscribe)(keys.stream("r"))
        async with asyncio.timeout(5):
            while (await subscriber.get_message(timeout=5) or {}).get("type") not in (
                "subscribe",
                "ssubscribe",
            ):
                pass
            script = FloorScript(real_redis, "r", FloorSettings())
            await script.run(fc.Tick(), "test")
            await script.run(fc.Request(participant="anna", request_id="q1"), "test")
            message = await subscriber.get_message(timeout=5)
        written = [entry_id for entry_id, _ in await real_redis.xrange(keys.stream("r"))]
        assert message is not None
        assert message["data"] in written
        assert await subscriber.get_message(timeout=0.05) is None, "one message for a run"
    finally:
        await subscriber.aclose()
