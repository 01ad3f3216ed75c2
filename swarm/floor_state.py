"""What the floor is: plain values, no rules and no I/O.

Times ending in `_ms` and `_us` are on Redis's clock. The rules are in `swarm.floor`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

RequestState = Literal[
    "pending", "queued", "granted", "denied", "withdrawn", "released", "revoked", "expired"
]
"""Pending is between being asked and being answered: only whoever asked can see it."""
LIVE = ("queued", "granted")
MAX_PEOPLE = 64
"""People who can hold the floor together, and observers of one of them."""

BOUNDS: dict[str, tuple[int, int]] = {
    "lease_ms": (100, 60_000),
    "guard_ms": (0, 5_000),
    "take_up_ms": (50, 60_000),
    "grace_ms": (0, 10_000),
    "max_queue": (1, 4_096),
    "age_step_ms": (1, 600_000),
    "person_lease_ms": (200, 60_000),
    "person_stale_ms": (1_000, 600_000),
    "tokens_kept": (16, 65_536),
    "max_turn_ms": (0, 3_600_000),
    "silent_ms": (0, 600_000),
    "room_idle_ms": (0, 86_400_000),
    "backchannel_ms": (0, 5_000),
}
"""Of each setting: the least and the most that it may be."""
MAX_MUTED = 256
"""Participants that can be muted at a time."""
SILENT_AFTER_MS = 7_000
"""Whoever is on the roster and was heard of within this is alive."""
RENEWED_LATELY_MS = 5_000
"""Who holds the floor and renewed within this, and within half of its lease, is alive too. An agent that the
roster finds silent has not renewed for as long: that is SILENT_AFTER_MS less one heartbeat."""
RESUMABLE = 16
"""Holders that were pre-empted and may still ask to be put back at the front."""
IN_FRONT, FIRST_OF_ALL = 1, 2
"""Places before all who wait by priority: by a hand-over, a pre-emption or a return; and by the chair."""


def check_settings(settings: Mapping[str, int]) -> None:
    """Check settings by name: some of them, or all.

    Raises:
        ValueError: there is no such setting, or its value is outside its bounds (`BOUNDS`).
    """
    for name, value in settings.items():
        if name not in BOUNDS:
            raise ValueError(f"{name} is no setting of a floor")
        low, high = BOUNDS[name]
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r}")


@dataclass(frozen=True, slots=True)
class FloorSettings:
    """Settings of one room's floor, shared by all processes. The first to use the floor sets them.

    Raises:
        ValueError: a value is outside its bounds (`BOUNDS`).
    """

    lease_ms: int = 2_000
    """How long a grant lasts without renewal."""
    guard_ms: int = 200
    """After a holder was cut off: how long its tail may still be heard, so the next one stays silent."""
    take_up_ms: int = 1_000
    """A grantee who does not confirm within this is skipped."""
    grace_ms: int = 0
    """What a holder gets to finish when an agent pre-empts it, or when its turn has lasted too long."""
    max_queue: int = 256
    age_step_ms: int = 10_000
    """Waiting this long is worth one level of priority."""
    person_lease_ms: int = 2_000
    """How long an observer's word that a person is speaking lasts without renewal."""
    person_stale_ms: int = 30_000
    """A person without words for this long does not hold the floor any more."""
    tokens_kept: int = 1_024
    """Tokens remembered at least, so that late reports can be checked."""
    max_turn_ms: int = 60_000
    """From a holder's first audio: when it is told to finish. 0: never."""
    silent_ms: int = 15_000
    """A holder that was not audible for this long loses the floor. 0: never; below the lease: the lease."""
    room_idle_ms: int = 0
    """When nobody held the floor, waited or spoke for this long, the session is closed. 0: never."""
    backchannel_ms: int = 0
    """How long an agent may be audible for an acknowledgement, without the floor. 0: not at all."""

    def __post_init__(self) -> None:
        check_settings(self.as_dict())

    def as_dict(self) -> dict[str, int]:
        """Return the settings by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class Hold:
    """The current grant."""

    participant: str
    token: int
    request_id: str
    priority: int
    granted_ms: int
    deadline_ms: int
    lease_ms: int
    """What the deadline was set with."""
    confirmed: bool
    """The holder knows of its grant, and so may be audible."""
    reason: str = ""
    """What the request said it was for."""
    taken_ms: int = 0
    """When its first audio was reported; 0 before."""
    sounding_ms: int = 0
    """When it was last known to be audible, or took up its grant."""
    grace_until_ms: int = 0
    """It was told to finish by then; 0 where it was not."""
    revoking_by: str = ""
    """Who pre-empted it; empty where its turn lasted too long."""
    revoking_reason: str = ""

    @property
    def revoking(self) -> bool:
        """Whether it was told to finish."""
        return self.grace_until_ms > 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """One participant in the queue."""

    participant: str
    request_id: str
    priority: int
    arrived_us: int
    front: int = 0
    """0, IN_FRONT or FIRST_OF_ALL: whoever has more of it is served first."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Speaking:
    """One person who is speaking."""

    identity: str
    words_ms: int
    """When it was last heard to say a word, or began."""
    observers: Mapping[str, int]
    """Who hears it, to when that observer's word lapses."""
    taken_ms: int | None = None
    """When it took the floor; None while an agent holds it."""
    stale: bool = False
    """Reported without words for too long; does not hold the floor."""


@dataclass(frozen=True, slots=True)
class Known:
    """What became of a request, remembered for a while after its last change."""

    participant: str
    by: str
    state: RequestState
    touched_ms: int
    token: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Floor:
    """The whole state of one room's floor."""

    settings: FloorSettings = FloorSettings()
    token: int = 0
    """The last token granted; it never falls."""
    hold: Hold | None = None
    queue: Mapping[str, Waiting] = field(default_factory=dict[str, Waiting])
    people: Mapping[str, Speaking] = field(default_factory=dict[str, Speaking])
    closed_by: str = ""
    quiet_ms: int = 0
    """When the tail of the last holder that was cut off has died away at the listeners."""
    arrived_us: int = 0
    """Arrival of the latest request that had to wait; arrivals never tie or fall."""
    requests: Mapping[str, Known] = field(default_factory=dict[str, Known])
    tokens: Mapping[int, str] = field(default_factory=dict[int, str])
    muted: frozenset[str] = frozenset()
    """Who may not hold the floor."""
    preempted: Mapping[int, str] = field(default_factory=dict[int, str])
    """Tokens that were pre-empted and may resume, to their request ids; at most RESUMABLE, the oldest go."""
    backchannel_by: str = ""
    """Who may be audible for an acknowledgement."""
    backchannel_until_ms: int = 0
    idle_since_ms: int = 0
    """Since when nobody held the floor, waited or spoke; 0 where somebody does, or the setting is off."""
    heard_ms: Mapping[str, int] = field(default_factory=dict[str, int])
    """When the roster last heard of each of its participants; the floor does not change it."""
    session: bool = False
    """Something was recorded since the room was closed last."""
