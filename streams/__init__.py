"""The record: every change and every word of a room as an event on its Redis Stream."""

from streams import events
from streams.clock import ServerClock
from streams.consumer_settings import ConsumerFigures, ConsumerSettings, RoomLag
from streams.conversation_stream import ConversationStream
from streams.dead_letters import DeadLetter, read_dead_letters
from streams.errors import (
    ForeignTokenError,
    InvalidEventError,
    RequestTooOldError,
    StreamError,
    StreamUnavailableError,
)
from streams.events import Event, Recorded, UnknownEvent
from streams.fresh_ids import new_request_id
from streams.group_consumer import Consumer, consumer
from streams.hub import StreamHub
from streams.outbox import Outbox
from streams.relay import Relay
from streams.rooms_subscription import RoomsSubscription, subscribe
from streams.sequence import Fork, Gap
from streams.subscription import Subscription

__all__ = (
    "Consumer",
    "ConsumerFigures",
    "ConsumerSettings",
    "ConversationStream",
    "DeadLetter",
    "Event",
    "ForeignTokenError",
    "Fork",
    "Gap",
    "InvalidEventError",
    "Outbox",
    "Recorded",
    "Relay",
    "RequestTooOldError",
    "RoomLag",
    "RoomsSubscription",
    "ServerClock",
    "StreamError",
    "StreamHub",
    "StreamUnavailableError",
    "Subscription",
    "UnknownEvent",
    "consumer",
    "events",
    "new_request_id",
    "read_dead_letters",
    "subscribe",
)
