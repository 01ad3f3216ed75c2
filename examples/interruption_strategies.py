"""Interruption strategies at work, without a room: settings, conditions, the request, the interruption.

    python examples/interruption_strategies.py

In a room they are a setting of the agent:
`AgentSpec(..., interruption_strategies=lambda: [MinWordsInterruptionStrategy(3), TimeBasedStrategy(0.5)])`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from host_agent.interruption import (
    AllOf,
    BaseInterruptionStrategy,
    BaseProcessor,
    BotStartedSpeakingFrame,
    Frame,
    FrameDirection,
    InterruptionFrame,
    KeywordInterruptionStrategy,
    MinWordsInterruptionStrategy,
    Pipeline,
    PipelineTask,
    PipelineTaskConfig,
    TextFrame,
    TimeBasedStrategy,
    UrgencyInterruptionStrategy,
    UserInterruptionProcessor,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)

STORY = ["In", "the", "fifteenth", "century", "a", "goldsmith", "cast", "letters", "in", "metal"]


class QuestionStrategy(BaseInterruptionStrategy):
    """A strategy of one's own: a question interrupts."""

    def __init__(self) -> None:
        super().__init__()
        self._text = ""

    def append_text(self, text: str) -> None:
        with self.lock:
            self._text = f"{self._text} {text}"

    def should_interrupt(self) -> bool:
        with self.lock:
            return self._text.rstrip().endswith("?")

    def reset(self) -> None:
        with self.lock:
            self._text = ""


class Words(BaseProcessor):
    """The model: its words wait here until the voice takes them."""

    def say(self, words: list[str]) -> None:
        self.queue.extend(TextFrame(word) for word in words)

    def clear(self, frame: InterruptionFrame) -> None:
        left = len(self.queue)
        super().clear(frame)
        print(f"    {left} words dropped: {frame.reason}")


class Playout(BaseProcessor):
    """The end of the line."""

    def handle_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InterruptionFrame):
            print("    playout emptied")
        super().handle_frame(frame, direction)


def scene(
    name: str, strategies: list[BaseInterruptionStrategy], said: list[str], *, allowed: bool = True
) -> None:
    """Let a person say some words over the agent."""
    print(f"{name}\n    person: {' / '.join(said)}")
    model = Words()
    task = PipelineTask(
        Pipeline([UserInterruptionProcessor(), model, Playout()]),
        PipelineTaskConfig(allow_interruptions=allowed, interruption_strategies=strategies),
    )
    task.start()
    model.say(STORY)
    task.queue_frame(BotStartedSpeakingFrame())
    task.queue_frame(UserStartedSpeakingFrame("paul"))
    for words in said:
        task.queue_frame(TextFrame(words))
    task.queue_frame(UserStoppedSpeakingFrame("paul"))
    if model.queue:
        print("    the agent goes on")


def main() -> None:
    parser = argparse.ArgumentParser(description="Interruption strategies at work, without a room.")
    parser.parse_args()
    scene("three words", [MinWordsInterruptionStrategy(3)], ["yeah"])
    scene("three words", [MinWordsInterruptionStrategy(3)], ["yeah", "but why"])
    scene(
        "a keyword, or three words",
        [KeywordInterruptionStrategy(["stop"]), MinWordsInterruptionStrategy(3)],
        ["stop"],
    )
    scene(
        "two words that have taken a second",
        [AllOf([MinWordsInterruptionStrategy(2), TimeBasedStrategy(1.0)])],
        ["no no"],
    )
    scene("urgency", [UrgencyInterruptionStrategy()], ["please hurry", "stop it"])
    scene("a strategy of one's own", [QuestionStrategy()], ["really?"])
    scene("no strategy: whoever speaks interrupts", [], ["mhm"])
    scene("interruptions switched off", [MinWordsInterruptionStrategy(1)], ["stop"], allowed=False)


if __name__ == "__main__":
    main()
