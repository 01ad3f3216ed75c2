"""The floor's commands, answers and state as the floor script and its keys hold them. No I/O."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from swarm import floor_commands as fc
from swarm.floor_state import BOUNDS, Floor, FloorSettings, Hold, Known, RequestState, Speaking, Waiting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCRIPT_PARTS = (
    "floor_arguments.lua",
    "floor_rules.lua",
    "floor_timers.lua",
    "floor_requests.lua",
    "floor_orders.lua",
    "floor.lua",
)
"""Files of swarm/lua that make up the floor script, in order, after the append step."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_JSON = json.JSONEncoder()
_TOKENS = ("token", "observed_token", "resume_token")


@dataclass(frozen=True, slots=True)
class Outlook:
    """What every answer tells of the floor beside its outcome."""

    now_us: int
    token: int
    """The last token granted."""
    holder: str
    """Empty where no grant is held."""
    due_ms: int | None
    """When the next deadline is known to fall, on Redis's clock."""

    @property
    def due_in_ms(self) -> int | None:
        """Time from the moment of the answer to the next known deadline."""
        return None if self.due_ms is None else max(0, self.due_ms - self.now_us // 1_000)


def encode_command(command: fc.Command) -> tuple[str, str]:
    """Return the script's name of the command and its arguments."""
    name, plain, tokens = _shape(type(command))
    arguments = {each: getattr(command, each) for each in plain}
    for each in tokens:
        arguments[each] = str(getattr(command, each))
    if isinstance(command, fc.Configure):
        arguments["settings"] = dict(command.settings)
    return name, _JSON.encode(arguments)


@cache
def _shape(kind: type[fc.Command]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the script's name of a command, its fields, and those of them that are tokens."""
    names = [each.name for each in fields(kind)]
    tokens = tuple(name for name in names if name in _TOKENS)
    plain = tuple(name for name in names if name not in _TOKENS)
    return _CAPITAL.sub("_", kind.__name__).lower(), plain, tokens


def decode_reply(reply: Sequence[bytes | str]) -> tuple[fc.Outcome, Outlook]:
    """Return the answer of the floor script.

    Raises:
        ValueError: the reply is none of this script.
    """
    decoded = not reply or isinstance(reply[0], str)
    parts = cast("Sequence[str]", reply) if decoded else [_text(part) for part in reply]
    now_us, token, holder, due_ms, tag, *rest = parts
    outlook = Outlook(int(now_us), int(token), holder, int(due_ms) if due_ms else None)
    return _outcome(tag, rest, outlook), outlook


def _outcome(tag: str, rest: Sequence[str], outlook: Outlook) -> fc.Outcome:
    match tag, *rest:
        case "granted", who, request_id, token, remaining_ms, guard_ms, lease_ms, confirmed, reason:
            return fc.Granted(
                participant=who,
                request_id=request_id,
                token=int(token),
                remaining_ms=int(remaining_ms),
                guard_ms=int(guard_ms),
                lease_ms=int(lease_ms),
                confirmed=confirmed == "1",
                reason=reason,
            )
        case "queued", who, request_id, position:
            return fc.Queued(who, request_id, int(position))
        case "denied", who, request_id, reason:
            return fc.Denied(who, request_id, reason)
        case "ended", who, request_id, state, token, reason:
            return fc.Ended(who, request_id, cast("RequestState", state), int(token), reason)
        case "lent", who, remaining_ms:
            return fc.Lent(who, int(remaining_ms))
        case ("stale",):
            return fc.Stale(outlook.token)
        case "changed", what, who, token:
            return fc.Changed(what, who, int(token))
        case "unchanged", reason:
            return fc.Unchanged(reason)
        case "invalid", what:
            return fc.Invalid(what)
        case _:
            raise ValueError(f"no answer of the floor script: {tag!r} {rest!r}")


def decode_floor(
    floor: Mapping[Any, Any],
    queue: Mapping[Any, Any],
    people: Mapping[Any, Any],
    requests: Mapping[Any, Any],
    request_ages: Mapping[Any, float],
    tokens: Mapping[Any, Any],
    roster: Mapping[Any, Any],
    *,
    session: bool,
) -> Floor:
    """Return the state that the floor's keys hold (the zset as member to score; is a session open)."""
    f = _texts(floor)

    def number(name: str) -> int:
        return int(f.get(name) or 0)

    hold = None
    if f.get("holder"):
        hold = Hold(
            participant=f["holder"],
            token=number("token"),
            request_id=f["request_id"],
            priority=number("priority"),
            granted_ms=number("granted_ms"),
            deadline_ms=number("deadline_ms"),
            lease_ms=number("hold_lease_ms"),
            confirmed=f["confirmed"] == "1",
            reason=f["reason"],
            taken_ms=number("taken_ms"),
            sounding_ms=number("sounding_ms"),
            grace_until_ms=number("grace_until_ms"),
            revoking_by=f["revoking_by"],
            revoking_reason=f["revoking_reason"],
        )
    ages = {_text(request_id): int(touched) for request_id, touched in request_ages.items()}
    return Floor(
        settings=FloorSettings(**{name: number(name) for name in BOUNDS})
        if "lease_ms" in f
        else FloorSettings(),
        token=number("token"),
        hold=hold,
        queue={who: _waiting(who, json.loads(entry)) for who, entry in _texts(queue).items()},
        people={who: _speaking(who, json.loads(entry)) for who, entry in _texts(people).items()},
        closed_by=f.get("closed_by", ""),
        quiet_ms=number("quiet_ms"),
        arrived_us=number("arrived_us"),
        requests={
            request_id: _known(json.loads(entry), ages[request_id])
            for request_id, entry in _texts(requests).items()
        },
        tokens={int(token): who for token, who in _texts(tokens).items()},
        muted=frozenset(filter(None, f.get("muted", "").split(" "))),
        preempted=_preempted(f.get("preempted", "")),
        backchannel_by=f.get("backchannel_by", ""),
        backchannel_until_ms=number("backchannel_until_ms"),
        idle_since_ms=number("idle_since_ms"),
        heard_ms={who: int(json.loads(entry)["seen_ms"]) for who, entry in _texts(roster).items()},
        session=session,
    )


def _preempted(text: str) -> dict[int, str]:
    pairs = [each.split("=", 1) for each in text.split(" ") if each]
    return {int(token): request_id for token, request_id in pairs}


def _waiting(who: str, entry: dict[str, Any]) -> Waiting:
    return Waiting(
        participant=who,
        request_id=entry["request_id"],
        priority=int(entry["priority"]),
        arrived_us=int(entry["arrived_us"]),
        front=int(entry["front"]),
        reason=entry["reason"],
    )


def _speaking(who: str, entry: dict[str, Any]) -> Speaking:
    return Speaking(
        identity=who,
        words_ms=int(entry["words_ms"]),
        observers={observer: int(until) for observer, until in entry["observers"].items()},
        taken_ms=int(entry["taken_ms"]) or None,
        stale=entry["stale"],
    )


def _known(entry: dict[str, Any], touched_ms: int) -> Known:
    return Known(
        entry["participant"], entry["by"], entry["state"], touched_ms, int(entry["token"]), entry["reason"]
    )


def _texts(mapping: Mapping[Any, Any]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in mapping.items()}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
