"""Where a waiting request stands, kept current by the room's events alone, without a call. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams import events as ev

if TYPE_CHECKING:
    from streams.events import Event


def place_after(position: int, request_id: str, event: Event) -> int:
    """Return the place of `request_id` after `event`, where it was `position` (from 1) before."""
    match event:
        case ev.FloorQueued(request_id=other, position=at) if other == request_id:
            return at
        case ev.FloorQueued(position=at, was=was):
            came_from_behind = was is None or was > position
            went_behind = was is not None and was < position <= at
            if came_from_behind and at <= position:
                return position + 1
            return position - 1 if went_behind else position
        case (
            ev.FloorGranted(position=int(left))
            | ev.FloorDenied(position=int(left))
            | ev.FloorWithdrawn(position=int(left))
        ):
            return position - 1 if left < position else position
        case _:
            return position


def reorders(event: Event) -> bool:
    """Return whether `event` may have moved everybody: the place has to be asked for."""
    return isinstance(event, ev.SettingsChanged) and "age_step_ms" in event.settings


def places(event: Event, request_id: str) -> bool:
    """Return whether `event` says itself where the request stands."""
    return isinstance(event, ev.FloorQueued) and event.request_id == request_id
