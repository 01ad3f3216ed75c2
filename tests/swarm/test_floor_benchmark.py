from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from swarm.embedded_redis import EmbeddedRedis

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def contests() -> Any:
    """The module; it imports its neighbours by plain name, as scripts do."""
    return imported("floor_contests")


def imported(name: str) -> Any:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(BENCHMARKS))


def turns(contests: Any, *times: tuple[float, float, float]) -> list[Any]:
    return [contests.Turn(*each) for each in times]


def outcome(contests: Any, *times: tuple[float, float, float]) -> Any:
    contest = contests.Contest("ours", "", contenders=2, processes=1, lasts_s=10.0)
    return contests.Outcome(contest, turns={"room": turns(contests, *times)})


def test_who_holds_before_one_that_asked_earlier_has_overtaken_it(contests: Any) -> None:
    assert contests.overtaking(turns(contests, (0.0, 1.0, 2.0), (0.5, 2.0, 3.0), (1.0, 3.0, 4.0))) == 0
    assert contests.overtaking(turns(contests, (0.0, 1.0, 2.0), (1.0, 2.0, 3.0), (0.5, 3.0, 4.0))) == 1
    late = turns(contests, (1.0, 1.0, 2.0), (1.5, 2.0, 3.0), (0.5, 3.0, 4.0))
    assert contests.overtaking(late) == 2


def test_calls_begun_at_nearly_the_same_time_may_arrive_in_either_order(contests: Any) -> None:
    assert contests.overtaking(turns(contests, (0.05, 1.0, 2.0), (0.0, 2.0, 3.0))) == 0


def test_the_record_tells_exactly_who_was_overtaken(contests: Any) -> None:
    def entry(kind: str, request_id: str) -> tuple[Any, dict[bytes, bytes]]:
        return None, {b"type": kind.encode(), b"data": json.dumps({"request_id": request_id}).encode()}

    in_turn = [
        entry("FLOOR_GRANTED", "a"),
        entry("FLOOR_QUEUED", "b"),
        entry("FLOOR_QUEUED", "c"),
        entry("FLOOR_QUEUED", "d"),
        entry("FLOOR_WITHDRAWN", "b"),
    ]
    fair = [entry("FLOOR_GRANTED", "c"), entry("FLOOR_GRANTED", "d")]
    assert contests.overtaking_in_record([*in_turn, *fair]) == 0
    assert contests.overtaking_in_record([*in_turn, *reversed(fair)]) == 1


def test_a_hand_over_counts_where_somebody_waited(contests: Any) -> None:
    measured = outcome(contests, (0.0, 0.0, 1.0), (0.5, 1.002, 2.0), (2.5, 2.501, 3.0), (2.995, 3.01, 4.0))
    assert measured.handoffs_ms() == pytest.approx([2.0])
    assert measured.overlaps() == 0


def test_two_who_hold_at_once_are_seen(contests: Any) -> None:
    assert outcome(contests, (0.0, 0.0, 1.0), (0.5, 0.9, 2.0)).overlaps() == 1


@pytest.mark.parametrize("kind", ["ours", "redis-py"])
def test_a_contest_in_processes_gives_turns_that_do_not_overlap(contests: Any, kind: str) -> None:
    with EmbeddedRedis() as server:
        measured = contests.run_contest(
            contests.Contest(
                kind, server.url, contenders=4, processes=2, lasts_s=0.4, hold_s=0.01, think_s=0.0
            )
        )
    assert measured.held >= 3
    assert measured.overlaps() == 0
    assert measured.all_turns >= measured.held
    if kind == "ours":
        assert measured.overtaken_percent() == 0
        assert 2 <= measured.scripts_per_turn <= 3.5


def test_a_document_keeps_what_stands_around_the_table(tmp_path: Path) -> None:
    document, report = imported("floor_document"), imported("report")
    figures = [
        report.Figure("some_ms", 1.23456, "ms", peers={"peer": None}, runs=(1.0, 2.0), goal=1.0),
        report.Figure("more", 60.0, "x", goal=50.0, at_least=True),
    ]
    where = report.environment(redis_server="7", runs=2, quick=False, **report.ping_verdict([50.0, 51.0]))
    path = tmp_path / "performance.md"
    begins, ends = document.marks("floor")
    path.write_text(f"before\n{begins}\nold\n{ends}\nafter\n", encoding="utf-8")
    for _ in range(2):
        document.write(str(path), document.tables(figures, where))
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| `some_ms` | 1.235 ms | 1.0 to 2.0 | at most 1: missed | peer - |" in text
    assert "| `more` | 60 x |  | at least 50: met |  |" in text
    path.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="floor"):
        document.write(str(path), "x")
