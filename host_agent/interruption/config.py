"""Loads the interruption settings: environment, then a JSON file, then what the package ships."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from host_agent.errors import InterruptionSettingError
from host_agent.interruption.judging import check_package_judge
from host_agent.interruption.settings import LEARNED, LISTS, InterruptionHandlerConfig, JudgeSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_FILE = "interruption_config.json"
PREFIX = "LIVEKIT_INTERRUPTION_"
_ALIASES = {"LIVEKIT_BACKCHANNELING_WORDS": "ignore_words", "LIVEKIT_INTERRUPTION_WORDS": "command_words"}
"""Names under which the two lists are known elsewhere; the prefixed names go before them."""
_LISTS = ("ignore_words", "command_words")
_SWITCHES = ("allow_interruptions", "log_all_decisions")
_CHOICES = ("sensitivity", "on_stt_failure", "language")
_WHOLE = ("unknown_words", "echo_min_words")
_JUDGE = tuple(each.name for each in fields(JudgeSettings))
_KEYS = (*_LISTS, *_SWITCHES, *_CHOICES, "judging", "stt_timeout_ms", *_JUDGE)
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
LARGEST_FILE_BYTES = 1_000_000


def load_config(
    config_file: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None
) -> InterruptionHandlerConfig:
    """Return the settings in force.

    A variable `LIVEKIT_INTERRUPTION_<KEY>` goes before the same key of the file, and that before the
    shipped value. Lists are separated by commas. Without `config_file`, `interruption_config.json` of
    the working directory is read if there is one.

    Raises:
        InterruptionSettingError: a value or key is wrong, or the file cannot be read; names the key.
    """
    values = _from_file(config_file)
    for key, value in _from_environment(os.environ if environ is None else environ).items():
        values[key] = value
    judge = {key: values.pop(key) for key in _JUDGE if key in values}
    config = InterruptionHandlerConfig(**values, judge=JudgeSettings(**judge))
    if config.judging not in (LEARNED, LISTS):
        check_package_judge(config.judging)
    return config


def _from_file(config_file: str | os.PathLike[str] | None) -> dict[str, Any]:
    if not isinstance(config_file, str | os.PathLike | None):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped
        raise InterruptionSettingError("config_file", f"{config_file!r} is no path")
    path = Path(DEFAULT_FILE if config_file is None else config_file)
    if config_file is None and not path.is_file():
        return {}
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise InterruptionSettingError("config_file", f"{path} is larger than {LARGEST_FILE_BYTES} bytes")
        loaded: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InterruptionSettingError("config_file", f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise InterruptionSettingError("config_file", f"{path} is not JSON ({error})") from error
    if not isinstance(loaded, dict):
        raise InterruptionSettingError("config_file", f"{path} holds no object")
    values = cast("dict[str, Any]", loaded)
    if unknown := sorted(set(values) - set(_KEYS)):
        raise InterruptionSettingError(
            unknown[0], f"is no setting ({path})", cure=f"Known are: {', '.join(_KEYS)}"
        )
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, key in _ALIASES.items():
        if name in environ:
            values[key] = _parsed(name, key, environ[name])
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in _ALIASES:
            continue
        key = name.removeprefix(PREFIX).lower()
        if key not in _KEYS:
            raise InterruptionSettingError(name, "is no setting", cure=f"Known are: {', '.join(_KEYS)}")
        values[key] = _parsed(name, key, environ[name])
    return values


def _parsed(name: str, key: str, text: str) -> object:
    if key in _LISTS:
        if words := [word.strip() for word in text.split(",") if word.strip()]:
            return words
        raise InterruptionSettingError(name, "is empty", cure="Name at least one word, or unset it")
    if key in _SWITCHES:
        if text.strip().lower() in _TRUE + _FALSE:
            return text.strip().lower() in _TRUE
        raise InterruptionSettingError(name, f"{text!r} is neither true nor false")
    if key in _CHOICES:
        return text.strip().lower()
    if key == "judging":
        return text.strip()
    try:
        return int(text) if key in _WHOLE else float(text)
    except ValueError as error:
        raise InterruptionSettingError(name, f"{text!r} is not a number") from error
