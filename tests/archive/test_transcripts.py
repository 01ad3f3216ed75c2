"""The setting of a room, applied by the step that writes each event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import ConversationStream, events
from streams.events import UnknownEvent
from swarm.archive.transcripts import set_transcripts, transcripts
from swarm.archive.words import WORD_FIELDS, recorded_as

if TYPE_CHECKING:
    from redis.asyncio import Redis

TEXTS = st.text(
    st.one_of(
        st.sampled_from('" \\\n\t{}:,"text"*é😀'), st.characters(codec="utf-8", exclude_characters="\x0b")
    ),
    max_size=40,
)


def said(text: str) -> events.Transcript:
    return events.Transcript(participant="ann", speech_id="s1", text=text, final=True)


async def last_of(stream: ConversationStream) -> Any:
    return (await stream.read())[-1].event


async def test_words_are_kept_unless_the_room_says_otherwise(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(said("good morning"), source="x")
    assert await transcripts(redis_client, "lobby") == "keep"
    assert (await last_of(stream)).text == "good morning"
    for setting, text in (("redact", "* *"), ("omit", ""), ("keep", "good morning")):
        assert await set_transcripts(redis_client, "lobby", setting, source="chair") == setting  # pyright: ignore[reportArgumentType]
        changed = await last_of(stream)
        assert (changed.by, changed.settings) == ("chair", {"transcripts": setting})
        await stream.publish(said("good morning"), source="x")
        assert (await last_of(stream)).text == text
        assert await transcripts(redis_client, "lobby") == setting


async def test_it_is_set_before_the_room_opens_and_outlives_a_session(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await set_transcripts(redis_client, "lobby", "omit", source="chair")
    assert await stream.read() == []
    for _ in range(2):
        await stream.publish(said("secret"), source="x")
        assert (await last_of(stream)).text == ""
        await stream.close_room(source="x")
    assert [each.seq for each in await stream.read()] == [1, 2, 3, 1, 2, 3]


async def test_all_that_holds_words_loses_them_and_nothing_else(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await set_transcripts(redis_client, "lobby", "redact", source="chair")
    cut = events.Interruption(
        interrupted="bot",
        interruptor="ann",
        interruptor_kind=events.ParticipantKind.PERSON,
        utterance_id="u",
        heard_text="we begin",
        unheard_text="with the river",
        heard_ms=12.25,
        generated_ms=1e3,
        reason="two words",
        words="wait wait",
    )
    await stream.publish(cut, source="x")
    left = await last_of(stream)
    changed = {"heard_text": "* *", "unheard_text": "* * *", "words": "* *"}
    assert left == cut.model_copy(update=changed)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.one_of(st.sampled_from([*WORD_FIELDS, "reason", "textual"]), TEXTS), TEXTS, max_size=6
    ),
    st.sampled_from(["redact", "omit"]),
)
async def test_the_script_does_what_the_rule_says(
    real_redis: Redis, data: dict[str, str], setting: Any
) -> None:
    stream = ConversationStream(real_redis, "lobby")
    await set_transcripts(real_redis, "lobby", setting, source="chair")
    event = UnknownEvent(original_kind="SYSTEM_SIGNAL", original_type="NOVELTY", data=data)
    await stream.publish(event, source="x")
    expected = {k: recorded_as(v, setting) if k in WORD_FIELDS else v for k, v in data.items()}
    assert (await last_of(stream)).data == expected


@pytest.mark.parametrize(("text", "left"), [("", ""), ("  a\n b\t", "* *"), ("é😀 x", "* *")])
def test_a_star_for_each_word(text: str, left: str) -> None:
    assert recorded_as(text, "redact") == left
