"""A host over a cascade: turns, cuts, windows, and what the text model is asked next."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from host_agent.errors import HostNotRunningError, TurnInProgressError
from host_agent.ports import Prompt, TurnResult
from host_agent.prompts import NOT_UNDERSTOOD
from host_agent.settings import HostSettings
from host_agent.states import HostState
from streams.events import AgentFailed, Interruption, StateChanged, Utterance
from streams.vocabulary import ParticipantKind
from tests.host_agent.stagecraft import WORD_MS, Cast, Grant, Word, on_stage

FIVE = "one two three four five."
PROMPT = ("user", "[You have the floor. count]")


async def cut_after(cast: Cast, heard_ms: float, *, nth: int = 1, **how: object) -> TurnResult:
    """Have the host say its reply of five words, and cut it off when `heard_ms` were played."""
    async with asyncio.TaskGroup() as tasks:
        turn = tasks.create_task(cast.host.speak(Grant(token=nth), Prompt("count")))
        await cast.output.has(5 * WORD_MS, nth=nth)
        cast.output.play(heard_ms)
        cast.cut(**how)  # type: ignore[arg-type]
    return turn.result()


async def answer(cast: Cast, prompt: Prompt, *, nth: int) -> TurnResult:
    """Let the host say a turn to its end."""
    async with asyncio.TaskGroup() as tasks:
        turn = tasks.create_task(cast.host.speak(Grant(token=nth), prompt))
        await cast.output.ended(nth=nth)
        cast.output.play()
    return turn.result()


async def test_a_granted_turn_is_said_and_reported_whole():
    async with on_stage("one two three.", instant=True) as cast:
        result = await cast.host.speak(Grant(), Prompt("count"))
        assert result.heard_text == "one two three."
        assert not result.interrupted
        assert not result.failed
        assert [u.heard_text for u in cast.record.of(Utterance)] == ["one two three."]
        moves = [(s.old, s.new, s.cause) for s in cast.record.of(StateChanged)]
        assert moves == [("idle", "speaking", "granted"), ("speaking", "idle", "played_out")]
        assert cast.record.of(AgentFailed) == []


async def test_the_next_request_holds_exactly_the_heard_words_and_the_marker():
    async with on_stage(FIVE, "yes.") as cast:
        result = await cut_after(cast, 2 * WORD_MS + 90)
        assert (result.heard_text, result.interrupted) == ("one two", True)
        assert cast.host.state is HostState.LISTENING
        cast.hear("s1", "and what about six", started=True)
        cast.host.on_speech_ended()
        assert cast.host.state is HostState.PROCESSING
        await answer(cast, Prompt(""), nth=2)
        assert cast.model.requests[1] == [
            PROMPT,
            ("model", "one two [interrupted here by paul; the rest was not heard]"),
            ("user", "and what about six"),
        ]


async def test_an_interruption_is_reported_with_every_field():
    async with on_stage(FIVE) as cast:
        result = await cut_after(cast, 3 * WORD_MS)
        (told,) = cast.record.of(Interruption)
        assert (told.interrupted, told.interruptor, told.interruptor_kind) == (
            "host",
            "paul",
            ParticipantKind.PERSON,
        )
        assert (told.heard_text, told.unheard_text) == ("one two three", "four five.")
        assert (told.heard_ms, told.generated_ms) == (3 * WORD_MS, 5 * WORD_MS)
        assert (told.reason, told.words) == ("keyword", "stop")
        steps = told.latency
        assert steps.onset_to_detector_ms == pytest.approx(100, abs=1)
        assert steps.detector_to_gate_ms == pytest.approx(50, abs=1)
        assert steps.gate_to_decision_ms == pytest.approx(50, abs=1)
        assert steps.decision_to_model_ms is not None
        assert steps.model_to_publish_ms is not None
        (said,) = cast.record.of(Utterance)
        assert said.interrupted
        assert said.utterance_id == told.utterance_id == result.utterance_id
        assert [token for _, event, token in cast.record.reports if event is told] == [1]


async def test_an_agents_preemption_stops_the_model_without_audio_and_wedges_nothing():
    async with on_stage(FIVE, "back again.") as cast:
        await cut_after(cast, WORD_MS, by="expert", person=False)
        (told,) = cast.record.of(Interruption)
        assert (told.interruptor, told.interruptor_kind) == ("expert", ParticipantKind.AGENT)
        assert not cast.host.queue.window_open
        result = await answer(cast, Prompt("go on", heard=(("expert", "I must object."),)), nth=2)
        assert result.heard_text == "back again."
        assert cast.model.requests[1] == [
            PROMPT,
            ("model", "one [interrupted here by expert; the rest was not heard]"),
            ("user", 'expert said: "I must object."\n[You have the floor. go on]'),
        ]
        assert cast.record.of(AgentFailed) == []


async def test_an_adapter_that_signals_by_itself_is_not_doubled():
    async with on_stage(FIVE) as cast:
        signals = 0
        start = cast.host.queue.send_activity_start

        def counted() -> None:
            nonlocal signals
            signals += 1
            start()

        cast.host.queue.send_activity_start = counted  # type: ignore[method-assign]

        def cut_and_signal() -> None:
            cast.cut("expert", person=False)
            cast.host.queue.signal_stop()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.has(5 * WORD_MS)
            cut_and_signal()
        assert signals == 1


async def test_interrupted_twice_keeps_both_truths():
    async with on_stage(FIVE, "six seven eight nine ten.", "sorry.") as cast:
        await cut_after(cast, WORD_MS)
        cast.hear("s1", "go on", started=True)
        await cut_after(cast, 2 * WORD_MS, nth=2, by="mary")
        cast.hear("s2", "enough", started=True)
        await answer(cast, Prompt(""), nth=3)
        assert cast.model.requests[2] == [
            PROMPT,
            ("model", "one [interrupted here by paul; the rest was not heard]"),
            ("user", "go on"),
            PROMPT,
            ("model", "six seven [interrupted here by mary; the rest was not heard]"),
            ("user", "enough"),
        ]
        assert [i.interruptor for i in cast.record.of(Interruption)] == ["paul", "mary"]


async def test_a_cut_told_twice_counts_once():
    async with on_stage(FIVE) as cast:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.has(5 * WORD_MS)
            cast.cut()
            cast.cut("mary")
        assert [i.interruptor for i in cast.record.of(Interruption)] == ["paul"]


async def test_cut_while_thinking_leaves_only_the_marker():
    async with on_stage("never said.", "what?") as cast:
        cast.model.gate.clear()
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.model.asked()
            cast.cut()
        assert turn.result().heard_text == ""
        assert turn.result().interrupted
        cast.model.gate.set()
        cast.hear("s1", "hello", started=True)
        await answer(cast, Prompt(""), nth=2)
        assert cast.model.requests[1] == [
            PROMPT,
            ("model", "[interrupted here by paul; the rest was not heard]"),
            ("user", "hello"),
        ]


async def test_a_cut_before_the_model_was_asked_leaves_no_trace():
    async with on_stage("yes.") as cast:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(cast.host.speak(Grant(), Prompt("")))  # waits for a window
            await cast.output.has(0)
            cast.cut()
        cast.hear("s1", "hello", started=True)
        await answer(cast, Prompt(""), nth=2)
        assert cast.model.requests == [[("user", "hello")]]


async def test_a_long_hold_before_the_cut_adds_nothing_to_the_heard_words():
    async with on_stage(FIVE) as cast:
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.has(5 * WORD_MS)
            cast.output.play(2 * WORD_MS)
            await asyncio.sleep(0.1)  # held: stock CascadeLive would count this as heard
            cast.cut()
        assert turn.result().heard_text == "one two"


async def test_a_turn_ends_with_the_playout_not_with_the_clock():
    async with on_stage("a b c d e f g h.") as cast:
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.ended()
            await asyncio.sleep(0.05)
            assert not turn.done()
            cast.output.play()
        assert turn.result().heard_text == "a b c d e f g h."


async def test_of_four_hosts_only_the_granted_one_calls_its_model():
    async with contextlib.AsyncExitStack() as stack:
        casts = [
            await stack.enter_async_context(on_stage(*["sure."] * 10, name=f"agent-{n}", instant=True))
            for n in range(4)
        ]
        for turn in range(10):
            for cast in casts:
                cast.hear(f"s{turn}", f"question {turn}")
            chosen = casts[turn % 4]
            await chosen.host.speak(Grant(token=turn), Prompt(""))
            for cast in casts:
                if cast is not chosen:
                    cast.host.on_turn_given_to_another()
        calls = [len(cast.model.requests) for cast in casts]
        assert calls == [3, 3, 2, 2]
        said = [text for role, text in casts[3].model.requests[-1] if role == "user"]
        assert said == [f"question {turn}" for turn in range(8)]


async def test_a_turn_given_to_another_leaves_its_words_in_the_context():
    async with on_stage("fine.", instant=True) as cast:
        cast.hear("s1", "what about mars")
        await asyncio.sleep(0.02)
        assert cast.model.requests == []
        cast.host.on_turn_given_to_another()
        await cast.host.speak(Grant(), Prompt("continue", heard=(("expert", "Mars is red."),)))
        assert cast.model.requests == [
            [
                ("user", "what about mars"),
                ("user", 'expert said: "Mars is red."\n[You have the floor. continue]'),
            ]
        ]


async def test_what_others_said_goes_before_the_words_to_be_answered():
    async with on_stage("fine.", instant=True) as cast:
        cast.hear("s1", "and you, what do you say")
        await cast.host.speak(Grant(), Prompt("", heard=(("expert", "Mars is red."),)))
        assert cast.model.requests == [
            [
                ("user", 'expert said: "Mars is red."'),
                ("user", "and you, what do you say"),
            ]
        ]


async def test_final_words_are_waited_for():
    async with on_stage("fine.", instant=True) as cast:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(cast.host.speak(Grant(), Prompt("")))
            cast.host.on_window_opened("s1")
            cast.host.queue.send_activity_start()
            cast.host.on_words(Word("s1", "what", final=False))
            cast.host.queue.send_realtime(bytes(3200))
            cast.host.queue.send_activity_end()
            await asyncio.sleep(0.02)
            cast.host.on_words(Word("s1", "what is it"))
        assert cast.model.requests == [[("user", "what is it")]]


async def test_the_best_words_so_far_count_when_the_final_ones_stay_away():
    async with on_stage("fine.", instant=True, settings=HostSettings(words_limit_s=0.03)) as cast:
        cast.host.on_window_opened("s1")
        cast.host.queue.send_activity_start()
        cast.host.queue.send_realtime(bytes(3200))
        cast.host.on_words(Word("s1", "what is", final=False))
        cast.host.queue.send_activity_end()
        await cast.host.speak(Grant(), Prompt(""))
        assert cast.model.requests == [[("user", "what is")]]


@pytest.mark.parametrize("words", [None, Word("s1", ""), Word("s1", "", failed=True)])
async def test_a_window_without_words_makes_the_agent_ask_again(words: Word | None):
    async with on_stage("pardon?", instant=True, settings=HostSettings(words_limit_s=0.03)) as cast:
        cast.host.on_window_opened("s1")
        cast.host.queue.send_activity_start()
        cast.host.queue.send_realtime(bytes(3200))
        cast.host.queue.send_activity_end()
        if words is not None:
            cast.host.on_words(words)
        result = await cast.host.speak(Grant(), Prompt(""))
        assert result.heard_text == "pardon?"
        assert cast.model.requests == [[("user", f"[You have the floor. {NOT_UNDERSTOOD}]")]]


async def test_a_window_that_never_opens_makes_the_agent_ask_again():
    async with on_stage("pardon?", instant=True, settings=HostSettings(window_limit_s=0.03)) as cast:
        result = await cast.host.speak(Grant(), Prompt(""))
        assert result.heard_text == "pardon?"


async def test_a_muted_turn_leaves_no_trace():
    async with on_stage("unheard words.", "hello.") as cast:
        cast.output.open = False
        grant = Grant()
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(cast.host.speak(grant, Prompt("count")))
            await cast.model.asked()
            grant.held = False
        assert turn.result().heard_text == ""
        assert turn.result().failed
        cast.output.open = True
        await answer(cast, Prompt("again"), nth=2)
        assert cast.model.requests[1] == [PROMPT, ("user", "[You have the floor. again]")]
        (muted, _) = cast.record.of(Utterance)
        assert (muted.heard_text, muted.generated_text) == ("", "unheard words.")


async def test_a_grant_that_ended_before_the_turn_makes_no_model_call():
    async with on_stage("hello.") as cast:
        result = await cast.host.speak(Grant(held=False), Prompt("count"))
        assert result.failed
        assert cast.model.requests == []
        assert cast.host.state is HostState.IDLE


async def test_a_grant_lost_in_the_middle_keeps_what_was_heard():
    async with on_stage(FIVE, "so.") as cast:
        grant = Grant()
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(cast.host.speak(grant, Prompt("count")))
            await cast.output.has(5 * WORD_MS)
            cast.output.play(2 * WORD_MS)
            grant.held = False
            cast.output.drop(cast.output.current)  # the adapter mutes a lapsed lease
        assert turn.result().heard_text == "one two"
        assert turn.result().failed
        assert cast.record.of(Interruption) == []
        await answer(cast, Prompt("again"), nth=2)
        assert cast.model.requests[1][1] == (
            "model",
            "one two [interrupted here by somebody; the rest was not heard]",
        )


async def test_cancelling_a_turn_silences_it_and_the_next_one_works():
    async with on_stage(FIVE, "hello.") as cast:
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.has(5 * WORD_MS)
            cast.output.play(WORD_MS)
            turn.cancel()
        assert turn.cancelled()
        result = await answer(cast, Prompt("again"), nth=2)
        assert result.heard_text == "hello."
        assert cast.model.requests[1][1] == (
            "model",
            "one [interrupted here by somebody; the rest was not heard]",
        )


async def test_activity_without_a_cut_still_stops_the_turn():
    async with on_stage(FIVE) as cast:
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.has(5 * WORD_MS)
            cast.output.play(2 * WORD_MS)
            cast.host.queue.send_activity_start()
        assert (turn.result().heard_text, turn.result().interrupted) == ("one two", True)
        assert len(cast.record.of(Interruption)) == 1


async def test_one_turn_at_a_time():
    async with on_stage(FIVE) as cast, asyncio.TaskGroup() as tasks:
        tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
        await cast.output.has(5 * WORD_MS)
        with pytest.raises(TurnInProgressError):
            await cast.host.speak(Grant(), Prompt("count"))
        cast.cut()
    with pytest.raises(HostNotRunningError):
        await cast.host.speak(Grant(), Prompt("count"))


async def test_audio_outside_a_window_is_dropped():
    async with on_stage("fine.", instant=True) as cast:
        cast.host.queue.send_realtime(bytes(3200))
        cast.host.queue.send_activity_end()
        cast.hear("s1", "hello")
        await cast.host.speak(Grant(), Prompt(""))
        assert cast.model.requests == [[("user", "hello")]]


async def test_many_windows_of_many_pieces_each_give_their_own_words():
    async with on_stage("fine.", instant=True) as cast:
        await cast.host.opened()
        for n in range(4):
            cast.host.on_window_opened(f"s{n}")
            cast.host.queue.send_activity_start()
            for _ in range(5):
                cast.host.queue.send_realtime(bytes(640))
                await asyncio.sleep(0)
            cast.host.queue.send_activity_end()
            cast.host.on_words(Word(f"s{n}", f"sentence {n}"))
            await asyncio.sleep(0.005)
        async with asyncio.timeout(1):
            await cast.host.speak(Grant(), Prompt(""))
        assert cast.model.requests == [[("user", f"sentence {n}") for n in range(4)]]
