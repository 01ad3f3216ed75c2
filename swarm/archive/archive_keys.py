"""Redis keys of archiving and retention; those of a room share its slot."""

from __future__ import annotations

ARCHIVES = "swarm:archives"
"""Hash archive name to the time in ms, on Redis's clock, when it was last at work."""

RETENTION_LEASE = "swarm:retention:lease"
"""String with a time to live: the process that trims."""


def archived(room: str) -> str:
    """Hash archive name to the id of the room's last entry that it holds."""
    return f"swarm:{{{room}}}:archived"
