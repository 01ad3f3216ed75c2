"""The checks themselves: each finds what it is there for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from streams import events as ev
from swarm import floor_commands as fc
from swarm.floor import decide
from swarm.floor_state import Floor
from swarm.floor_wire import Outlook
from tests.proofs.cancellation import cancellation
from tests.proofs.fairness import Contest, Order, weigh_mixed
from tests.proofs.linearizable import Call, Search, windows
from tests.proofs.proof import CI, Proof, jain, percentile
from tests.proofs.record_check import RecordCheck
from tests.proofs.transitions import Transitions

if TYPE_CHECKING:
    from swarm.talking_stick import TalkingStick

START_US = 1_790_000_000_000_000


def entries(*events: tuple[str, int, dict[str, Any]]) -> list[tuple[str, dict[str, str]]]:
    """A record of ROOM_OPENED and these events, without a gap."""
    found: list[tuple[str, dict[str, str]]] = []
    for seq, (kind, token, data) in enumerate((("ROOM_OPENED", 0, {}), *events), 1):
        fields = {
            "type": kind,
            "session": "s",
            "seq": str(seq),
            "prev": f"{seq - 1}-0" if seq > 1 else "",
            "at_ms": str(1_000 * seq),
            "data": json.dumps(data),
        }
        if token:
            fields["token"] = str(token)
        found.append((f"{seq}-0", fields))
    return found


def asked(who: str, kind: str = "FLOOR_REQUESTED") -> tuple[str, int, dict[str, Any]]:
    return kind, 0, {"participant": who, "request_id": f"{who}-asks", "priority": 2}


def granted(who: str, token: int) -> tuple[str, int, dict[str, Any]]:
    return "FLOOR_GRANTED", token, {"participant": who, "request_id": f"{who}-asks"}


def released(who: str, token: int) -> tuple[str, int, dict[str, Any]]:
    return "FLOOR_RELEASED", token, {"participant": who}


def broken(found: list[tuple[str, dict[str, str]]]) -> list[str]:
    check = RecordCheck()
    for entry_id, fields in found:
        check.feed(entry_id, fields)
    return check.broken


GOOD = (asked("ada"), granted("ada", 5), asked("bob"), asked("bob", "FLOOR_QUEUED"), released("ada", 5))


def test_a_record_of_turns_is_sound() -> None:
    assert broken(entries(*GOOD, granted("bob", 6), released("bob", 6))) == []


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (entries(*GOOD[:4], granted("bob", 6)), "granted while 5 is held"),
        (entries(*GOOD, granted("bob", 5)), "token 5 after 5"),
        (entries(*GOOD, granted("cleo", 6)), "FLOOR_GRANTED after nothing"),
        (entries(*GOOD, released("ada", 5)), "held was None"),
        (entries(*GOOD, asked("bob")), "FLOOR_REQUESTED after FLOOR_QUEUED"),
        (entries(*GOOD)[:3] + entries(*GOOD)[4:], "seq 5 after 3"),
        (entries(asked("ada"), granted("ada", 5), released("bob", 5)), "FLOOR_RELEASED of 5"),
    ],
)
def test_what_is_wrong_with_a_record_is_named(found: list[tuple[str, dict[str, str]]], named: str) -> None:
    assert any(named in what for what in broken(found))


def calls(*steps: tuple[float, float, fc.Command]) -> list[Call]:
    """Calls that got what the specification says in this order."""
    floor, made = Floor(), []
    for nth, (sent_s, answered_s, command) in enumerate(steps):
        now_us = START_US + nth * 10
        step = decide(floor, command, now_us)
        hold = step.floor.hold
        outlook = Outlook(now_us, step.floor.token, hold.participant if hold else "", step.due_ms)
        made.append(Call(nth, sent_s, answered_s, command, step.outcome, outlook))
        floor = step.floor
    return made


def explained(history: list[Call]) -> bool:
    return next(Search(windows(history)).orders(Floor()), None) is not None


ADA = fc.Request(participant="ada", request_id="a")
BOB = fc.Request(participant="bob", request_id="b")


def test_calls_that_overlap_may_have_happened_in_either_order() -> None:
    assert explained(calls((0.0, 2.0, ADA), (1.0, 3.0, BOB)))
    assert explained(calls((1.0, 3.0, BOB), (0.0, 2.0, ADA)))


def test_an_answer_that_came_before_the_other_was_sent_counts() -> None:
    first, second = calls((0.0, 1.0, ADA), (2.0, 3.0, BOB))
    assert explained([first, second])
    early = replace(second, sent_s=-3.0, answered_s=-2.0)
    assert not explained([first, early])


def test_two_who_were_both_granted_the_floor_cannot_be_explained() -> None:
    first, second = calls((0.0, 2.0, ADA), (1.0, 3.0, BOB))
    assert isinstance(first.outcome, fc.Granted)
    outcome = replace(first.outcome, participant="bob", request_id="b")
    both = replace(second, outcome=outcome, outlook=replace(first.outlook, holder="bob"))
    assert not explained([first, both])


def test_a_window_ends_where_no_call_is_under_way() -> None:
    cut = windows(calls((0.0, 2.0, ADA), (1.0, 3.0, BOB), (4.0, 5.0, fc.Tick())))
    assert [len(each) for each in cut] == [2, 1]


def queued(who: str, priority: int, at_ms: int) -> dict[str, str]:
    data = {"participant": who, "request_id": who, "priority": priority}
    return {"type": "FLOOR_QUEUED", "at_ms": str(at_ms), "data": json.dumps(data)}


def served(who: str, at_ms: int) -> dict[str, str]:
    return {"type": "FLOOR_GRANTED", "at_ms": str(at_ms), "data": json.dumps({"request_id": who})}


def test_who_is_overtaken_within_a_priority_is_named() -> None:
    order = Order(age_step_ms=100)
    for fields in (queued("ada", 2, 0), queued("bob", 2, 0), served("bob", 5), served("ada", 9)):
        order.feed(fields)
    assert order.overtaken == ["ada by bob"]
    assert order.jumped == []


def test_ageing_decides_between_priorities() -> None:
    order = Order(age_step_ms=100)
    for fields in (queued("low", 0, 0), queued("high", 4, 399), served("high", 400), queued("late", 4, 402)):
        order.feed(fields)
    assert order.jumped == []
    order.feed(served("late", 403))
    assert order.jumped == ["low by late"]
    assert order.overtaken == []


def test_a_lowest_that_starves_is_found() -> None:
    order = Order(age_step_ms=100, waits_ms={0: [5_000.0], 4: [1.0]})
    proof = Proof("starved")
    weigh_mixed(proof, Contest({}, order, RecordCheck(), 1.0), contenders=4)
    assert any("the lowest waited" in what for what in proof.broken)


def test_events_have_to_lead_from_state_to_state() -> None:
    step = decide(Floor(), ADA, START_US)
    events = list(step.events)
    Transitions().met(Floor(), ADA, step.outcome, events, step.floor, START_US // 1_000)
    for wrong in (events[:-1], [*events, events[-1]], [(ev.FloorOpened(by="x"), None)]):
        with pytest.raises(AssertionError):
            Transitions().met(Floor(), ADA, step.outcome, wrong, step.floor, START_US // 1_000)


def test_a_request_that_a_step_forgets_may_be_withdrawn_in_it_like_one_that_was_never_asked() -> None:
    floor, now_us, met = Floor(), START_US, Transitions()
    late = fc.Request(participant="bob", request_id="late")
    for command, wait_us in (
        (ADA, 0),
        (fc.Close(by="chair"), 1_000),
        (late, 1_000),  # denied
        (fc.Withdraw(participant="bob", request_id="late"), 121_000_000),  # ada's lease ends first
    ):
        now_us += wait_us
        step = decide(floor, command, now_us)
        met.met(floor, command, step.outcome, list(step.events), step.floor, now_us // 1_000)
        floor = step.floor
    assert floor.requests["late"].state == "withdrawn"


def forget_to_withdraw(stick: TalkingStick) -> None:
    async def nothing(participant: str, request_id: str) -> None: ...

    stick._abandon = nothing  # type: ignore[method-assign]


def forget_to_repeat_the_release(stick: TalkingStick) -> None:
    right = stick._spawning.see_through

    def only_withdrawals(what: str, call: Any) -> None:
        if what != "release":
            right(what, call)

    stick._spawning.see_through = only_withdrawals  # type: ignore[method-assign]


@pytest.mark.real
@pytest.mark.parametrize("meddle", [forget_to_withdraw, forget_to_repeat_the_release])
async def test_a_stick_that_leaves_something_behind_is_found(server_url: str, meddle: Any) -> None:
    assert not (await cancellation(server_url, replace(CI, cancellations=200), print, meddle)).holds


def test_shares_and_percentiles() -> None:
    assert jain([3, 3, 3]) == 1.0
    assert jain([9, 0, 0]) == pytest.approx(1 / 3)
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 1.0) == 3.0
    assert percentile([], 0.5) == 0.0
