"""For processes that speak: no long pause of the garbage collector amid a word."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def collector_spares_what_is_loaded() -> Generator[None]:
    """While the body runs, what exists at its start is not looked through again and again.

    Models and libraries are some 500,000 objects: a full collection is a gap of over 0.1 s in the audio.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()  # native libraries complain at the exit about what was not collected
