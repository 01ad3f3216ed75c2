"""The second attempt of .ci/run, seen from outside by a small test run of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

FAILS_ONCE = """
import pathlib
import pytest

def once(name):
    seen = pathlib.Path(__file__).with_name(name)
    first = not seen.exists()
    seen.touch()
    assert not first, f"{name} failed"

@pytest.mark.real
def test_a():
    once("a")

@pytest.mark.real
def test_b():
    once("b")

def test_fast():
    if pathlib.Path(__file__).with_name("fast-fails").exists():
        once("fast")
"""


def run(folder: Path, limit: int | None) -> subprocess.CompletedProcess[str]:
    (folder / "test_made.py").write_text(FAILS_ONCE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  real: x\n")
    environment = {name: value for name, value in os.environ.items() if name != "SWARM_UNSTEADY_LIMIT"}
    if limit is not None:
        environment["SWARM_UNSTEADY_LIMIT"] = str(limit)
    environment["PYTHONPATH"] = os.getcwd()
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.unsteady",
        "--rootdir",
        str(folder),
        str(folder),
    ]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("limit", "passes"), [(None, False), (1, False), (2, True)])
def test_a_real_test_may_fail_once_up_to_the_limit(tmp_path: Path, limit: int | None, passes: bool) -> None:
    done = run(tmp_path, limit)
    assert (done.returncode == 0) is passes, done.stdout
    if passes:
        assert "failed the first time: 2 (limit 2)" in done.stdout
        assert "a failed" in done.stdout


def test_a_unit_test_gets_no_second_attempt(tmp_path: Path) -> None:
    (tmp_path / "fast-fails").touch()
    assert run(tmp_path, 3).returncode == 1
