"""Exactly one agent answers a turn, by the rule that is promised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.allocation import Candidate, choose, first_named

HOST = Candidate("ada", "host")
EXPERT = Candidate("expert-1", "expert", names=("Grace",))
GUEST = Candidate("linus", "guest")
AGENTS = (GUEST, HOST, EXPERT)


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
def test_rule_is_followed_in_order(text: str, last: str | None, who: str, reason: str) -> None:
    choice = choose(text, AGENTS, last_holder=last)
    assert choice is not None
    assert (choice.identity, choice.reason) == (who, reason)


def test_without_a_host_the_first_who_joined_answers() -> None:
    choice = choose("hello", (GUEST, EXPERT))
    assert choice is not None
    assert (choice.identity, choice.reason) == ("linus", "first_joined")


def test_nobody_is_chosen_where_there_is_no_agent() -> None:
    assert choose("ada", ()) is None


def test_longer_name_wins_where_two_begin_together() -> None:
    assert first_named("ada lovelace please", (HOST, Candidate("ada-lovelace"))) == "ada-lovelace"


def test_a_name_without_letters_is_never_heard() -> None:
    assert first_named("what ... now", (Candidate("..."),)) is None


@given(st.text(), st.sampled_from([None, "ada", "linus", "nobody"]))
def test_any_text_gets_exactly_one_of_the_agents(text: str, last: str | None) -> None:
    choice = choose(text, AGENTS, last_holder=last)
    assert choice is not None
    assert choice.identity in {agent.identity for agent in AGENTS}
