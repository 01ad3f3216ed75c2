from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPO = Path(__file__).parent.parent.parent


def test_the_archive_group_is_mirrored_as_an_extra_and_not_required() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())
    extra = project["project"]["optional-dependencies"]["archive"]
    assert extra == project["dependency-groups"]["archive"]
    assert "archive" in project["tool"]["uv"]["default-groups"]
    assert not {each.partition("==")[0] for each in extra} & {
        each.partition("==")[0] for each in project["project"]["dependencies"]
    }


@pytest.mark.parametrize("statement", ["import swarm", "import swarm.archive", "import swarm.commands"])
def test_an_import_brings_in_no_database(statement: str) -> None:
    heavy = ("duckdb", "psycopg", "rich")
    code = f"{statement}\nimport sys\nprint(*[name for name in {heavy!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout.split() == []


def test_without_the_libraries_the_cure_is_named(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['duckdb'] = None\n"
        "from swarm.archive import open_archive\nfrom swarm.errors import SettingError\n"
        "for where in sys.argv[1:]:\n"
        "    try: open_archive(where)\n"
        "    except SettingError as error: print(error.cure)\n"
    )
    places = [str(tmp_path / "a.duckdb"), "postgresql://127.0.0.1/x"]
    run = subprocess.run(
        [sys.executable, "-c", code, *places], capture_output=True, text=True, timeout=30, check=True
    )
    assert run.stdout.count("pip install 'hybrid-agentic-swarm[archive]'") == 2
