"""`docker compose up`, for real: what it starts, what a person at a WebRTC client hears, and how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streams import events as ev
from streams.connection import redis_client
from streams.conversation_stream import ConversationStream
from streams.vocabulary import ParticipantKind
from tests.engines.docker import Compose, require_engine
from tests.engines.listener import Listener, audible_intervals, last_loud_s, overlap_ms
from tests.engines.person import Person, read_speech
from tests.swarm.commands_run import NOISE, Running, ended

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from streams.events import Recorded

pytestmark = [pytest.mark.real, pytest.mark.docker, pytest.mark.timeout(400)]

AUDIO = Path(__file__).parents[1] / "data" / "audio"
AGENTS = ("host", "expert")
KEY, SECRET = "devkey", "development-secret-of-32-characters"
INTO_A_TURN_S = 2.0
ARCHIVED_WITHIN_S = 30.0
SILENT_WITHIN_S = 1.2
"""From the onset of the person's speech; 0.2 s where the machine has nothing else to do."""


@pytest.fixture(scope="module")
def compose() -> Iterator[Compose]:
    require_engine()
    with Compose() as project:
        project.up()
        yield project


def environment(compose: Compose) -> dict[str, str]:
    return {
        "REDIS_URL": compose.redis_url,
        "LIVEKIT_URL": compose.livekit_url,
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
    }


async def token(compose: Compose, identity: str) -> str:
    made = await ended("token", identity, env=environment(compose))
    assert made.exit_code == 0, made.stderr
    return made.stdout.strip()


@asynccontextmanager
async def record(compose: Compose) -> AsyncGenerator[ConversationStream]:
    redis = redis_client(compose.redis_url)
    try:
        yield ConversationStream(redis, "lobby")
    finally:
        await redis.aclose()


async def first(
    stream: ConversationStream, matches: Callable[[Any], bool], *, after: str, limit_s: float = 40.0
) -> Recorded:
    """Return the first entry after `after` whose event matches."""
    async with asyncio.timeout(limit_s):
        async for entry in stream.subscribe(after):
            if matches(entry.event):
                return entry
    raise AssertionError("a subscription does not end")


@pytest.mark.parametrize("service", ["redis", "livekit", "host", "expert", "archive"])
def test_a_service_runs_without_rights(compose: Compose, service: str) -> None:
    host: dict[str, Any] = compose.inspect(service)["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert compose.run("exec", "-T", service, "id", "-u").strip() not in {"", "0"}
    assert compose.attempt("exec", "-T", service, "touch", "/usr/local/here").returncode != 0
    ports: dict[str, list[dict[str, str]]] = host["PortBindings"] or {}
    published = {each["HostIp"] for bound in ports.values() for each in bound}
    assert published <= {"127.0.0.1"}


async def test_two_agents_take_turns_and_a_person_cuts_one_off_and_is_answered(compose: Compose) -> None:
    speech = read_speech(AUDIO / "ps_goforward.wav")
    follow = ("tail", "lobby", "--json", "--type", "INTERRUPTION", "--type", "UTTERANCE")
    async with (
        record(compose) as stream,
        Running(*follow, env=environment(compose)) as tail,
        Listener(compose.livekit_url, await token(compose, "ears")) as ears,
        Person(compose.livekit_url, await token(compose, "ada")) as ada,
    ):
        expert_s = await ears.wait_audible("expert", after_s=time.monotonic(), limit_s=60.0)
        host_s = await ears.wait_audible("host", after_s=expert_s + 1.0, limit_s=40.0)
        await asyncio.sleep(host_s + INTO_A_TURN_S - time.monotonic())
        before = (await stream.read())[-1].id
        onset_s = await ada.say(speech)
        await ada.said()
        spoken_s = time.monotonic()
        cut = await first(stream, lambda e: isinstance(e, ev.Interruption), after=before)
        turn = await first(
            stream,
            lambda e: isinstance(e, ev.Transcript) and e.final and e.participant == "ada",
            after=before,
        )
        await ears.wait_audible("host", after_s=spoken_s, limit_s=20.0)
        answer = await first(stream, lambda e: isinstance(e, ev.Utterance), after=turn.id)
        tail.send(signal.SIGTERM)
        followed = await tail.end(5.0)

    assert isinstance(cut.event, ev.Interruption)
    assert (cut.event.interrupted, cut.event.interruptor) == ("host", "ada")
    assert cut.event.interruptor_kind is ParticipantKind.PERSON
    assert cut.event.heard_text
    assert cut.event.unheard_text

    silent_s = last_loud_s(ears.tracks["host"], before_s=spoken_s)
    assert silent_s is not None
    print(f"onset to silence at the client: {(silent_s - onset_s) * 1000:.0f} ms")
    assert silent_s - onset_s < SILENT_WITHIN_S

    assert isinstance(turn.event, ev.Transcript)
    assert isinstance(answer.event, ev.Utterance)
    assert answer.event.participant == "host"
    assert answer.event.heard_text.startswith("You heard me up to: ")
    assert f"You said: {turn.event.text}" in answer.event.heard_text

    heard = {name: audible_intervals(ears.tracks[name]) for name in AGENTS}
    assert all(heard.values())
    assert overlap_ms(heard["host"], heard["expert"]) == 0

    types = [json.loads(line)["type"] for line in followed.stdout.splitlines()]
    assert set(types) == {"INTERRUPTION", "UTTERANCE"}
    assert types.count("UTTERANCE") >= 3
    shown = await ended("tail", "lobby", "--no-follow", env=environment(compose))
    assert shown.exit_code == 0, shown.stderr
    for words in ("ROOM_OPENED", "host holds the floor", "expert holds the floor", "ada cut host off"):
        assert words in shown.stdout
    assert "~~" in shown.stdout


async def test_sigterm_takes_an_agent_off_the_roster_and_it_comes_back(compose: Compose) -> None:
    def about(kind: type[ev.Event]) -> Callable[[Any], bool]:
        return lambda e: isinstance(e, kind) and getattr(e, "participant", "") == "expert"

    async with record(compose) as stream:
        before = (await stream.read())[-1].id
        began_s = time.monotonic()
        await asyncio.to_thread(compose.run, "stop", "--timeout", "5", "expert")
        assert time.monotonic() - began_s < 4.0
        left = await first(stream, about(ev.ParticipantLeft), after=before, limit_s=1.0)
        assert isinstance(left.event, ev.ParticipantLeft)
        assert left.event.reason == "left"
        assert compose.inspect("expert")["State"]["ExitCode"] == 128 + signal.SIGTERM
        await asyncio.to_thread(compose.run, "start", "expert")
        await first(stream, about(ev.ParticipantJoined), after=left.id)
    await asyncio.to_thread(compose.until_healthy)


async def test_redis_and_livekit_restart_and_the_agents_talk_again(compose: Compose) -> None:
    for service in ("redis", "livekit"):
        await asyncio.to_thread(compose.run, "restart", "--timeout", "1", service)
    await asyncio.to_thread(compose.until_healthy)
    async with Listener(compose.livekit_url, await token(compose, "bob")) as ears:
        for agent in AGENTS:
            await ears.wait_audible(agent, after_s=time.monotonic(), limit_s=60.0)


def test_tail_and_token_are_at_hand_in_a_container(compose: Compose) -> None:
    inside = ("exec", "-T", "host", "swarm")
    events = [
        json.loads(line)
        for line in compose.run(*inside, "tail", "lobby", "--json", "--no-follow").splitlines()
    ]
    assert [each["seq"] for each in events] == list(range(1, len(events) + 1))
    assert compose.run(*inside, "token", "ada").count(".") == 2


def test_the_archive_fills_and_survives_a_kill(compose: Compose) -> None:
    def archived() -> dict[str, Any]:
        figures = ("swarm", "stats", "lobby", "--archive", "archive/swarm.duckdb", "--json")
        return json.loads(compose.run("exec", "-T", "archive", *figures))

    def of_stream() -> dict[str, Any]:
        return json.loads(compose.run("exec", "-T", "host", "swarm", "stats", "lobby", "--json"))

    def until_it_has(events: int) -> dict[str, Any]:
        end_s = time.monotonic() + ARCHIVED_WITHIN_S
        while (found := archived())["events"] < events:
            assert time.monotonic() < end_s, found
        return found

    before = of_stream()["events"]
    assert before > 0
    assert until_it_has(before)["missing"] == 0
    compose.run("kill", "archive")
    compose.run("start", "archive")
    compose.until_healthy()
    found = until_it_has(of_stream()["events"])
    assert (found["missing"], found["sessions"]) == (0, of_stream()["sessions"])


def test_a_wrong_setting_is_one_line_and_exit_code_2(compose: Compose) -> None:
    command = (
        "run",
        "--rm",
        "--no-deps",
        "-T",
        "-e",
        "LIVEKIT_API_SECRET=wrong-secret-of-32-characters-or-more",
    )
    tried = compose.attempt(*command, "host", "agent", "--name=other")
    assert tried.returncode == 2, tried.stderr
    lines = [line for line in tried.stderr.splitlines() if "Container" not in line and line.strip()]
    assert len(lines) == 1
    assert lines[0].startswith("error LIVEKIT_API_SECRET: refused by the server")
    assert "wrong-secret" not in tried.stdout + tried.stderr


def test_ctrl_c_stops_everything_in_order_and_without_noise(compose: Compose) -> None:
    exit_code, lasted_s = compose.interrupt()
    assert exit_code in {0, 130}
    assert lasted_s < 10.0
    stopped = 128 + signal.SIGTERM
    ends = {"redis": 0, "livekit": 0, "host": stopped, "expert": stopped, "archive": stopped}
    assert {name: compose.inspect(name)["State"]["ExitCode"] for name in ends} == ends
    agents = "\n".join(line for line in compose.output().splitlines() if line.startswith(AGENTS))
    assert all(f"agent.joined agent={name}" in agents for name in AGENTS)
    assert [word for word in NOISE if word in agents] == []
