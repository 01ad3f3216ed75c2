"""What could not run here, and how to get it: named in pytest's last lines, never skipped in silence."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

MISSING: dict[str, str] = {}
"""What was missing, to how to get it; other plugins may add to it."""


def unavailable(what: str, how_to_get_it: str) -> NoReturn:
    """Skip the test and list `what`; with SWARM_REQUIRE_ENGINES=1 in the environment, fail it."""
    MISSING[what] = how_to_get_it
    if os.environ.get("SWARM_REQUIRE_ENGINES") == "1":
        pytest.fail(f"{what} is required here: {how_to_get_it}", pytrace=False)
    pytest.skip(f"no {what}: {how_to_get_it}")
