"""A room that cannot be joined, as the setting that is wrong."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from adapters.errors import RoomUnavailableError
from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def as_setting_errors() -> Generator[None]:
    """Turn RoomUnavailableError into SettingError.

    Raises:
        SettingError: naming the setting and the cure.
    """
    try:
        yield
    except RoomUnavailableError as error:
        raise SettingError(error.setting, error.reason, error.cure) from error
