"""What the persisted session holds after cuts, and what a later session is built from."""

from __future__ import annotations

import asyncio

from google.adk.sessions.in_memory_session_service import InMemorySessionService
from hypothesis import given
from hypothesis import strategies as st

from host_agent.marker import read_interrupted
from host_agent.ports import Prompt
from host_agent.rewind import Repair, repairs
from tests.host_agent.stagecraft import WORD_MS, Cast, Grant, on_stage

FIVE = "one two three four five."
MARK = "[interrupted here by paul; the rest was not heard]"


def test_an_event_persisted_too_early_is_cut_where_the_words_end():
    flushed = [(1.0, "one two three"), (2.0, "four five"), (3.0, "six")]
    assert repairs(flushed, "one two three four", "paul") == (
        Repair(2.0, f"four {MARK}"),
        Repair(3.0, MARK),
    )
    assert repairs(flushed, "", "paul")[0] == Repair(1.0, MARK)
    assert repairs(flushed, "one two three four five six", "paul") == ()


@given(st.lists(st.lists(st.sampled_from(["a", "bb", "ccc"]), min_size=1), min_size=1), st.integers(0, 40))
def test_repairs_and_whole_events_together_say_the_heard_words(said: list[list[str]], heard_words: int):
    words = [word for event in said for word in event]
    flushed = [(float(at), " ".join(event)) for at, event in enumerate(said)]
    found = {repair.timestamp: repair.text for repair in repairs(flushed, " ".join(words[:heard_words]), "x")}
    left: list[str] = []
    for timestamp, text in flushed:
        marked = read_interrupted(found[timestamp]) if timestamp in found else None
        left += (marked.heard if marked else text).split()
    assert left == words[:heard_words]


async def cut_after(cast: Cast, heard_ms: float, *, nth: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(cast.host.speak(Grant(token=nth), Prompt("count")))
        await cast.output.has(5 * WORD_MS, nth=nth)
        cast.output.play(heard_ms)
        cast.cut()
    cast.hear(f"s{nth}", f"interjection {nth}", started=True)


async def test_a_later_session_is_built_from_what_was_heard():
    sessions = InMemorySessionService()
    async with on_stage(FIVE, FIVE, session_service=sessions, session_id="room-1") as cast:
        await cut_after(cast, 2 * WORD_MS, nth=1)
        await cut_after(cast, 3 * WORD_MS, nth=2)
        await asyncio.sleep(0.05)
    async with on_stage("so.", session_service=sessions, session_id="room-1", instant=True) as later:
        await later.host.speak(Grant(), Prompt("go on"))
        assert later.model.requests == [
            [
                ("user", "[You have the floor. count]"),
                ("model", f"one two {MARK}"),
                ("user", "interjection 1"),
                ("user", "[You have the floor. count]"),
                ("model", f"one two three {MARK}"),
                ("user", "interjection 2"),
                ("user", "[You have the floor. go on]"),
            ]
        ]


async def test_a_reopened_session_of_the_same_host_says_the_same():
    async with on_stage(FIVE, "so.") as cast:
        await cut_after(cast, 2 * WORD_MS, nth=1)
        await asyncio.sleep(0.05)
        cast.host._brain.live.reopen()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(cast.host.speak(Grant(), Prompt("")))
            await cast.output.ended(nth=2)
            cast.output.play()
        assert cast.model.requests[1] == [
            ("user", "[You have the floor. count]"),
            ("model", f"one two {MARK}"),
            ("user", "interjection 1"),
        ]


async def test_a_reopened_session_hears_the_window_that_was_under_way():
    async with on_stage("so.", instant=True) as cast:
        await cast.host.opened()
        cast.host.on_window_opened("s1")
        cast.host.queue.send_activity_start()
        cast.host.queue.send_realtime(bytes(3200))
        await asyncio.sleep(0.02)
        cast.host._brain.live.reopen()
        await asyncio.sleep(0.02)
        cast.hear("s1", "still here", started=True)
        await cast.host.speak(Grant(), Prompt(""))
        assert cast.model.requests == [[("user", "still here")]]
