"""Activity windows of one model session: who opens and closes them, and whose audio is in them. Pure.

A window opens with the first speech that joins (0 to 1) and closes when the last one has ended and
`endpointing_ms` have passed without another. Starts and ends are therefore paired, whatever comes.

When several people speak, the first one's audio is sent until they end, then the next one's from
its own beginning, out of the ring. So every word reaches the model once and undamaged; a mixture
would cost a recogniser both voices where they overlap. The price is that the second person's words
arrive after the first one has finished.

No sample of a person is sent twice, and none outside a window. Positions are samples at EARS_HZ in
the person's ring.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Open:
    """Tell the model that activity starts."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The window carries this speech from now on."""

    speech_id: str


@dataclass(frozen=True, slots=True)
class Send:
    """Give the model this stretch of a person's audio."""

    person: str
    from_sample: int
    to_sample: int


@dataclass(frozen=True, slots=True)
class Close:
    """Tell the model that activity ends."""


Command = Open | Joined | Send | Close


@dataclass(frozen=True, slots=True)
class Turn:
    """One speech in a window."""

    speech_id: str
    person: str
    next_sample: int
    """The first sample that was not sent."""
    end_sample: int | None = None
    """Where it ended; None while it goes on."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The window of one model session, open or not."""

    turns: tuple[Turn, ...] = ()
    """The first one's audio is being sent."""
    is_open: bool = False
    trailing: Turn | None = None
    """The last speaker, while the window waits for speech that goes on."""
    closes_at_s: float | None = None
    sent: tuple[tuple[str, int], ...] = ()
    """For each person of this and earlier windows: everything before this sample was sent or is void."""

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(turn.person for turn in self.turns) + ((self.trailing.person,) if self.trailing else ())

    def carries(self, speech_id: str) -> bool:
        return any(turn.speech_id == speech_id for turn in self.turns)

    def join(
        self, speech_id: str, person: str, from_sample: int, positions: Mapping[str, int]
    ) -> tuple[Windows, list[Command]]:
        """A speech enters the window, opening it if need be; its audio from `from_sample` on is sent."""
        if self.carries(speech_id):
            return self, []
        commands: list[Command] = [] if self.is_open else [Open()]
        commands.append(Joined(speech_id))
        after = replace(
            self,
            turns=(*self.turns, Turn(speech_id, person, max(from_sample, 0))),
            is_open=True,
            trailing=None,
            closes_at_s=None,
        )
        after, sends = after.advance(positions)
        return after, commands + sends

    def advance(self, positions: Mapping[str, int], *, at_least: int = 1) -> tuple[Windows, list[Command]]:
        """More audio has come: send what the current speaker has, if that is `at_least` so many samples."""
        turn = self.turns[0] if self.turns else self.trailing
        if turn is None:
            return self, []
        limit = positions.get(turn.person, turn.next_sample)
        end = limit if turn.end_sample is None else min(limit, turn.end_sample)
        sent = dict(self.sent).get(turn.person, 0)
        # What lies beyond the newest sample was sent from an earlier ring: the person left and came back.
        start = max(turn.next_sample, sent) if sent <= limit else turn.next_sample
        if end - start < at_least:
            return self, []
        send = Send(turn.person, start, end)
        moved = replace(turn, next_sample=end)
        all_sent = tuple({**dict(self.sent), turn.person: end}.items())
        if self.turns:
            return replace(self, turns=(moved, *self.turns[1:]), sent=all_sent), [send]
        return replace(self, trailing=moved, sent=all_sent), [send]

    def ended(
        self,
        speech_id: str,
        end_sample: int,
        positions: Mapping[str, int],
        *,
        now_s: float,
        endpointing_ms: float,
    ) -> tuple[Windows, list[Command]]:
        """A speech is over; the next speaker's audio follows, or the window waits out `endpointing_ms`."""
        if not self.carries(speech_id):
            return self, []
        turns = tuple(
            replace(turn, end_sample=max(end_sample, turn.next_sample))
            if turn.speech_id == speech_id and turn.end_sample is None
            else turn
            for turn in self.turns
        )
        after = replace(self, turns=turns)
        commands: list[Command] = []
        last = after.turns[0]
        while after.turns:
            after, sends = after.advance(positions)
            commands += sends
            last = after.turns[0]
            if last.end_sample is None:
                return after, commands
            after = replace(after, turns=after.turns[1:])
        if endpointing_ms > 0:
            trailing = replace(last, end_sample=None)
            return replace(after, trailing=trailing, closes_at_s=now_s + endpointing_ms / 1000), commands
        after, closing = after.close()
        return after, commands + closing

    def due(self, now_s: float) -> tuple[Windows, list[Command]]:
        """Close the window if the wait for speech that goes on is over."""
        if self.closes_at_s is None or now_s < self.closes_at_s:
            return self, []
        return self.close()

    def close(self) -> tuple[Windows, list[Command]]:
        """End the window at once, whoever speaks. Harmless when none is open."""
        if not self.is_open:
            return self, []
        return replace(self, turns=(), is_open=False, trailing=None, closes_at_s=None), [Close()]
