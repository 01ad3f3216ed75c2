"""One agent of a panel in a process of its own: a SwarmSession that says sound when told to by lines of JSON.

`python -m contenders.panel NAME REDIS_URL LIVEKIT_URL TOKEN ROOM`. Ends when its input ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import sys
import warnings
from typing import TYPE_CHECKING, Any

from agent_voice import RATE_HZ, SaidWord

from adapters.livekit_room import LiveKitRoom
from host_agent.ports import Prompt
from swarm.participant import Priority
from swarm.redis_connection import connect_redis
from swarm.session import AgentSpec, SwarmSession
from tests.engines.sound import unrepeated_sound

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google.adk.models import BaseLlm, LlmResponse
    from google.genai import types

    from host_agent import HeardCascadeLive, UniversalHostAgent, WordEgress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

    from google.adk.models import LlmRequest

    from host_agent.ports import Record, SpeechOutput

WORD_MS = 100
_SAY = re.compile(r"say (\d+)")


class SaysWords(BaseLlm):
    """Answers "say N" with N words."""

    model: str = "says-words"

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Yield the answer to the last content."""
        parts = (llm_request.contents[-1].parts if llm_request.contents else None) or []
        asked = _SAY.findall(" ".join(part.text or "" for part in parts))
        if asked:
            text = "word " * int(asked[-1])
            yield LlmResponse(content=types.Content(role="model", parts=[types.Part(text=text)]))


class _Stretch:
    def __init__(self, count: int) -> None:
        self.pcm = unrepeated_sound(count * WORD_MS, RATE_HZ).tobytes()
        self.sample_rate_hz = RATE_HZ
        self.words = tuple(SaidWord("word", n * WORD_MS, (n + 1) * WORD_MS) for n in range(count))


class Sound:
    """Says each word as a piece of sound that is nowhere the same."""

    async def stream(self, text: AsyncIterable[str]) -> AsyncIterator[_Stretch]:
        words = "".join([delta async for delta in text]).split()
        if words:
            yield _Stretch(len(words))


async def serve(name: str, redis_url: str, url: str, token: str, room: str, replies: Any) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    def host(output: SpeechOutput, record: Record) -> UniversalHostAgent:
        model = HeardCascadeLive(SaysWords(), tts=WordEgress(Sound()))
        return UniversalHostAgent(name=name, model=model, output=output, record=record)

    redis = await connect_redis(redis_url)
    spec = AgentSpec(name=name, host=host, hand_over=False)
    async with SwarmSession(
        redis, room, agents=[spec], connect=lambda _: LiveKitRoom(url, token=token)
    ) as session:
        gc.collect()
        gc.freeze()
        while line := await reader.readline():
            request = json.loads(line)
            if request["do"] == "ask":
                priority = Priority.URGENT if request["urgent"] else Priority.NORMAL
                await session.agents[name].ask(Prompt(f"say {request['words']}"), priority=priority)
            replies.write("{}\n")
            replies.flush()
    await redis.aclose()


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    name, redis_url, url, token, room = sys.argv[1:]
    asyncio.run(serve(name, redis_url, url, token, room, replies))
    replies.close()
    os._exit(0)


if __name__ == "__main__":
    main()
