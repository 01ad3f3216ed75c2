"""The three hooks in an agent of one's own, and the check of the settings in force.

python examples/livekit_integration_example.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from host_agent.interruption import InterruptionHooks, load_config, test_integration_locally

if TYPE_CHECKING:
    from host_agent.interruption.handler_hooks import Transcriber


class MyAgent:
    """An agent whose framework calls three handlers."""

    def __init__(self, stt: Transcriber) -> None:
        self.hooks = InterruptionHooks(stt, config=load_config())

    async def on_agent_start_speaking(self, utterance: object) -> None:
        await self.hooks.on_agent_start_speaking(utterance)

    async def on_vad_event(self, vad_event: object) -> bool:
        """Return whether the framework is to interrupt."""
        return await self.hooks.on_vad_event(vad_event)

    async def on_agent_stop_speaking(self) -> None:
        await self.hooks.on_agent_stop_speaking()


if __name__ == "__main__":
    argparse.ArgumentParser(description="Check the decisions of the settings in force.").parse_args()
    test_integration_locally()
