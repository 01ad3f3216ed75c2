"""The record: every change and every word of a room as an event on its Redis Stream."""

from streams import events
from streams.clock import ServerClock
from streams.conversation_stream import ConversationStream
from streams.errors import (
    ForeignTokenError,
    InvalidEventError,
    RequestTooOldError,
    StreamError,
    StreamUnavailableError,
)
from streams.events import Event, Recorded, UnknownEvent
from streams.fresh_ids import new_request_id
from streams.hub import StreamHub
from streams.outbox import Outbox
from streams.relay import Relay
from streams.subscription import Subscription

__all__ = (
    "ConversationStream",
    "Event",
    "ForeignTokenError",
    "InvalidEventError",
    "Outbox",
    "Recorded",
    "Relay",
    "RequestTooOldError",
    "ServerClock",
    "StreamError",
    "StreamHub",
    "StreamUnavailableError",
    "Subscription",
    "UnknownEvent",
    "events",
    "new_request_id",
)
