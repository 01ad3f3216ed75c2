"""What the example agent asks for before it starts."""

from __future__ import annotations

import pytest

from examples.voice_agents.interruption_handler_agent import DEV_SERVER, prepare

SERVER = dict.fromkeys(DEV_SERVER, "set")


def test_dev_without_a_server_takes_the_one_for_development_on_this_machine() -> None:
    env: dict[str, str] = {}
    prepare(["dev"], env)
    assert env == DEV_SERVER
    prepare(["dev"], env := dict(SERVER))
    assert env == SERVER
    prepare(["dev", "--url", "ws://elsewhere"], env := {})
    assert env == {}


@pytest.mark.parametrize(
    ("arguments", "env", "named"),
    [
        (["start"], {}, "LIVEKIT_URL: missing"),
        (["dev"], {"LIVEKIT_URL": "ws://elsewhere"}, "LIVEKIT_API_KEY: missing"),
        (["dev"], {"LIVEKIT_INTERRUPTION_WORDS": " ,"}, "LIVEKIT_INTERRUPTION_WORDS: is empty"),
        (["start"], {**SERVER, "LIVEKIT_BACKCHANNELING_WORDS": "stop"}, "ignore_words"),
    ],
)
def test_what_is_missing_or_wrong_is_named_before_anything_starts(
    arguments: list[str], env: dict[str, str], named: str
) -> None:
    with pytest.raises(SystemExit, match=named):
        prepare(arguments, env)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["start", "--help"], ["console"], ["download-files"]])
def test_what_joins_no_room_needs_no_server(arguments: list[str]) -> None:
    prepare(arguments, {})
