"""How a room decides who answers a person: settings of the room, shared by all its processes. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from swarm.allocation import Policy
from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

BOUNDS = {"bid_window_ms": (0, 3_000), "chair_limit_ms": (0, 600_000)}
"""Of each time: the least and the most that it may be."""


@dataclass(frozen=True, slots=True)
class AllocationSettings:
    """Which agent answers a person's turn, and how long that may take to find out.

    Raises:
        SettingError: no such policy, or a time outside `BOUNDS`.
    """

    turn_policy: Policy = Policy.ADDRESSED
    """A `Policy`, or its name."""
    bid_window_ms: int = 300
    """How long bids for a turn count; less where all agents have bid."""
    chair_limit_ms: int = 10_000
    """How long the chair has to grant somebody the floor before the host answers."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "turn_policy", self.policy(self.turn_policy, "turn_policy"))
        for name, (low, high) in BOUNDS.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise SettingError(name, f"{value!r} makes no sense", f"Use whole ms from {low} to {high}")

    @staticmethod
    def policy(name: str, setting: str) -> Policy:
        """Return the policy of that name; `setting` is what it was given for.

        Raises:
            SettingError: there is none; tells which there are.
        """
        try:
            return Policy(name)
        except ValueError as error:
            raise SettingError(setting, f"{name!r} is none", f"Use one of {', '.join(Policy)}") from error

    def as_dict(self) -> dict[str, Any]:
        """Return the settings by name, as the record has them."""
        return {
            "turn_policy": str(self.turn_policy),
            "bid_window_ms": self.bid_window_ms,
            "chair_limit_ms": self.chair_limit_ms,
        }

    @classmethod
    def checked(cls, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings by name, some of them or all, as the record has them.

        Raises:
            SettingError: no such setting or policy, or a time outside `BOUNDS`.
        """
        names = [each.name for each in fields(cls)]
        for name in changes:
            if name not in names:
                raise SettingError(name, "there is no such setting", f"Use one of {', '.join(names)}")
        whole = cls(**changes).as_dict()
        return {name: whole[name] for name in changes}

    def changed(self, settings: Mapping[str, Any]) -> Self:
        """Return the settings with what `settings` changes; what makes no sense in it is ignored."""
        now = self
        for name in (each.name for each in fields(self)):
            if name in settings:
                try:
                    now = type(self)(**{**now.as_dict(), name: settings[name]})
                except SettingError:
                    continue
        return now
