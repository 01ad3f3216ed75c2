"""Names, moments and settings that the floor's tests share."""

from __future__ import annotations

from swarm.floor_state import FloorSettings

START_US = 1_790_000_000_000_000
ROOM = "studio"
CLOCK = "test:clock"
AGENTS = ("ada", "bob", "cleo", "dora", "éva")
PEOPLE = ("paul", "quinn")
OBSERVERS = ("p1", "p2")

SMALL = FloorSettings(
    lease_ms=2_000,
    guard_ms=200,
    take_up_ms=1_000,
    max_queue=2,
    age_step_ms=1_500,
    person_lease_ms=3_000,
    person_stale_ms=4_000,
    tokens_kept=16,
    max_turn_ms=0,
    silent_ms=0,
)
TIMERS = {"max_turn_ms": 1_500, "silent_ms": 2_500, "room_idle_ms": 3_000, "backchannel_ms": 900}
"""Beside SMALL, for sequences that are to meet the timers and the backchannel lane."""
