"""Sources of the Lua scripts that write events: the shared append step, then the script itself."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def load(package: str, name: str) -> str:
    """Return the source of `<package>/lua/<name>` with the append step in front.

    Meant for redis-py's `register_script`: EVALSHA, with a reload where the server has forgotten it.
    The script may use `append`, `now_us`, `now_ms`, `whole` and `request_age_ms` (streams/lua/append.lua).

    Raises:
        FileNotFoundError: the package has no such script.
    """
    return _source("streams", "append.lua") + _source(package, name)


def _source(package: str, name: str) -> str:
    return resources.files(package).joinpath("lua", name).read_text(encoding="utf-8")
