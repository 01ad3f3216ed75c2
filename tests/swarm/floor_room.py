"""A floor for tests: the specification and, beside it, what runs; they must agree at each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarm import floor_commands as fc
from swarm.floor import decide
from swarm.floor_state import Floor
from tests.swarm.floor_commands_made import SMALL, START_US, ClockedFloor, heartbeat

if TYPE_CHECKING:
    from streams import events as ev


class Room:
    """The specification, and beside it what runs; time passes only when told."""

    def __init__(self, script: ClockedFloor | None) -> None:
        self.script = script
        self.floor = Floor(settings=SMALL)
        self.now_us = START_US
        self.events: list[ev.Event] = []

    def pass_ms(self, ms: int) -> None:
        self.now_us += ms * 1000

    async def heartbeat(self, who: str) -> None:
        """Have the roster hear of `who` now."""
        self.floor = heartbeat(("heartbeat", who), self.floor, self.now_us)
        if self.script is not None:
            await self.script.heard(self.floor)

    async def do(self, command: fc.Command) -> fc.Outcome:
        self.now_us += 10
        step = decide(self.floor, command, self.now_us)
        if self.script is not None:
            outcome, outlook = await self.script.at(self.now_us, command)
            assert outcome == step.outcome
            assert await self.script.new_events() == list(step.events)
            assert await self.script.read() == step.floor
            assert outlook.due_ms == step.due_ms
        self.floor = step.floor
        self.events = [event for event, _ in step.events]
        return step.outcome

    async def ask(self, who: str, name: str = "", **more: Any) -> fc.Outcome:
        return await self.do(fc.Request(participant=who, request_id=name or f"{who}-asks", **more))

    async def hold(self, who: str, **more: Any) -> int:
        outcome = await self.ask(who, **more)
        assert isinstance(outcome, fc.Granted)
        return outcome.token

    async def refused(self, command: fc.Command) -> fc.Outcome:
        """Do what is refused: nothing may change and nothing may be written."""
        before = decide(self.floor, fc.Tick(), self.now_us + 10).floor
        outcome = await self.do(command)
        assert self.floor == before
        assert self.events == []
        return outcome

    @property
    def types(self) -> list[str]:
        return [str(event.type) for event in self.events]

    @property
    def holder(self) -> str | None:
        return self.floor.hold.participant if self.floor.hold else None
