"""What only a LiveKit room can do wrong: settings, refusals, a server that goes away."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from adapters import livekit_access
from adapters.errors import RoomUnavailableError
from adapters.livekit_access import without_tokens
from adapters.livekit_room import LiveKitRoom
from adapters.pacer import Pacer
from tests.adapters.test_room_contract import Heard, tone
from tests.engines.livekit import LiveKitServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECRET = "a-secret-that-must-not-be-seen-anywhere-0123456789"


@pytest.fixture
async def server() -> AsyncIterator[LiveKitServer]:
    async with LiveKitServer() as server:
        yield server


def room_at(url: str, **changed: Any) -> LiveKitRoom:
    settings = {"api_key": "devkey", "api_secret": SECRET, "identity": "ann", "room": "panel"}
    return LiveKitRoom(url, **(settings | changed))


async def refusal_of(room: LiveKitRoom) -> RoomUnavailableError:
    with pytest.raises(RoomUnavailableError) as refusal:
        await room.connect()
    assert "\n" not in str(refusal.value)
    assert SECRET not in str(refusal.value)
    await room.aclose()
    return refusal.value


@pytest.mark.parametrize("url", ["", "localhost:7880", "foo://host", "ws://", "ws://host:port", "not a url"])
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(RoomUnavailableError) as refusal:
        room_at(url)
    assert refusal.value.setting == "LIVEKIT_URL"
    assert "ws://" in refusal.value.cure


@pytest.mark.parametrize(
    ("missing", "setting"), [("api_key", "LIVEKIT_API_KEY"), ("api_secret", "LIVEKIT_API_SECRET")]
)
def test_a_missing_setting_is_named(missing: str, setting: str) -> None:
    with pytest.raises(RoomUnavailableError) as refusal:
        room_at("ws://127.0.0.1:7880", **{missing: ""})
    assert refusal.value.setting == setting


async def test_a_port_where_nothing_listens_is_named() -> None:
    silent = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    silent.close()
    await silent.wait_closed()
    refusal = await refusal_of(room_at(f"ws://127.0.0.1:{port}"))
    assert refusal.setting == "LIVEKIT_URL"
    assert f"127.0.0.1:{port}" in str(refusal)


async def test_a_host_that_does_not_exist_is_named() -> None:
    refusal = await refusal_of(room_at("ws://no-such-host.invalid"))
    assert refusal.setting == "LIVEKIT_URL"
    assert "no-such-host.invalid" in str(refusal)


async def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.livekit_room.REACH_LIMIT_S", 0.1)
    release = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as mute:
        port = mute.sockets[0].getsockname()[1]
        refusal = await refusal_of(room_at(f"ws://127.0.0.1:{port}"))
        release.set()
    assert refusal.setting == "LIVEKIT_URL"


async def test_something_else_at_the_address_is_named() -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()

    async with await asyncio.start_server(other, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        refusal = await refusal_of(room_at(f"ws://127.0.0.1:{port}"))
    assert refusal.setting == "LIVEKIT_URL"


@pytest.mark.real
@pytest.mark.livekit
async def test_a_wrong_secret_is_named_and_neither_it_nor_the_token_is_shown(
    server: LiveKitServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, logger="livekit")
    room = room_at(server.url)
    refusal = await refusal_of(room)
    assert refusal.setting == "LIVEKIT_API_SECRET"
    async with asyncio.timeout(10):
        while "401" not in caplog.text:  # noqa: ASYNC110 (the native library logs from a thread of its own)
            await asyncio.sleep(0.05)
    chain = [refusal, refusal.__cause__, refusal.__context__ if not refusal.__suppress_context__ else None]
    shown = caplog.text + "".join(map(str, chain)) + repr(room.__dict__) + "".join(capfd.readouterr())
    assert SECRET not in shown
    assert without_tokens(shown) == shown


@pytest.mark.real
@pytest.mark.livekit
async def test_a_wrong_key_is_named(server: LiveKitServer) -> None:
    refusal = await refusal_of(room_at(server.url, api_key="nobody"))
    assert refusal.setting == "LIVEKIT_API_KEY"


@pytest.mark.real
@pytest.mark.livekit
async def test_a_wrong_token_is_named(server: LiveKitServer) -> None:
    refusal = await refusal_of(LiveKitRoom(server.url, token="eyJhbGciOiJIUzI1NiJ9.e30.abc"))
    assert refusal.setting == "LIVEKIT_TOKEN"


@pytest.mark.real
@pytest.mark.livekit
async def test_with_a_token_the_room_and_the_identity_come_from_it(server: LiveKitServer) -> None:
    async with LiveKitRoom(server.url, token=server.token("ann", "panel")) as room:
        assert (room.identity, room.name) == ("ann", "panel")


@pytest.mark.real
@pytest.mark.livekit
async def test_a_lost_track_counts_as_muted_and_the_next_one_is_heard(server: LiveKitServer) -> None:
    from livekit import rtc

    def person(identity: str) -> LiveKitRoom:
        return room_at(server.url, api_secret=server.secret, identity=identity)

    async with person("ann") as ann, person("ben") as ben:
        heard = Heard()
        ben.add_listener(heard)
        for _ in range(2):
            sink = await ann.publish_audio(48_000)
            pacer = Pacer(sink, tone(48_000))
            pacer.start()
            heard.frames.clear()
            heard.told.clear()
            await heard.until(lambda heard: heard.loud_ms("ann") >= 100)
            pacer.stop()
            inner = ann._room
            assert isinstance(inner, rtc.Room)
            (publication,) = inner.local_participant.track_publications.values()
            await inner.local_participant.unpublish_track(publication.sid)
            await heard.until_told("muted", "ann")


@pytest.mark.real
@pytest.mark.livekit
@pytest.mark.parametrize("who", ["speaker", "listener"])
@pytest.mark.parametrize("scenario", ["SIMULATE_SIGNAL_RECONNECT", "SIMULATE_FULL_RECONNECT"])
async def test_a_connection_that_is_lost_and_found_goes_on(
    server: LiveKitServer, who: str, scenario: str
) -> None:
    from livekit import rtc

    def person(identity: str) -> LiveKitRoom:
        return room_at(server.url, api_secret=server.secret, identity=identity)

    async with person("ann") as ann, person("ben") as ben:
        heard = Heard()
        ben.add_listener(heard)
        pacer = Pacer(await ann.publish_audio(48_000), tone(48_000))
        pacer.start()
        await heard.until(lambda heard: heard.loud_ms("ann") >= 100)
        inner = {"speaker": ann, "listener": ben}[who]._room
        assert isinstance(inner, rtc.Room)
        again = asyncio.Event()
        inner.on("reconnected", again.set)
        async with asyncio.timeout(8):
            await inner.simulate_scenario(getattr(rtc.SimulateScenarioKind, scenario))
            await again.wait()
        heard.frames.clear()
        await heard.until(lambda heard: heard.loud_ms("ann") >= 300)
        pacer.stop()
        assert ("closed", "") not in heard.told
        assert who == "speaker" or ("muted", "ann") in heard.told


@pytest.mark.real
@pytest.mark.livekit
async def test_being_thrown_out_is_told_with_the_reason(server: LiveKitServer) -> None:
    from livekit import api

    reasons: list[str] = []

    class Told(Heard):
        def on_closed(self, reason: str) -> None:
            reasons.append(reason)
            super().on_closed(reason)

    async with room_at(server.url, api_secret=server.secret) as room:
        heard = Told()
        room.add_listener(heard)
        sink = await room.publish_audio(16_000)
        url = server.url.replace("ws://", "http://")
        async with api.LiveKitAPI(url, server.key, server.secret) as client:
            await client.room.remove_participant(api.RoomParticipantIdentity(room="panel", identity="ann"))
        await heard.until_told("closed")
        sink.push(bytes(320))
    assert reasons == ["participant removed"]


@pytest.mark.real
@pytest.mark.livekit
async def test_leaving_a_server_that_has_died_is_quick(server: LiveKitServer) -> None:
    room = room_at(server.url, api_secret=server.secret)
    await room.connect()
    await room.publish_audio(16_000)
    server.stop()
    started_s = time.monotonic()
    await room.aclose()
    assert time.monotonic() - started_s < 2


@pytest.mark.real
@pytest.mark.livekit
async def test_frames_that_the_engine_does_not_take_are_bounded(server: LiveKitServer) -> None:
    async with room_at(server.url, api_secret=server.secret) as room:
        sink = await room.publish_audio(16_000)
        for _ in range(50):
            sink.push(bytes(320))
        assert sink.queued_ms == 80
        assert sink.discarded_frames == 42
        await asyncio.sleep(0.1)
        assert sink.queued_ms == 0


def test_the_filter_of_the_clients_log_is_installed_once() -> None:
    log = logging.getLogger("livekit")
    for _ in range(2):
        with livekit_access.quiet_connect():
            assert log.filters.count(livekit_access._client_log) == 1
