"""What the record says is what a scrape says, and a scrape that cannot be right fails."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families

from host_agent.ports import Prompt
from streams import ConversationStream, events, keys
from streams.event_examples import EXAMPLES
from streams.events import Recorded
from streams.group_consumer import consumer
from streams.sequence import Fork, Gap
from swarm import metrics as served
from swarm.errors import SettingError
from swarm.metric_names import METRICS
from swarm.metric_rules import Reading, of_agents, of_consumer, of_missed, of_room
from swarm.metrics import ProcessMetrics, serve
from tests.host_agent.stagecraft import ScriptModel
from tests.streams.strategies import recorded_entries
from tests.swarm.commands_run import Running
from tests.swarm.test_agent_process import InLobby, lobby
from tests.swarm.test_session import agent, in_room

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

__all__ = ("lobby",)

Series = dict[tuple[str, ...], float]


def recorded(event_type: str, **envelope: Any) -> Recorded:
    event = EXAMPLES[event_type]
    values: dict[str, Any] = {
        "id": "1-0",
        "kind": event.kind,
        "type": event_type,
        "room": "lobby",
        "session": "s",
        "seq": 1,
        "prev": "",
        "source": "x",
        "at_ms": 1000,
        "occurred_ms": 1000,
        "event": event,
    }
    return Recorded.model_validate(values | envelope)


def said_of(event_type: str, agents: frozenset[str] = frozenset(("host", "expert"))) -> dict[str, float]:
    return {reading.metric: round(reading.value, 6) for reading in of_agents(recorded(event_type), agents)}


def scraped(port: int) -> dict[str, Series]:
    """Series of each name: their labels' values in the order of the labels' names, and the value."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
            text = reply.read().decode()
    except urllib.error.HTTPError as error:
        error.close()
        raise
    found: dict[str, Series] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


async def scrape(port: int) -> dict[str, Series]:
    return await asyncio.to_thread(scraped, port)


@pytest.mark.parametrize(
    ("event_type", "said"),
    [
        ("FLOOR_GRANTED", {"swarm_floor_wait_seconds": 0.418}),
        ("FLOOR_RELEASED", {"swarm_floor_held_seconds": 5.23}),
        ("FLOOR_EXPIRED", {"swarm_floor_held_seconds": 2.0, "swarm_leases_expired": 1}),
        (
            "INTERRUPTION",
            {
                "swarm_interruptions": 1,
                "swarm_onset_to_silence_seconds": 0.06421,
                "swarm_judgement_seconds": 0.2124,
                "swarm_model_stop_seconds": 0.0389,
            },
        ),
        ("FALSE_INTERRUPTION", {"swarm_false_interruptions": 1, "swarm_held_seconds": 0.34}),
        ("BACKCHANNEL", {"swarm_backchannels": 1, "swarm_held_seconds": 0.28}),
        ("UTTERANCE", {"swarm_speech_generated_seconds": 4.86, "swarm_speech_heard_seconds": 2.14}),
        ("AGENT_FAILED", {"swarm_agent_failures": 1}),
        ("SPEECH_STARTED", {}),
    ],
)
def test_what_an_event_says_of_an_agent(event_type: str, said: dict[str, float]) -> None:
    assert said_of(event_type) == said
    assert said_of(event_type, frozenset(("somebody",))) == {}


def test_an_interruption_says_who_cut_in() -> None:
    [cut] = [r for r in of_agents(recorded("INTERRUPTION"), {"host"}) if r.metric == "swarm_interruptions"]
    assert cut.labels == ("lobby", "host", "person")


def test_an_interruption_by_an_agent_has_no_onset() -> None:
    event = EXAMPLES["INTERRUPTION"].model_copy(update={"latency": events.Latency(gate_to_decision_ms=1.0)})
    found = {reading.metric for reading in of_agents(recorded("INTERRUPTION", event=event), {"host"})}
    assert found == {"swarm_interruptions", "swarm_judgement_seconds"}


def test_what_an_event_says_of_the_record() -> None:
    found = {
        (reading.metric, reading.labels): reading.value
        for event_type in ("RECORD_GAP", "RETENTION_TRIMMED")
        for reading in of_room(recorded(event_type), read_at_ms=1002.5)
    }
    assert found == {
        ("swarm_events", ("lobby", "RECORD_GAP")): 1,
        ("swarm_events", ("lobby", "RETENTION_TRIMMED")): 1,
        ("swarm_event_delivery_seconds", ("lobby",)): 0.0025,
        ("swarm_record_gap_events", ("lobby",)): 17,
        ("swarm_retention_trimmed_events", ("lobby",)): 4211,
        ("swarm_retention_passed_groups", ("lobby", "dashboard")): 1,
    }
    assert of_missed(Gap("lobby", "s", 3, 6)) == Reading("swarm_record_missed_events", 2, ("lobby",))
    assert of_missed(Gap("lobby", "s", 0, 60, exact=False)).value == 1
    assert of_missed(Fork("lobby", "s", 4, "9-0", "3-0", "8-0")).metric == "swarm_record_forks"


@given(recorded_entries())
def test_every_reading_has_a_metric_and_its_labels(entry: Recorded) -> None:
    who = {str(getattr(entry.event, name, "")) for name in ("participant", "interrupted", "speaker")}
    for reading in (*of_room(entry, read_at_ms=0.0), *of_agents(entry, who)):
        assert len(reading.labels) == len(METRICS[reading.metric].labels)


@pytest.mark.real
@pytest.mark.timeout(120)
async def test_a_scrape_says_what_the_record_says(real_redis: Redis) -> None:
    host = agent("host", ScriptModel("One two three.", "Four five six."))
    async with serve(0) as metrics, in_room(real_redis, host) as room:
        assert metrics is not None
        session = room.session
        metrics.follow(session)
        await session.hub.watch(session.room, metrics.feed)
        for _ in range(2):
            await session.agents["host"].ask(Prompt("Count."))
            await room.until(events.FloorReleased)
        await session.outbox.flush(2.0)
        async with asyncio.TaskGroup() as tasks:
            last = events.SettingsChanged(by="host", settings={})
            tasks.create_task(room.until(events.SettingsChanged))
            tasks.create_task(session.stream.publish(last, source="host"))
        entries = await session.stream.read()
        found = await scrape(metrics.port)
    counted = Counter(entry.type for entry in entries)
    read = {labels[1]: value for labels, value in found["swarm_events_total"].items()}
    for event_type in ("FLOOR_REQUESTED", "FLOOR_GRANTED", "FLOOR_RELEASED", "UTTERANCE", "USAGE"):
        assert read[event_type] == counted[event_type] >= 2
    granted = [entry.event for entry in entries if isinstance(entry.event, events.FloorGranted)]
    assert found["swarm_floor_wait_seconds_count"] == {("host", "r"): len(granted)}
    waited_s = sum(grant.waited_ms for grant in granted) / 1000
    assert found["swarm_floor_wait_seconds_sum"][("host", "r")] == pytest.approx(waited_s)
    heard_s = sum(each.event.heard_ms for each in entries if isinstance(each.event, events.Utterance)) / 1000
    assert found["swarm_speech_heard_seconds_total"][("host", "r")] == pytest.approx(heard_s)
    assert found["swarm_outbox_reports"] == {("r",): 0}
    assert found["swarm_redis_silence_seconds"][("r",)] >= 0
    assert "swarm_record_missed_events_total" not in found
    assert found["process_resident_memory_bytes"][()] > 0


async def test_a_gap_in_what_was_fed_is_counted(real_redis: Redis) -> None:
    host = agent("host", ScriptModel("One."))
    async with serve(0) as metrics, in_room(real_redis, host) as room:
        assert metrics is not None
        metrics.feed(recorded("BID"))  # nobody is followed yet
        metrics.follow(room.session)
        for seq, entry_id in ((1, "1-0"), (4, "4-0"), (2, "5-0")):
            metrics.feed(recorded("BID", seq=seq, id=entry_id))
        found = await scrape(metrics.port)
    assert found["swarm_events_total"][("lobby", "BID")] == 3
    assert found["swarm_record_missed_events_total"] == {("lobby",): 2}
    assert found["swarm_record_forks_total"] == {("lobby",): 1}


async def test_a_consumer_group_shows_its_work_and_its_lag(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    for number in range(5):
        await stream.publish(events.FloorOpened(by=str(number)), source="x")
    group = consumer(redis_client, "dashboard", "one", rooms=["lobby"])
    found: dict[str, Series] = {}
    async with asyncio.timeout(20), serve(0) as metrics:
        assert metrics is not None
        metrics.follow_consumer(group)

        async def handle(entry: Recorded) -> None:
            if entry.seq == 4:
                found.update(await scrape(metrics.port))
                group.stop()

        await group.run(handle)
    member = ("one", "dashboard")
    assert found["swarm_consumer_handled_events_total"] == {member: 3}
    assert found["swarm_consumer_dead_letters_total"] == {member: 0}
    assert found["swarm_consumer_lag_events"].keys() == {("one", "dashboard", "lobby")}
    for reading in of_consumer(group.figures):
        assert len(reading.labels) == len(METRICS[reading.metric].labels)


async def test_a_scrape_of_a_loop_that_is_stuck_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(served, "_SCRAPE_LIMIT_S", 0.05)
    async with serve(0) as metrics:
        assert metrics is not None
        scraping = asyncio.get_running_loop().run_in_executor(None, scraped, metrics.port)
        time.sleep(0.3)  # noqa: ASYNC251 - the loop is stuck
        with pytest.raises(urllib.error.HTTPError, match="503"):
            await scraping
        assert capsys.readouterr().err == ""
        assert "process_resident_memory_bytes" in await scrape(metrics.port)


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingError) as caught:
            async with serve(taken.getsockname()[1]):
                pass
    assert caught.value.setting == "--metrics-port"


async def test_without_the_client_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(None) as nothing:
        assert nothing is None
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SettingError, match="metrics"):
        async with serve(0):
            pass


async def test_the_server_is_gone_afterwards_and_was_on_this_machine_alone() -> None:
    async with serve(0) as metrics:
        assert metrics is not None
        assert isinstance(metrics, ProcessMetrics)
        port = metrics.port
        with socket.socket() as elsewhere:
            elsewhere.bind(("127.0.0.2", port))  # not taken there
        await scrape(port)
    with pytest.raises(urllib.error.URLError):
        await scrape(port)


@pytest.mark.real
@pytest.mark.timeout(90)
async def test_the_demo_serves_while_it_plays_and_ends_as_ever() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with Running("demo", "--json", "--metrics-port", str(port)) as command:
        found: dict[str, Series] = {}
        async with asyncio.timeout(60):
            while "swarm_events_total" not in found:
                await asyncio.sleep(0.1)
                try:
                    found = await scrape(port)
                except (urllib.error.URLError, ConnectionError):
                    continue
        command.send(signal.SIGINT, to_all=True)
        ended = await command.end()
    assert any(re.fullmatch("demo-.*", room) for room, _ in found["swarm_events_total"])
    assert (ended.exit_code, ended.noise, ended.left) == (130, [], [])


@pytest.mark.real
async def test_an_archiver_shows_its_totals(real_redis: Redis, real_redis_url: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    await ConversationStream(real_redis, "lobby").publish(events.FloorOpened(by="x"), source="x")
    chosen = ("--to", str(tmp_path / "record.duckdb"), "--name", "kept", "--metrics-port", str(port))
    async with Running("archive", "--json", *chosen, env={"REDIS_URL": real_redis_url}) as command:
        found: dict[str, Series] = {}
        async with asyncio.timeout(40):
            while found.get("swarm_archive_events_total") != {("kept",): 2}:
                await asyncio.sleep(0.1)
                try:
                    found = await scrape(port)
                except (urllib.error.URLError, ConnectionError):
                    continue
        command.send(signal.SIGINT, to_all=True)
        ended = await command.end()
    assert found["swarm_archive_quarantined_entries_total"] == {("kept",): 0}
    assert (ended.exit_code, ended.noise) == (130, [])


@pytest.mark.real
async def test_who_trims_shows_what_went_and_whom_it_passed(real_redis: Redis, real_redis_url: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stream, all_rooms = keys.stream("lobby"), keys.ALL_ROOMS_STREAM
    await ConversationStream(real_redis, "lobby").publish(events.FloorOpened(by="x"), source="x")
    await real_redis.xgroup_create(all_rooms, "slow", id="0", mkstream=True)
    for key in (stream, all_rooms):
        for number in range(10):
            await real_redis.xadd(key, {"number": number})
    await real_redis.xreadgroup("slow", "one", {all_rooms: ">"}, count=1)
    chosen = ("--max-entries", "2", "--every", "1h", "--live", "1h", "--metrics-port", str(port))
    async with Running("retention", *chosen, env={"REDIS_URL": real_redis_url}) as command:
        found: dict[str, Series] = {}
        async with asyncio.timeout(40):
            while not found.get("swarm_retention_passes_total", {}).get(()):
                await asyncio.sleep(0.1)
                try:
                    found = await scrape(port)
                except (urllib.error.URLError, ConnectionError):
                    continue
        command.send(signal.SIGINT, to_all=True)
        ended = await command.end()
    assert found["swarm_retention_removed_entries_total"] == {(stream,): 10, (all_rooms,): 6}
    assert found["swarm_retention_passed_readers_total"] == {("slow", all_rooms): 1}
    assert ended.exit_code == 130


@pytest.mark.real
@pytest.mark.livekit
@pytest.mark.timeout(90)
async def test_an_agent_serves_while_it_speaks_and_leaves_in_time(lobby: InLobby) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with lobby.agent("--metrics-port", str(port)) as command:
        await lobby.until(events.FloorTaken)
        found = await scrape(port)
        command.send(signal.SIGTERM)
        ended = await command.end(5.0)
    assert found["swarm_floor_wait_seconds_count"] == {("host", "lobby"): 1}
    assert found["swarm_dropped_frames_total"].keys() == {("host", "lobby")}
    assert (ended.exit_code, ended.noise, ended.left) == (128 + signal.SIGTERM, [], [])
    assert ended.lasted_s < 2.5
