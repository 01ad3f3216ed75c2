"""A past conversation, shown as it went: `swarm replay`. `streams.room_state` rebuilds the room's state."""

__all__ = ()
