"""Ears and mouth: what people say in a room, and an agent's voice that people can interrupt.

Names are loaded when they are first used: importing this package imports neither LiveKit nor a
detector.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.ears import Ears, EarsSettings
    from adapters.errors import (
        AdapterError,
        NotConnectedError,
        RoomUnavailableError,
        UnknownUtteranceError,
        UnsupportedAudioError,
    )
    from adapters.listening import ListeningSettings
    from adapters.livekit_adapter import AdapterSettings, LiveKitAdapter
    from adapters.livekit_room import LiveKitRoom
    from adapters.memory_room import InMemoryRoom
    from adapters.pacer import Pacer
    from adapters.verdicts import Limits

__all__ = (
    "AdapterError",
    "AdapterSettings",
    "Ears",
    "EarsSettings",
    "InMemoryRoom",
    "Limits",
    "ListeningSettings",
    "LiveKitAdapter",
    "LiveKitRoom",
    "NotConnectedError",
    "Pacer",
    "RoomUnavailableError",
    "UnknownUtteranceError",
    "UnsupportedAudioError",
)

_MODULES = {
    "AdapterSettings": "livekit_adapter",
    "Ears": "ears",
    "EarsSettings": "ears",
    "InMemoryRoom": "memory_room",
    "Limits": "verdicts",
    "ListeningSettings": "listening",
    "LiveKitAdapter": "livekit_adapter",
    "LiveKitRoom": "livekit_room",
    "Pacer": "pacer",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)
