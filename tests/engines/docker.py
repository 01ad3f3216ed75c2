"""This repository's compose project in a real container engine, under a name and ports of its own."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.unavailable import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

ROOT = Path(__file__).parents[2]
CURE = "install Docker with its compose plugin (docs.docker.com/engine/install), or start its service"
ANSWER_LIMIT_S = 10.0
BUILD_LIMIT_S = 600.0
"""The first build downloads some 150 packages; later ones take seconds."""
PULL_LIMIT_S = 180.0
HEALTHY_LIMIT_S = 90.0
COMMAND_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0
_STEP_S = 0.25
_ERASE_LINE = "\x1b[2K"
_SET_BY_COMPOSE_FILE = ("REDIS_", "LIVEKIT_", "POSTGRES_", "COMPOSE_", "ROOM", "PUBLISH_ON")


class ComposeError(AssertionError):
    """A command failed, or the project did not get where it should; the text holds its last words."""


def require_engine() -> None:
    """Return where a container engine with compose answers; elsewhere the test is `unavailable`."""
    if shutil.which("docker") is None:
        unavailable("container engine", CURE)
    for command in (
        ["docker", "version", "--format", "{{.Server.Version}}"],
        ["docker", "compose", "version"],
    ):
        try:
            found = subprocess.run(command, capture_output=True, timeout=ANSWER_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            unavailable("container engine", CURE)
        if found.returncode != 0:
            unavailable("container engine", CURE)


def require_image(image: str) -> None:
    """Return where the engine has an image or can pull it; elsewhere the test is `unavailable`."""
    if (
        subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode
        == 0
    ):
        return
    cure = f"docker pull {image}"
    try:
        pulled = subprocess.run(cure.split(), capture_output=True, timeout=PULL_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        unavailable(f"image {image}", cure)
    if pulled.returncode != 0:
        unavailable(f"image {image}", cure)


class Compose:
    """The project, in the foreground as a user starts it; `with Compose() as compose`.

    It is built on enter; `up` starts it. On exit its containers, networks and volumes are removed, whatever
    happened before. `settings` are further variables of the compose file.

    Raises:
        ComposeError: on enter, where the image cannot be built.
    """

    def __init__(self, **settings: str) -> None:
        self.project = f"swarm-test-{secrets.token_hex(4)}"
        tcp = _free_ports(4, socket.SOCK_STREAM)
        ports = {
            "REDIS_PORT": tcp[0],
            "LIVEKIT_PORT": tcp[1],
            "LIVEKIT_TCP_PORT": tcp[2],
            "POSTGRES_PORT": tcp[3],
            "LIVEKIT_UDP_PORT": _free_ports(1, socket.SOCK_DGRAM)[0],
        }
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_SET_BY_COMPOSE_FILE)}
        self._env = {**kept, **{name: str(port) for name, port in ports.items()}, **settings}
        self.redis_url = f"redis://127.0.0.1:{ports['REDIS_PORT']}/0"
        self.livekit_url = f"ws://{settings.get('LIVEKIT_NODE_IP', '127.0.0.1')}:{ports['LIVEKIT_PORT']}"
        self.postgres_url = f"postgresql://swarm:swarm@127.0.0.1:{ports['POSTGRES_PORT']}/swarm"
        self._foreground: subprocess.Popen[bytes] | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed on exit

    def __enter__(self) -> Self:
        try:
            self.run("build", limit_s=BUILD_LIMIT_S)
        except BaseException:
            self._output.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._foreground is not None and self._foreground.poll() is None:
                self._foreground.kill()
                self._foreground.wait()
            self.run("down", "--volumes", "--remove-orphans", "--timeout", "3")
        finally:
            self._output.close()

    def up(self) -> float:
        """Run `docker compose up`; return after how many seconds everything was healthy.

        Raises:
            ComposeError: it ended, or was not healthy within HEALTHY_LIMIT_S.
        """
        began_s = time.monotonic()
        self._foreground = subprocess.Popen(
            self._command("up", "--no-color"),
            cwd=ROOT,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self.until_healthy(began_s)

    def until_healthy(self, began_s: float | None = None) -> float:
        """Wait for it; return how long it took, counted from `began_s`."""
        began_s = time.monotonic() if began_s is None else began_s
        services = self.run("config", "--services").split()

        def healthy() -> bool:
            if self._foreground is not None and self._foreground.poll() is not None:
                raise ComposeError(f"docker compose up has ended:\n{self.output()[-3000:]}")
            states = self.states()
            return all(states.get(service) == "healthy" for service in services)

        self._until(healthy, HEALTHY_LIMIT_S, lambda: f"not healthy: {self.states()}")
        return time.monotonic() - began_s

    def interrupt(self) -> tuple[int, float]:
        """Press Ctrl-C; return the exit code of `docker compose up`, and after how many seconds it ended."""
        assert self._foreground is not None
        began_s = time.monotonic()
        self._foreground.send_signal(signal.SIGINT)
        try:
            code = self._foreground.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise ComposeError(f"still up {STOP_LIMIT_S} s after Ctrl-C:\n{self.output()[-3000:]}") from None
        return code, time.monotonic() - began_s

    def output(self) -> str:
        """What `docker compose up` has written so far."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace").replace(_ERASE_LINE, "")

    def states(self) -> dict[str, str]:
        """Health of each service that runs, by its name; its state where it has no health yet."""
        lines = self.run("ps", "--all", "--format", "json").splitlines()
        found = [each for line in lines for each in _as_list(json.loads(line))]
        return {each["Service"]: each["Health"] or each["State"] for each in found}

    def inspect(self, service: str) -> Any:
        """What the engine knows of the service's container."""
        container = self.run("ps", "--all", "--quiet", service).strip()
        return json.loads(self._call(["docker", "inspect", container], COMMAND_LIMIT_S))[0]

    def run(self, *arguments: str, limit_s: float = COMMAND_LIMIT_S) -> str:
        """Run `docker compose ARGUMENTS` and return its stdout.

        Raises:
            ComposeError: it failed, or took longer than `limit_s`.
        """
        return self._call(self._command(*arguments), limit_s)

    def attempt(self, *arguments: str, limit_s: float = COMMAND_LIMIT_S) -> subprocess.CompletedProcess[str]:
        """Run `docker compose ARGUMENTS`, whatever its exit code."""
        return subprocess.run(
            self._command(*arguments),
            cwd=ROOT,
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )

    def _command(self, *arguments: str) -> list[str]:
        return ["docker", "compose", "--project-name", self.project, *arguments]

    def _call(self, command: list[str], limit_s: float) -> str:
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=limit_s,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise ComposeError(f"{' '.join(command)}: {error.stderr[-3000:]}") from error
        except subprocess.TimeoutExpired as error:
            raise ComposeError(f"{' '.join(command)}: not done within {limit_s:.0f} s") from error
        return done.stdout

    def _until(self, true: Callable[[], bool], limit_s: float, otherwise: Callable[[], str]) -> None:
        end_s = time.monotonic() + limit_s
        while not true():
            if time.monotonic() > end_s:
                raise ComposeError(f"{otherwise()}\n{self.output()[-3000:]}")
            time.sleep(_STEP_S)


def _as_list(found: Any) -> list[Any]:
    """One container a line in newer versions of compose, all in one line in older ones."""
    return found if isinstance(found, list) else [found]


def _free_ports(count: int, kind: socket.SocketKind) -> list[int]:
    probes = [socket.socket(socket.AF_INET, kind) for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
