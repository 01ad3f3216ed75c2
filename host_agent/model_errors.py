"""What a model's failure means for the one who set it: one clear line, never a key."""

from __future__ import annotations

import os
import re
from typing import cast

from host_agent.errors import HostError, ModelSettingError

_KEY_NAMES = ("GOOGLE_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY")
_KEY_LIKE = re.compile(r"\b(?:AIza[\w-]{20,}|sk-[\w-]{16,})")
_MISSING_KEY = re.compile(
    r"no api[ _]key|missing key|api[ _]key (?:was |is )?not (?:provided|set)|default credentials", re.I
)
_REFUSED_KEY = re.compile(
    r"api[ _]key not valid|api_key_invalid|invalid api[ _]key|unauthenticated|permission denied", re.I
)
_NO_MODEL = re.compile(r"not found|not supported|unknown model|does not exist|is not a valid model", re.I)
_LONGEST = 200


def one_line(error: BaseException) -> str:
    """Return what `error` says in one line without any key."""
    text = " ".join(str(error).split()) or type(error).__name__
    for value in filter(None, (os.environ.get(name, "") for name in _KEY_NAMES)):
        text = text.replace(value, "(key)")
    text = _KEY_LIKE.sub("(key)", text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def explain(error: BaseException, model: str) -> HostError | None:
    """Return the setting that is wrong, or None where trying again may help."""
    if isinstance(error, HostError):
        return error
    text = one_line(error)
    code = _code(error)
    if _MISSING_KEY.search(text):
        return ModelSettingError(
            "GOOGLE_API_KEY",
            f"model {model!r} needs a key and there is none",
            cure="Set GOOGLE_API_KEY, or use the offline model",
        )
    if code in (401, 403) or _REFUSED_KEY.search(text):
        return ModelSettingError(
            "GOOGLE_API_KEY",
            f"the service of model {model!r} refuses the key",
            cure="Check the key and its rights",
        )
    if code in (404, 1008, None) and _NO_MODEL.search(text) and "model" in text.lower():
        return ModelSettingError(
            "model", f"{model!r} does not exist or cannot be used live ({text})", cure="Name a live model"
        )
    return None


def _code(error: BaseException) -> int | None:
    """Return the HTTP status or the WebSocket's close code."""
    if (closed := getattr(error, "rcvd", None)) is not None:
        return closed.code
    code = None if hasattr(error, "sent") else getattr(error, "code", None)
    return code if isinstance(code, int) else None


def single(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first exception in `group` that says something: a HostError if there is one."""
    found: list[BaseException] = []
    waiting: list[BaseException] = [group]
    while waiting:
        error = waiting.pop(0)
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(cast("BaseExceptionGroup[BaseException]", error).exceptions)
        else:
            found.append(error)
    return next((error for error in found if isinstance(error, HostError)), found[0])
