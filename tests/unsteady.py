"""Where SWARM_UNSTEADY_LIMIT is set (.ci/run), a test on real engines that fails is run a second time.

At most so many may need it in a run; each is named at the end with what went wrong the first time, as it is a
defect to be found, of the test or of what it tests. See docs/decisions/0011-unsteady-tests.md.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

SETTING = "SWARM_UNSTEADY_LIMIT"


class Unsteady:
    """Plugin that gives tests marked `real` a second attempt."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._failures: list[pytest.TestReport] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if item.get_closest_marker("real") is not None:
                item.add_marker(pytest.mark.flaky(reruns=1))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome == "rerun":
            self._failures.append(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if len(self._failures) > self._limit and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        yield
        if not self._failures:
            return
        terminalreporter.section(f"failed the first time: {len(self._failures)} (limit {self._limit})")
        for report in self._failures:
            terminalreporter.write_line(f"{report.nodeid}\n{report.longreprtext}\n")


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin where the setting asks for it."""
    limit = os.environ.get(SETTING)
    if limit is not None:
        config.pluginmanager.register(Unsteady(int(limit)), "unsteady")
