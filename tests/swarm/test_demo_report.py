from __future__ import annotations

from typing import Any

import numpy as np

from streams import events as ev
from streams.events import Event, Recorded
from streams.vocabulary import ParticipantKind
from swarm.demo import report, timeline
from swarm.demo.live import said
from swarm.demo.report import Recording

RATE = 8000
PEOPLE = frozenset({"ada"})
AGENTS = frozenset({"host", "expert"})


def sound(*spans: tuple[int, int], length_ms: int = 3000) -> Any:
    samples = np.zeros(length_ms * RATE // 1000, dtype=np.int16)
    for start_ms, end_ms in spans:
        samples[start_ms * RATE // 1000 : end_ms * RATE // 1000] = 8000
    return samples


def recorded(*events: tuple[int, Event, int | None]) -> list[Recorded]:
    return [
        Recorded(
            id=f"{at}-0",
            kind=event.kind,
            type=event.type,  # type: ignore[attr-defined]
            room="r",
            session="s",
            seq=index + 1,
            prev="",
            source="host",
            at_ms=1000 + at,
            occurred_ms=1000 + at,
            token=token,
            event=event,  # type: ignore[arg-type]
        )
        for index, (at, event, token) in enumerate(events)
    ]


def grant(who: str) -> ev.FloorGranted:
    return ev.FloorGranted(participant=who, request_id="1", lease_ms=2000, waited_ms=0)


def test_two_agents_loud_in_one_block_count_as_overlap() -> None:
    loud = {
        "host": timeline.loud_blocks(sound((0, 1000)), RATE),
        "expert": timeline.loud_blocks(sound((900, 2000)), RATE),
    }
    assert timeline.overlap_ms(loud) == 100


def test_one_after_the_other_is_no_overlap() -> None:
    loud = {
        "host": timeline.loud_blocks(sound((0, 1000)), RATE),
        "expert": timeline.loud_blocks(sound((1000, 2000)), RATE),
    }
    assert timeline.overlap_ms(loud) == 0


def test_silence_is_measured_to_the_last_loud_block_and_pauses_do_not_count() -> None:
    loud = timeline.loud_blocks(sound((0, 400), (480, 700)), RATE)
    assert timeline.silence_after_ms(loud, 300) == 400
    assert timeline.silence_after_ms(loud, 1500) is None


def test_pauses_between_words_do_not_split_an_audible_interval() -> None:
    loud = timeline.loud_blocks(sound((0, 400), (480, 700), (1500, 1600)), RATE)
    assert timeline.audible(loud) == [timeline.Interval(0, 700), timeline.Interval(1500, 1600)]


def test_turns_end_as_the_record_says() -> None:
    entries = recorded(
        (0, grant("host"), 1),
        (500, ev.FloorRevoked(participant="host", by="ada", held_ms=500, reason="barge-in"), 1),
        (500, ev.FloorTaken(participant="ada", participant_kind=ParticipantKind.PERSON), None),
        (900, ev.SpeechEnded(participant="ada", speech_id="1", duration_ms=400), None),
        (1000, grant("expert"), 2),
        (2000, ev.FloorReleased(participant="expert", held_ms=1000), 2),
    )
    turns = report.turns(entries, 1000.0, PEOPLE)
    assert [(turn.holder, turn.from_ms, turn.to_ms, turn.ended) for turn in turns] == [
        ("host", 0, 500, "revoked"),
        ("ada", 500, 900, "released"),
        ("expert", 1000, 2000, "released"),
    ]


def test_an_interruption_is_measured_on_the_recording() -> None:
    entries = recorded(
        (0, grant("host"), 1),
        (
            590,
            ev.Interruption(
                interrupted="host",
                interruptor="ada",
                interruptor_kind=ParticipantKind.PERSON,
                utterance_id="u",
                heard_text="so far",
                unheard_text="and no further",
                heard_ms=600,
                generated_ms=2000,
                reason="command",
                latency=ev.Latency(
                    onset_to_detector_ms=90,
                    detector_to_gate_ms=0.1,
                    gate_to_decision_ms=9.9,
                    decision_to_model_ms=100,
                ),
            ),
            1,
        ),
    )
    recording = Recording(
        rate_hz=RATE, started_ms=1000, samples={"host": sound((0, 620)), "ada": sound((500, 900))}
    )
    (found,) = report.build(entries, recording, agents=AGENTS, people=PEOPLE).interruptions
    assert found.at_ms == 499.9
    assert found.onset_to_gate_ms == 90.1
    assert found.gate_to_interrupted_ms == 109.9
    assert found.onset_to_silence_ms == 130


def test_a_missing_seq_is_counted() -> None:
    entries = recorded((0, grant("host"), 1), (1, grant("host"), 2), (2, grant("host"), 3))
    assert report.seq_gaps(entries) == 0
    assert report.seq_gaps([entries[0], entries[2]]) == 1


def test_the_document_is_not_ok_when_agents_overlapped() -> None:
    entries = recorded((0, grant("host"), 1))
    recording = Recording(
        rate_hz=RATE, started_ms=1000, samples={"host": sound((0, 500)), "expert": sound((400, 900))}
    )
    found = report.build(entries, recording, agents=AGENTS, people=PEOPLE)
    document = report.document(found, mic=False, stream={"key": "k"})
    assert document["overlap_ms"] == {"agents": 100}
    assert document["ok"] is False


def cut(who: str, kind: ParticipantKind) -> ev.Interruption:
    return ev.Interruption(
        interrupted="host", interruptor=who, interruptor_kind=kind, utterance_id="u", heard_text="",
        unheard_text="", heard_ms=0, generated_ms=0, reason="stop", latency=ev.Latency(),
    )  # fmt: skip


def test_the_document_is_ok_only_when_the_whole_story_happened() -> None:
    backchannel = ev.Backchannel(speaker="host", by="ada", utterance_id="u")
    entries = recorded(
        (0, grant("host"), 1),
        (300, backchannel, 1),
        (500, cut("expert", ParticipantKind.AGENT), 1),
        (500, grant("expert"), 2),
        (900, cut("ada", ParticipantKind.PERSON), 2),
        (1500, grant("host"), 3),
    )
    recording = Recording(rate_hz=RATE, started_ms=1000, samples={"host": sound((0, 500))})

    def document(taken: list[Recorded], *, mic: bool = False) -> dict[str, Any]:
        found = report.build(taken, recording, agents=AGENTS, people=PEOPLE)
        return report.document(found, mic=mic, stream={"key": "k"})

    whole = document(entries)
    assert whole["ok"] is True
    assert whole["missed"] == []
    for left_out, missed in {
        1: ["a person's backchannel did not end the agent's turn"],
        2: ["an agent cut another off"],
        3: ["two agents took turns"],
        4: ["a person cut an agent off", "an agent answered the person"],
        5: ["an agent answered the person"],
    }.items():
        taken = [entry for n, entry in enumerate(entries) if n != left_out]
        renumbered = [entry.model_copy(update={"seq": n + 1}) for n, entry in enumerate(taken)]
        assert document(renumbered)["missed"] == missed
        assert document(renumbered)["ok"] is False
        assert document(renumbered, mic=True)["ok"] is True


def test_the_unheard_part_is_struck_out() -> None:
    text = said("one two", "one two three")
    assert text.plain == "one two three"
    assert any("strike" in str(span.style) for span in text.spans)
