"""An answer of a native model that came before its grant: kept, claimed, or thrown away. Pure.

A native model answers the audio it hears at once; nothing can make it wait for the floor. What it says
without a grant is kept here and is heard only if its host is granted the floor for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from host_agent.audio import duration_ms

NOT_SAID = "[I said nothing: the floor went to somebody else.]"


@dataclass(frozen=True, slots=True)
class Sound:
    """Audio of the answer: int16 mono PCM."""

    pcm: bytes
    sample_rate_hz: int

    @property
    def duration_ms(self) -> float:
        return duration_ms(len(self.pcm), self.sample_rate_hz)


@dataclass(slots=True)
class EarlyAnswer:
    """An answer without a grant, in the order in which it came. Keeps `limit_s` of audio, the first."""

    limit_s: float
    parts: list[Sound | str] = field(default_factory=list[Sound | str])
    complete: bool = False
    kept_ms: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.parts)

    def add(self, part: Sound | str) -> None:
        """Keep a part; audio over the limit, and all that follows it, is not kept."""
        if isinstance(part, Sound):
            self.kept_ms += part.duration_ms
        if self.kept_ms <= self.limit_s * 1000:
            self.parts.append(part)

    def take(self) -> tuple[list[Sound | str], bool]:
        """Return the answer so far and whether it is complete, and forget it."""
        parts, complete = self.parts, self.complete
        self.forget()
        return parts, complete

    def forget(self) -> None:
        self.parts, self.complete, self.kept_ms = [], False, 0.0
