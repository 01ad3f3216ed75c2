"""`swarm demo` as a user runs it, and the document it promises."""

from __future__ import annotations

import asyncio
import json
import signal
import time
import wave
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streams.keys import ALL_ROOMS_STREAM
from swarm import TalkingStick
from tests.engines.livekit import LiveKitServer
from tests.swarm.commands_run import Ended, Running

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from redis.asyncio import Redis

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

JFK = Path(__file__).parent.parent / "data" / "audio" / "jfk.wav"
LIMIT_S = 200.0
BLOCK_MS = 10
LOUD = 10 ** (-50 / 20)

TURN = {"holder", "kind", "token", "from_ms", "to_ms", "ended"}
INTERRUPTION = {
    "interrupted",
    "interruptor",
    "interruptor_kind",
    "decision",
    "onset_to_gate_ms",
    "gate_to_interrupted_ms",
    "onset_to_silence_ms",
    "heard_text",
    "unheard_text",
    "heard_ms",
}
DECISION = {"from_ms", "to_ms", "transcript", "decision", "reason"}


async def document_of(command: Running) -> dict[str, Any]:
    """The one document that the demo prints, where it ended well and left nothing behind."""
    run: Ended = await command.end(LIMIT_S)
    assert run.exit_code == 0, f"{run.stderr}\n{run.stdout}"
    assert run.noise == []
    assert run.left == []
    document: dict[str, Any] = json.loads(run.stdout)
    return document


def loud_blocks(path: Path) -> NDArray[np.bool_]:
    """For each channel of a recording, and each block of BLOCK_MS, whether it was loud."""
    with wave.open(str(path)) as recording:
        assert recording.getnchannels() == 3
        assert recording.getsampwidth() == 2
        block = recording.getframerate() * BLOCK_MS // 1000
        samples = np.frombuffer(recording.readframes(recording.getnframes()), "<i2").reshape(-1, 3)
    blocks = samples[: len(samples) // block * block].reshape(-1, block, 3).astype(np.float64) / 32768
    return np.sqrt((blocks**2).mean(axis=1)).T > LOUD


def check_document(document: dict[str, Any], *, redis: str, room: str) -> None:
    """Everything that holds for every run."""
    assert document["ok"] is True
    assert document["redis"]["kind"] == redis
    assert document["redis"]["version"].count(".") == 2
    assert document["room"]["kind"] == room
    assert document["overlap_ms"] == {"agents": 0}
    assert document["stream"]["key"].startswith("conversation_stream:{")
    assert document["stream"]["seq_gaps"] == 0
    assert document["stream"]["events"] > len(document["turns"])

    turns = document["turns"]
    assert all(turn.keys() >= TURN for turn in turns)
    tokens = [turn["token"] for turn in turns if turn["kind"] == "agent"]
    assert tokens == sorted(set(tokens)), "a later turn has a higher token"
    for turn in turns:
        assert turn["ended"] in {"released", "revoked", "expired"}
        assert turn["from_ms"] < turn["to_ms"]
    agents = [turn for turn in turns if turn["kind"] == "agent"]
    for before, after in pairwise(agents):
        assert before["to_ms"] <= after["from_ms"]

    for item in document["interruptions"]:
        assert item.keys() >= INTERRUPTION
        assert item["decision"] in {"interrupt", "resume"}
        assert item["interruptor_kind"] in {"person", "agent"}
        if item["decision"] == "interrupt":
            assert item["heard_ms"] > 0
            assert item["gate_to_interrupted_ms"] is not None
            assert item["unheard_text"]

    assert Path(document["picture"]).read_bytes().startswith(b"\x89PNG")
    expert, host, person = loud_blocks(Path(document["recording"]))
    assert not (expert & host).any(), "two agents are never audible at once"
    assert host.any()
    assert person.any()


def decisions_of(document: dict[str, Any], kind: str) -> list[str]:
    return [item["decision"] for item in document["interruptions"] if item["interruptor_kind"] == kind]


def check_story(document: dict[str, Any]) -> None:
    """A backchannel that the host goes on over, a cut-in by the person, a cut-in by the expert."""
    assert "resume" in decisions_of(document, "person"), document["interruptions"]
    assert {turn["holder"] for turn in document["turns"]} == {"host", "expert", "person"}
    cuts = [item for item in document["interruptions"] if item["decision"] == "interrupt"]
    by_person = [item for item in cuts if item["interruptor_kind"] == "person"]
    by_agent = [item for item in cuts if item["interruptor_kind"] == "agent"]
    assert len(by_person) == 1
    assert [(item["interruptor"], item["interrupted"]) for item in by_agent] == [("expert", "host")]
    assert by_person[0]["interrupted"] == "host"
    assert 0 < by_person[0]["onset_to_gate_ms"] < 1000
    assert 0 <= by_person[0]["onset_to_silence_ms"] < 1000
    last = document["turns"][-1]
    assert (last["holder"], last["ended"]) == ("host", "released"), "the host answers the person at the end"


async def test_the_demo_without_any_setting(tmp_path: Path) -> None:
    async with Running("demo", "--json", "--out", str(tmp_path / "out")) as command:
        document = await document_of(command)
    check_document(document, redis="embedded", room="memory")
    check_story(document)
    assert "decisions" not in document
    assert Path(document["recording"]).parent == tmp_path / "out"


async def first_audio(redis: Redis) -> str:
    """The room of the first agent that is heard."""
    after = "0"
    while True:
        for _, entries in await redis.xread({ALL_ROOMS_STREAM: after}, block=2000):
            for entry_id, fields in entries:
                after = entry_id
                if fields["type"] == "FLOOR_TAKEN":
                    return str(fields["room"])


async def test_any_recording_as_the_person(
    tmp_path: Path, real_redis: Redis, real_redis_url: str, record_property: Callable[[str, object], None]
) -> None:
    began_s = time.monotonic()
    arguments = ("demo", "--json", "--mic", str(JFK), "--out", str(tmp_path))
    async with Running(*arguments, env={"REDIS_URL": real_redis_url}) as command:
        async with asyncio.timeout(LIMIT_S):
            room = await first_audio(real_redis)
        audible_s = round(time.monotonic() - began_s, 1)
        document = await document_of(command)
    record_property("first_agent_audible_s", audible_s)
    print(f"first agent audible {audible_s} s after the start of the process")
    check_document(document, redis="external", room="memory")
    decisions = document["decisions"]
    assert decisions, "there is speech in it"
    for item in decisions:
        assert item.keys() >= DECISION
        assert item["from_ms"] < item["to_ms"]
        assert item["decision"] in {"interrupt", "resume", "turn"}
        assert item["reason"]
    assert "interrupt" in {item["decision"] for item in decisions}, (
        "a speech of ten seconds is no backchannel"
    )
    assert any(item["transcript"] for item in decisions)
    assert (await TalkingStick(real_redis, room).status()).holder is None


@pytest.mark.livekit
async def test_the_demo_in_a_real_room(tmp_path: Path) -> None:
    async with LiveKitServer() as server:
        env = {
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.key,
            "LIVEKIT_API_SECRET": server.secret,
        }
        async with Running("demo", "--json", "--out", str(tmp_path), env=env) as command:
            document = await document_of(command)
    check_document(document, redis="embedded", room="livekit")
    check_story(document)


@pytest.mark.livekit
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_stopping_in_a_real_room(
    tmp_path: Path, real_redis: Redis, real_redis_url: str, number: signal.Signals
) -> None:
    async with LiveKitServer() as server:
        env = {
            "REDIS_URL": real_redis_url,
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.key,
            "LIVEKIT_API_SECRET": server.secret,
        }
        async with Running("demo", "--json", "--out", str(tmp_path), env=env) as command:
            async with asyncio.timeout(LIMIT_S):
                room = await first_audio(real_redis)
            command.send(number, to_all=True)
            run = await command.end()
    assert run.exit_code == 128 + number
    assert run.lasted_s < 2.0
    assert run.stdout == ""
    assert run.stderr == ""
    assert run.left == []
    assert (await TalkingStick(real_redis, room).status()).holder is None


async def test_ctrl_c_when_the_files_are_being_written(tmp_path: Path) -> None:
    short = Path(__file__).parent.parent.parent / "swarm" / "demo" / "recordings" / "backchannel.wav"
    arguments = ("demo", "--json", "--mic", str(short), "--out", str(tmp_path))
    async with Running(*arguments) as command:
        await command.until((tmp_path / "recording.wav").exists, LIMIT_S)
        command.send(signal.SIGINT, to_all=True)
        run = await command.end()
    assert run.exit_code == 130
    assert run.lasted_s < 2.0
    assert run.stdout == ""
    assert run.stderr == ""
    assert run.left == []
