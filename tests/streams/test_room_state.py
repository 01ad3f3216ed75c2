from __future__ import annotations

from typing import Any

from hypothesis import given

from streams import events as ev
from streams.events import Recorded, UnknownEvent
from streams.room_state import RoomState, after, fold
from streams.vocabulary import ParticipantKind
from tests.streams.strategies import recorded_entries

MADE_MS = 1_795_254_689_000


class Story:
    """Events of one room, numbered and timed as they come."""

    def __init__(self) -> None:
        self.state = RoomState()
        self.seq = 0

    def tell(self, event: ev.Event, *, token: int | None = None) -> RoomState:
        self.seq += 1
        at_ms = MADE_MS + 10 * self.seq
        entry = Recorded(
            id=f"{at_ms}-0",
            kind=event.kind,
            type=getattr(event, "type", ""),
            room="lobby",
            session="s",
            seq=self.seq,
            prev="",
            source="test",
            at_ms=at_ms,
            occurred_ms=at_ms - 1,
            token=token,
            event=event,  # pyright: ignore[reportArgumentType]
        )
        self.state = after(self.state, entry)
        return self.state


def asked(who: str, name: str, priority: int = 2) -> ev.FloorRequested:
    return ev.FloorRequested(participant=who, priority=priority, request_id=name, reason="wants to")


def queued(who: str, name: str, position: int, was: int | None = None, priority: int = 2) -> ev.FloorQueued:
    return ev.FloorQueued(participant=who, priority=priority, request_id=name, position=position, was=was)


def granted(who: str, name: str, **more: Any) -> ev.FloorGranted:
    return ev.FloorGranted(participant=who, request_id=name, lease_ms=2_000, waited_ms=0, **more)


def names(state: RoomState) -> list[str]:
    return [each.participant for each in state.waiting]


def test_a_grant_names_its_holder_token_and_why() -> None:
    story = Story()
    story.tell(asked("ada", "r1", priority=3))
    state = story.tell(granted("ada", "r1", reason="wants to"), token=7)
    assert state.holder is not None
    assert (state.holder.participant, state.holder.token, state.token) == ("ada", 7, 7)
    assert (state.holder.priority, state.holder.reason, state.holder.taken_ms) == (3, "wants to", None)
    assert not state.idle
    state = story.tell(ev.FloorTaken(participant="ada"), token=7)
    assert state.holder is not None
    assert state.holder.taken_ms == state.at_ms
    state = story.tell(ev.FloorReleased(participant="ada", held_ms=10), token=7)
    assert state.holder is None
    assert state.token == 7
    assert state.idle


def test_an_end_with_another_token_ends_nothing() -> None:
    story = Story()
    story.tell(granted("ada", "r1"), token=7)
    state = story.tell(ev.FloorRevoked(participant="ada", by="bob", held_ms=1, reason=""), token=6)
    assert state.holder is not None


def test_who_waits_stands_where_the_record_says() -> None:
    story = Story()
    story.tell(granted("ada", "r1"), token=7)
    story.tell(queued("bob", "r2", 1))
    story.tell(queued("cleo", "r3", 1))
    state = story.tell(queued("dora", "r4", 2))
    assert names(state) == ["cleo", "dora", "bob"]
    state = story.tell(queued("bob", "r2", 1, was=3))
    assert names(state) == ["bob", "cleo", "dora"]
    state = story.tell(
        ev.FloorDenied(participant="cleo", request_id="r3", reason="no", by="chair", position=2)
    )
    assert names(state) == ["bob", "dora"]
    story.tell(ev.FloorReleased(participant="ada", held_ms=10), token=7)
    state = story.tell(granted("bob", "r2", position=1), token=8)
    assert names(state) == ["dora"]


def test_a_new_ageing_step_makes_the_order_of_mixed_priorities_unknown_until_one_waits() -> None:
    story = Story()
    story.tell(queued("bob", "r2", 1, priority=3))
    story.tell(queued("cleo", "r3", 2, priority=2))
    state = story.tell(ev.SettingsChanged(by="chair", settings={"age_step_ms": 50}))
    assert not state.waiting_order_known
    assert state.settings["age_step_ms"] == 50
    state = story.tell(ev.FloorWithdrawn(participant="bob", request_id="r2"))
    assert state.waiting_order_known


def test_people_hold_the_floor_together_and_speak_apart_from_it() -> None:
    story = Story()
    story.tell(ev.SpeechStarted(participant="paul", speech_id="s1"))
    story.tell(ev.FloorTaken(participant="paul", participant_kind=ParticipantKind.PERSON))
    state = story.tell(ev.FloorTaken(participant="quinn", participant_kind=ParticipantKind.PERSON))
    assert set(state.people) == {"paul", "quinn"}
    assert set(state.speaking) == {"paul"}
    assert state.holder is None
    story.tell(ev.SpeechEnded(participant="paul", speech_id="s1", duration_ms=5.0))
    state = story.tell(ev.FloorReleased(participant="paul", held_ms=10))
    assert set(state.people) == {"quinn"}
    assert not state.speaking


def test_a_person_may_hold_the_floor_by_a_grant() -> None:
    story = Story()
    story.tell(granted("paul", "r1"), token=7)
    state = story.tell(ev.FloorTaken(participant="paul", participant_kind=ParticipantKind.PERSON), token=7)
    assert not state.people
    assert state.holder is not None
    assert state.holder.taken_ms == state.at_ms


def test_hosts_and_participants_come_change_and_go() -> None:
    story = Story()
    story.tell(ev.ParticipantJoined(participant="ada", participant_kind=ParticipantKind.AGENT, role="host"))
    state = story.tell(ev.StateChanged(participant="ada", old="idle", new="speaking", cause="granted"))
    assert state.hosts["ada"].state == "speaking"
    assert state.participants["ada"].role == "host"
    state = story.tell(ev.ParticipantLeft(participant="ada"))
    assert not state.participants
    assert not state.hosts


def test_the_chair_closes_mutes_and_is_seen_to() -> None:
    story = Story()
    story.tell(ev.FloorLent(participant="bob", limit_ms=900))
    story.tell(ev.FloorClosed(by="chair"))
    state = story.tell(ev.ParticipantMuted(participant="bob", by="chair", muted=True))
    assert state.closed
    assert state.muted == {"bob"}
    assert state.lent is None
    story.tell(ev.FloorOpened(by="chair"))
    state = story.tell(ev.ParticipantMuted(participant="bob", by="chair", muted=False))
    assert not state.closed
    assert not state.muted


def test_a_grace_shows_who_asked_for_the_end() -> None:
    story = Story()
    story.tell(granted("ada", "r1"), token=7)
    state = story.tell(ev.FloorRevoking(participant="ada", by="bob", grace_ms=300, reason="urgent"), token=7)
    assert state.holder is not None
    assert (state.holder.revoking_by, state.holder.revoking_until_ms) == ("bob", state.at_ms + 300)


def test_the_floor_outlives_a_session() -> None:
    story = Story()
    story.tell(granted("ada", "r1"), token=7)
    state = story.tell(ev.RoomClosed())
    assert not state.open
    assert state.holder is not None
    assert story.tell(ev.RoomOpened()).open


def test_unknown_types_pass() -> None:
    story = Story()
    before = story.tell(granted("ada", "r1"), token=7)
    state = story.tell(UnknownEvent(original_kind="SYSTEM_SIGNAL", original_type="FLOOR_PAINTED"))
    assert state.holder == before.holder
    assert state.seq == before.seq + 1


@given(recorded_entries())
def test_whatever_the_record_holds_folds(entry: Recorded) -> None:
    state = fold([entry, entry])
    assert (state.room, state.session, state.last_id) == (entry.room, entry.session, entry.id)
