from __future__ import annotations

from host_agent.marker import floor_line, mark_interrupted, say_line
from host_agent.offline.replies import Line, Persona, reply

HOST = Persona("host", "host")
EXPERT = Persona("expert", "expert")


def test_the_answer_after_a_cut_quotes_what_was_heard_and_what_was_said() -> None:
    history = [
        Line(mine=False, text=floor_line("Open the conversation.")),
        Line(mine=True, text=mark_interrupted("The talking stick is a right to", "ada")),
        Line(mine=False, text="go forward ten meters"),
    ]
    answer = reply(history, HOST)
    assert "talking stick is a right to" in answer
    assert "go forward ten meters" in answer


def test_a_stop_is_obeyed() -> None:
    history = [
        Line(mine=True, text=mark_interrupted("One two three", "ada")),
        Line(mine=False, text="wait stop"),
    ]
    assert "I stop here" in reply(history, HOST)


def test_a_turn_that_was_not_understood_is_asked_for_again() -> None:
    history = [Line(mine=False, text=floor_line("The person said something that was not understood."))]
    assert "did not catch" in reply(history, HOST)


def test_a_task_to_hand_over_names_the_other_agent_last() -> None:
    answer = reply([Line(mine=False, text=floor_line("Open, and hand over to expert."))], HOST)
    assert answer.endswith("Over to you, expert.")


def test_an_expert_hands_back_to_whoever_spoke_and_a_host_does_not_go_on_for_ever() -> None:
    to_expert = [
        Line(mine=False, text=say_line("host", "Over to you, expert.") + "\n" + floor_line("Answer."))
    ]
    assert reply(to_expert, EXPERT).endswith("Over to you, host.")
    to_host = [Line(mine=False, text=say_line("expert", "Over to you, host.") + "\n" + floor_line("Answer."))]
    assert "expert" not in reply(to_host, HOST)


def test_a_question_is_answered_by_its_subject() -> None:
    answer = reply([Line(mine=False, text="what is a fencing token")], EXPERT)
    assert "number that only grows" in answer
