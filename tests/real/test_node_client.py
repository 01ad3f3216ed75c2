"""A client in another language, written by docs/protocol.md, beside Python ones on a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streams import events as ev
from streams.conversation_stream import ConversationStream
from swarm.floor_script import floor_keys, source
from swarm.floor_state import FloorSettings
from swarm.participant import Participant, Priority
from swarm.talking_stick import TalkingStick
from tests.swarm.floor_process import WRITES
from tests.unavailable import unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from streams.events import Recorded

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

ROOT = Path(__file__).parents[2]
NODE = ROOT / "tests" / "node"
SHORT = FloorSettings(lease_ms=1_000, take_up_ms=300, guard_ms=50)
LATENESS_MS = 1_000
"""What a machine that is busy with other tests may add."""


@pytest.fixture(scope="session")
def node() -> str:
    """The Node to run, with the packages of tests/node installed."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        unavailable("node with npm", "apt install nodejs npm (Node 18 or newer)")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").partition(".")[0]) < 18:
        unavailable("node 18 or newer", f"apt install nodejs npm (this is {version.strip()})")
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]["redis"]
    installed = NODE / "node_modules" / "redis" / "package.json"
    if not installed.exists() or json.loads(installed.read_text())["version"] != wanted:
        run = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"],
            cwd=NODE,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        if run.returncode != 0:
            unavailable("npm package redis", f"npm ci in tests/node: {run.stderr.strip()[-200:]}")
    return program


class Client:
    """One process that contends, Node or Python, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def says(self, word: str, limit_s: float = 20.0) -> dict[str, Any]:
        """Return the next line that holds `word`."""
        assert self._process.stdout is not None
        async with asyncio.timeout(limit_s):
            while True:
                raw = await self._process.stdout.readline()
                assert raw, f"ended before it said {word!r}"
                line = json.loads(raw)
                if word in line:
                    return line

    async def ends(self) -> int:
        async with asyncio.timeout(10):
            return await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)


class Clients:
    def __init__(self, url: str, node: str, script: Path) -> None:
        self._url = url
        self._node = node
        self._script = script
        self.room = f"room-{secrets.token_hex(3)}"
        self._all: list[asyncio.subprocess.Process] = []

    async def node(self, name: str, part: str, **told: object) -> Client:
        arguments = [str(self._script), self._url, self.room, name, part, json.dumps(told)]
        return await self._start(self._node, str(NODE / "contender.mjs"), *arguments)

    async def python(self, name: str, contenders: int, rounds: int, lease_ms: int) -> Client:
        module = ("-m", "tests.swarm.floor_process", "contend")
        numbers = (str(contenders), str(rounds), str(lease_ms))
        return await self._start(sys.executable, *module, self._url, self.room, name, *numbers)

    async def _start(self, *command: str) -> Client:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
        self._all.append(process)
        return Client(process)

    async def end(self) -> None:
        for process in self._all:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await process.communicate()


@pytest.fixture
async def clients(real_redis_url: str, node: str, tmp_path: Path) -> AsyncIterator[Clients]:
    script = tmp_path / "floor.lua"
    script.write_text(source())
    made = Clients(real_redis_url, node, script)
    yield made
    await made.end()


async def entries(redis: Redis, room: str) -> list[Recorded]:
    return await ConversationStream(redis, room).read()


def check_record(found: list[Recorded]) -> None:
    """No gap in the record, one grant at a time, tokens rising, and the queue served in its order."""
    assert [each.seq for each in found] == list(range(1, len(found) + 1))
    holder: int | None = None
    tokens: list[int] = []
    waiting: list[str] = []
    for each in found:
        match each.event:
            case ev.FloorQueued(request_id=request_id):
                waiting.append(request_id)
            case ev.FloorWithdrawn(request_id=request_id):
                waiting.remove(request_id)
            case ev.FloorGranted(request_id=request_id):
                assert holder is None, "granted while held"
                assert each.token is not None
                holder = each.token
                tokens.append(each.token)
                if waiting:
                    assert waiting.pop(0) == request_id, "overtaken"
            case ev.FloorReleased() | ev.FloorRevoked() | ev.FloorExpired():
                assert each.token == holder
                holder = None
            case _:
                pass
    assert tokens == sorted(set(tokens))


async def check_writes(redis: Redis, room: str) -> Counter[str]:
    """Turns never overlap, and none was fenced off; return the turns of each."""
    lines = [line.split() for line in await redis.lrange(f"{WRITES}:{room}", 0, -1)]
    tokens = [int(token) for token, _, _ in lines]
    assert tokens == sorted(tokens)
    turns: Counter[str] = Counter()
    for entering, leaving in zip(lines[::2], lines[1::2], strict=True):
        assert entering[:2] == leaving[:2]
        assert (entering[2], leaving[2]) == ("in", "out")
        turns[entering[1]] += 1
    return turns


def test_the_client_knows_the_keys_and_the_settings(node: str) -> None:
    code = (
        "import {keysOf, SETTINGS} from './floor.mjs'; console.log(JSON.stringify([keysOf('r'), SETTINGS]))"
    )
    run = subprocess.run(
        [node, "--input-type=module", "-e", code], cwd=NODE, capture_output=True, text=True, check=True
    )
    keys, settings = json.loads(run.stdout)
    assert keys == floor_keys("r")
    assert settings == FloorSettings().as_dict()


async def test_a_client_by_itself_opens_a_room_and_takes_turns(clients: Clients, real_redis: Redis) -> None:
    alone = await clients.node("n", "contend", contenders=1, rounds=5, settings={})
    calls = (await alone.says("done"))["calls"]
    assert await alone.ends() == 0
    check_record(await entries(real_redis, clients.room))
    assert await check_writes(real_redis, clients.room) == {"n-0": 5}
    assert calls == 10, "two script calls for each uncontended turn"


async def test_node_and_python_take_turns_and_never_overlap(clients: Clients, real_redis: Redis) -> None:
    settings = FloorSettings(lease_ms=20_000, take_up_ms=20_000, guard_ms=0).as_dict()
    both = [
        await clients.node("n0", "contend", contenders=3, rounds=10, settings=settings),
        await clients.node("n1", "contend", contenders=3, rounds=10, settings=settings),
        await clients.python("p0", 3, 10, 20_000),
        await clients.python("p1", 3, 10, 20_000),
    ]
    for each in both:
        await each.says("done", 45)
    found = await entries(real_redis, clients.room)
    check_record(found)
    turns = await check_writes(real_redis, clients.room)
    assert turns == {f"{name}-{n}": 10 for name in ("n0", "n1", "p0", "p1") for n in range(3)}
    waited = [each for each in found if each.type == "FLOOR_QUEUED"]
    assert len(waited) > 60, "they hardly met"
    assert {each.type for each in found} == {
        *("ROOM_OPENED", "FLOOR_REQUESTED", "FLOOR_QUEUED", "FLOOR_GRANTED", "FLOOR_RELEASED"),
    }


async def test_a_grant_is_taken_up_and_renewed_past_its_lease(clients: Clients, real_redis: Redis) -> None:
    async with TalkingStick(real_redis, clients.room, settings=SHORT) as stick:
        async with stick.hold(Participant("first")):
            waiting = await clients.node("n", "hold", priority=2, observed_token="0", settings={})
            assert (await waiting.says("position"))["position"] == 1
        token = int((await waiting.says("token"))["token"])
        await asyncio.sleep(2.5 * SHORT.lease_ms / 1000)
        status = await stick.status()
        assert (status.holder, status.token) == ("n", token)
        assert await stick.revoke(Participant("chair", role="chair"), reason="enough")
        lost = await waiting.says("lost")
        assert (lost["lost"], lost["by"], lost["type"]) == ("enough", "chair", "FLOOR_REVOKED")
        assert await waiting.ends() == 0
    check_record(await entries(real_redis, clients.room))


async def test_it_is_preempted_by_a_person_and_by_an_urgent_agent(
    clients: Clients, real_redis: Redis
) -> None:
    async with TalkingStick(real_redis, clients.room, settings=SHORT) as stick:
        first = await clients.node("n", "hold", priority=2, observed_token="0", settings={})
        token = int((await first.says("token"))["token"])
        assert await stick.preempt("paul", token, reason="wait")
        assert not await stick.preempt("paul", token, reason="a late duplicate")
        lost = await first.says("lost")
        assert (lost["lost"], lost["by"]) == ("wait", "paul")
        await stick.person_silent("paul")

        second = await clients.node("m", "hold", priority=2, observed_token="0", settings={})
        token = int((await second.says("token"))["token"])
        expert = Participant("expert", role="expert")
        async with stick.hold(expert, priority=Priority.URGENT, observed_token=token, timeout_s=5) as grant:
            lost = await second.says("lost")
            assert (lost["by"], lost["type"]) == ("expert", "FLOOR_REVOKED")
            assert grant.valid()
    check_record(await entries(real_redis, clients.room))


async def test_it_preempts_a_python_holder(clients: Clients, real_redis: Redis) -> None:
    async with (
        TalkingStick(real_redis, clients.room, settings=SHORT) as stick,
        stick.hold(Participant("python")) as grant,
    ):
        told = {"priority": 4, "observed_token": str(grant.token), "settings": {}}
        urgent = await clients.node("n", "hold", **told)
        async with asyncio.timeout(10):
            how = await grant.lost
        assert how.by == "n"
        assert int((await urgent.says("token"))["token"]) > grant.token
    check_record(await entries(real_redis, clients.room))


async def test_stopped_past_its_lease_it_wakes_up_without_the_floor(
    clients: Clients, real_redis: Redis
) -> None:
    async with TalkingStick(real_redis, clients.room, settings=SHORT) as stick:
        sleeper = await clients.node("n", "hold", priority=2, observed_token="0", settings={})
        token = int((await sleeper.says("token"))["token"])
        sleeper.signal(signal.SIGSTOP)
        async with asyncio.timeout(5), stick.hold(Participant("next")) as grant:
            assert grant.token > token
            sleeper.signal(signal.SIGCONT)
            woke = await sleeper.says("woke")
            assert (woke["valid"], woke["until_passed"]) == (False, True)
            assert (await sleeper.says("lost"))["lost"] in ("lease", "superseded", "stale")
            assert grant.valid()
    found = await entries(real_redis, clients.room)
    check_record(found)
    assert [each.event.reason for each in found if isinstance(each.event, ev.FloorExpired)] == ["lease"]


async def test_killed_clients_cost_no_more_than_their_lease(clients: Clients, real_redis: Redis) -> None:
    settings = SHORT.as_dict()
    survivor = await clients.python("p", 2, 60, SHORT.lease_ms)
    victims = [
        await clients.node(f"n{k}", "contend", contenders=3, rounds=1000, hold_ms=5, settings=settings)
        for k in range(2)
    ]
    for each in (survivor, *victims):
        await each.says("ready")
    for each in victims:
        await asyncio.sleep(0.1)
        each.signal(signal.SIGKILL)
    await survivor.says("done", 40)
    found = await entries(real_redis, clients.room)
    check_record(found)
    writes = [int(line.split()[0]) for line in await real_redis.lrange(f"{WRITES}:{clients.room}", 0, -1)]
    assert writes == sorted(writes)
    late = [each.at_ms - each.event.due_ms for each in found if isinstance(each.event, ev.FloorExpired)]
    assert late
    assert all(lateness <= LATENESS_MS for lateness in late), late
