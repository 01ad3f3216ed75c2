"""Turn allocation at work in one process of a room: asks for the floor for whom the room's rule names."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from streams import events as ev
from streams.sequence import entry_order
from streams.tracing import joining
from streams.vocabulary import ParticipantKind
from swarm.allocation import DEFAULT, POLICIES, Candidate, Choice, Gathering, Policy
from swarm.allocation_answers import Answers, Asked
from swarm.allocation_history import Asking, History
from swarm.allocation_settings import AllocationSettings
from swarm.allocation_turns import TurnBook, turn_reason
from swarm.bid_window import BidWindow
from swarm.bids import AllocationStore
from swarm.chair_watch import ChairWatch
from swarm.errors import InvalidCommandError, NotPermittedError
from swarm.look_back import newest_entries
from swarm.participant import CHAIR, Participant, Priority
from swarm.spawning import Spawning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from streams.conversation_stream import ConversationStream
    from streams.events import Recorded
    from swarm.allocation import TurnAllocation
    from swarm.bidders import Bidders
    from swarm.bids import Bids
    from swarm.roster import Roster
    from swarm.speech_notes import Turn
    from swarm.talking_stick import TalkingStick

LOOKED_BACK = 500
"""Entries of the record that a process which comes later reads to know the room's history."""
STAND_IN_S = 0.5
"""So much later than the scribe's do other processes answer for a chair that decides nothing."""


class TurnAllocator:
    """Has each turn of a person answered by one agent; `async with`, then `feed` it the room's events.

    An agent that does not take the floor, dies with it or stays silent is replaced, twice at most.

    `settings` become the room's where it has none yet; the room's hold for every process, and changes count
    from the next turn on. `process` is a name that no other process of the room has. `takes_floor` is for
    a `TurnBook`.

    Raises (on entering):
        StreamUnavailableError: Redis does not answer.
    """

    def __init__(
        self,
        stream: ConversationStream,
        *,
        stick: TalkingStick,
        roster: Roster,
        bids: Bids,
        bidders: Bidders,
        process: str,
        settings: AllocationSettings | None = None,
        takes_floor: Callable[[str, str], bool] = lambda text, agent_words: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._stick = stick
        self._roster = roster
        self._bids = bids
        self._bidders = bidders
        self._me = Participant(process, ParticipantKind.AGENT, CHAIR)
        self._wanted = settings
        self._store = AllocationStore(stream.redis, stream.room)
        self._settings = settings or AllocationSettings()
        self._history = History()
        self._book = TurnBook(takes_floor)
        self._early: list[Recorded] | None = []
        """Events that came before the history was read; None from then on."""
        self._window = BidWindow(bids, by=process)
        self._answers = Answers()
        self._newest_onset_ms = 0
        """Of the turns that have ended."""
        self._chair = ChairWatch(self._answer_for_chair, clock=clock)
        self._spawning = Spawning()

    @property
    def settings(self) -> AllocationSettings:
        """The room's settings, as far as this process knows."""
        return self._settings

    @property
    def undecided(self) -> Turn | None:
        """The turn that waits for the chair's decision."""
        return self._chair.undecided

    async def __aenter__(self) -> Self:
        self._settings = await self._store.adopt(self._wanted, by=self._me.identity)
        await self._look_back()
        await self._spawning.__aenter__()
        self._spawning.spawn(self._chair.run())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._spawning.__aexit__(exc_type, exc, traceback)

    async def change(self, by: Participant, settings: AllocationSettings | Mapping[str, Any]) -> None:
        """Change the room's settings that are named, or all of them, for all its processes.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
            SettingError: no such setting or policy, or a time outside its bounds.
            StreamUnavailableError: Redis did not answer.
        """
        if not by.chairs:
            raise NotPermittedError(participant=by.identity, role=by.role, command="change settings")
        self._settings = await self._store.change(settings, by=by.identity)

    async def give_turn(self, by: Participant, agent: str) -> Choice | None:
        """Have `agent` answer the turn that waits for the chair; return who answers it, None without a turn.

        Where that turn was decided in the same moment, by another chair or because the chair's time was over,
        the first decision stands.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
            InvalidCommandError: `agent` is none of the room, or muted.
            StreamUnavailableError: Redis did not answer.
        """
        if not by.chairs:
            raise NotPermittedError(participant=by.identity, role=by.role, command="give a turn")
        if all(each.identity != agent for each in self._candidates()):
            raise InvalidCommandError(command="give_turn", what="agent")
        turn = self._chair.undecided
        if turn is None:
            return None
        return await self._settle(turn, Choice(agent, f"chosen by {by.identity}"))

    # What the record tells

    def feed(self, entry: Recorded) -> None:
        """Take an event of the room. Never waits."""
        if self._early is not None:
            self._early.append(entry)
        heard = self._bidders.heard
        self._bidders.feed(entry)
        self._history = self._history.seen(entry.event, entry.at_ms)
        ended = self._book.ended_by(entry)
        match entry.event:
            case ev.SettingsChanged(settings=changed):
                self._settings = self._settings.changed(changed)
            case ev.Bid():
                self._window.feed(entry.event)
            case ev.FloorRequested():
                self._saw_request(entry.event)
            case _:
                pass
        lost = self._answers.lost_by(entry)
        with joining(entry.traceparent):  # what is begun by an event goes on in its trace
            if lost is not None:
                self._spawning.see_through("answer_again", lambda: self._answer_again(lost))
            if ended is not None and self._spawning.open:
                self._newest_onset_ms = max(self._newest_onset_ms, ended.onset_ms)
                self._saw_turn(ended, heard)

    def _saw_turn(self, turn: Turn, heard: tuple[tuple[str, str], ...]) -> None:
        match self._policy.gathers:
            case Gathering.BIDS:
                window_ms = self._settings.bid_window_ms
                self._spawning.spawn(self._bidders.bid(turn, heard, self._candidates(), window_ms))
            case Gathering.CHAIR:
                self._await_chair(turn, STAND_IN_S)
            case _:
                pass

    def _saw_request(self, event: ev.FloorRequested) -> None:
        turn = self._chair.undecided
        if turn is None:
            return
        by_chair = event.on_behalf_of is None and self._chairs(event.participant)
        if by_chair or event.request_id == turn.request_id or self._history.chosen_at_ms >= turn.onset_ms:
            self._chair.decided()

    async def _look_back(self) -> None:
        muted = (await self._stick.status()).muted  # may be older than what is read of the record
        history, last_id = History(muted=frozenset(muted)), "0-0"
        for entry in await newest_entries(self._stream.redis, self._stream.room, LOOKED_BACK):
            history, last_id = history.seen(entry.event, entry.at_ms), entry.id
        early, self._early = self._early or [], None
        for entry in early:
            if entry_order(entry.id) > entry_order(last_id):
                history = history.seen(entry.event, entry.at_ms)
            if isinstance(entry.event, ev.SettingsChanged):
                self._settings = self._settings.changed(entry.event.settings)
        self._history = history

    # Turns

    async def answer(self, turn: Turn) -> None:
        """Ask for the floor on behalf of the agent that answers `turn`; a backchannel is none.

        Safe to repeat, here and in other processes: one request is made of it.

        Raises:
            streams.StreamUnavailableError: Redis did not answer.
        """
        if not self._book.is_turn(turn):
            return
        agents = self._candidates()
        choice = None
        match self._policy.gathers:
            case Gathering.NOTHING:
                choice = self._choose(turn, agents, self._history)
            case Gathering.QUEUE:
                status = await self._stick.status()
                waiting = tuple(
                    Asking(each.participant, each.priority, each.arrived_us) for each in status.queue
                )
                choice = self._choose(turn, agents, replace(self._history, waiting=waiting))
            case Gathering.BIDS:
                choice = await self._by_bids(turn, agents)
            case Gathering.CHAIR:
                self._await_chair(turn, 0.0)
        if choice is not None:
            await self._request(Asked(turn), choice)

    @property
    def _policy(self) -> TurnAllocation:
        return POLICIES[self._settings.turn_policy]

    def _choose(self, turn: Turn, agents: Sequence[Candidate], history: History) -> Choice | None:
        return self._policy.choose(turn.text, agents, history)

    async def _by_bids(self, turn: Turn, agents: Sequence[Candidate]) -> Choice | None:
        fallback = DEFAULT.choose(turn.text, agents, self._history)
        if fallback is None:
            return None
        names = [agent.identity for agent in agents]
        return await self._window.decision(turn.speech_id, names, fallback, self._settings.bid_window_ms)

    async def _answer_again(self, asked: Asked) -> None:
        """Ask the next agent: by the room's rule where that needs no asking around, else by the default."""
        if asked.turn.onset_ms < self._newest_onset_ms:
            return  # the conversation has moved on: the newer turn has an answer of its own
        agents = [agent for agent in self._candidates() if agent.identity not in asked.tried]
        rule = self._policy if self._policy.gathers is Gathering.NOTHING else DEFAULT
        choice = rule.choose(asked.turn.text, agents, self._history)
        if choice is not None:
            reason = f"{choice.reason}, {asked.tried[-1]} did not answer"
            await self._request(asked, Choice(choice.identity, reason))

    async def _request(self, asked: Asked, choice: Choice) -> None:
        self._answers.asked(asked)
        await self._stick.request(
            self._me,
            on_behalf_of=choice.identity,
            priority=Priority.HIGH,
            request_id=asked.request_id,
            reason=turn_reason(asked.turn.person, choice.reason),
        )

    def _candidates(self) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(member.identity, member.role)
            for member in self._roster.members()
            if member.kind is ParticipantKind.AGENT and member.identity not in self._history.muted
        )

    # The chair

    def _chairs(self, identity: str) -> bool:
        return any(
            member.identity == identity and Participant(identity, member.kind, member.role).chairs
            for member in self._roster.members()
        )

    def _await_chair(self, turn: Turn, later_s: float) -> None:
        if self._history.chosen_at_ms < turn.onset_ms:
            self._chair.wait(turn, self._settings.chair_limit_ms / 1000 + later_s)

    async def _answer_for_chair(self, turn: Turn) -> None:
        overdue = replace(self._history, overdue=True)
        choice = POLICIES[Policy.CHAIR].choose(turn.text, self._candidates(), overdue)
        if choice is not None:
            await self._settle(turn, choice)

    async def _settle(self, turn: Turn, choice: Choice) -> Choice:
        stands = await self._bids.settle(turn.speech_id, choice, by=self._me.identity)
        await self._request(Asked(turn), stands)
        return stands
