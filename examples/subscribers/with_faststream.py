"""A FastStream subscriber in a consumer group: every event of a stream, acknowledged after its handler.

python examples/subscribers/with_faststream.py redis://127.0.0.1:6379/0 'conversation_stream:{lobby}' mine

FastStream takes the field `data` for the message: the handler gets the event, typed as it likes. The other
fields of the entry are in the raw message.
"""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

from faststream import FastStream
from faststream.redis import RedisBroker, RedisStreamMessage, StreamSub
from redis.asyncio import Redis
from redis.exceptions import ResponseError


def made(url: str, stream: str, group: str) -> FastStream:
    """Return the application: one subscriber, beginning with the oldest entry that is kept."""
    broker = RedisBroker(url, logger=None)
    app = FastStream(broker, logger=None)

    @app.on_startup
    async def create_group() -> None:
        # FastStream would have it begin with what is still to come.
        async with Redis.from_url(url) as redis:
            with suppress(ResponseError):  # it exists
                await redis.xgroup_create(stream, group, id="0", mkstream=True)

    @broker.subscriber(stream=StreamSub(stream, group=group, consumer="one", polling_interval=1000))
    async def on_event(event: dict[str, Any], message: RedisStreamMessage) -> None:
        entry = {name.decode(): text.decode() for name, text in message.raw_message["data"].items()}
        entry_id = message.raw_message["message_ids"][0].decode()
        shown: dict[str, Any] = {name: entry[name] for name in ("room", "type", "source")}
        shown |= {"seq": int(entry["seq"]), "id": entry.get("entry_id", entry_id)}
        print(json.dumps(shown | {"data": event}), flush=True)

    return app


if __name__ == "__main__":
    if len(sys.argv) != 4 or "--help" in sys.argv:
        sys.exit("usage: with_faststream.py REDIS_URL STREAM GROUP")
    asyncio.run(made(*sys.argv[1:]).run())
