"""`swarm eval`: a file of labelled rows in; figures, predictions and a picture out."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from swarm.errors import SettingError
from swarm.evaluate import LONGEST_LINE_CHARS, SAFE, EvaluationError, Outcome, Row, judged, row_of, scores
from swarm.evaluate_judges import judge_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapters.ports import Judge

REPORT_EVERY = 500
SHOWN_PROBLEMS = 20
_SKIPPED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """What `swarm eval` was asked for."""

    file: Path
    judge: str
    predictions: Path | None = None
    picture: Path | None = None


def run(options: Options, progress: IO[str] | None = None) -> dict[str, Any]:
    """Score a judge and return the figures; tells `progress` how far it is.

    Each line that is not empty is a row and has a prediction, in order; one that cannot be judged has the
    safe one. Rows without a label are judged and not scored.

    Raises:
        SettingError: the judge is not known, or a file cannot be read or written.
        EvaluationError: there is no row that can be judged.
    """
    make = judge_named(options.judge)
    scored: list[Outcome] = []
    notes = _Notes()
    with ExitStack() as files:
        lines = files.enter_context(_opened(options.file))
        if options.picture is not None:
            _check_writable("--picture", options.picture, options.file)
        out = None
        if options.predictions is not None:
            _check_writable("--predictions", options.predictions, options.file)
            out = files.enter_context(_written(options.predictions))
        size = os.fstat(lines.fileno()).st_size
        for rows, (number, line) in enumerate(_numbered(lines), start=1):
            outcome = _outcome(number, line, make, notes)
            if outcome.label:
                scored.append(outcome)
            if out is not None and options.predictions is not None:
                try:
                    out.write(outcome.prediction() + "\n")
                except OSError as error:
                    raise _unwritable("--predictions", options.predictions, error) from error
            if progress is not None and rows % REPORT_EVERY == 0:
                share = f" ({lines.tell() / size:.0%} of the file)" if size else ""
                progress.write(f"\rjudged {rows} rows{share}")
                progress.flush()
    if progress is not None and notes.rows >= REPORT_EVERY:
        progress.write("\n")
    if notes.rows == notes.unjudged:
        raise EvaluationError(line=0, reason=f"{options.file} holds no row that can be judged{notes.first()}")
    document = {"judge": options.judge, "file": str(options.file), **notes.document(), **scores(scored)}
    if options.predictions is not None:
        document["predictions"] = str(options.predictions)
    if options.picture is not None:
        from swarm.evaluate_picture import draw

        try:
            draw(scored, options.judge, options.picture)
        except OSError as error:
            raise _unwritable("--picture", options.picture, error) from error
        document["picture"] = str(options.picture)
    return document


class _Notes:
    """Counts rows, and what was wrong with them."""

    def __init__(self) -> None:
        self.rows = self.unlabelled = self.unjudged = self.problems = 0
        self._shown: list[dict[str, Any]] = []

    def problem(self, line: int, reason: str) -> None:
        self.problems += 1
        if len(self._shown) < SHOWN_PROBLEMS:
            self._shown.append({"line": line, "reason": reason})

    def first(self) -> str:
        return f": line {self._shown[0]['line']} {self._shown[0]['reason']}" if self._shown else ""

    def document(self) -> dict[str, Any]:
        return {
            "predicted": self.rows,
            "unlabelled": self.unlabelled,
            "unjudged": self.unjudged,
            "problems": {"count": self.problems, "first": self._shown},
        }


def _outcome(number: int, line: bytes | None, make: Callable[[], Judge], notes: _Notes) -> Outcome:
    notes.rows += 1
    try:
        row = _row(number, line)
    except EvaluationError as error:
        notes.unjudged += 1
        notes.problem(number, error.reason)
        return SAFE
    for problem in row.problems:
        notes.problem(number, problem)
    notes.unlabelled += not row.label
    try:
        return judged(row, make)
    except EvaluationError as error:
        notes.problem(number, error.reason)
        return replace(SAFE, label=row.label, words=len(row.text.split()))


def _row(number: int, line: bytes | None) -> Row:
    if line is None:
        raise EvaluationError(line=number, reason=f"is longer than {LONGEST_LINE_CHARS} bytes")
    try:
        return row_of(line.decode("utf-8-sig" if number == 1 else "utf-8"), number)
    except UnicodeDecodeError as error:
        raise EvaluationError(line=number, reason="is not UTF-8 text") from error


def _numbered(lines: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Return every line that is not empty with its number; None for one that is too long to be read."""
    number = 0
    while line := lines.readline(LONGEST_LINE_CHARS + 1):
        number += 1
        if len(line) <= LONGEST_LINE_CHARS:
            if line.strip():
                yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = lines.readline(_SKIPPED_BYTES)
        yield number, None


def read_rows(file: Path) -> list[Row]:
    """Return the rows of a file, all of which must be labelled.

    Raises:
        SettingError: the file cannot be read.
        EvaluationError: a line is no labelled row, or there is none; names the first.
    """
    with _opened(file) as lines:
        rows = [(number, _row(number, line)) for number, line in _numbered(lines)]
    for number, row in rows:
        if row.problems or not row.label:
            raise EvaluationError(line=number, reason="; ".join(row.problems) or "has no label")
    if not rows:
        raise EvaluationError(line=0, reason=f"{file} holds no rows")
    return [row for _, row in rows]


def _opened(file: Path) -> IO[bytes]:
    try:
        return Path("/dev/stdin" if str(file) == "-" else file).open("rb")
    except OSError as error:
        raise SettingError(
            "FILE", f"{file} cannot be read ({error.strerror})", "Name another file"
        ) from error


def _written(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise _unwritable("--predictions", path, error) from error


def _check_writable(option: str, path: Path, rows: Path) -> None:
    """Refuse before the work what could not be written after it, and what would overwrite the rows."""
    try:
        same = path.exists() and rows.exists() and path.samefile(rows)
        folder = path.is_dir()
        known = path.parent.is_dir()
        allowed = os.access(path if path.exists() else path.parent, os.W_OK)
    except OSError as error:
        raise _unwritable(option, path, error) from error
    if same and stat.S_ISREG(path.stat().st_mode):
        raise SettingError(option, f"{path} is the file of the rows", "Name another file")
    if folder or not known or not allowed:
        why = "it is a folder" if folder else "not permitted" if known else "there is no such folder"
        raise SettingError(option, f"{path} cannot be written ({why})", "Name another file")


def _unwritable(option: str, path: Path, error: OSError) -> SettingError:
    return SettingError(option, f"{path} cannot be written ({error.strerror})", "Name another file")


def readable(document: dict[str, Any]) -> str:
    """Return the figures as a person reads them."""
    lines = [f"judge {document['judge']}, {document['rows']} rows scored of {document['predicted']}"]
    if document["unlabelled"]:
        lines.append(f"{document['unlabelled']} rows have no label: judged, not scored")
    if document["unjudged"]:
        lines.append(f"{document['unjudged']} rows cannot be judged: predicted as interrupt, not scored")
    problems = document["problems"]
    lines += [f"  line {each['line']}: {each['reason']}" for each in problems["first"]]
    if problems["count"] > len(problems["first"]):
        lines.append(f"  and {problems['count'] - len(problems['first'])} more")
    for part, title in (("all", "all"), ("short", "1 to 3 words")):
        found = document[part]
        lines.append(
            f"{title} ({found['rows']} rows): balanced accuracy {_shown(found['balanced_accuracy'])}"
        )
        for label in ("ignore", "interrupt"):
            each = found[label]
            lines.append(
                f"  {label:10s} precision {_shown(each['precision'])}  recall {_shown(each['recall'])}"
                f"  F1 {_shown(each['f1'])}  ({each['right']} of {each['rows']})"
            )
    grown = document["replay"]
    if grown["rows"]:
        lines.append(
            f"word by word ({grown['rows']} rows): false fires {_shown(grown['false_fires'])},"
            f" hits within 1.5 s {_shown(grown['hits_within_1_5_s'])},"
            f" median delay {_shown(grown['median_delay_s'])} s"
        )
    lines.append(f"calibration error {_shown(document['calibration_error'])}")
    lines += [f"{key} in {document[key]}" for key in ("predictions", "picture") if key in document]
    return "\n".join(lines) + "\n"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
