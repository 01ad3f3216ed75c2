from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ports import EARS_HZ
from adapters.speech_gate import (
    Ended,
    GateSettings,
    GateState,
    Progress,
    Quiet,
    Signal,
    Started,
    Talking,
    Window,
    advance,
    close,
)

SETTINGS = GateSettings()
HOP = 256


def windows(*judged: tuple[float, float] | float, level: float = -30.0, at: int = 0) -> list[Window]:
    """Windows half a window apart: a probability, or (probability, how much the second half decays)."""
    made: list[Window] = []
    for n, each in enumerate(judged):
        probability, decay = each if isinstance(each, tuple) else (each, 0.0)
        start = at + n * HOP
        made.append(Window(start, start + 2 * HOP, probability, level, level - decay))
    return made


def run(
    items: list[Window], state: GateState | None = None, settings: GateSettings = SETTINGS
) -> tuple[GateState, list[tuple[int, Signal]]]:
    now: GateState = Quiet(floor_dbfs=-60.0) if state is None else state
    signals: list[tuple[int, Signal]] = []
    for n, window in enumerate(items):
        now, signal = advance(now, window, settings)
        if signal is not None:
            signals.append((n, signal))
    return now, signals


def started_at(items: list[Window], state: GateState | None = None) -> int | None:
    return next((n for n, signal in run(items, state)[1] if isinstance(signal, Started)), None)


@pytest.mark.parametrize(
    ("judged", "start"),
    [
        ((0.95,), 0),
        ((0.6, 0.6), 1),
        ((0.3, 0.7), 1),
        ((0.6,), None),
        ((0.6, 0.2, 0.6), None),
        ((0.29, 0.8), None),
        ((0.4, 0.4, 0.4, 0.4), None),
        ((0.4, 0.4, 0.4, 0.7), 3),
    ],
)
def test_start_needs_one_sure_window_or_a_run_of_probable_ones(
    judged: tuple[float, ...], start: int | None
) -> None:
    assert started_at(windows(*judged)) == start


def test_the_onset_is_where_the_run_began() -> None:
    _, signals = run(windows(0.1, 0.35, 0.4, 0.7, at=10_240))
    assert signals[0][1] == Started(onset_sample=10_240 + HOP)


def test_what_dies_away_is_a_knock_and_no_start() -> None:
    assert started_at(windows((0.99, 3.0))) is None
    assert started_at(windows((0.99, 3.0), (0.99, 2.0))) is None
    assert started_at(windows((0.99, 0.5))) == 0


def test_speech_has_to_stand_out_of_the_noise() -> None:
    assert started_at(windows(0.99, level=-58.5), Quiet(floor_dbfs=-60.0)) is None
    assert started_at(windows(0.99, level=-56.5), Quiet(floor_dbfs=-60.0)) == 0
    assert started_at(windows(0.99, level=-65.0), Quiet(floor_dbfs=-90.0)) is None


def test_the_first_window_ever_can_be_a_start() -> None:
    assert started_at(windows(0.99), Quiet()) == 0


def test_the_noise_floor_falls_at_once_and_rises_slowly() -> None:
    state, _ = run(windows(0.0, level=-70.0))
    assert state.floor_dbfs == -70.0
    second = windows(*[0.0] * (EARS_HZ // HOP), level=-40.0)
    state, _ = run(second, state)
    assert state.floor_dbfs == pytest.approx(-67.0, abs=0.2)


def test_a_pause_shorter_than_the_limit_does_not_end_the_speech() -> None:
    pause = [0.0] * 30
    _, signals = run(windows(0.95, *pause, 0.5, *pause))
    assert [type(signal) for _, signal in signals].count(Ended) == 0
    silence = [signal.silence_ms for _, signal in signals if isinstance(signal, Progress)]
    assert max(silence) < SETTINGS.min_silence_ms
    assert 0.0 in silence[1:]


def test_end_comes_after_550_ms_and_names_the_last_voiced_window() -> None:
    _, signals = run(windows(0.95, 0.4, *[0.1] * 60))
    (n, ended) = next((n, signal) for n, signal in signals if isinstance(signal, Ended))
    assert ended == Ended(onset_sample=0, end_sample=3 * HOP)
    assert (n - 1) * HOP / 16.0 == pytest.approx(550.0, abs=16.0)


def test_progress_counts_overlapping_windows_once() -> None:
    _, signals = run(windows(*[0.95] * 10))
    last = signals[-1][1]
    assert isinstance(last, Progress)
    assert last.voiced_ms == 11 * HOP / 16.0
    assert last.silence_ms == 0.0
    assert last.level_dbfs == pytest.approx(-30.0, abs=0.01)


def test_level_is_that_of_the_voiced_part() -> None:
    loud = windows(0.95, 0.95)
    quiet = windows(*[0.0] * 10, level=-70.0, at=loud[-1].end_sample)
    _, signals = run(loud + quiet)
    last = signals[-1][1]
    assert isinstance(last, Progress)
    assert last.level_dbfs == pytest.approx(-30.0, abs=0.01)


def test_closing_ends_an_open_speech_once() -> None:
    state, _ = run(windows(0.95, 0.95))
    state, ended = close(state)
    assert ended == Ended(0, 3 * HOP)
    assert close(state) == (state, None)


@given(
    judged=st.lists(
        st.tuples(st.floats(0.0, 1.0), st.floats(-90.0, 0.0), st.floats(-3.0, 6.0)) | st.none(), max_size=200
    )
)
def test_starts_and_ends_are_paired_and_never_nested(
    judged: list[tuple[float, float, float] | None],
) -> None:
    state: GateState = Quiet()
    is_open = False
    at = 0
    for each in judged:
        if each is None:
            state, signal = close(state)
        else:
            probability, level, decay = each
            state, signal = advance(
                state, Window(at, at + 2 * HOP, probability, level, level - decay), SETTINGS
            )
            at += HOP
        match signal:
            case Started(onset_sample):
                assert not is_open
                assert onset_sample <= at
                is_open = True
            case Ended(onset_sample, end_sample):
                assert is_open
                assert onset_sample < end_sample <= at + HOP
                is_open = False
            case Progress():
                assert is_open
                assert signal.voiced_ms >= 32.0
            case None:
                pass
        assert is_open == isinstance(state, Talking)


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidate": 0.6},
        {"activation": 0.95},
        {"fast_activation": 1.1},
        {"deactivation": -0.1},
        {"min_speech_ms": -1.0},
        {"min_silence_ms": -1.0},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"does not hold|outside|negative"):
        GateSettings(**wrong)
