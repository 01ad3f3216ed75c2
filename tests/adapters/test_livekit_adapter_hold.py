"""What is heard of an utterance that was held: every sample once, in its place, faded in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.audio import faded_in
from adapters.gate import GateState
from adapters.livekit_adapter import AdapterSettings
from streams.vocabulary import BargeInMode
from tests.adapters.scene import Scene, scene
from tests.adapters.scripted import FRAME, RATE
from tests.adapters.virtual_time import VirtualLoop, run_virtual

FADE_MS = 5.0
FADE = int(RATE * FADE_MS / 1000)


def voice(ms: int) -> np.ndarray:
    """Loud samples of which no two neighbours are alike, and none is 0."""
    at = np.arange(RATE * ms // 1000)
    return (8_000 + at * 7_919 % 16_001).astype("<i2")


def begin(s: Scene, ms: int) -> np.ndarray:
    said = voice(ms)
    s.adapter.begin_utterance("u1")
    assert s.adapter.send_audio_chunk(said.tobytes(), sample_rate_hz=RATE, utterance_id="u1")
    s.adapter.end_utterance("u1")
    return said


def heard(s: Scene) -> np.ndarray:
    return np.frombuffer(s.sink.heard, "<i2")


@pytest.mark.parametrize("depth_frames", [0, 3])
@pytest.mark.parametrize("held_ms", [15, 180, 420])
def test_it_goes_on_at_the_very_next_sample_faded_in(held_ms: int, depth_frames: int) -> None:
    async def test(loop: VirtualLoop) -> None:
        settings = AdapterSettings(fade_ms=FADE_MS)
        async with scene(loop, mode=BargeInMode.CONFIRM, settings=settings, depth_frames=depth_frames) as s:
            said = begin(s, 1_000)
            s.ears.hear("ann", 100)
            await s.pass_ms(333)
            s.ears.start("ann")
            await s.pass_ms(held_ms)
            s.ears.words("ann", "yeah")
            await s.adapter.wait_played_out("u1")
            await s.pass_ms(100)
            got = heard(s)
        start = int(np.flatnonzero(got)[0])
        gap = start + int(np.flatnonzero(got[start:] == 0)[0])
        resumes = gap + int(np.flatnonzero(got[gap:])[0])
        before = gap - start
        assert before % FRAME == 0
        assert np.array_equal(got[start:gap], said[:before])
        whole = got[resumes : resumes + len(said) - before]
        assert np.array_equal(whole[FADE:], said[before + FADE :]), "nothing lost, nothing doubled"
        ramp = whole[:FADE] / said[before : before + FADE]
        assert ramp == pytest.approx(np.arange(1, FADE + 1) / FADE, abs=1e-3)
        assert not got[resumes + len(whole) :].any()
        (resumed,) = s.reports.of("resumed")
        assert resumed.held_ms == (resumes - gap) / RATE * 1000
        assert (resumes - gap) / RATE * 1000 == pytest.approx(held_ms, abs=10)

    run_virtual(test)


def test_each_of_two_holds_is_faded_in_and_one_within_a_frame_is_not_heard() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM, settings=AdapterSettings(fade_ms=FADE_MS)) as s:
            said = begin(s, 600)
            s.ears.hear("ann", 100)
            for held_ms in (0, 50, 70):
                await s.pass_ms(100)
                s.ears.start("ann")
                await s.pass_ms(held_ms)
                s.ears.words("ann", "yeah")
                s.ears.end("ann")
            await s.adapter.wait_played_out("u1")
            got = heard(s)
        kept = got[got != 0]
        assert len(kept) == len(said)
        assert np.count_nonzero(kept != said) <= 2 * FADE
        assert np.count_nonzero(kept != said) > FADE

    run_virtual(test)


def test_in_overlap_an_acknowledgement_changes_no_sample() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.OVERLAP, settings=AdapterSettings(fade_ms=FADE_MS)) as s:
            said = begin(s, 1_000)
            s.ears.hear("ann", 100)
            await s.pass_ms(300)
            s.ears.start("ann")
            await s.person_speaks("ann", 300)
            assert s.adapter.gate_state is GateState.OPEN
            s.ears.words("ann", "yeah")
            s.ears.end("ann")
            await s.adapter.wait_played_out("u1")
            got = heard(s)
            start = int(np.flatnonzero(got)[0])
            assert np.array_equal(got[start : start + len(said)], said), "no gap, nothing else"
            (resumed,) = s.reports.of("resumed")
            assert resumed.held_ms == 0

    run_virtual(test)


def test_an_utterance_that_begins_after_a_hold_is_not_faded() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM, settings=AdapterSettings(fade_ms=FADE_MS)) as s:
            s.ears.hear("ann", 100)
            s.adapter.begin_utterance("u1")
            s.ears.start("ann")
            said = begin(s, 200)
            await s.pass_ms(100)
            assert not heard(s).any()
            s.ears.words("ann", "yeah")
            await s.adapter.wait_played_out("u1")
            got = heard(s)
            start = int(np.flatnonzero(got)[0])
            assert np.array_equal(got[start : start + len(said)], said)

    run_virtual(test)


@pytest.mark.parametrize(("ready_ms", "cost_ms"), [(1_000, 0.0), (180, 120.0)])
def test_a_false_alarm_costs_what_it_held_back_and_nothing_while_the_agent_thinks(
    ready_ms: int, cost_ms: float
) -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            s.ears.hear("ann", 100)
            s.adapter.begin_utterance("u1")
            s.ears.start("ann")
            await s.pass_ms(min(ready_ms, 300))
            if ready_ms < 300:
                begin(s, 500)
                await s.pass_ms(300 - ready_ms)
            s.ears.words("ann", "yeah")
            s.ears.end("ann")
            (resumed,) = s.reports.of("resumed")
            assert resumed.held_ms == pytest.approx(cost_ms, abs=10)

    run_virtual(test)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=6), st.integers(1, 600))
def test_a_fade_is_the_same_however_the_sound_is_cut(pieces: list[int], over: int) -> None:
    sound = voice(200)[: sum(pieces)]
    done, faded = 0, b""
    for size in pieces:
        faded += faded_in(sound[done : done + size].tobytes(), done, over)
        done += size
    assert faded == faded_in(sound.tobytes(), 0, over)
    assert np.array_equal(np.frombuffer(faded, "<i2")[over - 1 :], sound[over - 1 :])
