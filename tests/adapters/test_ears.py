from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.audio import resample
from adapters.person_ears import EarsSettings
from adapters.ports import EARS_HZ, AudioFrame, SpeechEnded, SpeechStarted, WordsHeard
from tests.adapters.hearing_aids import FRAME, Scene, recording, room_noise, to_int16
from tests.adapters.virtual_time import VirtualLoop, run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import RoomListener

QUIET = to_int16(room_noise(EARS_HZ // 2, -65.0))
SPEECH = recording("ps_goforward")[4_000:36_000]


@dataclass(slots=True)
class Stream:
    speech_id: str
    person: str
    tell: Callable[[WordsHeard], None]
    breaks: str = ""
    pcm: bytes = b""
    calls: list[str] = field(default_factory=list[str])

    def push(self, pcm: bytes) -> None:
        if self.breaks == "push":
            raise RuntimeError("no more memory")
        self.pcm += pcm

    def finish(self) -> None:
        self.calls.append("finish")
        if self.breaks == "finish":
            raise RuntimeError("gone")
        self.tell(WordsHeard(self.speech_id, self.person, "go forward", final=True, confidence=0.8))

    def cancel(self) -> None:
        self.calls.append("cancel")


@dataclass(slots=True)
class Recogniser:
    """Notes what it is given; breaks where it is told to."""

    breaks: str = ""
    streams: list[Stream] = field(default_factory=list[Stream])

    def open(self, speech_id: str, person: str, on_words: Callable[[WordsHeard], None]) -> Stream:
        if self.breaks == "open":
            raise RuntimeError("no model")
        stream = Stream(speech_id, person, on_words, self.breaks)
        self.streams.append(stream)
        return stream


def say(scene: Scene, *, then_silence: bool = True) -> None:
    scene.hear(QUIET)
    scene.hear(SPEECH)
    if then_silence:
        scene.hear(np.tile(QUIET, 2))


def test_a_sentence_is_one_speech_with_progress_between_start_and_end() -> None:
    scene = Scene()
    say(scene)
    (started,), (ended,) = scene.listener.started, scene.listener.ended
    assert (started.speech_id, started.person) == ("person-1", "person")
    assert (ended.speech_id, ended.reason) == ("person-1", "silence")
    assert [type(e) for e in scene.listener.events[:: len(scene.listener.events) - 1]] == [
        SpeechStarted,
        SpeechEnded,
    ]
    assert started.onset_s < started.detected_s
    assert started.onset_s == pytest.approx(100.0 + started.onset_sample / EARS_HZ, abs=0.011)
    assert ended.duration_ms == pytest.approx((ended.end_sample - started.onset_sample) / 16.0)
    apart = np.diff([e.elapsed_ms for e in scene.listener.progress])
    assert set(apart.tolist()) == {32.0}
    assert all(e.voiced_ms <= e.elapsed_ms for e in scene.listener.progress)
    assert scene.listener.progress[-1].silence_ms > 500.0
    assert -40.0 < scene.listener.progress[-1].level_dbfs < -10.0


def test_start_is_told_in_the_very_callback_of_the_frame_that_decides() -> None:
    scene = Scene()
    scene.hear(QUIET)
    for at in range(0, len(SPEECH), FRAME):
        scene.now_s += 0.01
        pcm = SPEECH[at : at + FRAME].tobytes()
        scene.ears.on_audio("person", AudioFrame(pcm, EARS_HZ))
        if scene.listener.started:
            assert scene.listener.started[0].detected_s == scene.now_s
            assert scene.ears.speaking() == {"person"}
            return
    pytest.fail("no START")


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (24_000, 2), (44_100, 1), (48_000, 2)])
def test_every_format_is_heard(rate: int, channels: int) -> None:
    scene = Scene()
    sound = np.repeat(resample(np.concatenate((QUIET, SPEECH, QUIET, QUIET)), EARS_HZ, rate), channels)
    step = rate // 100 * channels
    for at in range(0, len(sound), step):
        scene.now_s += 0.01
        scene.ears.on_audio("person", AudioFrame(sound[at : at + step].tobytes(), rate, channels))
    reference = Scene()
    say(reference)
    assert len(scene.listener.started) == len(scene.listener.ended) == 1
    apart = scene.listener.started[0].onset_sample - reference.listener.started[0].onset_sample
    assert abs(apart) <= 3 * 512


@pytest.mark.parametrize("reason", ["left", "muted", "closed"])
def test_whoever_goes_mid_speech_has_ended_it(reason: str) -> None:
    scene = Scene()
    say(scene, then_silence=False)
    match reason:
        case "left":
            scene.ears.on_left("person")
        case "muted":
            scene.ears.on_muted("person")
        case _:
            scene.ears.on_closed("server gone")
    (ended,) = scene.listener.ended
    assert ended.reason == reason
    assert scene.ears.speaking() == frozenset()
    scene.ears.on_left("person")
    scene.ears.on_muted("person")
    assert len(scene.listener.ended) == 1


def test_who_comes_back_speaks_anew_and_positions_go_on() -> None:
    scene = Scene()
    say(scene, then_silence=False)
    scene.ears.on_left("person")
    position = scene.ears.position("person")
    assert scene.ears.audio("person", 0) != b""
    scene.ears.on_joined("person")
    say(scene)
    assert [e.speech_id for e in scene.listener.ended] == ["person-1", "person-2"]
    assert scene.listener.started[1].onset_sample > position


def test_only_a_few_of_those_who_left_are_remembered() -> None:
    scene = Scene(EarsSettings(departed_kept=2))
    for who in "abcd":
        scene.hear(QUIET[:1600], who=who)
        scene.ears.on_left(who)
    assert [scene.ears.position(who) > 0 for who in "abcd"] == [False, False, True, True]


def test_two_people_are_heard_apart() -> None:
    scene = Scene()
    for at in range(0, len(SPEECH) - FRAME, FRAME):
        scene.now_s += 0.01
        scene.ears.on_audio("ann", AudioFrame(SPEECH[at : at + FRAME].tobytes(), EARS_HZ))
        scene.ears.on_audio("bob", AudioFrame(QUIET[:FRAME].tobytes(), EARS_HZ))
    assert scene.ears.speaking() == {"ann"}


def test_a_gap_in_time_ends_the_speech_when_sound_comes_again() -> None:
    scene = Scene()
    say(scene, then_silence=False)
    scene.now_s += 1.2
    scene.hear(QUIET[:FRAME])
    assert [e.reason for e in scene.listener.ended] == ["gap"]


def test_a_burst_after_a_short_stall_is_no_gap() -> None:
    scene = Scene()
    scene.hear(QUIET)
    scene.hear(SPEECH[:16_000])
    scene.now_s += 0.8
    for at in range(16_000, 28_000, FRAME):
        scene.ears.on_audio("person", AudioFrame(SPEECH[at : at + FRAME].tobytes(), EARS_HZ))
    assert (len(scene.listener.started), scene.listener.ended) == (1, [])


def test_a_speech_whose_sound_never_comes_again_is_ended_by_a_timer() -> None:
    import asyncio

    async def stall(loop: VirtualLoop) -> None:
        scene = Scene()
        say(scene, then_silence=False)
        stopped_s = scene.now_s

        def follow() -> None:
            scene.now_s = stopped_s + loop.time() - began_s
            ticking.append(loop.call_later(0.05, follow))

        began_s = loop.time()
        ticking = [loop.call_later(0.05, follow)]
        await asyncio.sleep(0.9)
        assert scene.listener.ended == []
        await asyncio.sleep(0.3)
        ticking[-1].cancel()
        assert [e.reason for e in scene.listener.ended] == ["gap"]
        assert scene.listener.ended[0].at_s == pytest.approx(stopped_s + 1.0, abs=0.1)

    run_virtual(stall)


def test_the_recogniser_gets_the_speech_from_the_pre_roll_on_without_a_hole() -> None:
    recogniser = Recogniser()
    scene = Scene(recogniser=recogniser)
    say(scene)
    (stream,) = recogniser.streams
    (started,), (ended,) = scene.listener.started, scene.listener.ended
    whole = np.concatenate((QUIET, SPEECH, QUIET, QUIET)).tobytes()
    begin = started.onset_sample - int(0.3 * EARS_HZ)
    assert stream.pcm == whole[2 * begin : 2 * begin + len(stream.pcm)]
    assert begin + len(stream.pcm) // 2 >= ended.end_sample + int(0.5 * EARS_HZ)
    assert stream.calls == ["finish"]
    assert scene.listener.events[-1] == WordsHeard(
        "person-1", "person", "go forward", final=True, confidence=0.8
    )


def test_the_pre_roll_does_not_reach_back_over_a_gap() -> None:
    recogniser = Recogniser()
    scene = Scene(recogniser=recogniser)
    scene.hear(QUIET)
    scene.ears.on_muted("person")
    scene.hear(SPEECH[3_000:])
    started = scene.listener.started[0]
    assert started.onset_sample - len(QUIET) < 0.3 * EARS_HZ
    assert recogniser.streams[0].pcm == SPEECH[3_000:].tobytes()[: len(recogniser.streams[0].pcm)]


@pytest.mark.parametrize("breaks", ["open", "push", "finish"])
def test_a_recogniser_that_raises_is_told_of_once_and_breaks_nothing(breaks: str) -> None:
    scene = Scene(recogniser=Recogniser(breaks))
    say(scene)
    (words,) = scene.listener.words
    assert words == WordsHeard("person-1", "person", "", final=True, failed=True)
    assert [e.reason for e in scene.listener.ended] == ["silence"]


def test_words_after_the_final_ones_are_ignored() -> None:
    recogniser = Recogniser()
    scene = Scene(recogniser=recogniser)
    say(scene, then_silence=False)
    stream = recogniser.streams[0]
    stream.tell(WordsHeard("person-1", "person", "go", final=False))
    stream.tell(WordsHeard("person-1", "person", "go for", final=True))
    stream.tell(WordsHeard("person-1", "person", "late", final=True))
    assert [w.text for w in scene.listener.words] == ["go", "go for"]


def test_closing_ends_speeches_and_gives_up_on_their_words() -> None:
    recogniser = Recogniser()
    scene = Scene(recogniser=recogniser)
    say(scene, then_silence=False)
    scene.ears.close()
    assert [e.reason for e in scene.listener.ended] == ["closed"]
    assert recogniser.streams[0].calls == ["cancel"]
    recogniser.streams[0].tell(WordsHeard("person-1", "person", "late", final=True))
    assert scene.listener.words == []


def test_a_listener_that_raises_does_not_keep_the_others_from_hearing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        def on_speech_started(self, event: object) -> None:
            raise ValueError("broken")

        on_speech_progress = on_words = on_speech_ended = on_speech_started

    scene = Scene()
    scene.ears.remove_listener(scene.listener)
    scene.ears.add_listener(Broken())
    scene.ears.add_listener(scene.listener)
    say(scene)
    assert len(scene.listener.started) == len(scene.listener.ended) == 1
    assert "listener_failed" in caplog.messages


def test_who_stopped_listening_hears_nothing_more() -> None:
    scene = Scene()
    scene.ears.remove_listener(scene.listener)
    scene.ears.remove_listener(scene.listener)
    say(scene)
    assert scene.listener.events == []


def test_taps_get_every_sample_once_and_meet_the_ring_at_start() -> None:
    scene = Scene()
    tapped: list[tuple[int, bytes]] = []
    remove = scene.ears.add_audio_tap(lambda who, pcm, at: tapped.append((at, pcm)))
    at_start: list[tuple[int, int]] = []

    class Meets:
        def on_speech_started(self, event: SpeechStarted) -> None:
            given = sum(len(pcm) for _, pcm in tapped) // 2
            at_start.append((given, scene.ears.position("person")))

        def on_speech_progress(self, event: object) -> None: ...
        def on_words(self, event: object) -> None: ...
        def on_speech_ended(self, event: object) -> None: ...

    scene.ears.add_listener(Meets())
    say(scene)
    whole = np.concatenate((QUIET, SPEECH, QUIET, QUIET)).tobytes()
    assert b"".join(pcm for _, pcm in tapped) == whole[: 2 * scene.ears.position("person")]
    assert [at for at, _ in tapped] == list(range(0, scene.ears.position("person"), FRAME))
    assert at_start[0][0] == at_start[0][1]
    remove()
    remove()
    count = len(tapped)
    scene.hear(QUIET[:FRAME])
    assert len(tapped) == count


def test_audio_is_read_by_position_and_never_invented() -> None:
    scene = Scene(EarsSettings(ring_s=0.5))
    scene.hear(np.arange(16_000, dtype=np.int16) % 50)
    position = scene.ears.position("person")
    assert position == 16_000
    assert len(scene.ears.audio("person", 0)) == 2 * 8_000
    assert scene.ears.audio("person", 15_998, 16_000) == np.array([48, 49], np.int16).tobytes()
    assert scene.ears.audio("person", 15_998, 17_000) == np.array([48, 49], np.int16).tobytes()
    assert scene.ears.audio("person", -5, 4) == b""
    assert (scene.ears.audio("nobody", 0), scene.ears.position("nobody")) == (b"", 0)


def test_a_frame_longer_than_the_ring_is_heard_in_pieces() -> None:
    scene = Scene(EarsSettings(ring_s=2.0))
    sound = np.concatenate((QUIET, SPEECH, *[QUIET] * 6))
    scene.ears.on_audio("person", AudioFrame(sound.tobytes(), EARS_HZ))
    assert len(scene.listener.started) == len(scene.listener.ended) == 1


@pytest.mark.parametrize("who", ["person", "agent-x"])
def test_frames_in_other_formats_are_dropped_and_logged_once(
    who: str, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene()
    for _ in range(3):
        scene.ears.on_audio(who, AudioFrame(b"\0\0" * 960, 96_000))
    assert caplog.messages == ["audio_refused"]


def test_agents_are_not_listened_to() -> None:
    scene = Scene()
    scene.hear(SPEECH, who="agent-x")
    assert scene.listener.events == []
    assert scene.ears.position("agent-x") == 0
    scene.ears.on_muted("agent-x")
    scene.ears.on_left("agent-x")


def test_attach_listens_to_the_room_until_close() -> None:
    class Rooms:
        def __init__(self) -> None:
            self.listeners: list[RoomListener] = []

        def add_listener(self, listener: RoomListener) -> None:
            self.listeners.append(listener)

        def remove_listener(self, listener: RoomListener) -> None:
            self.listeners.remove(listener)

    scene, room = Scene(), Rooms()
    scene.ears.attach(room)
    assert room.listeners == [scene.ears]
    scene.ears.close()
    assert room.listeners == []


_STEPS = st.one_of(
    st.tuples(
        st.just("audio"),
        st.sampled_from(["ann", "bob"]),
        st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000]),
        st.integers(1, 2),
        st.integers(0, 12_000),
        st.sampled_from([SPEECH, QUIET, np.zeros(100, np.int16)]),
    ),
    st.tuples(
        st.sampled_from(["left", "muted", "joined", "gap", "closed", "agent"]),
        st.sampled_from(["ann", "bob"]),
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(_STEPS, max_size=30))
def test_whatever_comes_starts_and_ends_are_paired_for_each_person(steps: list[tuple]) -> None:
    scene = Scene()
    for step in steps:
        match step:
            case ("audio", who, rate, channels, samples, sound):
                pcm = np.resize(sound, samples * channels).astype(np.int16).tobytes()
                scene.now_s += samples / rate
                scene.ears.on_audio(who, AudioFrame(pcm, rate, channels))
            case ("left", who):
                scene.ears.on_left(who)
            case ("muted", who):
                scene.ears.on_muted(who)
            case ("joined", who):
                scene.ears.on_joined(who)
            case ("gap", _):
                scene.now_s += 3.0
            case ("closed", _):
                scene.ears.on_closed("lost")
            case _:
                scene.ears.play_reference(SPEECH[:4_000].tobytes(), EARS_HZ)
        speaking = {e.person for e in scene.listener.started} & scene.ears.speaking()
        assert speaking == scene.ears.speaking()
    scene.ears.close()
    open_ids: dict[str, str] = {}
    for event in scene.listener.events:
        if isinstance(event, SpeechStarted):
            assert event.person not in open_ids
            open_ids[event.person] = event.speech_id
        elif isinstance(event, SpeechEnded):
            assert open_ids.pop(event.person) == event.speech_id
            assert event.duration_ms > 0.0
        else:
            assert open_ids[event.person] == event.speech_id
    assert open_ids == {}
    ids = [e.speech_id for e in scene.listener.started]
    assert len(ids) == len(set(ids))
