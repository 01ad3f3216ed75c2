"""Redis goes away during a barge-in: silence at once, the report later, no sound before the next grant."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.ports import FRAME_MS
from host_agent.ports import TurnResult
from streams import events as ev
from streams import keys
from streams.connection import redis_client
from streams.conversation_stream import ConversationStream
from streams.outbox import Outbox
from streams.vocabulary import BargeInMode, ParticipantKind
from swarm.agent_runtime import AgentRuntime
from swarm.floor_state import FloorSettings
from swarm.roster import Roster
from swarm.session import AgentSpec
from swarm.talking_stick import TalkingStick
from tests.adapters.scripted import ModelLog, RecordingSink, ScriptedEars, SinkRoom, WordJudge
from tests.proofs.proof import Progress, Proof, Size, percentile
from tests.proofs.record_check import RecordCheck
from tests.restartable_redis import RestartableRedis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from adapters.ports import Cut
    from host_agent.ports import Prompt
    from streams.outbox import Outbox as Record
    from swarm.grant import Grant

RATE_HZ = 24_000
SETTINGS = FloorSettings(lease_ms=800, take_up_ms=800, guard_ms=0)
FRAME = b"\x01\x02" * (RATE_HZ * FRAME_MS // 1000)
UTTERANCE_S = 20.0


class TimedSink(RecordingSink):
    """Notes when it was handed a frame that is not silent."""

    def __init__(self) -> None:
        super().__init__(RATE_HZ)
        self.audible_s: list[float] = []

    def push(self, pcm: bytes) -> None:
        super().push(pcm)
        if any(pcm):
            self.audible_s.append(time.monotonic())

    def audible_between(self, from_s: float, to_s: float) -> int:
        return sum(from_s < at_s <= to_s for at_s in self.audible_s)


class Talker:
    """A host that says one long utterance with each grant, and reports how it was cut off."""

    name = "talker"

    def __init__(self, output: Any, record: Record) -> None:
        self.output = output
        self.record = record
        self.queue = ModelLog()
        self.saying = ("word " * 50, "")
        self.cuts: list[tuple[float, Cut]] = []
        self._tokens: dict[str, int] = {}
        self._spoken = 0

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def opened(self) -> None: ...

    async def speak(self, grant: Grant, prompt: Prompt) -> TurnResult:
        utterance_id = self.begin(grant.token)
        playout = await self.output.wait_played_out(utterance_id)
        return TurnResult(utterance_id, "word", "wo", UTTERANCE_S * 1000, playout.heard_ms, interrupted=True)

    def begin(self, token: int) -> str:
        self._spoken += 1
        utterance_id = f"{self.name}-{self._spoken}"
        self._tokens[utterance_id] = token
        self.output.begin_utterance(utterance_id)
        self.output.send_audio_chunk(
            FRAME * int(UTTERANCE_S * 1000 / FRAME_MS), sample_rate_hz=RATE_HZ, utterance_id=utterance_id
        )
        self.output.end_utterance(utterance_id)
        return utterance_id

    def on_cut(self, cut: Cut) -> None:
        self.cuts.append((time.monotonic(), cut))
        event = ev.Interruption(
            interrupted=self.name,
            interruptor=cut.by,
            interruptor_kind=ParticipantKind(cut.by_kind),
            utterance_id=cut.utterance_id,
            heard_text="wo",
            unheard_text="rd",
            heard_ms=cut.playout.heard_ms,
            generated_ms=UTTERANCE_S * 1000,
            reason=cut.verdict.reason,
        )
        token = self._tokens[cut.utterance_id]
        self.record.report(event, source=self.name, token=token, occurred_s=time.monotonic())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):
            return lambda *_: None
        raise AttributeError(name)


@dataclass(slots=True)
class Scene:
    stick: TalkingStick
    runtime: AgentRuntime
    talker: Talker
    ears: ScriptedEars
    sink: TimedSink


@contextlib.asynccontextmanager
async def scene(url: str, room: str) -> AsyncIterator[Scene]:
    """One agent's runtime with everything of the product but its model, its detector and its transport."""
    redis, sink, ears = redis_client(url), TimedSink(), ScriptedEars(time.monotonic)
    stream = ConversationStream(redis, room)
    await stream.measure_clock()
    talkers: list[Talker] = []

    def host(output: Any, record: Any) -> Any:
        talkers.append(Talker(output, record))
        return talkers[0]

    made = SinkRoom(sink)
    ears.attach(made)
    async with (
        Outbox(stream) as outbox,
        TalkingStick(redis, room, settings=SETTINGS) as stick,
        asyncio.TaskGroup() as tasks,
    ):
        runtime = AgentRuntime(
            AgentSpec("talker", host, mode=BargeInMode.CONFIRM),
            room=made,
            ears=ears,  # type: ignore[arg-type]
            judge=lambda _: WordJudge(),
            stick=stick,
            outbox=outbox,
            roster=Roster(redis, room),
            to_ms=stream.server_clock.at_ms,
        )
        async with runtime.adapter:
            serving = tasks.create_task(runtime.run())
            yield Scene(stick, runtime, talkers[0], ears, sink)
            serving.cancel()
    await redis.aclose()


async def away(size: Size, say: Progress) -> Proof:
    """Kill the server while an agent speaks, interrupt it, start the server again."""
    proof = Proof("Redis away during a barge-in")
    silences_ms: list[float] = []
    reports_ms: list[float] = []
    for nth in range(size.clock_rounds):
        say(f"Redis away: round {nth + 1} of {size.clock_rounds}")
        server = RestartableRedis().start()
        try:
            async with asyncio.timeout(30):
                await _barge_in(proof, server, silences_ms, reports_ms)
        finally:
            server.remove()
    proof.figure("onset to silence, worst", max(silences_ms, default=0.0), "ms", str(FRAME_MS))
    proof.figure("server back to report written, p50", percentile(reports_ms, 0.5), "ms")
    return proof


async def _barge_in(
    proof: Proof, server: RestartableRedis, silences_ms: list[float], reports_ms: list[float]
) -> None:
    room = f"away-{secrets.token_hex(3)}"
    async with scene(server.url, room) as s:
        await s.stick.request(s.runtime.participant)
        await _until_audible(s, 0.0)
        server.kill()
        await asyncio.sleep(0.05)
        proof.expect(
            s.sink.audible_between(time.monotonic() - 0.04, time.monotonic()) > 0, "fell silent early"
        )
        s.ears.hear("paul", 100)
        onset_s = time.monotonic()
        s.ears.start("paul")
        called_s = time.monotonic()
        for _ in range(10):
            s.ears.hear("paul")
            s.ears.progress("paul")
            await asyncio.sleep(FRAME_MS / 1000)
        s.ears.words("paul", "stop", final=True)
        proof.expect(len(s.talker.cuts) == 1, "the utterance was not cut")
        last_s = max((at_s for at_s in s.sink.audible_s if at_s > onset_s), default=called_s)
        silences_ms.append((last_s - onset_s) * 1000)
        proof.expect(last_s - onset_s <= FRAME_MS / 1000, f"audible {(last_s - onset_s) * 1000:.1f} ms later")
        s.ears.end("paul")
        await asyncio.sleep(SETTINGS.lease_ms / 1000)
        # It tries to speak without the floor, for longer than a lease.
        before_s = time.monotonic()
        s.talker.begin(s.stick.token)
        await asyncio.sleep(0.3)
        without = s.sink.audible_between(before_s, time.monotonic())
        proof.expect(without == 0, f"{without} frames were audible without the floor")
        server.start()
        back_s = time.monotonic()
        found = await _report(server, room)
        reports_ms.append((time.monotonic() - back_s) * 1000)
        proof.expect(len(found) >= 1 and found[0]["interruptor"] == "paul", f"reported: {found}")
        again_s = time.monotonic()
        await asyncio.sleep(0.2)
        without = s.sink.audible_between(again_s, time.monotonic())
        proof.expect(without == 0, f"{without} frames were audible before it was granted the floor again")
        asked_s = time.monotonic()
        await s.stick.request(s.runtime.participant)
        try:
            await _until_audible(s, asked_s)
        except TimeoutError:
            proof.expect(False, "not audible again after it was granted the floor again")
    redis = redis_client(server.url)
    check = RecordCheck()
    for entry_id, fields in await redis.xrange(keys.stream(room)):
        check.feed(entry_id, fields)
    await redis.aclose()
    for what in check.broken:
        proof.expect(False, f"record: {what}")
    proof.expect(len(check.grants) == 2, f"{len(check.grants)} grants")


async def _until_audible(s: Scene, after_s: float) -> None:
    async with asyncio.timeout(4):
        while not s.sink.audible_between(after_s, time.monotonic()):  # noqa: ASYNC110 - the sink has no event
            await asyncio.sleep(0.01)


async def _report(server: RestartableRedis, room: str) -> list[dict[str, Any]]:
    """Wait for the report of the interruption and return all there are."""
    redis, last = redis_client(server.url), "0"
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(8):
        while not found:
            reply = await redis.xread({keys.stream(room): last}, block=1_000)
            for entry_id, fields in reply[0][1] if reply else []:
                last = entry_id
                if fields["type"] == "INTERRUPTION":
                    found.append(json.loads(fields["data"]))
    await redis.aclose()
    return found
