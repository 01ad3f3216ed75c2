"""The proofs of the floor at their everyday size. In full: `uv run python -m tests.proofs --full`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.proofs.agreement import agreement, agreement_on_the_fake
from tests.proofs.away import away
from tests.proofs.cancellation import cancellation
from tests.proofs.clock_steps import client_clock, server_clock
from tests.proofs.fairness import fairness
from tests.proofs.histories import linearizability
from tests.proofs.mutants import MUTANTS, Mutant, mutants
from tests.proofs.people import people
from tests.proofs.proof import CI, Progress, Proof, Size
from tests.proofs.storm import storm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


def assert_holds(proof: Proof) -> None:
    assert proof.holds, "\n".join(proof.broken)
    assert proof.figures


@pytest.mark.parametrize("agreeing", [agreement, agreement_on_the_fake])
async def test_specification_and_script_agree_and_every_legal_transition_is_met(
    server_url: str, agreeing: Callable[[str, Size, Progress], Awaitable[Proof]]
) -> None:
    assert_holds(await agreeing(server_url, CI, print))


async def test_a_storm_of_kills_and_stops_breaks_no_promise(server_url: str) -> None:
    assert_holds(await storm(server_url, CI, print))


async def test_histories_of_concurrent_clients_are_linearizable(server_url: str) -> None:
    assert_holds(await linearizability(server_url, CI, print))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
async def test_a_seeded_fault_is_found_by_the_checks_named_for_it(server_url: str, mutant: Mutant) -> None:
    assert_holds(await mutants(server_url, CI, print, (mutant,)))


async def test_nobody_is_overtaken_and_all_get_the_same(server_url: str) -> None:
    assert_holds(await fairness(server_url, CI, print))


async def test_cancelling_at_any_await_leaves_nothing_behind(server_url: str) -> None:
    assert_holds(await cancellation(server_url, CI, print))


@pytest.mark.usefixtures("clocks_can_be_set")
async def test_a_client_whose_clock_is_set_notices_nothing(server_url: str) -> None:
    assert_holds(await client_clock(server_url, CI, print))


@pytest.mark.usefixtures("clocks_can_be_set")
async def test_a_server_whose_clock_is_set_keeps_what_is_promised() -> None:
    assert_holds(await server_clock(CI, print))


async def test_four_processes_that_hear_one_person_move_the_floor_once(server_url: str) -> None:
    assert_holds(await people(server_url, CI, print))


async def test_an_agent_that_is_interrupted_without_redis_is_silent_at_once_and_until_granted() -> None:
    assert_holds(await away(CI, print))
