"""Runs one contender in this process, driven by lines of JSON: `python -m contenders.worker NAME`.

Ends when its input ends, so that it never outlives the harness.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import os
import sys
import warnings
from typing import Any

from contenders.contender import make


async def serve(name: str, replies: Any) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    contender = make(name)
    try:
        while line := await reader.readline():
            request = json.loads(line)
            reply: dict[str, Any] = {}
            try:
                match request["do"]:
                    case "start":
                        await contender.start(request["url"], request["token"])
                        # A full collection over what was imported takes 80 ms: for nobody here amid speech.
                        gc.collect()
                        gc.freeze()
                    case "speak":
                        await contender.speak()
                    case "hear":
                        contender.hear(request["text"], final=request["final"])  # type: ignore[attr-defined]
                    case "finish":
                        reply = dataclasses.asdict(await contender.finish())
                    case _:
                        break
            except Exception as error:  # the harness decides what a failure means
                reply = {"error": f"{type(error).__name__}: {error}"}
            replies.write(json.dumps(reply) + "\n")
            replies.flush()
    finally:
        await contender.aclose()


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not come between the replies
    warnings.simplefilter("ignore")
    asyncio.run(serve(sys.argv[1], replies))
    # Their native threads may not let go: there is nothing left to lose.
    replies.close()
    os._exit(0)


if __name__ == "__main__":
    main()
