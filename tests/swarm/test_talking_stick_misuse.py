"""The chair's commands, denials, and what is refused before it can do harm."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from streams.errors import InvalidEventError, StreamUnavailableError
from swarm import floor_commands as fc
from swarm.errors import FloorDeniedError, InvalidCommandError, NotPermittedError, StaleTokenError
from swarm.floor_client import FloorState
from swarm.floor_state import FloorSettings
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis


ROOM = "salon"
QUICK = FloorSettings(lease_ms=900, take_up_ms=400, guard_ms=3_000)
ADA, BOB, CLEO = (Participant(name, role="expert") for name in ("ada", "bob", "cleo"))
HOST = Participant("hana", role="host")


@pytest.fixture
async def stick(redis_client: Redis) -> AsyncIterator[TalkingStick]:
    async with TalkingStick(redis_client, ROOM, settings=QUICK, margin_ms=50) as made:
        yield made


async def test_a_closed_floor_says_so(stick: TalkingStick) -> None:
    assert await stick.close_floor(HOST, reason="break")
    assert not await stick.close_floor(HOST)
    assert (await stick.status()).state is FloorState.CLOSED
    outcome = await stick.request(ADA)
    assert isinstance(outcome, fc.Denied)
    assert outcome.reason == "closed"
    with pytest.raises(FloorDeniedError) as denied:
        async with stick.hold(ADA):
            pytest.fail("granted")
    assert (denied.value.reason, denied.value.participant) == ("closed", "ada")
    assert await stick.open_floor(HOST)
    async with stick.hold(ADA):
        pass


async def test_only_a_chair_may_chair(stick: TalkingStick) -> None:
    commands: list[Any] = [stick.revoke, stick.close_floor, stick.open_floor]
    for command in commands:
        with pytest.raises(NotPermittedError):
            await command(ADA)
    with pytest.raises(NotPermittedError):
        await stick.configure(ADA, QUICK)
    async with stick.hold(ADA) as grant:
        assert not await stick.revoke(HOST, token=grant.token + 1)
        assert await stick.revoke(HOST, token=grant.token, reason="enough")
        assert (await grant.lost).reason == "enough"


async def test_settings_belong_to_the_room_and_change_while_live(stick: TalkingStick) -> None:
    new = FloorSettings(**{**QUICK.as_dict(), "lease_ms": 1_100})
    assert await stick.configure(HOST, new)
    assert not await stick.configure(HOST, new)
    assert (await stick.status()).settings == new
    async with stick.hold(ADA) as grant:
        assert grant.lease_ms == 1_100


async def test_a_setting_is_changed_by_its_name_and_the_others_stay(stick: TalkingStick) -> None:
    before = (await stick.status()).settings
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stick.configure(HOST, {"lease_ms": 1_100}))
        tasks.create_task(stick.configure(HOST, {"guard_ms": 50}))
    assert (await stick.status()).settings == replace(before, lease_ms=1_100, guard_ms=50)
    wrong: list[Any] = [{}, {"lease": 900}, {"lease_ms": 1}, {"lease_ms": "900"}]
    for changes in wrong:
        with pytest.raises(InvalidCommandError) as error:
            await stick.configure(HOST, changes)
        assert (error.value.command, error.value.what) == ("Configure", "settings")


async def test_commands_with_a_foreign_token_are_typed_errors(stick: TalkingStick) -> None:
    async with stick.hold(ADA) as grant:
        for call in (stick.release, stick.renew, stick.take):
            with pytest.raises(StaleTokenError) as stale:
                await call(BOB, grant.token)
            assert stale.value.current == grant.token
        assert grant.valid()
        assert isinstance(await stick.take(ADA, grant.token), fc.Granted)


@pytest.mark.parametrize("name", ["", "two words", "br{ace", "x" * 129])
async def test_impossible_names_are_refused_before_they_are_sent(stick: TalkingStick, name: str) -> None:
    with pytest.raises(InvalidEventError):
        Participant(name)
    if name:
        with pytest.raises(InvalidEventError):
            await stick.person_speaking(name)
        with pytest.raises(InvalidEventError):
            await stick.request(ADA, on_behalf_of=name)
    with pytest.raises(InvalidEventError):
        await stick.request(ADA, request_id="with blank")
    with pytest.raises(InvalidCommandError):
        await stick.request(ADA, reason="x" * 501)


async def test_out_of_range_settings_and_priorities_are_refused() -> None:
    for wrong in ({"lease_ms": 0}, {"max_queue": 10**9}, {"guard_ms": -1}, {"lease_ms": 2.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            FloorSettings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="7"):
        ADA.capped(7)
    with pytest.raises(ValueError, match="cat"):
        Participant("tom", "cat")  # type: ignore[arg-type]


async def test_connecting_to_nothing_is_one_clear_error() -> None:
    with pytest.raises(StreamUnavailableError):
        async with TalkingStick.connect("redis://127.0.0.1:1/0", ROOM):
            pytest.fail("connected")
