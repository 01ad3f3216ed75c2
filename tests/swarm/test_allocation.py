"""Exactly one agent answers a turn, by the rule that the room has."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import events as ev
from swarm.allocation import DEFAULT, POLICIES, Candidate, Choice, Policy, first_named, says
from swarm.allocation_bids import Offer
from swarm.allocation_history import Asking, History
from swarm.allocation_scores import default_score
from swarm.allocation_settings import AllocationSettings
from swarm.errors import SettingError

HOST = Candidate("ada", "host")
EXPERT = Candidate("expert-1", "expert", names=("Grace",))
GUEST = Candidate("linus", "guest")
AGENTS = (GUEST, HOST, EXPERT)
NAMES = tuple(agent.identity for agent in AGENTS)

anybody = st.sampled_from([*NAMES, "somebody-who-left"])
askings = st.builds(Asking, anybody, st.integers(0, 4), st.integers(0, 5))
offers = st.builds(Offer, anybody, st.integers(0, 10).map(float), st.just("why"), st.integers(0, 5))
histories = st.builds(
    History,
    last_holder=st.none() | anybody,
    answered=st.lists(anybody, unique=True).map(tuple),
    waiting=st.lists(askings, unique_by=lambda each: each.participant).map(tuple),
    offers=st.lists(offers, unique_by=lambda each: each.participant).map(tuple),
    overdue=st.booleans(),
)
texts = st.text() | st.sampled_from(["Grace, please", "what does linus say", "the host", ""])


@pytest.mark.parametrize(
    ("text", "last", "who", "reason"),
    [
        ("Grace, what do you think?", "ada", "expert-1", "addressed"),
        ("what does EXPERT 1 say", "ada", "expert-1", "addressed"),
        ("expert_1 please", None, "expert-1", "addressed"),
        ("linus ask ada about it", None, "linus", "addressed"),
        ("a disgraceful canada", "linus", "linus", "last_holder"),
        ("go on", "expert-1", "expert-1", "last_holder"),
        ("go on", "somebody-who-left", "ada", "host"),
        ("", None, "ada", "host"),
    ],
)
def test_default_rule_is_followed_in_order(text: str, last: str | None, who: str, reason: str) -> None:
    assert DEFAULT.choose(text, AGENTS, History(last_holder=last)) == Choice(who, reason)


def test_without_a_host_the_first_who_joined_answers() -> None:
    assert DEFAULT.choose("hello", (GUEST, EXPERT), History()) == Choice("linus", "first_joined")


def test_longer_name_wins_where_two_begin_together() -> None:
    assert first_named("ada lovelace please", (HOST, Candidate("ada-lovelace"))) == "ada-lovelace"


def test_a_name_without_letters_is_never_heard() -> None:
    assert first_named("what ... now", (Candidate("..."),)) is None
    assert not says("what ... now", "...")


@pytest.mark.parametrize("policy", Policy)
@given(text=texts, history=histories)
def test_every_rule_names_one_of_the_agents_and_only_the_chair_rule_may_wait(
    policy: Policy, text: str, history: History
) -> None:
    choice = POLICIES[policy].choose(text, AGENTS, history)
    if policy is Policy.CHAIR and not history.overdue:
        assert choice is None
    else:
        assert choice is not None
        assert choice.identity in NAMES
        assert choice.reason
    assert POLICIES[policy].choose(text, (), history) is None


@given(st.permutations(AGENTS), histories, texts)
def test_order_in_which_requests_and_bids_are_listed_does_not_matter(
    agents: list[Candidate], history: History, text: str
) -> None:
    backwards = replace(history, waiting=history.waiting[::-1], offers=history.offers[::-1])
    for policy in (Policy.FIFO, Policy.PRIORITY, Policy.BIDS):
        rule = POLICIES[policy]
        assert rule.choose(text, agents, history) == rule.choose(text, agents, backwards)


@given(st.lists(askings, min_size=1, unique_by=lambda each: each.participant))
def test_fifo_overtakes_nobody_and_priority_only_the_lower(waiting: list[Asking]) -> None:
    history = History(waiting=tuple(waiting))
    here = {each.participant: each for each in waiting if each.participant in NAMES}
    if not here:
        return
    first = POLICIES[Policy.FIFO].choose("", AGENTS, history)
    urgent = POLICIES[Policy.PRIORITY].choose("", AGENTS, history)
    assert first is not None
    assert urgent is not None
    assert here[first.identity].arrived_us == min(each.arrived_us for each in here.values())
    chosen = here[urgent.identity]
    assert chosen.priority == max(each.priority for each in here.values())
    assert not [
        each
        for each in here.values()
        if each.priority == chosen.priority and each.arrived_us < chosen.arrived_us
    ]


def test_without_requests_the_most_senior_role_answers_by_priority() -> None:
    choice = POLICIES[Policy.PRIORITY].choose("", (GUEST, Candidate("watcher", "observer"), HOST), History())
    assert choice == Choice("ada", "role")


@given(st.lists(st.sets(st.sampled_from(NAMES), min_size=1), min_size=1, max_size=30))
def test_round_robin_lets_nobody_who_is_there_wait_for_more_turns_than_there_are_agents(
    present: list[set[str]],
) -> None:
    history, waited = History(), dict.fromkeys(NAMES, 0)
    for here in present:
        agents = [agent for agent in AGENTS if agent.identity in here]
        choice = POLICIES[Policy.ROUND_ROBIN].choose("", agents, history)
        assert choice is not None
        for name in NAMES:
            waited[name] = 0 if name == choice.identity else waited[name] + (name in here)
        assert max(waited.values()) < len(NAMES)
        history = history.seen(granted(choice.identity))


def test_round_robin_goes_round_in_the_order_of_joining() -> None:
    history, answered = History(), list[str]()
    for _ in range(6):
        choice = POLICIES[Policy.ROUND_ROBIN].choose("", AGENTS, history)
        assert choice is not None
        answered.append(choice.identity)
        history = history.seen(granted(choice.identity))
    assert answered == [*NAMES, *NAMES]


@pytest.mark.parametrize(
    ("bids", "who"),
    [
        ([("ada", 3.0, 1), ("linus", 7.0, 9)], "linus"),
        ([("ada", 7.0, 2), ("linus", 7.0, 1)], "linus"),
        ([("linus", 7.0, 1), ("ada", 7.0, 1)], "ada"),
        ([("somebody-who-left", 10.0, 1), ("ada", 0.0, 2)], "ada"),
    ],
)
def test_the_higher_then_the_earlier_then_the_name_wins(bids: list[tuple[str, float, int]], who: str) -> None:
    made = tuple(Offer(name, score, "knows", at_us) for name, score, at_us in bids)
    choice = POLICIES[Policy.BIDS].choose("linus", AGENTS, History(offers=made))
    assert choice is not None
    assert choice.identity == who
    assert choice.reason.startswith("bid ")
    assert choice.reason.endswith(": knows")


def test_without_bids_the_default_rule_chooses() -> None:
    assert POLICIES[Policy.BIDS].choose("grace", AGENTS, History()) == Choice("expert-1", "addressed")


def test_an_undecided_chair_leaves_the_turn_to_the_host() -> None:
    chair = POLICIES[Policy.CHAIR]
    assert chair.choose("grace", AGENTS, History(overdue=True)) == Choice("ada", "chair_undecided")


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("Grace, what does linus think?", {"ada": 2, "expert-1": 10, "linus": 6}),
        ("is there an expert here", {"ada": 2, "expert-1": 6, "linus": 2}),
        ("is there an expertise here", {"ada": 2, "expert-1": 2, "linus": 2}),
    ],
)
def test_default_scorer_goes_by_name_then_role(text: str, scores: dict[str, float]) -> None:
    assert {agent.identity: default_score(text, agent, AGENTS)[0] for agent in AGENTS} == scores


# What the record tells


def granted(who: str, request_id: str = "turn:s1") -> ev.FloorGranted:
    return ev.FloorGranted(participant=who, request_id=request_id, lease_ms=1, waited_ms=0)


def asked(on_behalf_of: str | None, request_id: str) -> ev.FloorRequested:
    return ev.FloorRequested(
        participant="chair", priority=2, request_id=request_id, on_behalf_of=on_behalf_of
    )


def test_only_answers_to_turns_count_as_such() -> None:
    history = History().seen(granted("ada")).seen(granted("linus", "1-x")).seen(granted("ada"))
    assert (history.answered, history.last_holder) == (("ada",), "ada")
    assert history.seen(granted("linus", "1-x")).last_holder == "linus"
    own = granted("linus", "1-x").model_copy(update={"reason": "answer to anna (addressed)"})
    assert history.seen(own).answered == ("ada", "linus"), "it waited already, and was chosen"


def test_a_hand_made_request_for_another_is_a_chairs_choice_and_a_turns_or_a_hand_over_is_none() -> None:
    history = History()
    for event in (asked("ada", "turn:s"), asked("ada", "yield:7"), asked(None, "1-x")):
        assert history.seen(event, 5) == history
    assert history.seen(asked("ada", "1-x"), 5).chosen_at_ms == 5


def test_muted_agents_are_known_until_they_are_unmuted() -> None:
    mute = ev.ParticipantMuted(participant="ada", by="chair", muted=True)
    history = History().seen(mute)
    assert history.muted == {"ada"}
    assert not history.seen(mute.model_copy(update={"muted": False})).muted


# Settings


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("turn_policy", "lottery"),
        ("turn_policy", 7),
        ("bid_window_ms", -1),
        ("bid_window_ms", 3_001),
        ("bid_window_ms", True),
        ("bid_window_ms", 1.5),
        ("chair_limit_ms", "soon"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(setting: str, value: object) -> None:
    with pytest.raises(SettingError) as caught:
        AllocationSettings(**{setting: value})  # pyright: ignore[reportArgumentType] (that is the test)
    assert caught.value.setting == setting


@given(
    st.dictionaries(st.sampled_from(["turn_policy", "bid_window_ms", "lease_ms"]), st.text() | st.integers())
)
def test_changes_from_the_record_never_break_the_settings(changes: dict[str, object]) -> None:
    changed = AllocationSettings().changed(changes)
    assert AllocationSettings(**changed.as_dict()) == changed
    assert changed.chair_limit_ms == AllocationSettings().chair_limit_ms


def test_a_policy_may_be_given_by_its_name() -> None:
    settings = AllocationSettings(turn_policy="bids")  # pyright: ignore[reportArgumentType] (by name)
    assert settings.turn_policy is Policy.BIDS
    assert AllocationSettings().changed({"turn_policy": "chair", "bid_window_ms": 5}).as_dict() == {
        "turn_policy": "chair",
        "bid_window_ms": 5,
        "chair_limit_ms": 10_000,
    }
