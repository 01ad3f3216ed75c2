"""Lets livekit's library end in peace when the process does.

The threads of the library call Python with what they log. Its exit handler stops that, but does not wait for
a call that is under way; one that meets the end of the interpreter aborts the process (SIGABRT, "panic in a
function that cannot unwind": 1 of 40 exits on two busy cores with livekit 1.1).
"""

from __future__ import annotations

import atexit
import time
from functools import cache

_CALLS_END_S = 0.05


@cache
def let_calls_end() -> None:
    """Let the library's calls come to their end at exit. Has to be called before the library is first used.

    What is registered first runs last: after the library's own handler. While it sleeps, the calls go on.
    """
    atexit.register(time.sleep, _CALLS_END_S)
