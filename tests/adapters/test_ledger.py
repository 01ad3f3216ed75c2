from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.ledger import Ledger


def test_heard_is_what_was_handed_over_less_what_the_transport_holds() -> None:
    ledger = Ledger(1000)
    ledger.queue(500)
    ledger.hand_over(300, position=0)
    playout = ledger.playout(sent_position=220)
    assert (playout.generated_ms, playout.heard_ms, playout.complete) == (500, 220, False)


def test_silence_pushed_after_the_last_word_does_not_count_as_held_words() -> None:
    ledger = Ledger(1000)
    ledger.queue(100)
    ledger.hand_over(100, position=0)
    pushed_with_silence, held = 300, 200
    assert ledger.heard(pushed_with_silence - held) == 100


def test_each_utterance_has_an_account_of_its_own() -> None:
    first, second = Ledger(1000), Ledger(1000)
    first.queue(100)
    first.hand_over(100, position=0)
    second.queue(100)
    second.hand_over(40, position=100)
    assert second.playout(140).heard_ms == 40


def test_complete_needs_the_end_and_the_last_sample_out_of_the_transport() -> None:
    ledger = Ledger(1000)
    ledger.queue(100)
    ledger.hand_over(100, position=0)
    assert not ledger.playout(100).complete
    ledger.ended = True
    assert not ledger.playout(99).complete
    assert not ledger.settled(99)
    assert ledger.playout(100).complete
    assert ledger.settled(100)


def test_refused_and_muted_audio_is_made_but_unheard() -> None:
    ledger = Ledger(1000)
    ledger.queue(100)
    ledger.refuse(50)
    ledger.hand_over(100, position=0)
    ledger.ended = True
    playout = ledger.playout(100)
    assert (playout.generated_ms, playout.heard_ms, playout.complete) == (150, 100, False)


def test_recalled_samples_are_unheard_whatever_is_pushed_later() -> None:
    ledger = Ledger(1000)
    ledger.queue(100)
    ledger.hand_over(100, position=50)
    assert ledger.recall(sent_position=120) == 30
    assert ledger.heard(10_000) == 70
    assert (ledger.handed, ledger.dropped, ledger.waiting) == (70, 30, 0)


steps = st.lists(
    st.tuples(
        st.sampled_from(["queue", "refuse", "hand", "silence", "drop", "send", "clear"]), st.integers(0, 50)
    ),
    max_size=60,
)


@given(steps)
def test_every_sample_is_accounted_for_and_heard_never_exceeds_a_models_count(
    script: list[tuple[str, int]],
) -> None:
    """Beside the ledger a plain list of what is in the transport: True for a sample of the utterance."""
    ledger = Ledger(1000)
    transport: list[bool] = []
    pushed = heard = 0
    for step, n in script:
        match step:
            case "queue":
                ledger.queue(n)
            case "refuse":
                ledger.refuse(n)
            case "hand":
                count = min(n, ledger.waiting)
                if count:
                    ledger.hand_over(count, pushed)
                transport += [True] * count
                pushed += count
            case "silence":
                transport += [False] * n
                pushed += n
            case "drop":
                ledger.drop_waiting()
            case "send":
                heard += sum(transport[:n])
                del transport[:n]
            case _:
                pushed -= len(transport)
                ledger.recall(pushed)
                transport.clear()
        assert ledger.queued == ledger.handed + ledger.dropped + ledger.waiting
        assert ledger.waiting >= 0
        assert ledger.heard(pushed - len(transport)) == heard
