"""What the environment and the command line set, checked before anything starts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from streams.errors import InvalidEventError
from streams.keys import checked_name
from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

OFFLINE_MODEL = "offline"

_LONGEST_SHOWN = 80
_HOST = r"(?:\[[\w:.%]+\]|[\w.-]+)(?::\d+)?"
_PLACE = re.compile(rf"(?=.)(?:{_HOST}(?:,{_HOST})*)?(?:/[\w./-]*)?")


@dataclass(frozen=True, slots=True)
class LiveKitSettings:
    """Where a real LiveKit room is. The secret never appears in a repr."""

    url: str
    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return f"LiveKitSettings(url={self.url!r}, api_key={self.api_key!r}, api_secret='***')"


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment's part of the settings."""

    redis_url: str | None
    """None: a private Redis is started."""
    livekit: LiveKitSettings | None
    """None: an in-memory room."""


def from_environment(env: Mapping[str, str] | None = None) -> Settings:
    """Read REDIS_URL, LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET.

    Raises:
        SettingError: a LiveKit URL without key or secret, or one that is no ws, wss, http or https URL.
    """
    env = os.environ if env is None else env
    url = env.get("LIVEKIT_URL", "").strip()
    livekit = None
    if url:
        if not _is_livekit_url(url):
            raise SettingError(
                "LIVEKIT_URL",
                f"{shown_url(url)} is not a LiveKit address",
                "Set it to something like ws://127.0.0.1:7880",
            )
        for name in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
            if not env.get(name, "").strip():
                raise SettingError(
                    name,
                    "missing, but LIVEKIT_URL is set",
                    f"Set {name}, or unset LIVEKIT_URL for the in-memory room",
                )
        livekit = LiveKitSettings(url, env["LIVEKIT_API_KEY"].strip(), env["LIVEKIT_API_SECRET"].strip())
    return Settings(redis_url=env.get("REDIS_URL", "").strip() or None, livekit=livekit)


def _is_livekit_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in {"ws", "wss", "http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        )
    except ValueError:
        return False


def shown_url(url: str) -> str:
    """Return what cannot hold a secret: scheme, host, port and path, or less where that is unsure."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    place, _, query = rest.partition("?")
    place = place.rpartition("@")[2][:_LONGEST_SHOWN]
    unsure = "@" in query or not _PLACE.fullmatch(place)
    return f"{scheme[:_LONGEST_SHOWN]}{separator}{'...' if unsure else place}"


def check_room(room: str) -> str:
    """Return `room` if a room can have that name.

    Raises:
        SettingError: it cannot.
    """
    try:
        return checked_name(room, "room")
    except InvalidEventError as error:
        raise SettingError("--room", error.reason, "Name it like lobby or meeting-7") from error


def check_model(model: str, env: Mapping[str, str] | None = None) -> None:
    """Check that a model can be used at all, before a room is joined.

    Raises:
        SettingError: ADK knows no such model, it is not a live one, or its key is missing.
    """
    if model == OFFLINE_MODEL:
        return
    env = os.environ if env is None else env
    from google.adk.models.base_llm import BaseLlm
    from google.adk.models.registry import LLMRegistry

    cure = f"Use {OFFLINE_MODEL!r} (no key needed) or a Gemini live model"
    try:
        kind = LLMRegistry.resolve(model)
    except (ValueError, ImportError) as error:
        raise SettingError("--model", f"ADK knows no model named {model!r}", cure) from error
    if kind.connect is BaseLlm.connect:
        raise SettingError("--model", f"{model!r} cannot be used live", cure)
    vertex = env.get("GOOGLE_GENAI_USE_VERTEXAI", "").strip().lower() in {"1", "true"}
    if not vertex and not (env.get("GOOGLE_API_KEY") or env.get("GEMINI_API_KEY")):
        raise SettingError(
            "GOOGLE_API_KEY", f"missing, but {model!r} needs one", f"Set it, or use --model {OFFLINE_MODEL}"
        )
