"""Ctrl-C and SIGTERM at any moment: all ends within 2 s, the stick is released, and nothing is said."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from streams import events as ev
from streams.conversation_stream import ConversationStream
from streams.keys import ALL_ROOMS_STREAM
from streams.vocabulary import ParticipantKind
from swarm import TalkingStick
from swarm.stopping import LIMIT_S
from tests.swarm.commands_run import SWARM, Ended, Running

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

INT, TERM = signal.SIGINT, signal.SIGTERM
CODES = {INT: 130, TERM: 143}


def check_stopped(run: Ended, number: signal.Signals) -> None:
    assert run.exit_code == CODES[number], run.stderr
    assert run.lasted_s < 2.0
    assert run.stdout == ""
    assert run.stderr == ""
    assert run.left == []


def takes_signals(pid: int) -> bool:
    """Whether the command has got as far as handling SIGTERM, which Python by itself does not."""
    with open(f"/proc/{pid}/status") as status:
        caught = next(line.split()[1] for line in status if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (TERM - 1) & 1)


def runs(command: Running, part: str) -> bool:
    """Whether one of its children's command lines holds `part`."""
    return any(part in " ".join(child.info["cmdline"] or []) for child in command.children())


@pytest.mark.parametrize(("number", "to_all"), [(INT, True), (TERM, False)])
async def test_while_it_loads(tmp_path: Path, number: signal.Signals, to_all: bool) -> None:
    async with Running("demo", "--json", "--out", str(tmp_path)) as command:
        await command.until(lambda: takes_signals(command.pid))
        command.send(number, to_all=to_all)
        check_stopped(await command.end(), number)


@pytest.mark.real
@pytest.mark.parametrize(
    ("part", "number", "to_all"),
    [
        ("redis-server", INT, True),
        ("recogniser_process", INT, True),
        ("recogniser_process", TERM, True),
        ("recogniser_process", TERM, False),
    ],
)
async def test_while_its_parts_start(tmp_path: Path, number: signal.Signals, to_all: bool, part: str) -> None:
    async with Running("demo", "--json", "--out", str(tmp_path)) as command:
        await command.until(lambda: runs(command, part))
        command.send(number, to_all=to_all)
        check_stopped(await command.end(), number)


async def spoken_room(redis: Redis, event: str) -> str:
    """The room of the demo, once `event` is in its record."""
    after = "0"
    while True:
        for _, entries in await redis.xread({ALL_ROOMS_STREAM: after}, block=2000):
            for entry_id, fields in entries:
                after = entry_id
                if fields["type"] == event:
                    return str(fields["room"])


@pytest.mark.real
@pytest.mark.parametrize(
    ("number", "event"), [(INT, "FLOOR_GRANTED"), (INT, "FLOOR_TAKEN"), (TERM, "FLOOR_TAKEN")]
)
async def test_while_an_agent_holds_the_stick(
    tmp_path: Path, real_redis_url: str, real_redis: Redis, number: signal.Signals, event: str
) -> None:
    async with Running(
        "demo", "--json", "--out", str(tmp_path), env={"REDIS_URL": real_redis_url}
    ) as command:
        async with asyncio.timeout(40):
            room = await spoken_room(real_redis, event)
        command.send(number, to_all=True)
        check_stopped(await command.end(), number)

    status = await TalkingStick(real_redis, room).status()
    assert status.holder is None
    ended = [entry.type for entry in await ConversationStream(real_redis, room).read()]
    assert ended.count("FLOOR_RELEASED") + ended.count("FLOOR_REVOKED") == ended.count("FLOOR_GRANTED")
    assert ended.count("PARTICIPANT_LEFT") == 2


@pytest.mark.real
async def test_a_terminal_gets_its_cursor_back(tmp_path: Path) -> None:
    terminal, end = os.openpty()
    os.set_blocking(terminal, False)
    shown = bytearray()
    came = asyncio.Event()

    def read() -> None:
        shown.extend(os.read(terminal, 65536))
        came.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(terminal, read)
    command = f"exec {SWARM} demo --out {tmp_path} >{os.ttyname(end)} 2>&1"
    try:
        async with Running(program=("/bin/sh", "-c", command), env={"TERM": "xterm"}) as demo:
            async with asyncio.timeout(40):
                while "●".encode() not in shown:
                    came.clear()
                    await came.wait()
            demo.send(INT, to_all=True)
            run = await demo.end()
    finally:
        loop.remove_reader(terminal)
        os.close(terminal)
        os.close(end)
    assert run.exit_code == 130
    assert run.lasted_s < 2.0
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
    assert b"Traceback" not in shown


async def published(redis: Redis, count: int) -> None:
    stream = ConversationStream(redis, "lobby")
    for number in range(count):
        person = ev.ParticipantJoined(participant=f"p{number}", participant_kind=ParticipantKind.PERSON)
        await stream.publish(person, source="test")


@pytest.mark.real
@pytest.mark.parametrize("number", [INT, TERM])
async def test_while_tail_waits_for_more(
    real_redis: Redis, real_redis_url: str, number: signal.Signals
) -> None:
    await published(real_redis, 2)
    async with Running("tail", "--json", env={"REDIS_URL": real_redis_url}) as command:
        await command.first_output()
        command.send(number, to_all=True)
        run = await command.end()
    assert run.exit_code == CODES[number]
    assert run.lasted_s < 1.0
    assert run.stderr == ""


@pytest.mark.real
async def test_a_reader_of_tail_that_has_had_enough(real_redis: Redis, real_redis_url: str) -> None:
    await published(real_redis, 1)
    command = f"{SWARM} tail lobby --json | head -1"
    async with Running(program=("/bin/sh", "-c", command), env={"REDIS_URL": real_redis_url}) as reader:
        await reader.first_output()
        await published(real_redis, 3)
        run = await reader.end()
    assert run.stdout.count("\n") == 1
    assert run.stderr == ""
    assert run.left == []


def script(body: str) -> Running:
    """A program that does `body` with `stop`, says `ready` on stderr, and would go on for long."""
    code = "import asyncio, sys, time\nfrom swarm.stopping import Stop\nstop = Stop()\nstop.install()\n"
    return Running(program=(sys.executable, "-c", code + textwrap.dedent(body)))


READY = "sys.stdout.write('ready\\n'); sys.stdout.flush()"


@pytest.mark.parametrize(
    ("body", "expected", "longest_s"),
    [
        pytest.param(
            f"""
            {READY}
            time.sleep(30)
            """,
            "ready\n",
            0.5,
            id="nothing is open",
        ),
        pytest.param(
            f"""
            async def work():
                {READY}
                try:
                    await asyncio.sleep(30)
                finally:
                    await asyncio.sleep(0.3)
                    print("closed")
            stop.run(work())
            """,
            "ready\nclosed\n",
            1.0,
            id="closing takes a moment",
        ),
        pytest.param(
            f"""
            async def work():
                {READY}
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    await asyncio.sleep(30)
            stop.run(work())
            """,
            "ready\n",
            LIMIT_S + 0.2,
            id="closing takes too long",
        ),
        pytest.param(
            f"""
            async def work():
                {READY}
                time.sleep(30)
            stop.run(work())
            """,
            "ready\n",
            LIMIT_S + 0.2,
            id="the loop is blocked",
        ),
        pytest.param(
            f"""
            async def work():
                {READY}
                await asyncio.to_thread(time.sleep, 30)
            stop.run(work())
            """,
            "ready\n",
            LIMIT_S + 0.2,
            id="a thread goes on",
        ),
        pytest.param(
            f"""
            async def work():
                {READY}
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    raise RuntimeError("closing failed")
            stop.run(work())
            """,
            "ready\n",
            0.5,
            id="closing fails",
        ),
        pytest.param(
            f"""
            async def work():
                return 7
            assert stop.run(work()) == 7
            {READY}
            time.sleep(30)
            """,
            "ready\n",
            0.5,
            id="the work is done",
        ),
    ],
)
async def test_whatever_the_work_does_it_ends_in_time(body: str, expected: str, longest_s: float) -> None:
    async with script(body) as program:
        await program.first_output()
        program.send(TERM)
        program.send(TERM)
        run = await program.end()
    assert run.exit_code == 143
    assert run.stdout == expected
    assert run.stderr == ""
    assert run.lasted_s < longest_s


async def test_a_signal_that_is_ignored_stays_so() -> None:
    code = f"trap '' HUP; exec {sys.executable} -c "
    body = (
        "from swarm.stopping import Stop\nimport signal\nStop().install()\n"
        "print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    )
    async with Running(program=("/bin/sh", "-c", f'{code}"$0"', body)) as program:
        assert (await program.end()).stdout == "True\n"
