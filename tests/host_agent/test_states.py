from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_agent.errors import IllegalTransitionError
from host_agent.states import TRANSITIONS, Cause, HostState, next_state


def test_the_way_of_an_interrupted_turn():
    state = HostState.IDLE
    seen = [
        state := next_state(state, cause)
        for cause in (Cause.GRANTED, Cause.CUT, Cause.SPEECH_ENDED, Cause.GRANTED)
    ]
    assert seen == [HostState.SPEAKING, HostState.LISTENING, HostState.PROCESSING, HostState.SPEAKING]
    assert next_state(state, Cause.PLAYED_OUT) is HostState.IDLE


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        (HostState.IDLE, Cause.CUT),
        (HostState.IDLE, Cause.PLAYED_OUT),
        (HostState.SPEAKING, Cause.GRANTED),
        (HostState.LISTENING, Cause.CUT),
        (HostState.PROCESSING, Cause.PLAYED_OUT),
    ],
)
def test_what_cannot_happen_raises(state: HostState, cause: Cause):
    with pytest.raises(IllegalTransitionError) as caught:
        next_state(state, cause)
    assert (caught.value.state, caught.value.cause) == (state.value, cause.value)


def test_every_state_can_be_left_and_reached():
    for state, ways in TRANSITIONS.items():
        assert set(ways.values()) - {state}
    assert {new for ways in TRANSITIONS.values() for new in ways.values()} == set(HostState)


@given(st.lists(st.sampled_from(Cause)))
def test_only_a_grant_makes_a_host_speak(causes: list[Cause]):
    state = HostState.IDLE
    for cause in causes:
        try:
            new = next_state(state, cause)
        except IllegalTransitionError:
            continue
        if new is HostState.SPEAKING and state is not HostState.SPEAKING:
            assert cause is Cause.GRANTED
        if state is HostState.SPEAKING and new is not HostState.SPEAKING:
            assert cause in {Cause.CUT, Cause.PLAYED_OUT, Cause.FAILED}
        state = new
