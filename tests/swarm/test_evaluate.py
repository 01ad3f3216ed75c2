from __future__ import annotations

import json
import subprocess
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from host_agent.interruption import judging
from streams.vocabulary import Decision, Observation, Verdict
from swarm.commands import app
from swarm.errors import SettingError
from swarm.evaluate import EvaluationError, judged, row_of, scores
from swarm.evaluate_judges import MinWordsJudge, judge_named
from swarm.evaluate_run import Options, read_rows, run

from .commands_run import SWARM

ROWS: list[dict[str, Any]] = [
    {"text": "mm-hmm", "label": "ignore", "context": "so the line", "word_times": [["mm-hmm", 0.0, 0.3]]},
    {"text": "yeah right", "label": "ignore"},
    {
        "text": "yeah but which one is it",
        "label": "interrupt",
        "context": "so the line",
        "word_times": [
            ["yeah", 0, 0.25], ["but", 0.25, 0.5], ["which", 0.5, 0.8],
            ["one", 0.8, 1.0], ["is", 1, 1.1], ["it", 1.1, 1.2],
        ],
    },
    {"text": "which one", "label": "interrupt", "word_times": [["which", 0.0, 1.6], ["one", 1.6, 1.9]]},
]  # fmt: skip


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in ROWS) + "\n\n", encoding="utf-8")
    return file


def test_all_figures_of_a_judge_whose_answers_are_known(rows: Path) -> None:
    found = run(Options(rows, "min-words"))
    assert found["rows"] == 4
    assert found["all"]["ignore"] == {"rows": 2, "right": 2, "precision": 0.6667, "recall": 1.0, "f1": 0.8}
    assert found["all"]["interrupt"]["recall"] == 0.5
    assert found["all"]["balanced_accuracy"] == 0.75
    assert (found["short"]["rows"], found["short"]["balanced_accuracy"]) == (3, 0.5)
    assert found["replay"] == {
        "rows": 3, "false_fires": 0.0, "hits_within_1_5_s": 0.5, "median_delay_s": 0.8, "p90_delay_s": 0.8,
    }  # fmt: skip


def test_a_hit_after_one_and_a_half_seconds_is_a_miss_and_a_fire_on_a_backchannel_is_false() -> None:
    outcomes = [judged(row_of(json.dumps(row), 1), judge_named("always")) for row in ROWS]
    found = scores(outcomes)["replay"]
    assert (found["false_fires"], found["hits_within_1_5_s"]) == (1.0, 0.5)


def test_the_learned_judge_gets_these_right_and_says_how_sure_it_is(rows: Path) -> None:
    found = run(Options(rows, "learned"))
    assert found["all"]["balanced_accuracy"] == 1.0
    assert found["replay"]["median_delay_s"] == 0.5


def test_predictions_are_one_line_a_row_in_order(rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(Options(rows, "learned", predictions=out))
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["decision"] for line in lines] == ["ignore", "ignore", "interrupt", "interrupt"]
    assert all(set(line) == {"decision", "confidence"} and 0 <= line["confidence"] <= 1 for line in lines)


def test_the_command_prints_one_document_and_draws(rows: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    ran = CliRunner().invoke(app, ["eval", str(rows), "--json", "--picture", str(picture)])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["all"]["balanced_accuracy"] == 1.0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_long_files_tell_how_far_they_are(tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    file.write_text((json.dumps(ROWS[0]) + "\n") * 1001, encoding="utf-8")
    ran = CliRunner().invoke(
        app, ["eval", str(file), "--judge", "always", "--picture", str(tmp_path / "p.png")]
    )
    assert "judged 500 rows" in ran.stderr
    assert "% of the file" in ran.stderr
    assert "false fires 1.000" in ran.stdout


UNREADABLE = [
    ("{", "is not JSON"),
    ("[1]", "holds no object"),
    ('{"label": "ignore"}', "has no text"),
    ('{"text": 7, "label": "ignore"}', "has no text"),
    ("[" * 100_000, "is not JSON"),
    ('{"text": "' + "a " * 100_000 + '"}', "is longer than"),
]
DOUBTFUL = [
    ('{"text": "yeah", "label": "maybe"}', "neither"),
    ('{"text": "yeah", "label": ["ignore"]}', "neither"),
    ('{"text": "yeah", "label": "ignore", "context": 3}', "context is no text"),
    ('{"text": "yeah", "label": "ignore", "language": 3}', "language is no text"),
    ('{"text": "yeah", "label": "ignore", "word_times": [["yeah", 1]]}', "word_times are not"),
    ('{"text": "yeah", "label": "ignore", "word_times": {"yeah": 1}}', "word_times are not"),
    (
        '{"text": "yeah", "label": "ignore", "word_times": [["yeah", 0, 1' + "0" * 400 + "]]}",
        "word_times are",
    ),
    ('{"text": "yeah", "label": "ignore", "word_times": [["yeah", 1, NaN]]}', "no stretch of time"),
    ('{"text": "yeah", "label": "ignore", "word_times": [["yeah", 1, 0.5]]}', "no stretch of time"),
    ('{"text": "yeah", "label": "ignore", "word_times": [["yeah", -1, 0.5]]}', "no stretch of time"),
]


def predicted(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("line", "reason"), UNREADABLE)
def test_a_line_that_cannot_be_judged_has_the_safe_prediction_and_is_named(
    tmp_path: Path, line: str, reason: str
) -> None:
    file, out = tmp_path / "bad.jsonl", tmp_path / "out.jsonl"
    file.write_text(f"{json.dumps(ROWS[1])}\n{line}\n\n{json.dumps(ROWS[3])}", encoding="utf-8")
    found = run(Options(file, "learned", predictions=out))
    assert [each["decision"] for each in predicted(out)] == ["ignore", "interrupt", "interrupt"]
    assert predicted(out)[1]["confidence"] == 0.5
    assert (found["predicted"], found["rows"], found["unjudged"]) == (3, 2, 1)
    (problem,) = found["problems"]["first"]
    assert problem["line"] == 2
    assert reason in problem["reason"]
    with pytest.raises(EvaluationError, match=reason) as refused:
        read_rows(file)
    assert refused.value.line == 2


@pytest.mark.parametrize(("line", "reason"), DOUBTFUL)
def test_a_row_is_judged_without_what_is_wrong_with_it(tmp_path: Path, line: str, reason: str) -> None:
    file, out = tmp_path / "bad.jsonl", tmp_path / "out.jsonl"
    file.write_text(line, encoding="utf-8")
    found = run(Options(file, "learned", predictions=out))
    assert predicted(out) == [{"decision": "ignore", "confidence": 1.0}]
    assert (found["unjudged"], found["unlabelled"], found["rows"]) in ((0, 0, 1), (0, 1, 0))
    assert reason in found["problems"]["first"][0]["reason"]
    with pytest.raises(EvaluationError, match=reason):
        read_rows(file)


def test_rows_without_a_label_are_judged_and_not_scored(tmp_path: Path) -> None:
    file, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    file.write_text('{"text": "yeah"}\n{"text": "stop", "label": null}\n', encoding="utf-8")
    found = run(Options(file, "learned", predictions=out, picture=tmp_path / "picture.png"))
    assert [each["decision"] for each in predicted(out)] == ["ignore", "interrupt"]
    assert (found["rows"], found["unlabelled"]) == (0, 2)
    assert found["all"]["balanced_accuracy"] is None
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_a_row_in_another_language_is_read_as_such(tmp_path: Path) -> None:
    file, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    file.write_text('{"text": "no no"}\n{"text": "no no", "language": "pl"}\n', encoding="utf-8")
    run(Options(file, "learned", predictions=out))
    assert [each["decision"] for each in predicted(out)] == ["interrupt", "ignore"]


def test_a_file_that_is_missing_empty_or_binary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        run(Options(tmp_path / "none.jsonl", "learned"))
    (tmp_path / "empty.jsonl").write_text("\n\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match="holds no row"):
        run(Options(tmp_path / "empty.jsonl", "learned"))
    with pytest.raises(EvaluationError, match="holds no rows"):
        read_rows(tmp_path / "empty.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(EvaluationError, match="not UTF-8"):
        run(Options(tmp_path / "binary.jsonl", "learned"))


def test_what_cannot_be_written_is_refused_before_the_work(rows: Path, tmp_path: Path) -> None:
    held = rows.read_bytes()
    for path, why in (
        (tmp_path, "a folder"),
        (tmp_path / "none" / "out", "no such folder"),
        (rows, "the file of the rows"),
    ):
        for option, options in (
            ("--predictions", Options(rows, "learned", predictions=path)),
            ("--picture", Options(rows, "learned", picture=path)),
        ):
            with pytest.raises(SettingError, match=why) as refused:
                run(options)
            assert refused.value.setting == option
    assert rows.read_bytes() == held


def test_rows_may_come_from_standard_input(rows: Path, tmp_path: Path) -> None:
    told = subprocess.run(
        [SWARM, "eval", "-", "--json", "--picture", tmp_path / "p.png"],
        input=rows.read_bytes(), capture_output=True, timeout=50, check=True,
    )  # fmt: skip
    assert json.loads(told.stdout)["predicted"] == len(ROWS)


def test_an_unknown_judge_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingError, match="learned, lists, min-words") as refused:
        judge_named("oracle")
    assert refused.value.setting == "--judge"


class OwnJudge:
    def observe(self, observation: Observation) -> Verdict:
        return Verdict(Decision.CONTINUE, "never", observation.words, confidence=0.6)


class FailingJudge:
    """Fails at its second stretch of speech."""

    def observe(self, observation: Observation) -> Verdict:
        if "right" in observation.words:
            raise RuntimeError("no network")
        return Verdict(Decision.CONTINUE, "never", observation.words)


class VagueJudge:
    def observe(self, observation: Observation) -> Verdict:
        return Verdict(Decision.CONTINUE, "", observation.words, confidence=float("nan"))


class TalkativeJudge:
    def observe(self, observation: Observation) -> str:
        return "I would rather not"


def broken() -> object:
    raise RuntimeError("no key")


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    brought = [
        EntryPoint("own", f"{__name__}:OwnJudge", judging.GROUP),
        EntryPoint("failing", f"{__name__}:FailingJudge", judging.GROUP),
        EntryPoint("vague", f"{__name__}:VagueJudge", judging.GROUP),
        EntryPoint("talkative", f"{__name__}:TalkativeJudge", judging.GROUP),
        EntryPoint("broken", f"{__name__}:broken", judging.GROUP),
        EntryPoint("nothing", "builtins:dict", judging.GROUP),
        EntryPoint("gone", "no_such_module:Judge", judging.GROUP),
    ]
    monkeypatch.setattr(judging, "entry_points", lambda *, group: [e for e in brought if e.group == group])


@pytest.mark.usefixtures("packages")
def test_a_package_brings_its_own_judge(rows: Path) -> None:
    found = run(Options(rows, "own"))
    assert found["all"]["ignore"]["recall"] == 1.0
    assert found["all"]["interrupt"]["recall"] == 0.0


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(("name", "failures"), [("failing", 1), ("vague", 4), ("talkative", 4)])
def test_a_judge_that_fails_at_a_row_has_interrupted_there(
    rows: Path, tmp_path: Path, name: str, failures: int
) -> None:
    out = tmp_path / "out.jsonl"
    found = run(Options(rows, name, predictions=out))
    safe = {"decision": "interrupt", "confidence": 0.5}
    assert [each == safe for each in predicted(out)].count(True) == failures
    assert (found["rows"], found["problems"]["count"]) == (4, failures)
    assert "judge" in found["problems"]["first"][0]["reason"]


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("name", ["broken", "nothing", "gone"])
def test_a_judge_that_cannot_be_loaded_is_refused_by_name(name: str) -> None:
    with pytest.raises(SettingError, match=name):
        judge_named(name)


def test_min_words_counts_words_only() -> None:
    seen = Observation(300, 300, 0, -25, words="mm hmm right")
    assert MinWordsJudge().observe(seen).decision is Decision.INTERRUPT


def test_the_shipped_judge_keeps_what_it_knows_of_everyday_replies() -> None:
    everyday = Path(__file__).parent.parent.parent / "benchmarks" / "everyday_replies.jsonl"
    found = run(Options(everyday, "learned"))
    assert found["rows"] > 1000
    assert found["all"]["balanced_accuracy"] >= 0.97
    assert found["short"]["interrupt"]["recall"] >= 0.98
