"""`swarm floor` on a real Redis: what it shows, what it changes, what it says no to, and how it ends."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from typer.testing import CliRunner

from streams import events as ev
from streams.connection import redis_client
from streams.conversation_stream import ConversationStream
from swarm import TalkingStick
from swarm.allocation_settings import AllocationSettings
from swarm.commands import app
from swarm.floor_cli import room_settings
from swarm.floor_cli.commands import app as floor_app
from swarm.floor_script import floor_keys, source
from swarm.floor_state import FloorSettings
from swarm.participant import Participant, Priority
from tests.swarm.commands_run import ended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from click.testing import Result
    from redis.asyncio import Redis

    Act = Callable[[TalkingStick], Awaitable[object]]

pytestmark = pytest.mark.real

ROOM = "lobby"
LONG = FloorSettings(lease_ms=30_000, take_up_ms=30_000)
EVERY = {**LONG.as_dict(), **AllocationSettings().as_dict()}


class Plain:
    """Runs work as the command line does, without taking over the signals of the test's process."""

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(work)


class Floor:
    """The commands of one room, run one after another, and a stick beside them."""

    def __init__(self, url: str) -> None:
        self._url = url

    def run(self, command: str, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["floor", command, *arguments], obj=Plain())

    def answer(self, command: str, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
        """Run it with --json; one document is all that it writes."""
        result = self.run(command, ROOM, *arguments, "--json")
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)

    def refused(self, command: str, *arguments: str) -> str:
        """Run what is wrong: the text of its SettingError."""
        result = self.run(command, *arguments)
        assert result.exception is not None, result.output
        return str(result.exception)

    def stick(self, act: Act, settings: FloorSettings = LONG) -> Any:
        async def run() -> object:
            async with TalkingStick.connect(self._url, ROOM, settings=settings) as stick:
                return await act(stick)

        return asyncio.run(run())

    def open_room(self) -> None:
        async def write() -> None:
            redis = redis_client(self._url)
            try:
                await ConversationStream(redis, ROOM).publish(ev.ParticipantLeft(participant="x"), source="x")
            finally:
                await redis.aclose()

        asyncio.run(write())

    def events(self) -> list[str]:
        async def read() -> list[str]:
            redis = redis_client(self._url)
            try:
                return [entry.type for entry in await ConversationStream(redis, ROOM).read()]
            finally:
                await redis.aclose()

        return asyncio.run(read())


@pytest.fixture
def floor(real_redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Floor:
    async def empty() -> None:
        redis: Redis = redis_client(real_redis_url)
        await redis.flushall()
        await redis.aclose()

    asyncio.run(empty())
    monkeypatch.setenv("REDIS_URL", real_redis_url)
    monkeypatch.delenv("SWARM_LOG", raising=False)
    return Floor(real_redis_url)


@pytest.fixture
def held(floor: Floor) -> Floor:
    """The room where anna holds the floor for 30 s, and bob and carl wait."""

    async def fill(stick: TalkingStick) -> None:
        await stick.request(Participant("anna"))
        await stick.request(Participant("bob"), priority=Priority.HIGH, reason="to add a figure")
        await stick.request(Participant("carl"))

    floor.stick(fill)
    return floor


def test_a_room_that_is_not_there_is_one_clear_line(floor: Floor) -> None:
    told = floor.refused("status", "nowhere")
    assert told.startswith("ROOM: there is no room 'nowhere' here. There are no rooms yet")
    assert floor.run("request", ROOM, "--as", "anna", "--new").exit_code == 0
    assert "There are lobby; --new" in floor.refused("revoke", "nowhere")
    assert floor.refused("status", "two words").startswith("ROOM: ")


@pytest.mark.parametrize(
    "arguments",
    [
        *(("status",), ("revoke",), ("close",), ("open",), ("set",), ("set", "max_queue=2"), ("watch",)),
        *(("request", "--as", "a"), ("request", "--as", "a", "--wait"), ("release", "--as", "a")),
        *(("withdraw", "--as", "a"), ("yield", "b", "--as", "a"), ("grant", "a"), ("deny", "a")),
        *(("mute", "a"), ("unmute", "a")),
    ],
    ids=" ".join,
)
def test_no_command_takes_a_room_that_is_not_there(floor: Floor, arguments: tuple[str, ...]) -> None:
    command, *rest = arguments
    assert floor.refused(command, "nowhere", *rest).startswith("ROOM: there is no room 'nowhere' here. ")


def test_looking_opens_no_room(floor: Floor) -> None:
    floor.refused("status", ROOM)
    floor.refused("request", ROOM, "--as", "anna")
    floor.refused("mute", ROOM, "anna")
    assert floor.events() == []
    assert floor.refused("status", ROOM).startswith("ROOM: there is no room")


def test_looking_at_a_floor_that_nobody_has_used_leaves_its_settings_to_the_first_user(floor: Floor) -> None:
    floor.open_room()
    document = floor.answer("status")
    assert (document["state"], document["token"], document["settings_changed"]) == ("idle", 0, {})
    assert document["now_ms"] > 1_700_000_000_000
    floor.stick(lambda stick: stick.tick())
    assert floor.answer("status")["settings_changed"] == {"lease_ms": 30_000, "take_up_ms": 30_000}


def test_status_shows_all_at_one_glance(held: Floor) -> None:
    shown = held.run("status", ROOM)
    assert shown.exit_code == 0
    headline, *rest = shown.stdout.splitlines()
    assert headline.startswith("lobby HELD by anna, ")
    assert " s left, token " in headline
    rows = [row.split() for row in rest if row.strip().startswith(("1", "2"))]
    assert [(row[0], row[1], row[2]) for row in rows] == [("1", "bob", "high"), ("2", "carl", "normal")]
    assert "to add a figure" in shown.stdout
    assert "lease_ms 30000 (2000)" in shown.stdout
    assert "guard_ms" not in shown.stdout, "as the default"


def test_status_for_scripts_is_one_document(held: Floor) -> None:
    document = held.answer("status")
    assert (document["room"], document["state"], document["holder"]) == (ROOM, "held", "anna")
    assert document["token"] > 10**15
    assert 20_000 < document["remaining_ms"] <= 30_000
    queue = [(each["position"], each["participant"], each["priority"]) for each in document["queue"]]
    assert queue == [(1, "bob", "high"), (2, "carl", "normal")]
    assert all(each["waited_ms"] < 20_000 for each in document["queue"])
    assert document["settings"] == LONG.as_dict()
    assert document["settings_changed"] == {"lease_ms": 30_000, "take_up_ms": 30_000}
    assert (document["people"], document["muted"], document["closed"]) == ([], [], False)


def test_names_steer_neither_the_terminal_nor_the_table(held: Floor) -> None:
    held.stick(lambda stick: stick.request(Participant("[red]\x9b2Jd"), reason="\x1b[2J[bold]x[/]"))
    shown = held.run("status", ROOM).stdout
    assert "[red]\\x9b2Jd" in shown
    assert "\\x1b[2J[bold]x[/]" in shown
    assert "\x1b" not in shown
    assert "\x9b" not in shown


def test_people_who_speak_are_shown(floor: Floor) -> None:
    floor.stick(lambda stick: stick.person_speaking("paul"))
    shown = floor.run("status", ROOM).stdout
    assert shown.startswith("lobby HELD by speaking")
    assert "speaking: paul" in shown


def test_a_request_tells_what_became_of_it(floor: Floor) -> None:
    granted = floor.answer("request", "--as", "anna", "--new")
    assert (granted["state"], granted["ok"], granted["remaining_ms"]) == ("granted", True, 2000)
    queued = floor.answer("request", "--as", "bob")
    assert (queued["state"], queued["position"]) == ("queued", 1)
    again = floor.answer("request", "--as", "bob", "--request-id", queued["request_id"])
    assert again == queued
    text = floor.run("request", ROOM, "--as", "carl").stdout
    assert text == "carl waits at position 2\n"


def test_a_denial_is_an_answer_with_an_exit_code_of_its_own(held: Floor) -> None:
    assert held.run("close", ROOM, "--reason", "lunch").stdout == "the floor is closed\n"
    denied = held.answer("request", "--as", "eve", exit_code=3)
    assert (denied["ok"], denied["state"], denied["reason"]) == (False, "denied", "closed")
    text = held.run("request", ROOM, "--as", "eve")
    assert (text.exit_code, text.stdout) == (3, "eve is denied the floor: the floor is closed\n")
    waited = held.run("request", ROOM, "--as", "eve", "--wait")
    assert (waited.exit_code, waited.stdout) == (3, "eve is denied the floor: the floor is closed\n")


def test_the_holder_gives_the_floor_back(held: Floor) -> None:
    token = held.answer("status")["token"]
    other = held.run("release", ROOM, "--as", "bob")
    assert (other.exit_code, other.stdout) == (3, "bob does not hold the floor: anna holds it\n")
    stale = held.answer("release", "--as", "anna", "--token", str(token - 1), exit_code=3)
    assert (stale["reason"], stale["current"]) == ("stale", token)
    assert held.answer("release", "--as", "anna", "--token", str(token))["changed"]
    assert held.answer("status")["holder"] == "bob"


def test_the_holder_hands_the_floor_to_somebody(held: Floor) -> None:
    shown = held.run("yield", ROOM, "carl", "--as", "anna")
    assert (shown.exit_code, shown.stdout) == (0, "anna gave the floor back and handed it to carl\n")
    assert held.answer("status")["holder"] == "carl"
    assert held.refused("yield", ROOM, "carl", "--as", "carl").startswith("TO: ")


def test_a_waiting_request_is_taken_back(held: Floor) -> None:
    assert held.answer("withdraw", "--as", "bob")["changed"]
    assert [each["participant"] for each in held.answer("status")["queue"]] == ["carl"]
    assert held.answer("withdraw", "--as", "bob", exit_code=3)["reason"] == "not_waiting"


def test_the_chair_takes_the_floor_from_its_holder(held: Floor) -> None:
    token = held.answer("status")["token"]
    assert held.answer("revoke", "--token", str(token - 1), exit_code=3)["reason"] == "token"
    revoked = held.answer("revoke", "--as", "chris", "--reason", "time is up")
    assert (revoked["participant"], revoked["token"]) == ("anna", token)
    assert held.answer("status")["holder"] == "bob"
    held.answer("revoke")
    held.answer("revoke")
    nobody = held.run("revoke", ROOM)
    assert (nobody.exit_code, nobody.stdout) == (3, "nobody holds the floor\n")


def test_the_chair_grants_and_denies(held: Floor) -> None:
    assert held.answer("grant", "dora", "--reason", "her turn")["position"] == 1
    held.answer("deny", "bob", "--reason", "no time")
    queue = [each["participant"] for each in held.answer("status")["queue"]]
    assert queue == ["dora", "carl"]
    assert held.answer("deny", "bob", exit_code=3)["reason"] == "not_waiting"
    now = held.answer("grant", "carl", "--now")
    assert (now["state"], now["participant"]) == ("granted", "carl")
    assert held.answer("status")["holder"] == "carl"
    assert held.answer("grant", "carl", exit_code=3)["changed"] is False


def test_who_is_muted_loses_what_it_has_and_gets_nothing(held: Floor) -> None:
    assert held.answer("mute", "anna")["changed"]
    assert held.answer("mute", "bob")["changed"]
    assert not held.answer("mute", "bob")["changed"], "it was so before, which is fine"
    document = held.answer("status")
    assert (document["holder"], document["queue"]) == ("carl", [])
    assert document["muted"] == ["anna", "bob"]
    assert "muted: anna, bob" in held.run("status", ROOM).stdout
    denied = held.run("request", ROOM, "--as", "anna")
    assert (denied.exit_code, denied.stdout) == (3, "anna is denied the floor: the participant is muted\n")
    assert held.answer("unmute", "anna")["changed"]
    assert held.answer("request", "--as", "anna")["state"] == "queued"


def test_the_floor_is_closed_and_opened(held: Floor) -> None:
    assert held.answer("close")["changed"]
    assert held.answer("close") == {"room": ROOM, "command": "close", "ok": True, "changed": False}
    assert held.answer("status")["closed"]
    assert "closed to requests" in held.run("status", ROOM).stdout
    assert held.answer("open")["changed"]
    assert not held.answer("status")["closed"]
    assert not held.answer("open")["changed"]


def test_two_that_set_at_once_do_not_undo_each_other(held: Floor) -> None:
    async def at_once(stick: TalkingStick) -> None:
        async with asyncio.TaskGroup() as tasks:
            for changes in ({"max_queue": 2}, {"grace_ms": 250}, {"guard_ms": 50}):
                tasks.create_task(room_settings.configure(stick, Participant("op", role="chair"), changes))

    held.stick(at_once)
    settings = held.answer("set")["settings"]
    assert settings == {**EVERY, "max_queue": 2, "grace_ms": 250, "guard_ms": 50}


def test_settings_change_while_the_room_is_live(held: Floor) -> None:
    changed = held.answer("set", "max_queue=2", "grace_ms=250")
    assert (changed["changed"], changed["settings"]["max_queue"]) == (True, 2)
    assert held.answer("request", "--as", "eve", exit_code=3)["reason"] == "queue_full"
    assert held.answer("set")["settings"] == {**EVERY, "max_queue": 2, "grace_ms": 250}
    assert not held.answer("set", "grace_ms=250")["changed"]
    lines = held.run("set", ROOM).stdout.splitlines()
    assert "grace_ms=250" in lines
    assert held.events().count("SETTINGS_CHANGED") == 1


def test_who_answers_a_person_is_set_like_every_other_setting(held: Floor) -> None:
    changed = held.answer("set", "policy=round_robin", "max_queue=2")
    assert changed["changed"]
    assert changed["settings"] == {**EVERY, "max_queue": 2, "turn_policy": "round_robin"}
    later = held.answer("set", "bid_window_ms=150")  # leaves what was set before
    assert (later["settings"]["turn_policy"], later["settings"]["bid_window_ms"]) == ("round_robin", 150)
    assert not held.answer("set", "turn_policy=round_robin")["changed"]
    assert "turn_policy=round_robin" in held.run("set", ROOM).stdout.splitlines()
    assert held.run("set", ROOM, "policy=chair").stdout == "turn_policy is chair\n"
    assert held.refused("set", ROOM, "policy=fifo", "--role", "expert").startswith("--role: ")
    assert held.answer("set")["settings"]["turn_policy"] == "chair"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("lease_ms=5", "lease_ms: '5' is not allowed. Use a whole number from 100 to 60000"),
        ("lease_ms=1e3", "lease_ms: '1e3' is not allowed"),
        ("lease_ms=-5", "lease_ms: '-5' is not allowed"),
        ("lease_ms=" + "9" * 5000, "lease_ms: "),
        ("lease_ms=٣٣٣", "lease_ms: "),
        ("lease_ms", "set: 'lease_ms' is no NAME=VALUE. Names are "),
        ("lease=5", "set: 'lease=5' is no NAME=VALUE"),
        (
            "policy=lottery",
            "turn_policy: 'lottery' is none. Use one of addressed, fifo, priority, bids, round_robin, chair",
        ),
        ("turn_policy=", "turn_policy: '' is none. Use one of addressed, "),
        ("bid_window_ms=3001", "bid_window_ms: '3001' is not allowed. Use a whole number from 0 to 3000"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(floor: Floor, word: str, told: str) -> None:
    assert floor.refused("set", ROOM, word).startswith(told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("request", ROOM, "--as", "two words"), "--as: "),
        (("request", ROOM, "--as", ""), "--as: "),
        (("request", ROOM, "--as", "a" * 129), "--as: "),
        (("request", ROOM, "--as", "anna", "--role", "a{b}"), "--role: "),
        (("request", ROOM, "--as", "anna", "--priority", "5"), "--priority: '5' is no priority"),
        (("request", ROOM, "--as", "anna", "--for", "a b"), "--for: "),
        (("request", ROOM, "--as", "anna", "--request-id", "a b"), "--request-id: "),
        (("request", ROOM, "--as", "anna", "--reason", "x" * 501), "--reason: "),
        (("request", ROOM, "--as", "anna", "--hold", "1"), "--wait: missing"),
        (("request", ROOM, "--as", "anna", "--wait", "--for", "bob"), "--for: "),
        (("mute", ROOM, "a b"), "NAME: "),
        (("revoke", ROOM, "--as", "gus", "--role", "guest"), "--role: 'gus' (role 'guest') may not revoke"),
        (("grant", ROOM, "bob", "--role", "expert"), "--role: "),
        (("set", ROOM, "max_queue=2", "--role", "expert"), "--role: "),
    ],
)
def test_what_cannot_be_names_the_option(held: Floor, arguments: tuple[str, ...], told: str) -> None:
    before = held.events()
    assert held.refused(*arguments).startswith(told)
    assert held.events() == before


def test_a_role_caps_the_priority(held: Floor) -> None:
    held.answer("request", "--as", "gus", "--role", "guest", "--priority", "urgent", "--preempt")
    queue = {each["participant"]: each["priority"] for each in held.answer("status")["queue"]}
    assert queue["gus"] == "normal"


def test_an_urgent_expert_preempts(held: Floor) -> None:
    urgent = ("--role", "expert", "--priority", "urgent")
    assert held.answer("request", "--as", "emil", *urgent)["state"] == "queued"
    assert held.answer("request", "--as", "erna", *urgent, "--preempt")["state"] == "granted"
    assert held.answer("status")["holder"] == "erna"
    assert "FLOOR_REVOKED" in held.events()


def test_asking_for_somebody_else_leaves_the_taking_up_to_it(floor: Floor) -> None:
    asked = floor.answer("request", "--as", "host", "--for", "anna", "--new")
    assert (asked["participant"], asked["taken_up"], asked["remaining_ms"]) == ("anna", False, 1000)


def test_the_script_is_printed_as_it_runs(floor: Floor) -> None:
    printed = floor.run("script")
    assert printed.stdout == source()
    assert printed.stderr == f"sha1 {sha1(source().encode(), usedforsecurity=False).hexdigest()}\n"
    document = json.loads(floor.run("script", "--json").stdout)
    assert document["script"] == source()
    assert document["keys"] == floor_keys("ROOM")


def test_a_redis_that_is_not_set_is_named(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL")
    assert floor.refused("status", ROOM) == "REDIS_URL: missing. Set it to the Redis of the swarm"


def test_the_help_tells_the_exit_codes() -> None:
    told = " ".join(CliRunner().invoke(app, ["floor", "--help"]).output.split())
    for words in ("0, done", "1, Redis", "2, a wrong option", "3, the floor said no", "130 and 143"):
        assert words in told


@pytest.mark.parametrize("name", sorted(typer.main.get_command(floor_app).commands))  # type: ignore[attr-defined]
def test_every_command_explains_itself(name: str) -> None:
    told = CliRunner().invoke(app, ["floor", name, "--help"])
    assert told.exit_code == 0
    assert "Usage" in told.output
    assert "--json" in told.output


async def test_as_a_process_it_says_one_line_and_its_exit_code(
    real_redis: Redis, real_redis_url: str
) -> None:
    env = {"REDIS_URL": real_redis_url}
    unknown = await ended("floor", "status", "nowhere", env=env)
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("error ROOM: there is no room 'nowhere' here. ")
    assert unknown.stderr.count("\n") == 1
    assert (await ended("floor", "request", ROOM, "--as", "a", "--new", env=env)).exit_code == 0
    assert (await ended("floor", "close", ROOM, env=env)).exit_code == 0
    denied = await ended("floor", "request", ROOM, "--as", "b", "--json", env=env)
    assert (denied.exit_code, denied.stderr) == (3, "")
    assert json.loads(denied.stdout)["reason"] == "closed"
    away = await ended("floor", "status", ROOM, env={"REDIS_URL": "redis://127.0.0.1:1"})
    assert (away.exit_code, away.stdout) == (2, "")
    assert away.stderr.startswith("error REDIS_URL: no Redis server answers at redis://127.0.0.1:1")
