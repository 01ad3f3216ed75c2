"""`swarm floor request --wait` and `swarm floor watch` as processes: held, renewed, released, watched."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from streams.conversation_stream import ConversationStream
from swarm import TalkingStick
from swarm.floor_state import FloorSettings
from swarm.participant import Participant, Priority
from tests.restartable_redis import RestartableRedis
from tests.swarm.commands_run import SWARM, Running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

pytestmark = pytest.mark.real

ROOM = "lobby"
SHORT = FloorSettings(lease_ms=1_000, take_up_ms=1_000, guard_ms=50)
CHAIR = Participant("chris", role="chair")


class Command(Running):
    """A command of `swarm floor` whose output is read as it comes."""

    async def line(self, limit_s: float = 20.0) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(limit_s):
            raw = await self._process.stdout.readline()
        assert raw, "it ended"
        return raw.decode().rstrip("\n")

    async def document(self) -> dict[str, Any]:
        return json.loads(await self.line())

    async def says(self, words: str) -> str:
        while words not in (line := await self.line()):
            pass
        return line


@pytest.fixture
async def stick(real_redis: Redis) -> AsyncIterator[TalkingStick]:
    async with TalkingStick(real_redis, ROOM, settings=SHORT) as stick:
        await stick.tick()
        yield stick


@pytest.fixture
def env(real_redis_url: str) -> dict[str, str]:
    return {"REDIS_URL": real_redis_url}


async def types(redis: Redis) -> list[str]:
    return [entry.type for entry in await ConversationStream(redis, ROOM).read()]


def request(*more: str) -> tuple[str, ...]:
    return ("floor", "request", ROOM, "--as", "anna", "--wait", *more)


async def test_it_waits_its_turn_holds_past_the_lease_and_releases_on_ctrl_c(
    stick: TalkingStick, env: dict[str, str], real_redis: Redis
) -> None:
    async with stick.hold(Participant("bob")):
        await stick.request(Participant("carl"), priority=Priority.HIGH)
        async with Command(*request("--json"), env=env) as command:
            queued = await command.document()
            assert (queued["state"], queued["position"]) == ("queued", 2)
            await stick.deny(CHAIR, "carl")
            assert (await command.document())["position"] == 1
            await stick.revoke(CHAIR)
            held = await command.document()
            assert (held["state"], held["participant"]) == ("held", "anna")
            await stick.configure(CHAIR, replace(SHORT, silent_ms=500))
            await asyncio.sleep(2.5)
            status = await stick.status()
            assert (status.holder, status.token) == ("anna", held["token"])
            command.send(signal.SIGINT)
            run = await command.end()
    assert run.exit_code == 130
    assert run.stderr == ""
    assert run.lasted_s < 1.0
    assert (await types(real_redis))[-1] == "FLOOR_RELEASED"


async def test_ctrl_c_while_it_waits_leaves_the_queue(stick: TalkingStick, env: dict[str, str]) -> None:
    async with stick.hold(Participant("bob")):
        async with Command(*request(), env=env) as command:
            assert await command.line() == "anna waits at position 1"
            command.send(signal.SIGINT)
            run = await command.end()
        assert (run.exit_code, run.stderr) == (130, "")
        assert (await stick.status()).queue == ()


async def test_it_gives_up_after_its_timeout(stick: TalkingStick, env: dict[str, str]) -> None:
    async with stick.hold(Participant("bob")):
        async with Command(*request("--timeout", "0.2", "--json"), env=env) as command:
            assert (await command.document())["state"] == "queued"
            over = await command.document()
            assert (over["ok"], over["state"], over["reason"]) == (False, "over", "timeout")
            assert (await command.end()).exit_code == 3
        assert (await stick.status()).queue == ()


async def test_it_holds_for_as_long_as_it_was_told(stick: TalkingStick, env: dict[str, str]) -> None:
    async with Command(*request("--hold", "0.3"), env=env) as command:
        run = await command.end()
    assert (run.exit_code, run.stderr) == (0, "")
    assert run.stdout.startswith("anna holds the floor, token ")
    assert (await stick.status()).holder is None


async def test_a_floor_that_is_lost_is_told_and_ends_it(stick: TalkingStick, env: dict[str, str]) -> None:
    async with Command(*request(), env=env) as command:
        await command.says("holds the floor")
        assert await stick.revoke(CHAIR, reason="time is up")
        run = await command.end()
    assert (run.exit_code, run.stderr) == (3, "")
    assert run.stdout == "anna lost the floor to chris: time is up\n"


async def test_who_is_denied_while_it_waits_hears_why(stick: TalkingStick, env: dict[str, str]) -> None:
    async with stick.hold(Participant("bob")), Command(*request(), env=env) as command:
        await command.says("waits")
        assert await stick.deny(CHAIR, "anna", reason="no time")
        run = await command.end()
    assert (run.exit_code, run.stdout) == (3, "anna is denied the floor: no time\n")


async def test_a_command_runs_under_the_grant_and_its_exit_code_counts(
    stick: TalkingStick, env: dict[str, str], real_redis: Redis, tmp_path: Path
) -> None:
    body = f"echo $SWARM_FLOOR_TOKEN >{tmp_path}/token; echo said; exit 7"
    async with Command(*request("--json", "--", "sh", "-c", body), env=env) as command:
        held = await command.document()
        run = await command.end()
    assert (run.exit_code, run.stdout, run.stderr) == (7, "", "said\n")
    assert int((tmp_path / "token").read_text()) == held["token"]
    assert (await types(real_redis))[-1] == "FLOOR_RELEASED"


async def test_a_command_that_is_none_is_named(stick: TalkingStick, env: dict[str, str]) -> None:
    async with Command(*request("--", "no-such-program"), env=env) as command:
        run = await command.end()
    assert run.exit_code == 2
    assert run.stderr.startswith("error COMMAND: 'no-such-program': No such file")
    assert (await stick.status()).holder is None


async def test_a_command_is_ended_when_the_floor_is_lost(stick: TalkingStick, env: dict[str, str]) -> None:
    async with Command(*request("--", "sleep", "30"), env=env) as command:
        await command.says("holds the floor")
        await command.until(lambda: bool(command.children()))
        assert await stick.revoke(CHAIR, reason="time is up")
        run = await command.end()
    assert (run.exit_code, run.left) == (3, [])
    assert run.stdout == "anna lost the floor to chris: time is up\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_command_does_not_outlive_the_one_that_holds_for_it(
    stick: TalkingStick, env: dict[str, str], number: signal.Signals
) -> None:
    body = "trap '' INT TERM; echo up >&2; while :; do sleep 0.1; done"
    async with Command(*request("--", "sh", "-c", body), env=env) as command:
        await command.says("holds the floor")
        await command.until(lambda: bool(command.children()))
        command.send(number)
        run = await command.end()
    assert (run.exit_code, run.left) == (128 + number, [])
    assert (await stick.status()).holder is None


async def test_watch_writes_a_document_a_change(stick: TalkingStick, env: dict[str, str]) -> None:
    async with Command("floor", "watch", ROOM, "--json", env=env) as command:
        first = await command.document()
        assert (first["state"], first["holder"], first["events"]) == ("idle", None, [])
        async with stick.hold(Participant("bob")) as grant:
            held = await command.document()
            assert (held["state"], held["holder"], held["token"]) == ("held", "bob", grant.token)
            assert [each["type"] for each in held["events"]][-1] == "FLOOR_GRANTED"
            await stick.request(Participant("carl"), reason="to add a figure")
            queued = await command.document()
            assert [each["participant"] for each in queued["queue"]] == ["carl"]
        released = await command.document()
        seqs = [each["seq"] for document in (held, queued, released) for each in document["events"]]
        assert seqs == list(range(seqs[0], seqs[-1] + 1))
        command.send(signal.SIGINT)
        run = await command.end()
    assert (run.exit_code, run.stderr) == (130, "")


async def test_watch_sees_a_lease_that_nobody_else_sees_end(stick: TalkingStick, env: dict[str, str]) -> None:
    async with Command("floor", "watch", ROOM, env=env) as command:
        await command.says("lobby IDLE")
        await stick.request(Participant("bob"))
        await command.says("lobby HELD by bob, ")
        line = await command.says("lobby IDLE, last token ")
        assert line[2] == line[5] == ":", "it begins with the time"


async def test_watch_goes_on_when_redis_comes_back() -> None:
    server = RestartableRedis().start()
    try:
        async with TalkingStick.connect(server.url, ROOM, settings=SHORT) as stick:
            await stick.tick()
        async with Command("floor", "watch", ROOM, "--json", env={"REDIS_URL": server.url}) as command:
            assert (await command.document())["state"] == "idle"
            server.kill()
            server.start()
            async with TalkingStick.connect(server.url, ROOM) as stick, stick.hold(Participant("bob")):
                assert (await command.document())["holder"] == "bob"
    finally:
        server.remove()


async def test_watch_on_a_terminal_shows_the_floor_in_place(stick: TalkingStick, env: dict[str, str]) -> None:
    terminal, end = os.openpty()
    os.set_blocking(terminal, False)
    shown = bytearray()
    came = asyncio.Event()

    def read() -> None:
        shown.extend(os.read(terminal, 65536))
        came.set()

    async def until(words: bytes) -> None:
        async with asyncio.timeout(20):
            while words not in shown:
                came.clear()
                await came.wait()

    loop = asyncio.get_running_loop()
    loop.add_reader(terminal, read)
    body = f"exec {SWARM} floor watch {ROOM} >{os.ttyname(end)}"
    try:
        async with Command(program=("/bin/sh", "-c", body), env={**env, "TERM": "xterm"}) as command:
            await until(b"IDLE")
            async with stick.hold(Participant("bob")):
                await until(b"bob holds the floor")
            await until(b"gave the floor back")
            command.send(signal.SIGINT)
            run = await command.end()
        await until(b"\x1b[?25h")
    finally:
        loop.remove_reader(terminal)
        os.close(terminal)
        os.close(end)
    assert (run.exit_code, run.stderr) == (130, "")


@pytest.mark.parametrize("url", ["sentinel_url", "cluster_url"])
async def test_it_asks_holds_and_watches_behind_sentinel_and_on_a_cluster(
    request: pytest.FixtureRequest, url: str
) -> None:
    env = {"REDIS_URL": request.getfixturevalue(url)}
    room = f"room-{secrets.token_hex(3)}"
    async with Command("floor", "status", room, env=env) as command:
        run = await command.end()
        assert (run.exit_code, run.stderr.partition(" here. ")[0]) == (
            2,
            f"error ROOM: there is no room '{room}'",
        )
    asked = ("floor", "request", room, "--as", "anna", "--new", "--wait", "--hold", "0.2")
    async with Command(*asked, env=env) as command:
        assert (await command.end()).exit_code == 0
    async with Command("floor", "watch", room, "--json", env=env) as watching:
        assert (await watching.document())["state"] == "idle"
        async with Command(*asked, env=env) as command:
            assert (await watching.document())["holder"] == "anna"
            assert (await watching.document())["state"] == "idle"
            run = await command.end()
        assert (run.exit_code, run.stderr) == (0, "")
        watching.send(signal.SIGINT)
        run = await watching.end()
    assert (run.exit_code, run.stderr) == (130, "")
