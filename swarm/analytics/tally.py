"""What is counted and summed up of a conversation, before anything is derived from it. Pure.

The live fold and the archive's SQL both end in a `Tally`, and equal ones where they saw the same events.
`docs/analytics.md` defines each name.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from swarm.analytics.bins import bin_of, percentile_ms

COUNTERS = (
    "agent_failures",
    "bids",
    "denials",
    "expired",
    "expired_untaken",
    "floor_ms",
    "generated_ms",
    "grants",
    "heard_ms",
    "is_person",
    "joined_as_agent",
    "released",
    "requests",
    "revoked",
    "speech_ms",
    "speeches",
    "turns",
    "utterances",
    "utterances_cut",
    "words_generated",
    "words_heard",
    "words_said",
)
"""Of each participant."""
DURATIONS = (
    "gap",
    "overlap",
    "overlap_within",
    "pause",
    "response",
    "onset_to_silence",
    "queue_wait",
    "turn",
    "grant_to_audio",
)
PAIRED = ("interruption", "false_interruption", "backchannel")
"""What somebody did while somebody else spoke."""


def plain(name: str) -> str:
    """Return a name as an archive holds it: without NUL, which PostgreSQL cannot hold."""
    return name.replace("\0", "\ufffd") if "\0" in name else name


@dataclass(slots=True)
class Histogram:
    """Durations of one kind: how many fell into each bin, and their sum."""

    total_ms: int = 0
    bins: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def count(self) -> int:
        """How many."""
        return sum(self.bins.values())

    @property
    def mean_ms(self) -> float | None:
        """None where there are none."""
        return self.total_ms / self.count if self.bins else None

    def add(self, value_ms: int) -> None:
        """Count one duration, in whole milliseconds."""
        number = bin_of(value_ms)
        self.bins[number] = self.bins.get(number, 0) + 1
        self.total_ms += value_ms

    def percentile_ms(self, share: float) -> int | None:
        """Return the end of the bin that at least `share` (0 to 1) do not exceed; None for no durations."""
        return percentile_ms(self.bins, share)


@dataclass(slots=True)
class Pair:
    """How often one did something to another, and what that held of the other's voice."""

    count: int = 0
    held_ms: int = 0


@dataclass(slots=True)
class Tally:
    """Counts and sums. A name that never came up is not there."""

    participants: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    """Participant to COUNTERS."""
    pairs: dict[tuple[str, str, str], Pair] = field(default_factory=dict[tuple[str, str, str], Pair])
    """By kind (PAIRED), who did it, and to whom."""
    durations: dict[str, Histogram] = field(default_factory=dict[str, Histogram])
    """By DURATIONS."""
    types: dict[str, int] = field(default_factory=dict[str, int])
    """Events by type, unknown ones too."""
    sessions: int = 0
    missing: int = 0
    """Sequence numbers that are not there, between the first and the last of each session."""
    first_ms: int | None = None
    last_ms: int | None = None

    @property
    def events(self) -> int:
        """How many."""
        return sum(self.types.values())

    def count(self, participant: str, counter: str, by: int = 1) -> None:
        """Add to one counter of a participant."""
        counters = self.participants.setdefault(plain(participant), {})
        counters[counter] = counters.get(counter, 0) + by

    def duration(self, name: str, value_ms: int) -> None:
        """Count one duration."""
        histogram = self.durations.get(name)
        if histogram is None:
            histogram = self.durations[name] = Histogram()
        histogram.add(value_ms)

    def pair(self, kind: str, by: str, whom: str, held_ms: int = 0) -> None:
        """Count what `by` did while `whom` spoke."""
        pair = self.pairs.setdefault((kind, plain(by), plain(whom)), Pair())
        pair.count += 1
        pair.held_ms += held_ms

    def without_zeros(self) -> Tally:
        """Return one without counters that counted nothing."""
        kept = {who: {name: n for name, n in each.items() if n} for who, each in self.participants.items()}
        return replace(self, participants={who: each for who, each in kept.items() if each})

    def copy(self) -> Tally:
        """Return one that does not change with this."""
        return Tally(
            participants={who: dict(counters) for who, counters in self.participants.items()},
            pairs={key: Pair(pair.count, pair.held_ms) for key, pair in self.pairs.items()},
            durations={
                name: Histogram(each.total_ms, dict(each.bins)) for name, each in self.durations.items()
            },
            types=dict(self.types),
            sessions=self.sessions,
            missing=self.missing,
            first_ms=self.first_ms,
            last_ms=self.last_ms,
        )
