"""`swarm eval`: a file of labelled rows in; figures, predictions and a picture out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from swarm.errors import SettingError
from swarm.evaluate import EvaluationError, Outcome, Row, judged, row_of, scores
from swarm.evaluate_judges import judge_named

if TYPE_CHECKING:
    from pathlib import Path

REPORT_EVERY = 500


@dataclass(frozen=True, slots=True)
class Options:
    """What `swarm eval` was asked for."""

    file: Path
    judge: str
    predictions: Path | None = None
    picture: Path | None = None


def run(options: Options, progress: IO[str] | None = None) -> dict[str, Any]:
    """Score a judge and return the figures; tells `progress` how far it is.

    Raises:
        SettingError: the judge is not known, or a file cannot be read or written.
        EvaluationError: a line is no row, or there is none.
    """
    make = judge_named(options.judge)
    rows = read_rows(options.file)
    outcomes: list[Outcome] = []
    for row in rows:
        outcomes.append(judged(row, make))
        if progress is not None and len(outcomes) % REPORT_EVERY == 0:
            progress.write(f"\rjudged {len(outcomes)} of {len(rows)}")
            progress.flush()
    if progress is not None and len(outcomes) >= REPORT_EVERY:
        progress.write("\n")
    document: dict[str, Any] = {"judge": options.judge, "file": str(options.file), **scores(outcomes)}
    if options.predictions is not None:
        _write_predictions(options.predictions, outcomes)
        document["predictions"] = str(options.predictions)
    if options.picture is not None:
        from swarm.evaluate_picture import draw

        try:
            draw(outcomes, options.judge, options.picture)
        except OSError as error:
            raise _unwritable("--picture", options.picture, error) from error
        document["picture"] = str(options.picture)
    return document


def read_rows(file: Path) -> list[Row]:
    """Return the rows of a file, one JSON object a line; empty lines are passed over.

    Raises:
        SettingError: the file cannot be read.
        EvaluationError: a line is no row, or there is none.
    """
    rows: list[Row] = []
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    rows.append(row_of(line, number))
    except UnicodeDecodeError as error:
        raise EvaluationError(line=0, reason=f"{file} is not UTF-8 text") from error
    except OSError as error:
        raise SettingError(
            "FILE", f"{file} cannot be read ({error.strerror})", "Name another file"
        ) from error
    if not rows:
        raise EvaluationError(line=0, reason=f"{file} holds no rows")
    return rows


def _write_predictions(path: Path, outcomes: list[Outcome]) -> None:
    try:
        with path.open("w", encoding="utf-8") as out:
            out.writelines(outcome.prediction() + "\n" for outcome in outcomes)
    except OSError as error:
        raise _unwritable("--predictions", path, error) from error


def _unwritable(option: str, path: Path, error: OSError) -> SettingError:
    return SettingError(option, f"{path} cannot be written ({error.strerror})", "Name another file")


def readable(document: dict[str, Any]) -> str:
    """Return the figures as a person reads them."""
    lines = [f"judge {document['judge']}, {document['rows']} rows"]
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
