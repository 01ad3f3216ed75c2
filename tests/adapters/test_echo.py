from __future__ import annotations

import numpy as np
import pytest

from adapters.echo import EchoSettings, ReferenceMix, Timeline, resemblance
from adapters.person_ears import EarsSettings
from adapters.ports import EARS_HZ
from tests.adapters.hearing_aids import Scene, at_level, recording, room_noise, to_int16

SECOND = EARS_HZ


def agent_voice() -> np.ndarray:
    """Half a second of nothing, then 6 s of a reading at -20 dBFS."""
    voice = at_level(recording("ps_librivox_0870"), -20.0)[: 6 * SECOND]
    return np.concatenate((np.zeros(SECOND // 2), voice))


def echo_of(voice: np.ndarray, *, gain_db: float = -20.0, delay_ms: int = 80) -> np.ndarray:
    late = np.concatenate((np.zeros(delay_ms * 16), voice))[: len(voice)]
    return late * 10 ** (gain_db / 20)


def reverberant(echo: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(4)
    tail = random.normal(size=3200) * 10 ** (-3 * np.arange(3200) / (0.25 * SECOND))
    tail *= np.sqrt(10 ** (-8 / 10) / np.sum(tail**2))
    tail[0] = 1.0
    return np.convolve(echo, tail)[: len(echo)]


def barge_in(at_ms: int, length: int, *, dbfs: float) -> tuple[np.ndarray, float]:
    """Somebody says "go forward", somewhere in `length` samples; and the ms of the first loud sample."""
    words = at_level(recording("ps_goforward")[6_000:30_000], dbfs)
    out = np.zeros(length)
    at = at_ms * 16
    out[at : at + len(words)] = words[: length - at]
    rms = np.sqrt(np.mean(words[: len(words) // 160 * 160].reshape(-1, 160) ** 2, axis=1))
    return out, at_ms + float(np.argmax(rms > rms.max() * 10 ** (-30 / 20))) * 10.0


@pytest.mark.parametrize("by", [None, "agent-b"])
def test_an_agents_own_voice_20_db_down_and_80_ms_late_is_not_speech(by: str | None) -> None:
    voice = agent_voice()
    mic = to_int16(echo_of(voice) + room_noise(len(voice)))
    said = to_int16(voice)
    assert Scene(EarsSettings(echo=None)).hear(mic) != []
    assert Scene().hear(mic, said=said, by=by) == []


@pytest.mark.parametrize(
    ("gain_db", "delay_ms", "wet"),
    [(-20.0, 20, False), (-20.0, 300, False), (-30.0, 80, False), (-12.0, 150, False), (-20.0, 80, True)],
)
def test_other_gains_delays_and_a_room_are_echo_too(gain_db: float, delay_ms: int, wet: bool) -> None:
    voice = agent_voice()
    echo = echo_of(voice, gain_db=gain_db, delay_ms=delay_ms)
    mic = to_int16((reverberant(echo) if wet else echo) + room_noise(len(voice)))
    assert Scene().hear(mic, said=to_int16(voice)) == []


@pytest.mark.parametrize(("at_ms", "late_ms"), [(1_200, 60.0), (3_000, 20.0), (5_000, 20.0)])
def test_a_barge_in_over_the_echo_is_found_as_soon_as_in_silence_once_the_echo_is_known(
    at_ms: int, late_ms: float
) -> None:
    voice = agent_voice()
    person, onset_ms = barge_in(at_ms, len(voice), dbfs=-22.0)
    noise = room_noise(len(voice))
    over_echo = Scene().hear(to_int16(echo_of(voice) + noise + person), said=to_int16(voice))
    alone = Scene().hear(to_int16(noise + person))
    assert len(over_echo) >= 1
    assert over_echo[0] >= onset_ms
    assert over_echo[0] <= alone[0] + late_ms


def test_a_soft_barge_in_over_the_echo_is_found() -> None:
    voice = agent_voice()
    person, onset_ms = barge_in(3_000, len(voice), dbfs=-34.0)
    starts = Scene().hear(to_int16(echo_of(voice) + room_noise(len(voice)) + person), said=to_int16(voice))
    assert onset_ms <= starts[0] <= onset_ms + 250.0


@pytest.mark.parametrize("at_ms", [2_050, 2_350, 2_500])
def test_a_barge_in_is_found_at_once_where_no_echo_came_back_before(at_ms: int) -> None:
    voice = agent_voice()
    person, _ = barge_in(at_ms, len(voice), dbfs=-24.0)
    over_voice = Scene().hear(to_int16(person), said=to_int16(voice))
    assert over_voice[0] <= Scene().hear(to_int16(person))[0] + 10.0


def test_echo_that_goes_on_does_not_keep_a_speech_open() -> None:
    voice = agent_voice()
    person, _ = barge_in(2_000, len(voice), dbfs=-22.0)
    person[int(2.8 * SECOND) :] = 0.0
    scene = Scene()
    scene.hear(to_int16(echo_of(voice) + room_noise(len(voice)) + person), said=to_int16(voice))
    assert len(scene.listener.ended) == 1
    assert scene.listener.ended[0].end_sample < 3.3 * SECOND


def test_without_an_agent_the_veto_changes_nothing() -> None:
    speech = recording("ps_numbers")
    with_veto, without = Scene(), Scene(EarsSettings(echo=None))
    assert with_veto.hear(speech) == without.hear(speech)
    assert [e.end_sample for e in with_veto.listener.ended] == [e.end_sample for e in without.listener.ended]


def test_a_stream_keeps_its_place_through_jitter_and_moves_after_a_pause() -> None:
    timeline = Timeline()
    assert timeline.place(160, 1.0) == 16_000 - 160
    assert timeline.place(160, 1.05) == 16_000
    assert timeline.place(160, 1.01) == 16_160
    assert timeline.place(160, 3.0) == 48_000 - 160


def test_several_agents_are_mixed_and_silence_lies_between() -> None:
    mix = ReferenceMix(EchoSettings())
    loud = np.full(1600, 8000, np.int16)
    mix.add("a", loud, 1.0)
    mix.add("b", loud, 1.05)
    mix.add("a", loud, 2.0)
    heard = mix.read(int(0.9 * SECOND), int(1.15 * SECOND))
    assert heard[0] == 8000
    assert heard[int(0.06 * SECOND)] == 16_000
    assert heard[int(0.13 * SECOND)] == 8000
    assert not heard[int(0.16 * SECOND) : int(0.95 * SECOND)].any()
    assert heard[int(1.05 * SECOND)] == 8000


def test_what_the_mix_no_longer_knows_or_does_not_know_yet_is_silence() -> None:
    mix = ReferenceMix(EchoSettings())
    for n in range(100):
        mix.add("a", np.full(1600, 5000, np.int16), 1.0 + n * 0.1)
    assert not mix.read(SECOND, 1600).any()
    assert not mix.read(12 * SECOND, 1600).any()
    assert mix.read(10 * SECOND, 1600).all()


def test_an_echo_is_possible_only_for_a_while_after_something_audible() -> None:
    mix = ReferenceMix(EchoSettings())
    assert not mix.may_echo_at(SECOND)
    mix.add("a", np.full(160, 1, np.int16), 1.0)
    assert not mix.may_echo_at(SECOND)
    mix.add("a", np.full(160, 5000, np.int16), 1.01)
    assert mix.may_echo_at(int(1.4 * SECOND))
    assert not mix.may_echo_at(int(1.6 * SECOND))


def test_resemblance_finds_a_stretch_at_any_delay_and_nothing_in_other_speech() -> None:
    said = recording("ps_librivox_0870")[8_000:17_000]
    assert resemblance((said[3_000:4_024] * 0.1).astype(np.int16), said) > 0.9
    assert resemblance(recording("ps_goforward")[16_000:17_024], said) < 0.4
    assert resemblance(np.zeros(1024, np.int16), said) == 0.0
    assert resemblance(said[:1024], np.zeros(9_000, np.int16)) == 0.0
    assert resemblance(said[:1024], said[:500]) == 0.0
