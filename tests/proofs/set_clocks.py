"""A wall clock that a proof sets forward and back while a process runs: a real server's, or a client's."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

SOURCE = Path(__file__).with_name("set_clock.c")
HOW_TO_GET_IT = "apt install gcc libc6-dev"


def compiler() -> str | None:
    """Return the C compiler of this machine."""
    return shutil.which("cc") or shutil.which("gcc")


class SetClock:
    """The clock of the processes that were started with its `environment`; `with SetClock() as clock`.

    Raises:
        subprocess.CalledProcessError: the compiler refused.
    """

    def __init__(self) -> None:
        self._directory = TemporaryDirectory(prefix="swarm-clock-")
        self._file = Path(self._directory.name, "offset")
        self._library = Path(self._directory.name, "set_clock.so")

    def __enter__(self) -> Self:
        self.set_s(0)
        command = [
            compiler() or "cc",
            "-shared",
            "-fPIC",
            "-O1",
            "-o",
            str(self._library),
            str(SOURCE),
            "-ldl",
        ]
        subprocess.run(command, check=True, capture_output=True)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._directory.cleanup()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment."""
        return {"LD_PRELOAD": str(self._library), "PROOF_CLOCK": str(self._file)}

    def set_s(self, offset_s: float) -> None:
        """Have the clock be off by so much, from now on."""
        value = struct.pack("=q", round(offset_s * 1_000_000))
        if not self._file.exists():
            self._file.write_bytes(value)
            return
        with self._file.open("r+b", buffering=0) as file:  # in place: the processes have it mapped
            file.write(value)

    @contextmanager
    def for_children(self) -> Generator[None]:
        """Have the processes that are started in the body run on this clock."""
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
