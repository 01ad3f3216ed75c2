"""The dashboard asks for metrics that exist, and the document names all of them and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest

from swarm.metric_names import METRICS, Kind, Metric, exposed_names

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "ops" / "grafana" / "swarm.json").read_text())
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text()
SERIES = {name: metric for metric in METRICS.values() for name in exposed_names(metric)}
EVERYWHERE = {"instance", "job"}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
ALARMS = re.findall(r"^\| `([^`]+)` \| (?!counter|gauge|histogram)", DOCUMENT, re.MULTILINE)


def parsed(query: str) -> Any:
    return promql.parse(query.replace("$__rate_interval", "5m").replace("$room", ".*"))


def nodes(expr: Any) -> list[Any]:
    """Every expression within `expr`, itself first."""
    inner = [getattr(expr, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "param")]
    inner += list(getattr(expr, "args", None) or [])
    return [expr, *(each for part in inner if isinstance(part, promql.Expr) for each in nodes(part))]


def selectors(expr: Any) -> list[Any]:
    found = [node for node in nodes(expr) if isinstance(node, promql.VectorSelector)]
    assert found
    return found


def labels_of(metric: Metric, name: str) -> set[str]:
    return {*metric.labels, *EVERYWHERE, *({"le"} if name.endswith("_bucket") else ())}


def check(query: str) -> None:
    expr = parsed(query)
    allowed: set[str] = set()
    for selector in selectors(expr):
        assert selector.name in SERIES, f"{selector.name} does not exist"
        allowed |= (known := labels_of(SERIES[selector.name], selector.name))
        for matcher in selector.matchers.matchers:
            assert matcher.name in known, f"{selector.name} has no label {matcher.name}"
    for node in nodes(expr):
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            assert set(node.modifier.labels) <= allowed, query
        if isinstance(node, promql.Call) and node.func.name in ("rate", "increase"):
            for selector in selectors(node):
                assert SERIES[selector.name].kind is not Kind.GAUGE, f"{query}: a gauge has no rate"
        if isinstance(node, promql.Call) and node.func.name == "histogram_quantile":
            for selector in selectors(node):
                assert selector.name.endswith("_bucket"), query


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_query_of_the_dashboard_finds_its_metric_and_labels(title: str, query: str) -> None:
    check(query)


@pytest.mark.parametrize("query", ALARMS)
def test_an_alarm_that_is_shown_finds_its_metric(query: str) -> None:
    check(query)


def test_there_are_queries_and_alarms_to_check() -> None:
    assert len(QUERIES) > 20
    assert len(ALARMS) >= 5


@pytest.mark.parametrize(
    "query",
    [
        "rate(swarm_evnets_total[5m])",
        "rate(swarm_outbox_reports[5m])",
        "sum by (agnet) (rate(swarm_interruptions_total[5m]))",
        'swarm_outbox_reports{agent="x"}',
        "histogram_quantile(0.5, rate(swarm_floor_wait_seconds_sum[5m]))",
    ],
)
def test_a_wrong_query_would_be_found(query: str) -> None:
    with pytest.raises(AssertionError):
        check(query)


@pytest.mark.parametrize(("panel"), PANELS, ids=lambda panel: panel["title"])
def test_a_legend_names_labels_that_its_query_keeps(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        expr = parsed(target["expr"])
        kept = {
            label
            for node in nodes(expr)[:4]
            if isinstance(node, promql.AggregateExpr) and node.modifier is not None
            for label in node.modifier.labels
        }
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept


def test_the_dashboard_shows_every_metric() -> None:
    asked = {SERIES[selector.name].name for _, query in QUERIES for selector in selectors(parsed(query))}
    assert set(METRICS) - asked == set()


def test_the_variables_of_the_dashboard_are_the_ones_it_uses() -> None:
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(PANELS)))
    assert used == set(variables)
    metric, label = re.findall(r"\((\w+), (\w+)\)", variables["room"]["query"]["query"])[0]
    assert label in SERIES[metric].labels
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def shown(metric: Metric) -> str:
    return metric.name if metric.kind is Kind.HISTOGRAM else exposed_names(metric)[0]


def test_the_document_names_every_metric_with_kind_labels_and_meaning() -> None:
    rows = set(re.findall(r"^\| `\w+` \| (?:counter|gauge|histogram) \|.*$", DOCUMENT, re.MULTILINE))
    wanted = {
        f"| `{shown(metric)}` | {metric.kind.value}"
        f" | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.meaning} |"
        for metric in METRICS.values()
    }
    assert rows == wanted


def test_names_carry_their_unit() -> None:
    for metric in METRICS.values():
        assert re.fullmatch(r"swarm(_[a-z]+)+", metric.name)
        assert not metric.name.endswith("_total")
        if metric.kind is Kind.HISTOGRAM:
            assert metric.name.endswith("_seconds")
            assert list(metric.buckets) == sorted(metric.buckets)
