"""README and docs keep their word: examples run, commands and options exist, links lead somewhere."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
import typer.main
from typer.testing import CliRunner

from streams import events as ev
from streams import keys
from streams.consumer_settings import ConsumerSettings
from streams.conversation_stream import ConversationStream
from swarm.commands import app

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from redis.asyncio import Redis

    Example = Callable[[str], Coroutine[Any, Any, None]]

REPO = Path(__file__).parent.parent.parent
DOCUMENTS = sorted([REPO / "README.md", *(REPO / "docs").rglob("*.md")])
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)[^)]*\)")
_ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=")


def blocks(kind: str) -> list[tuple[str, str]]:
    """(document, text) of each fenced block of a kind."""
    return [
        (document.relative_to(REPO).as_posix(), text)
        for document in DOCUMENTS
        for language, text in _BLOCK.findall(document.read_text())
        if language == kind
    ]


def commands() -> list[tuple[str, list[str]]]:
    """(document, words) of every command line shown, in blocks and in the text, without its variables."""
    shown = [(name, text.replace("\\\n", " ")) for name, text in blocks("sh")]
    for document in DOCUMENTS:
        prose = _BLOCK.sub("", document.read_text())
        name = document.relative_to(REPO).as_posix()
        shown += [(name, code) for code in _CODE.findall(prose) if re.match(r"(swarm|uv run) [a-z]", code)]
    found: list[tuple[str, list[str]]] = []
    for name, text in shown:
        for line in text.splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                while words and _ASSIGNMENT.match(words[0]):
                    words.pop(0)
                if words[:2] == ["uv", "run"]:
                    words = words[2:]
                if words:
                    found.append((name, words))
    return found


def named(words: list[str]) -> str:
    return " ".join(words)


@pytest.mark.real
@pytest.mark.parametrize(("document", "text"), blocks("python"))
async def test_an_example_runs(
    document: str,
    text: str,
    real_redis: Redis,
    real_redis_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    space: dict[str, object] = {"__name__": "example"}
    exec(compile(text, document, "exec"), space)
    if "main" in space:
        await cast("Example", space["main"])(real_redis_url)
        assert "[token " in capsys.readouterr().out
        types = [entry.type for entry in await ConversationStream(real_redis, "lobby").read()]
        assert types[-1] == "FLOOR_RELEASED"
        assert "FLOOR_GRANTED" in types
        return
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(cast("Example", space["read"])(real_redis_url))
        await ConversationStream(real_redis, "lobby").publish(ev.FloorOpened(by="chair"), source="chair")
        printed = ""
        while "lobby 2 FLOOR_OPENED chair" not in printed:
            await asyncio.sleep(0.02)
            printed += capsys.readouterr().out
        reading.cancel()
    assert "lobby 1 ROOM_OPENED chair" in printed


def test_the_settings_of_a_consumer_are_told_with_what_they_are_by_themselves() -> None:
    told = re.findall(
        r"^\| `(\w+)` \| `([^`]+)` \|", (REPO / "docs" / "consumers.md").read_text(), re.MULTILINE
    )
    assert dict(told) == {field.name: json.dumps(field.default) for field in fields(ConsumerSettings)}


def test_the_readmes_examples_are_short() -> None:
    examples = [text for document, text in blocks("python") if document == "README.md"]
    contends, reads = ([line for line in each.splitlines() if line.strip()] for each in examples)
    assert len(contends) <= 15
    assert len(reads) <= 4


@pytest.mark.parametrize(
    ("document", "words"), commands(), ids=lambda it: named(it) if isinstance(it, list) else ""
)
def test_a_command_that_is_shown_exists(document: str, words: list[str]) -> None:
    match words:
        case ["swarm", name, *rest]:
            assert name in COMMANDS, document
            command = COMMANDS[name]
            while rest and rest[0] in getattr(command, "commands", {}):
                command, rest = command.commands[rest[0]], rest[1:]
            assert not hasattr(command, "commands"), f"{document}: {named(words)} is no command"
            options = {option for parameter in command.params for option in parameter.opts}
            for word in rest:
                if word.startswith("-"):
                    assert word.partition("=")[0] in {*options, "--help"}, document
        case ["python", "-m", module, *_]:
            assert importlib.util.find_spec(module), document
        case ["python", script, *_]:
            assert (REPO / script).is_file(), document
        case ["pre-commit", "install"]:
            assert (REPO / ".pre-commit-config.yaml").is_file(), document
        case ["pip", "install", *_] | ["docker", "compose", *_] | ["pytest", *_]:
            pass
        case _:
            pytest.fail(f"{document} shows {named(words)!r}, which nobody checks")


def scripts() -> set[tuple[str, ...]]:
    shown = {
        tuple(words[1:3] if words[1] == "-m" else words[1:2])
        for _, words in commands()
        if words[0] == "python"
    }
    return {script for script in shown if script}


@pytest.mark.parametrize("script", sorted(scripts()), ids=" ".join)
def test_a_script_that_is_shown_explains_itself(script: tuple[str, ...]) -> None:
    run = subprocess.run(
        [sys.executable, *script, "--help"], cwd=REPO, capture_output=True, text=True, timeout=50, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "usage" in run.stdout.lower()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str) -> None:
    told = CliRunner().invoke(app, [name, "--help"])
    assert told.exit_code == 0
    assert "Usage" in told.output


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in _LINK.findall(document.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document: Path) -> None:
    for code in _CODE.findall(document.read_text()):
        if re.fullmatch(r"\.?[\w-]+(/[\w.-]+)+\.(py|lua|md|toml|yml)", code):
            folders = (REPO, *(REPO / package for package in ("streams", "adapters", "host_agent", "swarm")))
            assert any((folder / code).is_file() for folder in folders), code


def test_the_streams_that_are_named_are_the_real_ones() -> None:
    text = (REPO / "README.md").read_text()
    assert f"XREAD STREAMS {keys.stream('lobby')} 0" in text
    assert f"XREAD STREAMS {keys.ALL_ROOMS_STREAM} 0" in text


def test_settings_that_are_named_are_read_somewhere() -> None:
    code = (
        "".join(
            path.read_text()
            for package in ("swarm", "adapters", "host_agent")
            for path in (REPO / package).rglob("*.py")
        )
        + (REPO / "docker-compose.yml").read_text()
    )
    names = set(re.findall(r"\b(?:REDIS|LIVEKIT|SWARM|GOOGLE)_[A-Z_]+\b", (REPO / "README.md").read_text()))
    assert names
    for name in names:
        assert name in code


def test_modules_in_the_architecture_exist() -> None:
    text = (REPO / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|([^|]*)\|$", text, re.MULTILINE)
    assert {row[0] for row in rows} == {"streams", "adapters", "host_agent", "swarm"}
    for package, pure, edges in rows:
        for module in _CODE.findall(pure + edges):
            folder = REPO / package
            assert any(folder.glob(f"{module}.py")) or any(folder.glob(module)), module
