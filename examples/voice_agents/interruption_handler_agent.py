"""A voice agent that goes on through "yeah, uh-huh" and stops for "stop" and "yeah, but wait".

    python examples/voice_agents/interruption_handler_agent.py dev

It joins rooms of the server named by LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET; without them
`dev` takes `livekit-server --dev` on this machine (ws://127.0.0.1:7880, devkey, secret). Without more it runs
offline: pocketsphinx, rules and espeak-ng. STT_MODEL, LLM_MODEL and TTS_MODEL (such as deepgram/nova-3,
openai/gpt-4o-mini, cartesia/sonic) choose models of LiveKit's inference service instead. Its words are set by
LIVEKIT_BACKCHANNELING_WORDS and LIVEKIT_INTERRUPTION_WORDS, comma-separated.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livekit.agents import AgentServer, AgentSession, JobContext, cli, inference, stt

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from examples.voice_agents.offline_plugins import EspeakTTS, PocketsphinxSTT, RuleLLM
from host_agent.errors import InterruptionSettingError
from host_agent.interruption import (
    RECOMMENDED_TURN_HANDLING,
    IntelligentInterruptionAgent,
    InterruptionHandler,
    load_config,
)
from host_agent.offline.recogniser import OfflineRecogniser

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

HISTORY = (
    "Let me tell you how the printing press came about. In the fifteenth century, in the city of Mainz, a "
    "goldsmith by the name of Johannes Gutenberg looked for a way to make many copies of a page. He cast "
    "letters in metal, one by one, set them into lines, and locked the lines into a frame. With ink made "
    "from soot and oil the page could be pressed again and again. Within fifty years there were presses in "
    "more than two hundred towns, and books that had cost a house could be bought for a week's wages."
)

__all__ = ("HISTORY", "LongTalkAgent", "make_session", "server")


class LongTalkAgent(IntelligentInterruptionAgent):
    """Tells a long story, so that there is something to interrupt."""

    def __init__(self, *, handler: InterruptionHandler | None = None) -> None:
        super().__init__(
            handler=handler,
            instructions="You explain history. Answer in one or two short sentences, without lists.",
        )

    async def on_enter(self) -> None:
        await super().on_enter()
        self.session.say(HISTORY)


def make_session(
    recogniser: OfflineRecogniser | None, env: Mapping[str, str] | None = None
) -> AgentSession[Any]:
    """Return a session with the models that the environment names, else the offline ones."""
    env = os.environ if env is None else env
    vad = inference.VAD(model="silero")
    offline = stt.StreamAdapter(stt=PocketsphinxSTT(recogniser), vad=vad) if recogniser is not None else None
    return AgentSession(
        stt=env.get("STT_MODEL") or offline,  # pyright: ignore[reportArgumentType] - one of them is given
        llm=env.get("LLM_MODEL") or RuleLLM(),
        tts=env.get("TTS_MODEL") or EspeakTTS(),
        vad=vad,
        aec_warmup_duration=None,  # else people are not heard in its first 3 s
        turn_handling={"turn_detection": "vad", **RECOMMENDED_TURN_HANDLING},
    )


server = AgentServer()


@server.rtc_session()
async def entry(ctx: JobContext) -> None:
    """Join the room and talk until the session ends."""
    await ctx.connect()
    async with AsyncExitStack() as stack:
        recogniser = None
        if not os.environ.get("STT_MODEL"):
            recogniser = await stack.enter_async_context(OfflineRecogniser())
        session = make_session(recogniser)
        closed = asyncio.Event()
        session.on("close", lambda _: closed.set())
        await session.start(LongTalkAgent(), room=ctx.room)
        await closed.wait()


DEV_SERVER = {
    "LIVEKIT_URL": "ws://127.0.0.1:7880",
    "LIVEKIT_API_KEY": "devkey",
    "LIVEKIT_API_SECRET": "secret",
}
JOINING = ("dev", "start", "connect")


def prepare(arguments: Sequence[str], env: MutableMapping[str, str]) -> None:
    """See that a command that joins rooms has a server, and that the settings make sense, before it starts.

    Raises:
        SystemExit: it has none, or they do not; names what is wrong.
    """
    command = next(iter(arguments), "")
    if command not in JOINING or "--help" in arguments:
        return
    missing = [name for name in DEV_SERVER if not env.get(name)]
    if missing and "--url" not in arguments:
        if command != "dev" or len(missing) < len(DEV_SERVER):
            sys.exit(f"error {missing[0]}: missing. Set {', '.join(DEV_SERVER)}")
        print(f"LIVEKIT_URL is not set: trying {DEV_SERVER['LIVEKIT_URL']}", file=sys.stderr)
        env.update(DEV_SERVER)
    try:
        load_config(environ=env)
    except InterruptionSettingError as error:
        sys.exit(f"error {error}")


if __name__ == "__main__":
    prepare(sys.argv[1:], os.environ)
    cli.run_app(server)
