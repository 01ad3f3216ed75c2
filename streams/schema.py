"""`python -m streams.schema`: writes the schemas and the reference of the events into a folder."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from streams.codec import MODELS
from streams.event_reference import reference
from streams.event_schema import asyncapi, entry_schema, event_schema, line_schema

__all__ = ("documents", "main", "stale")


def documents() -> dict[str, str]:
    """Return every document by its path below the folder `docs`."""
    made = {f"schema/{name}.json": _json(event_schema(name)) for name in MODELS}
    made["schema/entry.json"] = _json(entry_schema())
    made["schema/line.json"] = _json(line_schema())
    made["asyncapi.json"] = _json(asyncapi())
    made["events.md"] = reference()
    return made


def stale(folder: Path) -> list[str]:
    """Return what in `folder` differs from what the models say: changed, missing or left over."""
    made = documents()
    found = [name for name, text in made.items() if _read(folder / name) != text]
    return found + [
        path.relative_to(folder).as_posix()
        for path in sorted((folder / "schema").glob("*.json"))
        if path.relative_to(folder).as_posix() not in made
    ]


def main(arguments: list[str] | None = None) -> int:
    """Write what is stale, or with `--check` only name it; 1 where `--check` found something."""
    parser = argparse.ArgumentParser(
        prog="python -m streams.schema",
        description="Write docs/schema, docs/asyncapi.json and docs/events.md.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a document is stale")
    parser.add_argument("--folder", type=Path, default=Path("docs"), help="folder of the documents (docs)")
    options = parser.parse_args(arguments)
    changed = stale(options.folder)
    for name in changed:
        sys.stdout.write(f"{'stale' if options.check else 'written'}: {options.folder / name}\n")
    if options.check:
        return 1 if changed else 0
    made = documents()
    for name in changed:
        path = options.folder / name
        if name not in made:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[name], encoding="utf-8")
    return 0


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
