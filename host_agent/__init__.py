"""One voice agent over any live model: speaks when granted, knows what was heard. Loads ADK when used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from host_agent.errors import HostError
from host_agent.settings import HostSettings
from host_agent.states import HostState

if TYPE_CHECKING:
    from host_agent.cascade import HeardCascadeLive
    from host_agent.egress import WordEgress
    from host_agent.transforms import SharedTranscripts
    from host_agent.universal_host_agent import UniversalHostAgent

__all__ = (
    "HeardCascadeLive",
    "HostError",
    "HostSettings",
    "HostState",
    "SharedTranscripts",
    "UniversalHostAgent",
    "WordEgress",
)

_LATE = {
    "HeardCascadeLive": "host_agent.cascade",
    "SharedTranscripts": "host_agent.transforms",
    "UniversalHostAgent": "host_agent.universal_host_agent",
    "WordEgress": "host_agent.egress",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
