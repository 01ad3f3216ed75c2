from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.gate import Effect, FloorRight, Gate, GateState, floor_right
from streams.vocabulary import BargeInMode, Decision

CONFIRM, OVERLAP, IMMEDIATE = BargeInMode.CONFIRM, BargeInMode.OVERLAP, BargeInMode.IMMEDIATE


@pytest.mark.parametrize(
    ("mode", "effect", "state"),
    [
        (IMMEDIATE, Effect.DROP, GateState.DROPPING),
        (CONFIRM, Effect.HOLD, GateState.HELD),
        (OVERLAP, Effect.NONE, GateState.OPEN),
    ],
)
def test_start_acts_by_mode(mode: BargeInMode, effect: Effect, state: GateState) -> None:
    gate, done = Gate(mode).started("a")
    assert (done, gate.state) == (effect, state)


@pytest.mark.parametrize("decision", [Decision.CONTINUE, Decision.RESUME])
def test_the_last_undecided_speech_ends_the_hold(decision: Decision) -> None:
    gate, _ = Gate(CONFIRM).started("a")
    gate, _ = gate.started("b")
    gate, effect = gate.judged("a", decision, over=False)
    assert (effect, gate.state) == (Effect.NONE, GateState.HELD)
    gate, effect = gate.judged("b", decision, over=False)
    assert (effect, gate.state) == (Effect.RELEASE, GateState.OPEN)


@pytest.mark.parametrize("mode", [CONFIRM, OVERLAP])
def test_one_interrupt_drops_until_that_speech_ends(mode: BargeInMode) -> None:
    gate, _ = Gate(mode).started("a")
    gate, _ = gate.started("b")
    gate, effect = gate.judged("b", Decision.INTERRUPT, over=False)
    assert (effect, gate.state) == (Effect.DROP, GateState.DROPPING)
    gate, _ = gate.judged("a", Decision.RESUME, over=False)
    assert gate.state is GateState.DROPPING
    assert gate.ended("b").state is GateState.OPEN


def test_a_released_speech_may_still_interrupt_and_an_interrupt_is_final() -> None:
    gate, _ = Gate(CONFIRM).started("a")
    gate, _ = gate.judged("a", Decision.RESUME, over=False)
    gate, effect = gate.judged("a", Decision.INTERRUPT, over=False)
    assert effect is Effect.DROP
    assert gate.judged("a", Decision.RESUME, over=False) == (gate, Effect.NONE)


def test_an_interrupt_by_a_speech_that_is_over_does_not_block_what_follows() -> None:
    gate, _ = Gate(CONFIRM).started("a")
    gate, effect = gate.ended("a").judged("a", Decision.INTERRUPT, over=True)
    assert (effect, gate.state) == (Effect.DROP, GateState.OPEN)


def test_a_pause_of_the_speech_that_interrupted_lets_an_answer_through_until_it_goes_on() -> None:
    gate, _ = Gate(CONFIRM).started("a")
    gate, _ = gate.judged("a", Decision.INTERRUPT, over=False)
    gate, _ = gate.voice("a", speaking=False)
    assert gate.state is GateState.OPEN
    gate, effect = gate.voice("a", speaking=True)
    assert (effect, gate.state) == (Effect.DROP, GateState.DROPPING)


def test_immediate_drops_from_start_to_end_pauses_included() -> None:
    gate, _ = Gate(IMMEDIATE).started("a")
    gate, _ = gate.voice("a", speaking=False)
    assert gate.state is GateState.DROPPING
    assert gate.ended("a").state is GateState.OPEN


@given(
    st.sampled_from(BargeInMode),
    st.lists(
        st.tuples(
            st.sampled_from(["start", "end", "pause", "voice", *Decision]), st.sampled_from(["a", "b", "c"])
        ),
        max_size=40,
    ),
)
def test_the_gate_is_open_again_when_all_speech_is_decided_and_over(
    mode: BargeInMode, script: list[tuple[str, str]]
) -> None:
    gate = Gate(mode)
    for step, speech in script:
        match step:
            case "start":
                gate, _ = gate.started(speech)
            case "end":
                gate = gate.ended(speech)
            case "pause" | "voice":
                gate, _ = gate.voice(speech, speaking=step == "voice")
            case _:
                before = gate.state
                gate, effect = gate.judged(speech, Decision(step), over=False)
                assert (effect is Effect.RELEASE) == (
                    before is GateState.HELD and gate.state is GateState.OPEN
                )
        if mode is not CONFIRM:
            assert gate.state is not GateState.HELD
    for speech in "abc":
        gate, _ = gate.judged(speech, Decision.RESUME, over=False)
        gate = gate.ended(speech)
    assert gate.state is GateState.OPEN


@pytest.mark.parametrize(
    ("now_s", "transport_ms", "right"),
    [
        (9.9, 0, FloorRight.WAIT),
        (10.0, 0, FloorRight.PLAY),
        (10.985, 0, FloorRight.PLAY),
        (10.985, 10, FloorRight.MUTE),
        (10.995, 0, FloorRight.MUTE),
        (12.0, 0, FloorRight.MUTE),
    ],
)
def test_a_frame_has_to_fit_into_the_grant(now_s: float, transport_ms: float, right: FloorRight) -> None:
    asked = floor_right(now_s, speak_from_s=10, speak_until_s=11, transport_ms=transport_ms, frame_ms=10)
    assert asked is right


def test_without_a_grant_or_with_one_shorter_than_its_guard_nothing_waits() -> None:
    none = floor_right(5, speak_from_s=math.inf, speak_until_s=-math.inf, transport_ms=0, frame_ms=10)
    assert none is FloorRight.MUTE
    lapsed = floor_right(5, speak_from_s=10, speak_until_s=10.005, transport_ms=0, frame_ms=10)
    assert lapsed is FloorRight.MUTE


@given(
    now_s=st.floats(0, 100),
    from_s=st.floats(0, 100),
    length_s=st.floats(-5, 50),
    transport_ms=st.floats(0, 500),
)
def test_a_frame_that_may_play_is_heard_inside_the_grant(
    now_s: float, from_s: float, length_s: float, transport_ms: float
) -> None:
    until_s = from_s + length_s
    right = floor_right(
        now_s, speak_from_s=from_s, speak_until_s=until_s, transport_ms=transport_ms, frame_ms=10
    )
    if right is FloorRight.PLAY:
        assert from_s <= now_s
        assert now_s + (transport_ms + 10) / 1000 <= until_s
