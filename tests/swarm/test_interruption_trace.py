"""An interruption is one trace: detector, gate, judge, model, host, Redis, and who reads of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest
from opentelemetry.trace import format_span_id, format_trace_id

from host_agent.ports import Prompt
from streams import events as ev
from streams.events import Latency
from streams.tracing import here, processing
from streams.vocabulary import ParticipantKind
from swarm.interruption_steps import Step, judged, steps
from swarm.traced_record import TracedRecord
from tests.host_agent.stagecraft import ScriptModel
from tests.swarm.test_session import LONG, ScriptedRecogniser, agent, in_room, speech
from tests.tracing import traced_process

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams import Outbox

CUT: dict[str, Any] = {
    "interrupted": "host",
    "interruptor": "ann",
    "interruptor_kind": ParticipantKind.PERSON,
    "utterance_id": "u1",
    "heard_text": "",
    "unheard_text": "",
    "heard_ms": 0.0,
    "generated_ms": 0.0,
    "reason": "words",
}


def rounded(found: tuple[Step, ...]) -> list[tuple[str, float, float]]:
    return [(step.name, round(step.from_s, 6), round(step.to_s, 6)) for step in found]


def test_the_steps_of_a_cut_lie_around_the_moment_the_gate_closed() -> None:
    latency = Latency(
        onset_to_detector_ms=64.0,
        detector_to_gate_ms=1.0,
        gate_to_decision_ms=200.0,
        decision_to_model_ms=40.0,
        model_to_publish_ms=2.0,
    )
    assert rounded(steps(ev.Interruption(**CUT, latency=latency), 10.0, 10.242)) == [
        ("detector", 9.935, 9.999),
        ("gate", 9.999, 10.0),
        ("judge", 10.0, 10.2),
        ("model", 10.2, 10.24),
        ("host", 10.24, 10.242),
    ]


def test_a_cut_by_an_agent_has_no_detector() -> None:
    event = ev.Interruption(**CUT, latency=Latency(gate_to_decision_ms=1.0))
    assert [step.name for step in steps(event, 10.0, 10.5)] == ["judge", "host"]
    assert rounded(steps(ev.Interruption(**CUT), 10.0, 9.0)) == [("host", 10.0, 10.0)]


@pytest.mark.parametrize("kind", [ev.Backchannel, ev.FalseInterruption])
def test_what_was_no_interruption_ended_with_the_decision(kind: type[Any]) -> None:
    latency = Latency(onset_to_detector_ms=60.0, gate_to_decision_ms=300.0)
    event = kind(speaker="host", by="ann", utterance_id="u1", reason="", held_ms=300.0, latency=latency)
    assert rounded(steps(event, 10.0, 10.001)) == [
        ("detector", 9.64, 9.7),
        ("gate", 9.7, 9.7),
        ("judge", 9.7, 10.0),
        ("host", 10.0, 10.001),
    ]


def test_other_events_have_no_steps() -> None:
    assert judged(ev.RoomOpened()) is None


class Kept:
    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []

    def report(self, event: ev.Event, **about: Any) -> None:
        self.reports.append({"event": event, **about})


def record_into(kept: Kept) -> TracedRecord:
    return TracedRecord(cast("Outbox", kept), clock=lambda: 12.0)


def test_without_tracing_reports_go_on_as_they_are() -> None:
    kept = Kept()
    record_into(kept).report(ev.Interruption(**CUT), source="host", token=4, occurred_s=2.0)
    [report] = kept.reports
    assert report.pop("event") == ev.Interruption(**CUT)
    assert report == {"source": "host", "token": 4, "occurred_s": 2.0, "traceparent": None}


def test_the_utterance_that_was_cut_is_in_the_same_trace_and_no_other_is() -> None:
    kept = Kept()
    said = {"participant": "host", "generated_text": "", "heard_text": "", "heard_ms": 0, "generated_ms": 0}
    with traced_process() as traced:
        record = record_into(kept)
        record.report(ev.Interruption(**CUT), source="host", occurred_s=11.0)
        for utterance_id in ("u1", "u2"):
            record.report(ev.Utterance(**said, utterance_id=utterance_id, interrupted=True), source="host")
        given = PARENT
        record.report(ev.Interruption(**CUT), source="host", traceparent=given)
        assert [span.name for span in traced.spans] == ["host", "INTERRUPTION"]
    cut, same, other, named = (report["traceparent"] for report in kept.reports)
    assert cut
    assert (same, other, named) == (cut, None, given)


def test_what_is_reported_under_a_grant_is_in_the_trace_of_the_grant() -> None:
    kept = Kept()
    with traced_process():
        record = record_into(kept)
        record.granted(7, PARENT)
        for token in (7, 6, None):
            record.report(ev.RoomOpened(), source="host", token=token)
        with record.turn(7):
            assert here() == PARENT
        with record.turn(6):
            assert here() == ""
    assert [report["traceparent"] for report in kept.reports] == [PARENT, None, None]


def test_what_an_interruption_brings_about_is_in_its_trace_before_it_is_reported() -> None:
    kept = Kept()
    latency = Latency(onset_to_detector_ms=64.0004, detector_to_gate_ms=1.0004)
    with traced_process() as traced:
        record = record_into(kept)
        record.granted(7, PARENT)
        with record.interrupting("never told", 9.0):
            pass
        with record.interrupting("u1", 10.0):
            before = here()
        record.report(ev.Interruption(**CUT, latency=latency), source="host", occurred_s=10.065)
        unreported, *steps_made, whole = traced.spans
    assert [span.name for span in steps_made] == ["detector", "gate", "host"]
    assert unreported.context.trace_id != whole.context.trace_id
    assert before.split("-")[1] == kept.reports[0]["traceparent"].split("-")[1]
    assert before.split("-")[2] == format_span_id(whole.context.span_id)
    assert all(whole.start_time <= step.start_time for step in steps_made)
    assert [format_trace_id(link.context.trace_id) for link in whole.links] == [PARENT.split("-")[1]]


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.real
@pytest.mark.timeout(120)
async def test_a_persons_interruption_is_one_trace_from_the_detector_to_the_consumer(
    real_redis: Redis,
) -> None:
    model = ScriptModel(LONG, "You wanted to go forward.")
    recogniser = ScriptedRecogniser("go forward ten meters", at_once=True)
    with traced_process() as traced:
        async with in_room(real_redis, agent("host", model), recogniser=recogniser) as room:
            await room.session.agents["host"].ask(Prompt("Explain."))
            await room.until(ev.FloorTaken)
            await asyncio.sleep(1.0)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(room.microphone.say(speech(2.7)))
                await room.until(ev.Interruption)
            [entry] = [each for each in await room.session.stream.read() if each.type == "INTERRUPTION"]
            with processing(entry, consumer="dashboard"):
                pass
        assert entry.traceparent is not None
        trace_id = int(entry.traceparent.split("-")[1], 16)
        ours = {span.name: span for span in traced.spans if span.context.trace_id == trace_id}
        written = {each.type: each for each in await room.session.stream.read()}
    revoked = written["FLOOR_REVOKED"]
    assert revoked.traceparent is not None
    assert int(revoked.traceparent.split("-")[1], 16) == trace_id
    assert "floor preempt" in ours
    order = ["INTERRUPTION", "detector", "gate", "judge", "host", "send INTERRUPTION", "process INTERRUPTION"]
    assert set(order) <= set(ours)
    starts = [ours[name].start_time for name in order]
    assert starts == sorted(starts)
    assert isinstance(entry.event, ev.Interruption)
    detector = ours["detector"]
    assert detector.end_time is not None
    assert detector.start_time is not None
    lasted_ms = (detector.end_time - detector.start_time) / 1e6
    assert lasted_ms == pytest.approx(entry.event.latency.onset_to_detector_ms, abs=0.01)


@pytest.mark.real
@pytest.mark.timeout(120)
async def test_a_persons_turn_and_its_answer_are_one_trace(real_redis: Redis) -> None:
    recogniser = ScriptedRecogniser("tell me more")
    with traced_process() as traced:
        async with in_room(real_redis, agent("host", ScriptModel("Fine.")), recogniser=recogniser) as room:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(room.microphone.say(speech()))
                await room.until(ev.FloorReleased, participant="host")
            entries = await room.session.stream.read()
        names = {span.name for span in traced.spans}
    turn = ("SPEECH_STARTED", "SPEECH_ENDED", "TRANSCRIPT", "FLOOR_REQUESTED", "FLOOR_GRANTED", "FLOOR_TAKEN")
    turn += ("UTTERANCE", "FLOOR_RELEASED")
    traces = {
        (entry.traceparent or "--").split("-")[1]
        for entry in entries
        if entry.type in turn and (entry.type, entry.source) != ("FLOOR_TAKEN", "ada")
        if (entry.type, entry.source) != ("FLOOR_RELEASED", "ada")
    }
    assert len(traces) == 1
    assert traces != {""}
    assert {"scribe note", "floor request", "floor take", "floor release", "send UTTERANCE"} <= names
