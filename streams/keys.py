"""Every Redis key of a room. The braces are the Cluster hash tag: all keys of a room share a slot."""

from __future__ import annotations

import re

from streams.errors import InvalidEventError

ALL_ROOMS_STREAM = "conversation_stream"
"""The plain stream that carries the events of all rooms (written by the relay)."""

ROOMS = "swarm:rooms"
"""Set of the rooms that have a stream, so that subscribers discover them."""

ROOMS_OPENED = "{swarm:rooms}:opened"
"""Stream, one short entry for each room that was added to ROOMS: what a subscriber blocks on for new rooms.
The hash tag is the whole of ROOMS, so that one script can write both in a Cluster."""

RELAY_LEASE = "{conversation_stream}:relay:lease"
"""String with a time to live: the process that relays. In the slot of ALL_ROOMS_STREAM."""

RELAY_CURSORS = "{conversation_stream}:relay:cursors"
"""Hash room to the id of the last entry that was relayed. In the slot of ALL_ROOMS_STREAM."""

NAME_CHARACTER = r"[^\x00-\x20\x7f{}\ud800-\udfff]"
"""Pattern of a character that a name or a request id may hold: the floor's script draws the same line."""

_NAME = re.compile(NAME_CHARACTER + "{1,128}")


def checked_name(name: str, what: str) -> str:
    """Return `name` if it can be a room, participant or source name.

    Raises:
        InvalidEventError: empty, over 128 characters, or holding white space or control characters of ASCII,
            braces, or half a surrogate pair.
    """
    if not _NAME.fullmatch(name):
        raise InvalidEventError(f"{what} {name[:40]!r}: 1 to 128 characters, no white space, no braces")
    return name


def stream(room: str) -> str:
    """Stream of the room's events."""
    return f"conversation_stream:{{{room}}}"


def meta(room: str) -> str:
    """Hash: `session`, `seq`, `last_id` (the entry that the next one names as `prev`)."""
    return f"swarm:{{{room}}}:meta"


def request(room: str, request_id: str) -> str:
    """String with a time to live: the entry id, or state reference, that a request id led to."""
    return f"swarm:{{{room}}}:request:{request_id}"


def floor(room: str) -> str:
    """Hash: the floor's state (holder, token, lease deadline, settings)."""
    return f"swarm:{{{room}}}:floor"


def queue(room: str) -> str:
    """Hash participant to JSON: one field for each waiting participant."""
    return f"swarm:{{{room}}}:queue"


def order(room: str) -> str:
    """Sorted set of the waiting participants: the lowest score is served first."""
    return f"swarm:{{{room}}}:order"


def people(room: str) -> str:
    """Hash identity to JSON: one field for each person who speaks, with lease deadlines."""
    return f"swarm:{{{room}}}:people"


def requests(room: str) -> str:
    """Hash request id to JSON: what became of each floor request, kept for a while."""
    return f"swarm:{{{room}}}:requests"


def request_ages(room: str) -> str:
    """Sorted set of the floor's request ids by their last change, so that old ones are forgotten."""
    return f"swarm:{{{room}}}:request_ages"


def tokens(room: str) -> str:
    """Hash token to source: every token granted lately, so that late reports can be checked."""
    return f"swarm:{{{room}}}:tokens"


def scribe(room: str) -> str:
    """String with a time to live: the process that writes SPEECH_* and TRANSCRIPT of the room."""
    return f"swarm:{{{room}}}:scribe"


def speeches(room: str) -> str:
    """Hash person to JSON: the person's last stretches of speech and what has been written of them."""
    return f"swarm:{{{room}}}:speeches"


def roster(room: str) -> str:
    """Hash identity to JSON: who is in the room, as what, since when, last heard of when."""
    return f"swarm:{{{room}}}:roster"


def allocation(room: str) -> str:
    """Hash setting to JSON value: how the room decides who answers a person."""
    return f"swarm:{{{room}}}:allocation"


def turns(room: str) -> str:
    """Hash turn to JSON: the bids for the last turns and who was chosen. With a time to live."""
    return f"swarm:{{{room}}}:turns"


def consumer_group(room: str, group: str) -> str:
    """Hash: the consumer that has the room (`owner`, `until_ms`), and the group's last handled entry.

    That is `session`, `seq`, `id`, and `closed`: `1` where it was the session's last.
    """
    return f"swarm:{{{room}}}:group:{group}"


def dead_letters(room: str) -> str:
    """Stream: entries that a consumer group gave up on, each with the reason and its own fields."""
    return f"swarm:{{{room}}}:dead_letters"


def group_members(group: str) -> str:
    """Hash consumer to JSON: the live consumers of a group that follow more than one room."""
    return f"swarm:group:{{{group}}}:members"


def hub_control(hub_id: str) -> str:
    """Stream with a time to live: an entry ends the blocked read of one process."""
    return f"swarm:hub:{hub_id}:control"
