"""What a floor can be told, and what that leads to: plain values, no rules and no I/O.

Times ending in `_ms` and `_us` are on Redis's clock. The rules are in `swarm.floor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.floor_answers import Changed as Changed
from swarm.floor_answers import Denied as Denied
from swarm.floor_answers import Ended as Ended
from swarm.floor_answers import Granted as Granted
from swarm.floor_answers import Invalid as Invalid
from swarm.floor_answers import Lent as Lent
from swarm.floor_answers import Outcome as Outcome  # noqa: TC001 - re-exported at run time
from swarm.floor_answers import Queued as Queued
from swarm.floor_answers import Stale as Stale
from swarm.floor_answers import Unchanged as Unchanged
from swarm.floor_state import check_settings
from swarm.participant import Priority

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.events import Event
    from swarm.floor_state import Floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Ask for the floor; for `on_behalf_of` if given. `observed_token`: pre-empt its holder if URGENT.

    `resume_token`: what the participant lost by a pre-emption; it is put at the front, once.
    """

    participant: str
    request_id: str
    priority: int = Priority.NORMAL
    on_behalf_of: str = ""
    reason: str = ""
    observed_token: int = 0
    resume_token: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirm:
    """Ask what became of one's request, and take up the grant if there is one."""

    participant: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """Hold on for another lease; also takes up a grant.

    `sounding`: since the last renewal it was audible, or it is only held back while somebody is listened to.
    """

    participant: str
    token: int
    sounding: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Report the holder's first audio."""

    participant: str
    token: int
    participant_kind: str = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Give the floor back, or hand it `to` somebody."""

    participant: str
    token: int
    tail_done: bool = True
    to: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """See to it that a request does not hold the floor, whatever has become of it, or ever will."""

    participant: str
    request_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """Take the floor from its holder; only if `token` is its token, where one is given."""

    by: str
    token: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preempt:
    """A person takes the floor from the holder of `observed_token`."""

    person: str
    observer: str
    observed_token: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSpeaking:
    """An observer hears a person speak; `words` where it heard a word since it last said so."""

    person: str
    observer: str
    words: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSilent:
    """An observer does not hear a person speak any more."""

    person: str
    observer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Serve no request until the floor is opened; the holder keeps it."""

    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Serve requests again."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """Change the room's settings that are named, at least one; the others stay as they are.

    Raises:
        ValueError: none is named, or one that there is not, or a value is outside its bounds.
    """

    by: str
    settings: Mapping[str, int]

    def __post_init__(self) -> None:
        if not self.settings:
            raise ValueError("name at least one setting")
        check_settings(self.settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """Refuse what `participant` waits for, as the chair."""

    by: str
    participant: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantTo:
    """Have `participant` served before all others, as the chair; `now`: in the place of the holder."""

    by: str
    participant: str
    request_id: str
    reason: str = ""
    now: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """Keep `participant` from the floor, or let it ask again, as the chair."""

    by: str
    participant: str
    muted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Say that a participant has died: what it had of the floor is over, unless it is known to be alive."""

    participant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backchannel:
    """Ask to be audible for an acknowledgement, without the floor."""

    participant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Let what is due happen."""


Order = Revoke | Deny | GrantTo | Mute | Gone | Backchannel | Close | Open | Configure
"""Commands about others, and about acknowledgements."""
Command = (
    Request
    | Confirm
    | Renew
    | Take
    | Release
    | Withdraw
    | Preempt
    | PersonSpeaking
    | PersonSilent
    | Tick
    | Order
)


@dataclass(frozen=True, slots=True)
class Step:
    """What a command led to."""

    floor: Floor
    outcome: Outcome
    events: tuple[tuple[Event, int | None], ...]
    """In order, each with the fencing token of its envelope."""
    due_ms: int | None
    """When the next deadline is known to fall; None where nothing is under way."""
