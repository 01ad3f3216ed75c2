"""An agent's voice: its utterances, resampled and queued, frame by frame as gate and floor allow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from adapters.audio import Resampler, faded_in
from adapters.errors import UnsupportedAudioError
from adapters.gate import FloorRight, GateState, floor_right
from adapters.playout import BYTES_PER_SAMPLE, PlayoutQueue, Stage
from adapters.ports import FRAME_MS, Cut

_STALLED_S = 0.1
"""A gap between two frames after which the grant may have lapsed amid a packet."""

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import AdapterListener, AudioSink, FloorView, SpeechStarted
    from streams.vocabulary import ParticipantKind, Playout, Verdict


class Voice:
    """Takes chunks of any rate, gives frames at `sample_rate_hz`, and knows what was heard.

    `gate_state` says what people's speech allows, `floor` what the floor does (None: everything);
    `on_floor_lost` is told when an utterance needs the floor and has it no more, and has to cut. An utterance
    that was held goes on with its next sample, which is faded in over `fade_ms`.
    """

    def __init__(
        self,
        *,
        sample_rate_hz: int,
        limit_s: float,
        fade_ms: float,
        floor: FloorView | None,
        gate_state: Callable[[], GateState],
        on_floor_lost: Callable[[], None],
        reports: AdapterListener,
        clock: Callable[[], float],
    ) -> None:
        self.floor = floor
        self._gate_state = gate_state
        self._on_floor_lost = on_floor_lost
        self._reports = reports
        self._clock = clock
        self._sink: AudioSink | None = None
        self._last_frame_s = 0.0
        self._spoke = False
        self._withheld = False
        self.held_ms = 0.0
        """Silence in place of what people's speech held back, so far."""
        self._fade_samples = self._faded = round(sample_rate_hz * fade_ms / 1000)
        self._queue = PlayoutQueue(sample_rate_hz, frame_ms=FRAME_MS, limit_s=limit_s)
        self._resamplers: dict[str, Resampler] = {}
        self._waiters: dict[str, asyncio.Future[Playout]] = {}

    @property
    def is_live(self) -> bool:
        """Whether an utterance is being made or played."""
        return self._queue.is_live

    @property
    def is_preparing(self) -> bool:
        """Whether an utterance is being made of which nothing was audible yet."""
        return self._queue.is_live and not self._queue.live[0].audible

    @property
    def current_utterance(self) -> str:
        """The utterance being made or played, the earliest if there are several; else empty."""
        return self._queue.live[0].utterance_id if self._queue.is_live else ""

    def attach(self, sink: AudioSink) -> None:
        """Play into this sink.

        Raises:
            UnsupportedAudioError: the sink has another rate.
        """
        if sink.sample_rate_hz != self._queue.sample_rate_hz:
            raise UnsupportedAudioError(
                f"a track of {sink.sample_rate_hz} Hz where {self._queue.sample_rate_hz} Hz was asked for"
            )
        self._sink = sink

    def begin(self, utterance_id: str) -> None:
        """Start an utterance; again is harmless."""
        self._queue.begin(utterance_id)

    def add(self, utterance_id: str, pcm: bytes, sample_rate_hz: int) -> bool:
        """Queue a chunk; False where it was discarded: gate dropping, no floor, cut, or no room.

        Raises:
            UnknownUtteranceError: the utterance never began.
            UnsupportedAudioError: no whole int16 samples, or a rate outside 8 to 48 kHz.
        """
        if len(pcm) % BYTES_PER_SAMPLE:
            raise UnsupportedAudioError(f"{len(pcm)} bytes are no whole int16 samples")
        samples = self._at_track_rate(utterance_id, pcm, sample_rate_hz)
        if self._queue.stage(utterance_id) is not Stage.LIVE:
            return False
        if self._gate_state() is GateState.DROPPING:
            self._queue.refuse(utterance_id, len(samples) // BYTES_PER_SAMPLE)
            return False
        if self._floor_right(self._clock()) is FloorRight.MUTE:
            self._queue.refuse(utterance_id, len(samples) // BYTES_PER_SAMPLE)
            self._on_floor_lost()
            return False
        return self._queue.add(utterance_id, samples)

    def end(self, utterance_id: str) -> None:
        """No more audio will come for it.

        Raises:
            UnknownUtteranceError: the utterance never began.
        """
        if self._queue.stage(utterance_id) is not Stage.LIVE:
            return
        resampler = self._resamplers.pop(utterance_id, None)
        if resampler is not None:
            self._queue.add(utterance_id, resampler.flush().tobytes())
        self._queue.end(utterance_id)
        self._settle()

    def playout(self, utterance_id: str) -> Playout:
        """What was made and what was heard of it so far.

        Raises:
            UnknownUtteranceError: the utterance never began.
        """
        return self._queue.playout(utterance_id, self._held_samples())

    async def wait_played_out(self, utterance_id: str) -> Playout:
        """Return when it was played to its end, or was cut.

        Raises:
            UnknownUtteranceError: the utterance never began.
        """
        if self._queue.stage(utterance_id) is not Stage.LIVE:
            return self._queue.playout(utterance_id, 0)
        waiter = self._waiters.get(utterance_id)
        if waiter is None:
            waiter = self._waiters[utterance_id] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(waiter)

    def drop(self, utterance_id: str) -> Playout:
        """Discard what is unplayed of it, for good, and say what was heard.

        Raises:
            UnknownUtteranceError: the utterance never began.
        """
        if self._queue.stage(utterance_id) is not Stage.LIVE:
            return self._queue.playout(utterance_id, 0)
        playout = self._queue.cut(utterance_id)
        self._finished(utterance_id, playout)
        return playout

    def cut_all(
        self,
        *,
        by: str,
        by_kind: ParticipantKind,
        verdict: Verdict,
        speech: SpeechStarted | None,
        gate_s: float,
    ) -> None:
        """Drop what is unplayed of every live utterance, in the transport too, and report each."""
        if not self._queue.is_live:
            return
        if self._sink is not None:
            held = self._held_samples()
            self._sink.clear()
            self._queue.recall(max(0, held - self._held_samples()))
        decided_s = self._clock()
        for utterance in self._queue.live:
            playout = self.drop(utterance.utterance_id)
            self._reports.on_cut(
                Cut(utterance.utterance_id, by, by_kind, playout, verdict, speech, gate_s, decided_s)
            )

    def next_frame(self, now_s: float) -> bytes | None:
        """The frame to push now: the next of an utterance where that may be heard, else silence.

        None, and nothing may be pushed, from a stall amid speech in which the floor was lost until the
        floor is there again: the encoder makes one packet of two frames, and the next push would send
        the frame that it was left with.
        """
        self._settle()
        right = self._floor_right(now_s)
        if self._spoke and now_s - self._last_frame_s > _STALLED_S and right is FloorRight.MUTE:
            self._withheld = True
        self._last_frame_s = now_s
        gate = self._gate_state()
        if gate is GateState.HELD:
            self._faded = 0
            if right is FloorRight.PLAY and self._queue.waiting_samples:
                self.held_ms += FRAME_MS
        utterance = self._queue.ready() if gate is GateState.OPEN else None
        if utterance is not None and right is FloorRight.MUTE:
            self._on_floor_lost()
        self._spoke = utterance is not None and right is FloorRight.PLAY
        self._withheld = self._withheld and right is not FloorRight.PLAY
        if self._withheld:
            return None
        frame = self._queue.silence
        if utterance is not None and right is FloorRight.PLAY:
            begins = not utterance.audible
            frame = self._queue.take(utterance)
            if begins:
                self._reports.on_first_audio(utterance.utterance_id, now_s)
            elif self._faded < self._fade_samples:
                frame = faded_in(frame, self._faded, self._fade_samples)
            self._faded += self._queue.frame_samples
        self._queue.pushed += self._queue.frame_samples
        return frame

    def _settle(self) -> None:
        if self._queue.is_live:
            for utterance_id, playout in self._queue.finish_played(self._held_samples()):
                self._finished(utterance_id, playout)
                self._reports.on_played_out(utterance_id, playout)

    def _floor_right(self, now_s: float) -> FloorRight:
        if self.floor is None:
            return FloorRight.PLAY
        return floor_right(
            now_s,
            speak_from_s=self.floor.may_speak_from_s,
            speak_until_s=self.floor.may_speak_until_s,
            transport_ms=self._sink.queued_ms if self._sink is not None else 0.0,
            frame_ms=FRAME_MS,
        )

    def _finished(self, utterance_id: str, playout: Playout) -> None:
        self._resamplers.pop(utterance_id, None)
        waiter = self._waiters.pop(utterance_id, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(playout)

    def _held_samples(self) -> int:
        if self._sink is None:
            return 0
        return round(self._sink.queued_ms * self._queue.sample_rate_hz / 1000)

    def _at_track_rate(self, utterance_id: str, pcm: bytes, sample_rate_hz: int) -> bytes:
        resampler = self._resamplers.get(utterance_id)
        if resampler is None and sample_rate_hz == self._queue.sample_rate_hz:
            return pcm
        rest = b""
        if resampler is None or resampler.from_hz != sample_rate_hz:
            rest = b"" if resampler is None else resampler.flush().tobytes()
            resampler = Resampler(sample_rate_hz, self._queue.sample_rate_hz, low_delay=False)
            self._resamplers[utterance_id] = resampler
        return rest + resampler.push(np.frombuffer(pcm, dtype="<i2")).tobytes()
