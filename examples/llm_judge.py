"""A judge that asks a language model where the local one is not sure, and never waits long for it.

    GOOGLE_API_KEY=... python examples/llm_judge.py "yeah that would be the other one"

The local answer stands where it is sure, where a command was heard, and where the model is late. In a room it
is made for each stretch of speech: `AgentSpec(..., judge=lambda _: LlmJudge(ask, tasks, local()))`, with a
TaskGroup around the session.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from host_agent.interruption import InterruptionHandlerConfig, judge_factory
from streams.vocabulary import Decision, Observation, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from adapters.ports import Judge

LIMIT_MS = 300.0
"""The local answer stands if the model takes longer."""
SURE = 0.95
QUESTION = (
    "A voice assistant was saying: {context!r}. Meanwhile its user said: {words!r}. Does the user want to"
    " take the floor, or only show that they are listening? Answer with one word: interrupt or ignore."
)


class LlmJudge:
    """Judges one stretch of speech; asks `ask(words, context)` in `tasks` when `local` is not sure.

    One question at a time, and LIMIT_MS from the first on: then the local answer stands, whatever words have
    come meanwhile.
    """

    def __init__(
        self, ask: Callable[[str, str], Awaitable[str]], tasks: asyncio.TaskGroup, local: Judge
    ) -> None:
        self._ask, self._tasks, self._local = ask, tasks, local
        self._asking = ""
        self._since_ms: float | None = None
        self._answers: dict[str, str] = {}
        self._final: Verdict | None = None

    @property
    def patience_ms(self) -> float:
        """Until then after the onset the adapter lets a Hold stand."""
        return float(getattr(self._local, "patience_ms", 0.0)) + LIMIT_MS

    def observe(self, observation: Observation) -> Verdict:
        """Return what is to be done now; Interrupt is final."""
        if self._final is not None:
            return self._final
        verdict = self._local.observe(observation)
        if verdict.decision is Decision.INTERRUPT:
            verdict = self._second_thoughts(verdict, observation)
        if verdict.decision is Decision.INTERRUPT:
            self._final = verdict
        return verdict

    def _second_thoughts(self, verdict: Verdict, seen: Observation) -> Verdict:
        if verdict.confidence is None or verdict.confidence >= SURE:
            return verdict
        if self._answers.get(seen.words) == "ignore":
            self._since_ms = None
            return Verdict(Decision.CONTINUE, "the model heard no interruption", seen.words)
        if self._since_ms is None:
            self._since_ms = seen.elapsed_ms
        late = seen.elapsed_ms - self._since_ms >= LIMIT_MS
        if late or seen.ended or self._answers.get(seen.words) == "interrupt":
            return verdict
        if not self._asking:
            self._asking = seen.words
            self._tasks.create_task(self._put(seen.words, seen.agent_words))
        return Verdict(Decision.HOLD, "the model is being asked", seen.words)

    async def _put(self, words: str, context: str) -> None:
        try:
            async with asyncio.timeout(LIMIT_MS / 1000):
                first = (await self._ask(words, context)).lower().split()[:1]
        except Exception:
            return
        finally:
            self._asking = ""
        if first and (answer := first[0].strip(".,:;!*\"'")) in ("ignore", "interrupt"):
            self._answers[words] = answer


async def ask_gemini(words: str, context: str) -> str:
    """Ask Gemini; needs GOOGLE_API_KEY."""
    from google import genai

    client = genai.Client(api_key=os.environ["GOOGLE_API_KEY"])
    answer = await client.aio.models.generate_content(
        model="gemini-2.5-flash-lite", contents=QUESTION.format(words=words, context=context)
    )
    return answer.text or ""


async def main(text: str) -> None:
    local = judge_factory(InterruptionHandlerConfig())
    async with asyncio.TaskGroup() as tasks:
        judge = LlmJudge(ask_gemini, tasks, local())
        words = text.lower().split()
        for at in range(4 * len(words)):
            said = " ".join(words[: at // 4 + 1])
            now_ms = 100.0 * (at + 1)
            verdict = judge.observe(Observation(now_ms, now_ms, 0.0, -25.0, words=said))
            print(f"{now_ms:6.0f} ms  {said:40s} {verdict.decision:10s} {verdict.reason}")
            if verdict.decision is Decision.INTERRUPT:
                break
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    if "GOOGLE_API_KEY" not in os.environ:
        sys.exit("GOOGLE_API_KEY is missing: the model cannot be asked")
    asyncio.run(main(" ".join(sys.argv[1:]) or "yeah that would be the other one"))
