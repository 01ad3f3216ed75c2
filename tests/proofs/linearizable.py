"""Whether a recorded history of concurrent calls is one that the specification allows. No I/O.

A history is linearizable if each call can be given one moment between its sending and its answer, so that the
specification, told the calls in that order, gives each the answer it got. The search is exhaustive (Wing and
Gong's, with Lowe's memory of what was tried), window by window: a window ends where no call is under way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from swarm.floor import decide

if TYPE_CHECKING:
    from streams.events import Event
    from swarm.floor_commands import Command, Outcome
    from swarm.floor_state import Floor
    from swarm.floor_wire import Outlook

MOST_STEPS = 40_000
"""A search that takes more is given up, which counts as a fault: a sound history takes one step a call."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one client: what was sent and answered, and when (monotonic s)."""

    client: int
    sent_s: float
    answered_s: float
    command: Command
    outcome: Outcome
    outlook: Outlook


@dataclass(frozen=True, slots=True)
class Order:
    """An order that explains a history: the state it leads to, and the events that it writes."""

    floor: Floor
    events: tuple[tuple[Event, int | None], ...]


@dataclass(slots=True)
class Search:
    """Looks for the orders that explain the windows, one after another."""

    windows: list[list[Call]]
    steps: int = 0
    tried: set[Any] = field(default_factory=set)

    def orders(self, floor: Floor) -> Iterator[Order]:
        """Yield the orders that lead to different states; none where the history is not linearizable."""
        yield from self._from(0, 0, Order(floor, ()))

    @property
    def undecided(self) -> bool:
        """Whether the search was given up."""
        return self.steps > MOST_STEPS

    def _from(self, window: int, done: int, so_far: Order) -> Iterator[Order]:
        if window == len(self.windows):
            yield so_far
            return
        calls = self.windows[window]
        if done == (1 << len(calls)) - 1:
            yield from self._from(window + 1, 0, so_far)
            return
        state = (window, done, frozen(so_far.floor))
        if state in self.tried or self.undecided:
            return
        self.tried.add(state)
        open_calls = [(at, call) for at, call in enumerate(calls) if not done >> at & 1]
        first_answer_s = min(call.answered_s for _, call in open_calls)
        for at, call in sorted(open_calls, key=lambda each: each[1].outlook.now_us):
            if call.sent_s > first_answer_s:
                continue  # another was answered before this was sent
            self.steps += 1
            step = decide(so_far.floor, call.command, call.outlook.now_us)
            hold = step.floor.hold
            shown = (step.floor.token, hold.participant if hold else "", step.due_ms)
            told = (call.outlook.token, call.outlook.holder, call.outlook.due_ms)
            if step.outcome == call.outcome and shown == told:
                yield from self._from(window, done | 1 << at, Order(step.floor, so_far.events + step.events))


def windows(history: list[Call]) -> list[list[Call]]:
    """Return the history cut wherever no call is under way."""
    found: list[list[Call]] = []
    last_answer_s = float("-inf")
    for call in sorted(history, key=lambda each: each.sent_s):
        if call.sent_s > last_answer_s:
            found.append([])
        found[-1].append(call)
        last_answer_s = max(last_answer_s, call.answered_s)
    return found


def frozen(value: Any) -> Any:
    """Return a value's content as something that can be in a set."""
    if isinstance(value, Mapping):
        return tuple(sorted((name, frozen(each)) for name, each in value.items()))
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(frozen(getattr(value, each.name)) for each in fields(value))
    return value
