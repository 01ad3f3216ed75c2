from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from host_agent.errors import InterruptionSettingError
from host_agent.interruption import (
    DEFAULT_COMMAND_WORDS,
    DEFAULT_IGNORE_WORDS,
    InterruptionHandlerConfig,
    JudgeSettings,
    load_config,
)

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, values: object) -> Path:
    path.write_text(json.dumps(values))
    return path


def test_without_anything_set_the_shipped_settings_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(environ={})
    assert config == InterruptionHandlerConfig()
    assert (config.ignore_words, config.command_words) == (DEFAULT_IGNORE_WORDS, DEFAULT_COMMAND_WORDS)


def test_the_file_of_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "interruption_config.json", {"ignore_words": ["aye"], "sustained_ms": 900})
    config = load_config(environ={})
    assert config.ignore_words == ("aye",)
    assert config.judge.sustained_ms == 900


def test_the_environment_goes_before_the_file_and_the_file_before_the_shipped(tmp_path: Path) -> None:
    file = write(tmp_path / "c.json", {"ignore_words": ["aye"], "command_words": ["avast"]})
    config = load_config(file, environ={"LIVEKIT_INTERRUPTION_COMMAND_WORDS": "belay, hold fast"})
    assert config.ignore_words == ("aye",)
    assert config.command_words == ("belay", "hold fast")
    assert config.allow_interruptions is True


def test_every_setting_has_its_variable() -> None:
    config = load_config(
        environ={
            "LIVEKIT_INTERRUPTION_IGNORE_WORDS": "aye",
            "LIVEKIT_INTERRUPTION_ALLOW_INTERRUPTIONS": "off",
            "LIVEKIT_INTERRUPTION_LOG_ALL_DECISIONS": "1",
            "LIVEKIT_INTERRUPTION_STT_TIMEOUT_MS": "300",
            "LIVEKIT_INTERRUPTION_NO_WORDS_MS": "400",
            "LIVEKIT_INTERRUPTION_UNKNOWN_WORDS": "2",
        }
    )
    assert config.ignore_words == ("aye",)
    assert config.allow_interruptions is False
    assert config.log_all_decisions is True
    assert config.stt_timeout_ms == 300
    assert config.judge == JudgeSettings(no_words_ms=400, unknown_words=2)


def test_the_lists_other_names_are_known_and_come_after_ours() -> None:
    environ = {"LIVEKIT_BACKCHANNELING_WORDS": "aye,right", "LIVEKIT_INTERRUPTION_WORDS": "avast"}
    assert load_config(environ=environ).command_words == ("avast",)
    assert load_config(environ=environ).ignore_words == ("aye", "right")
    ours = {**environ, "LIVEKIT_INTERRUPTION_COMMAND_WORDS": "belay"}
    assert load_config(environ=ours).command_words == ("belay",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVEKIT_INTERRUPTION_IGNORE_WORDS", " , "),
        ("LIVEKIT_INTERRUPTION_ALLOW_INTERRUPTIONS", "perhaps"),
        ("LIVEKIT_INTERRUPTION_STT_TIMEOUT_MS", "soon"),
        ("LIVEKIT_INTERRUPTION_UNKNOWN_WORDS", "1.5"),
        ("LIVEKIT_INTERRUPTION_IGNOR_WORDS", "yeah"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(InterruptionSettingError, match=name):
        load_config(environ={name: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stt_timeout_ms", 501),
        ("stt_timeout_ms", 0),
        ("stt_timeout_ms", True),
        ("no_words_ms", -1),
        ("min_confidence", 1.5),
        ("faint_dbfs", "loud"),
        ("ignore_words", "yeah"),
        ("ignore_words", 7),
        ("command_words", []),
        ("ignore_words", ["stop"]),
        ("allow_interruptions", "yes"),
        ("volume", 11),
    ],
)
def test_a_wrong_value_in_the_file_is_named_by_its_key(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(InterruptionSettingError) as refused:
        load_config(write(tmp_path / "c.json", {key: value}), environ={})
    assert refused.value.key == key


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"no_words_ms": NaN}'])
def test_a_file_that_is_no_settings_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "c.json"
    file.write_bytes(content)
    with pytest.raises(InterruptionSettingError):
        load_config(file, environ={})


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InterruptionSettingError, match="config_file"):
        load_config(tmp_path / "missing.json", environ={})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "500"])
def test_a_threshold_is_a_finite_number(value: object) -> None:
    with pytest.raises(InterruptionSettingError, match="sustained_ms"):
        JudgeSettings(sustained_ms=value)  # type: ignore[arg-type]
