"""The floor and the wiring: the talking stick, and agents that share a room by it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swarm.agent_runtime import AgentRuntime
    from swarm.allocation import Policy
    from swarm.allocation_settings import AllocationSettings
    from swarm.errors import FloorDeniedError, InvalidBidError, SettingError, StaleTokenError, SwarmError
    from swarm.grant import Grant, Lost
    from swarm.participant import Participant, Priority
    from swarm.session import AgentSpec, SwarmSession
    from swarm.talking_stick import TalkingStick

_HOME = {
    "AgentRuntime": "agent_runtime",
    "AgentSpec": "session",
    "AllocationSettings": "allocation_settings",
    "FloorDeniedError": "errors",
    "Grant": "grant",
    "InvalidBidError": "errors",
    "Lost": "grant",
    "Participant": "participant",
    "Policy": "allocation",
    "Priority": "participant",
    "SettingError": "errors",
    "StaleTokenError": "errors",
    "SwarmError": "errors",
    "SwarmSession": "session",
    "TalkingStick": "talking_stick",
}

__all__ = (
    "AgentRuntime",
    "AgentSpec",
    "AllocationSettings",
    "FloorDeniedError",
    "Grant",
    "InvalidBidError",
    "Lost",
    "Participant",
    "Policy",
    "Priority",
    "SettingError",
    "StaleTokenError",
    "SwarmError",
    "SwarmSession",
    "TalkingStick",
)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a session needs LiveKit, the stick only Redis."""
    if name not in _HOME:
        raise AttributeError(f"module 'swarm' has no attribute {name!r}")
    return getattr(import_module(f"swarm.{_HOME[name]}"), name)
