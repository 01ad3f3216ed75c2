from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.adk.models.base_llm import BaseLlm
from google.adk.models.registry import LLMRegistry
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import SettingError
from swarm.settings import check_model, check_room, from_environment, shown_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from google.adk.models.llm_request import LlmRequest
    from google.adk.models.llm_response import LlmResponse

SECRET = "hunter2"
LIVEKIT = {"LIVEKIT_URL": "ws://127.0.0.1:7880", "LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": SECRET}


def test_nothing_set_means_a_private_redis_and_a_room_in_memory() -> None:
    found = from_environment({})
    assert found.redis_url is None
    assert found.livekit is None


def test_white_space_counts_as_not_set() -> None:
    found = from_environment({"REDIS_URL": "  ", "LIVEKIT_URL": "\n"})
    assert found.redis_url is None
    assert found.livekit is None


def test_values_are_taken_without_the_white_space_around_them() -> None:
    found = from_environment({name: f" {value}\n" for name, value in LIVEKIT.items()})
    assert found.livekit is not None
    assert (found.livekit.url, found.livekit.api_key) == ("ws://127.0.0.1:7880", "key")
    assert found.livekit.api_secret == SECRET


def test_the_secret_is_in_no_repr() -> None:
    found = from_environment(LIVEKIT)
    assert SECRET not in repr(found)
    assert SECRET not in str(found)


@pytest.mark.parametrize("missing", ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"])
def test_a_livekit_address_needs_key_and_secret(missing: str) -> None:
    with pytest.raises(SettingError) as caught:
        from_environment({**LIVEKIT, missing: ""})
    assert caught.value.setting == missing
    assert "unset LIVEKIT_URL" in caught.value.cure


@pytest.mark.parametrize(
    "url", ["foo", "ftp://there", "ws://", "ws://there:notaport", "ws://there:70000", "ws://[::1", "://"]
)
def test_what_is_no_livekit_address_is_refused(url: str) -> None:
    with pytest.raises(SettingError) as caught:
        from_environment({**LIVEKIT, "LIVEKIT_URL": url})
    assert caught.value.setting == "LIVEKIT_URL"


@pytest.mark.parametrize(
    "url", ["ws://there", "wss://there.example:443/x", "http://[::1]:7880", "https://a.b"]
)
def test_livekit_addresses_are_taken(url: str) -> None:
    assert from_environment({**LIVEKIT, "LIVEKIT_URL": url}).livekit is not None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:hunter2@host:6379/0", "redis://host:6379/0"),
        ("redis://user:hunter2@host", "redis://host"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("rediss://host:1/0?password=hunter2", "rediss://host:1/0"),
        ("unix://:hunter2@/tmp/redis.sock?db=0", "unix:///tmp/redis.sock"),
        ("redis://:hun?hunter2@host:1/0", "redis://..."),
        ("redis://host?password=a@hunter2", "redis://..."),
        ("redis://:hunter2", "redis://..."),
        ("redis://user:hunter2", "redis://..."),
        ("hunter2@localhost", "localhost"),
        ("localhost", "localhost"),
        ("", "..."),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown


SAFE = "abcXYZ019-._~!$&'()*+,;=:/?#[]@%"


@given(
    user=st.text(SAFE, max_size=6),
    before=st.text(SAFE, max_size=6),
    after=st.text(SAFE, max_size=6),
    host=st.sampled_from(["host", "10.0.0.1", "[::1]"]),
    rest=st.sampled_from(["", ":6379", ":6379/0", "/0", "?db=1", ":1/0?db=1&x=y"]),
)
def test_no_password_is_ever_shown(user: str, before: str, after: str, host: str, rest: str) -> None:
    """Also one with characters that should have been percent-encoded."""
    url = f"redis://{user}:{before}{SECRET}{after}@{host}{rest}"
    assert SECRET not in shown_url(url)


@pytest.mark.parametrize("room", ["lobby", "meeting-7", "räume", "a" * 128])
def test_room_names_are_taken(room: str) -> None:
    assert check_room(room) == room


@pytest.mark.parametrize("room", ["", "a room", "a{b", "a}b", "a\nb", "a" * 129])
def test_what_can_be_no_room_is_refused(room: str) -> None:
    with pytest.raises(SettingError) as caught:
        check_room(room)
    assert caught.value.setting == "--room"


def test_the_offline_model_needs_nothing() -> None:
    check_model("offline", {})


@pytest.mark.parametrize("model", ["", "no-such-model", "openai/no-such"])
def test_a_model_that_nobody_knows_is_refused(model: str) -> None:
    with pytest.raises(SettingError, match="knows no model") as caught:
        check_model(model, {"GOOGLE_API_KEY": "key"})
    assert caught.value.setting == "--model"


@pytest.mark.parametrize(
    "env", [{"GOOGLE_API_KEY": "k"}, {"GEMINI_API_KEY": "k"}, {"GOOGLE_GENAI_USE_VERTEXAI": "True"}]
)
def test_a_key_or_vertex_is_enough(env: dict[str, str]) -> None:
    check_model("gemini-2.5-flash-native-audio-latest", env)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(SettingError) as caught:
        check_model("gemini-2.5-flash-native-audio-latest", {})
    assert caught.value.setting == "GOOGLE_API_KEY"


class TextOnly(BaseLlm):
    """A model that ADK knows and that has no live connection."""

    @classmethod
    def supported_models(cls) -> list[str]:
        return ["text-only-.*"]

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse]:
        raise AssertionError("not asked")
        yield


def test_a_model_that_is_no_live_one_is_refused() -> None:
    LLMRegistry.register(TextOnly)
    with pytest.raises(SettingError, match="cannot be used live"):
        check_model("text-only-1", {"GOOGLE_API_KEY": "k"})
