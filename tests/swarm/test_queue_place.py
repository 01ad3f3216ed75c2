"""A place in the queue that is followed by events alone is the place that the floor knows."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings

from streams import events as ev
from swarm.floor import decide
from swarm.floor_draft import in_order
from swarm.floor_state import Floor
from swarm.queue_place import place_after, places, reorders
from tests.swarm.floor_commands_made import Names, steps
from tests.swarm.floor_values import SMALL, START_US


@settings(max_examples=300, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(taken=steps)
def test_events_tell_every_waiter_its_place(taken: list[tuple[tuple[Any, ...], int]]) -> None:
    names, floor, now_us = Names(), Floor(settings=SMALL), START_US
    told: dict[str, int] = {}
    for move, gap_us in taken:
        now_us += gap_us
        step = decide(floor, names.command(move, floor, now_us), now_us)
        floor = step.floor
        queue = in_order(floor.queue, floor.settings.age_step_ms)
        for event, _ in step.events:
            if reorders(event):
                told = {each.request_id: place for place, each in enumerate(queue, 1)}
            elif isinstance(event, ev.FloorQueued):
                told.setdefault(event.request_id, 0)
            told = {
                request_id: place_after(place, request_id, event)
                for request_id, place in told.items()
                if place or places(event, request_id)
            }
        told = {request_id: place for request_id, place in told.items() if waits(floor, request_id)}
        assert told == {each.request_id: place for place, each in enumerate(queue, 1)}


def waits(floor: Floor, request_id: str) -> bool:
    known = floor.requests.get(request_id)
    return known is not None and known.state == "queued"


def test_what_happens_elsewhere_moves_nobody() -> None:
    assert place_after(3, "mine", ev.FloorOpened(by="chair")) == 3
    granted = ev.FloorGranted(participant="ada", request_id="other", lease_ms=1, waited_ms=0)
    assert place_after(3, "mine", granted) == 3, "it did not wait"
    assert not reorders(ev.SettingsChanged(by="chair", settings={"lease_ms": 900}))
