"""`swarm floor set`: what a room's floor allows, and who answers a person there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm import allocation_settings
from swarm.allocation_settings import AllocationSettings
from swarm.bids import AllocationStore
from swarm.errors import SettingError
from swarm.floor_chair import chair
from swarm.floor_cli.shown import Answer
from swarm.floor_state import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swarm.floor_client import FloorClient
    from swarm.participant import Participant

POLICY = "turn_policy"
SHORT = {"policy": POLICY}
"""Other names of settings."""


async def configure(floor: FloorClient, by: Participant, changes: Mapping[str, int | str]) -> Answer:
    """Change the named settings of the floor and of who answers, or tell all where none is named."""
    who = chair(by, "change settings") if changes else by.identity
    rule = AllocationStore(floor.redis, floor.room)
    of_floor = {name: value for name, value in changes.items() if isinstance(value, int) and name in BOUNDS}
    of_rule = {name: value for name, value in changes.items() if name not in BOUNDS}
    before = await rule.adopt(None, by=who)
    changed = bool(of_floor) and await floor.configure(by, of_floor)
    now = await rule.change(of_rule, by=who) if of_rule else before
    settings = {**(await floor.status()).settings.as_dict(), **now.as_dict()}
    if changes:
        text = ", ".join(f"{name} is {value}" for name, value in changes.items())
    else:
        text = "\n".join(f"{name}={value}" for name, value in settings.items())
    return Answer(text, fields={"changed": changed or now != before, "settings": settings})


def parsed_settings(assignments: list[str]) -> dict[str, int | str]:
    """Return NAME=VALUE words as settings of the floor and of who answers.

    Raises:
        SettingError: no such setting, or a value that it cannot have.
    """
    bounds, changes = BOUNDS | allocation_settings.BOUNDS, dict[str, int | str]()
    for word in assignments:
        name, sign, value = word.partition("=")
        name = SHORT.get(name, name)
        if name not in (*bounds, POLICY) or not sign:
            names = ", ".join((*sorted(bounds), POLICY))
            raise SettingError("set", f"{word!r} is no NAME=VALUE", f"Names are {names}")
        if name == POLICY:
            changes[name] = str(AllocationSettings.policy(value, name))
            continue
        low, high = bounds[name]
        if not value.isascii() or not value.isdigit() or not low <= int(value[:12]) <= high:
            raise SettingError(name, f"{value!r} is not allowed", f"Use a whole number from {low} to {high}")
        changes[name] = int(value)
    return changes
