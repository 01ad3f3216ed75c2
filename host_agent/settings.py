"""What can be set about a host. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NativeRewind = Literal["reconnect", "note"]


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Limits of a host. The defaults suit a conversation; none of them is a wait in a turn that goes well."""

    interrupted_limit_s: float = 1.0
    """How long an open turn may take to acknowledge activity_start."""
    first_audio_limit_s: float = 10.0
    """How long a granted turn may take to its first audio."""
    turn_limit_s: float = 120.0
    """How long a turn may take altogether."""
    words_limit_s: float = 1.5
    """How long the final words may take after a window's end; then the best so far count."""
    window_limit_s: float = 1.5
    """How long a granted turn waits for the window that is to bring its prompt."""
    lead_limit_s: float = 10.0
    """How far a cascade's voice may run ahead of the playout."""
    unclaimed_limit_s: float = 60.0
    """How much audio of an answer that has no grant yet is kept."""
    window_kept_s: float = 60.0
    """How much of a person's audio is kept, to be said again to a model session that had to be reopened."""
    native_rewind: NativeRewind = "reconnect"
    """How an open native connection learns what was heard: see docs/decisions/0004-heard-truth.md."""
    reopen_attempts: int = 4
    """How often in a row a model session is reopened before the host gives up."""
    reopen_backoff_s: float = 0.25
    """Wait before the second attempt; it doubles with each."""
    close_limit_s: float = 2.0
    """How long closing may take."""
