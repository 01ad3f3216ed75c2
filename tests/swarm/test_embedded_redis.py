from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from streams.connection import redis_client
from swarm.embedded_redis import EmbeddedRedis, available_binaries
from swarm.errors import SettingError
from swarm.redis_connection import connect_redis, open_redis
from tests.conftest import REDIS_CURE
from tests.swarm.commands_run import heed_signals
from tests.unavailable import unavailable

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def _server_installed() -> None:
    if not available_binaries():
        unavailable("redis-server", REDIS_CURE)


def servers(directory: str) -> list[psutil.Process]:
    """Redis processes whose command line names the directory."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if directory in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def gone_within(directory: str, limit_s: float) -> bool:
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s:
        if not servers(directory) and not Path(directory).exists():
            return True
        time.sleep(0.01)
    return False


async def test_private_server_is_real_private_and_gone_afterwards() -> None:
    server = EmbeddedRedis()
    async with server as url:
        directory = str(Path(url.removeprefix("unix://")).parent)
        assert os.stat(directory).st_mode & 0o077 == 0
        client = await connect_redis(url)
        info = await client.info()
        assert info["redis_version"] == server.version
        assert info["tcp_port"] == 0
        assert await client.config_get("save") == {"save": ""}
        assert await client.config_get("appendonly") == {"appendonly": "no"}
        await client.aclose()
        assert len(servers(directory)) >= 1
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 1.0
    assert gone_within(directory, 0.1)


async def test_on_tcp_it_listens_on_loopback_only() -> None:
    async with EmbeddedRedis(tcp=True) as url:
        assert re.fullmatch(r"redis://127\.0\.0\.1:\d+/0", url)
        client = await connect_redis(url)
        assert await client.config_get("bind") == {"bind": "127.0.0.1"}
        await client.aclose()


def test_it_is_ready_fast() -> None:
    began_s = time.monotonic()
    with EmbeddedRedis():
        assert time.monotonic() - began_s < 2.0


def test_it_outlives_the_thread_that_started_it() -> None:
    server = EmbeddedRedis()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    directory = str(Path(server.url.removeprefix("unix://")).parent)
    assert servers(directory)
    server.stop()
    assert not servers(directory)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_dies_with_its_parent(ending: signal.Signals) -> None:
    code = (
        "import sys, time\n"
        "from swarm.embedded_redis import EmbeddedRedis\n"
        "print(EmbeddedRedis().start(), flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=heed_signals,
    )
    assert parent.stdout is not None
    directory = str(Path(parent.stdout.readline().strip().removeprefix("unix://")).parent)
    assert servers(directory)
    parent.send_signal(ending)
    parent.wait()
    parent.stdout.close()
    assert gone_within(directory, 1.0)


def test_a_broken_binary_is_passed_over() -> None:
    with EmbeddedRedis(binaries=["/bin/false", "/nonexistent", *available_binaries()]) as server:
        assert server.version


def test_without_a_binary_the_error_names_the_setting_and_the_cure() -> None:
    with pytest.raises(SettingError) as caught:
        EmbeddedRedis(binaries=[]).start()
    assert caught.value.setting == "REDIS_URL"
    assert "redis-server" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_fails_leaves_nothing_behind() -> None:
    before = set(Path("/tmp").glob("swarm-redis-*"))
    with pytest.raises(SettingError, match="/bin/false"):
        EmbeddedRedis(binaries=["/bin/false"]).start()
    assert set(Path("/tmp").glob("swarm-redis-*")) <= before


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:6379", "is no Redis URL"),
        ("localhost", "is no Redis URL"),
        ("redis://:hunter2@127.0.0.1:notaport/0", "is no Redis URL"),
        ("redis://127.0.0.1:99999/0", "is no Redis URL|no Redis server answers"),
        ("redis://:hunter2@127.0.0.1:{closed}/0", "no Redis server answers"),
        ("redis://no-such-host.invalid:6379/0", "no Redis server answers"),
        ("unix:///nonexistent/redis.sock", "no Redis server answers"),
    ],
)
async def test_an_address_that_does_not_work_is_one_clear_line(url: str, expected: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    with pytest.raises(SettingError) as caught:
        await connect_redis(url.replace("{closed}", str(closed)))
    text = str(caught.value)
    assert caught.value.setting == "REDIS_URL"
    assert re.search(expected, text)
    assert "hunter2" not in text
    assert "\n" not in text


async def test_a_silent_port_times_out() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(SettingError, match="does not answer"):
            await connect_redis(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", timeout_s=0.1)


async def test_a_port_that_speaks_something_else_is_named() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(SettingError, match="REDIS_URL"):
            await connect_redis(f"redis://127.0.0.1:{port}/0", timeout_s=1.0)


async def test_passwords_missing_and_wrong_are_told_apart_and_never_shown() -> None:
    async with EmbeddedRedis(tcp=True) as url:
        at = url.removeprefix("redis://")
        with pytest.raises(SettingError, match="no password set") as unneeded:
            await connect_redis(f"redis://:hunter2@{at}")
        admin = redis_client(url)
        await admin.config_set("requirepass", "correct-horse")
        await admin.aclose()
        with pytest.raises(SettingError, match="needs a password"):
            await connect_redis(url)
        with pytest.raises(SettingError, match="refuses this user name or password") as wrong:
            await connect_redis(f"redis://:hunter2@{at}")
        client = await connect_redis(f"redis://:correct-horse@{at}")
        await client.aclose()
    for error in (unneeded.value, wrong.value):
        assert "hunter2" not in str(error)


async def test_open_redis_says_which_kind_it_is(real_redis_url: str) -> None:
    async with open_redis(None) as private:
        assert private.kind == "embedded"
        assert await private.redis.ping()
    async with open_redis(real_redis_url) as external:
        assert external.kind == "external"
        assert re.fullmatch(r"\d+\.\d+\.\d+", external.version)


async def test_a_ctrl_c_in_the_terminal_does_not_reach_the_server() -> None:
    async with EmbeddedRedis() as url:
        client = await connect_redis(url)
        pid = (await client.info("server"))["process_id"]
        assert os.getpgid(pid) != os.getpgrp()
        await client.aclose()
