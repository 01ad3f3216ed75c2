"""Follows a stream of events with nothing but redis-py, and notices gaps by itself. A line of JSON for each.

python examples/subscribers/plain_redis.py redis://127.0.0.1:6379/0 'conversation_stream:{lobby}'
"""

import json
import sys

import redis


def main(url: str, stream: str) -> None:
    """Read from the beginning, then on, for ever."""
    client = redis.Redis.from_url(url, decode_responses=True)
    after, seen = "0", {}
    while True:
        for _, entries in client.xread({stream: after}, count=100, block=2000) or ():
            for entry_id, entry in entries:
                after = entry_id
                session, seq = (entry["room"], entry["session"]), int(entry["seq"])
                if seq > seen.setdefault(session, seq) + 1:
                    print(json.dumps({"missed": seq - seen[session] - 1}), flush=True)
                seen[session] = max(seq, seen[session])
                shown = {name: entry[name] for name in ("room", "type", "source")}
                shown |= {
                    "seq": seq,
                    "id": entry.get("entry_id", entry_id),
                }  # the stream of all rooms has both
                print(json.dumps(shown | {"data": json.loads(entry["data"])}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3 or "--help" in sys.argv:
        sys.exit("usage: plain_redis.py REDIS_URL STREAM")
    main(*sys.argv[1:])
