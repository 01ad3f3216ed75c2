"""What one event looks like in `swarm tail`: a readable line, or a JSON document. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from rich.text import Text

from streams import events
from streams.codec import encode_event
from streams.sequence import Fork, Gap

if TYPE_CHECKING:
    from datetime import tzinfo

    from streams.errors import InvalidEventError
    from streams.events import Event, Recorded

_COLOURS = {
    "FLOOR": "cyan",
    "INTERRUPTION": "bold red",
    "FALSE_INTERRUPTION": "yellow",
    "BACKCHANNEL": "yellow",
    "AGENT_FAILED": "bold red",
    "RECORD_GAP": "bold red",
    "TRANSCRIPT": "green",
    "UTTERANCE": "blue",
}
_LONGEST_VALUE = 200


def readable(recorded: Recorded, *, with_room: bool, zone: tzinfo = UTC) -> Text:
    """Return one line: time, room if asked for, type, and what happened; unheard words are struck out.

    Control characters are shown as such: what somebody said must not steer the terminal.
    """
    line = Text(f"{time_of_day(recorded.at_ms, zone)} ", style="dim")
    if with_room:
        line.append(f"{safe(recorded.room)} ", style="magenta")
    colour = _COLOURS.get(recorded.type) or _COLOURS.get(recorded.type.partition("_")[0], "default")
    line.append(f"{safe(recorded.type):<19} ", style=colour)
    line.append_text(_what(recorded))
    if recorded.late:
        line.append(" (late)", style="dim")
    return line


def plain(line: Text) -> str:
    """Return `line` for an output without styles: struck-out words stand between ~~ and ~~."""
    marks = sorted((span.start, span.end) for span in line.spans if "strike" in str(span.style))
    shown, at = "", 0
    for start, end in marks:
        shown += f"{line.plain[at:start]}~~{line.plain[start:end]}~~"
        at = end
    return shown + line.plain[at:]


def document(recorded: Recorded) -> str:
    """Return the entry as one line of JSON: its fields under their names, `data` as an object."""
    fields: dict[str, Any] = {
        "id": recorded.id,
        "kind": recorded.kind,
        "type": recorded.type,
        "room": recorded.room,
        "session": recorded.session,
        "seq": recorded.seq,
        "prev": recorded.prev,
        "source": recorded.source,
        "at_ms": recorded.at_ms,
        "occurred_ms": recorded.occurred_ms,
        "v": recorded.v,
    }
    if recorded.token is not None:
        fields["token"] = recorded.token
    if recorded.late:
        fields["late"] = True
    if recorded.traceparent is not None:
        fields["traceparent"] = recorded.traceparent
    fields |= recorded.unknown_fields
    fields["data"] = json.loads(encode_event(recorded.event).data)
    return json.dumps(fields)


def missed_line(missed: Gap | Fork) -> Text:
    """Return a line that says what this reader did not get, or what does not fit together."""
    if isinstance(missed, Gap):
        span = f"of {safe(missed.room)}: seq {missed.after_seq + 1} to {missed.before_seq - 1}"
        what = f"missed {missed.missing} event(s) {span}"
        if not missed.exact:
            what = f"missed events {span}, or some of them"
    else:
        what = (
            f"the record of {safe(missed.room)} forks at seq {missed.seq}: it follows "
            f"{missed.prev or 'nothing'}, not {missed.last_id} (Redis lost writes)"
        )
    return Text(what, style="bold red")


def missed_document(missed: Gap | Fork) -> str:
    """Return the same as one line of JSON."""
    if isinstance(missed, Gap):
        gap = {"after_seq": missed.after_seq, "before_seq": missed.before_seq, "missing": missed.missing}
        gap |= {} if missed.exact else {"exact": False}
        return json.dumps({"missed": {"room": missed.room, "session": missed.session} | gap})
    fork = {"seq": missed.seq, "id": missed.id, "prev": missed.prev, "last_id": missed.last_id}
    return json.dumps({"fork": {"room": missed.room, "session": missed.session} | fork})


def unreadable_line(error: InvalidEventError) -> Text:
    """Return a line about an entry that breaks the schema."""
    return Text(f"unreadable entry {error.entry_id}: {safe(error.reason)}", style="bold red")


def unreadable_document(error: InvalidEventError) -> str:
    """Return the same as one line of JSON."""
    return json.dumps({"unreadable": {"id": error.entry_id, "reason": error.reason}})


def safe(text: str) -> str:
    """Return `text` with control characters shown as such: what somebody said must not steer the terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def unheard(generated: str, heard: str) -> str:
    """Return the words of `generated` after as many words as `heard` has."""
    return " ".join(generated.split()[len(heard.split()) :])


def time_of_day(at_ms: int, zone: tzinfo) -> str:
    """Return Redis's time as a clock on the wall shows it, to the millisecond."""
    try:
        moment = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    except (ValueError, OverflowError, OSError):  # a time that no calendar has
        return str(at_ms)
    return f"{moment:%H:%M:%S}.{at_ms % 1000:03d}"


def _what(recorded: Recorded) -> Text:
    event: Event = recorded.event
    return _words(event) or _grant(event) or _request(event) or _room(recorded) or _fields(recorded)


def _words(event: Event) -> Text | None:
    """What was said, and what became of it."""
    match event:
        case events.Utterance():
            return _speech(
                event.participant, event.heard_text, unheard(event.generated_text, event.heard_text)
            )
        case events.Transcript():
            line = _speech(event.participant, event.text, "")
            return line if event.final else line.append(" ...", style="dim")
        case events.Interruption():
            line = Text(f"{safe(event.interruptor)} cut {safe(event.interrupted)} off after ")
            line.append(f"{event.heard_ms / 1000:.1f} s ({safe(event.reason)}): ")
            return line.append_text(_heard(event.heard_text, event.unheard_text))
        case events.FalseInterruption() | events.Backchannel():
            said = f' "{safe(event.words)}"' if event.words else ""
            return Text(f"{safe(event.by)}{said} over {safe(event.speaker)}, held {event.held_ms:.0f} ms")
        case events.SpeechStarted():
            return Text(safe(event.participant))
        case events.SpeechEnded():
            return Text(f"{safe(event.participant)}, {event.duration_ms / 1000:.1f} s")
        case _:
            return None


def _grant(event: Event) -> Text | None:
    """Who holds the floor, and how it was lost."""
    match event:
        case events.FloorGranted():
            return Text(f"{safe(event.participant)} holds the floor after {event.waited_ms} ms")
        case events.FloorReleased():
            to = f", to {safe(event.to)}" if event.to else ""
            return Text(f"{safe(event.participant)} gave the floor back after {event.held_ms} ms{to}")
        case events.FloorRevoked():
            return Text(
                f"{safe(event.participant)} lost the floor to {safe(event.by)} after {event.held_ms} ms"
            )
        case events.FloorExpired():
            return Text(f"{safe(event.participant)} lost the floor by lease after {event.held_ms} ms")
        case events.FloorRevoking():
            told = f"{safe(event.by)} takes the floor from {safe(event.participant)}"
            return Text(f"{told} in {event.grace_ms} ms{_why(event)}")
        case events.FloorTaken():
            after = event.granted_to_audio_ms
            return Text(
                f"{safe(event.participant)} is heard" + ("" if after is None else f", {after:.0f} ms on")
            )
        case _:
            return None


def _request(event: Event) -> Text | None:
    """Who wants the floor."""
    match event:
        case events.FloorRequested():
            asked = f" for {safe(event.on_behalf_of)}" if event.on_behalf_of else ""
            return Text(f"{safe(event.participant)} asks{asked} at priority {event.priority}{_why(event)}")
        case events.FloorQueued():
            moved = f", was {event.was}" if event.was is not None else ""
            return Text(f"{safe(event.participant)} waits at place {event.position}{moved}")
        case events.FloorDenied():
            return Text(f"{safe(event.participant)} may not{_why(event)}")
        case events.FloorWithdrawn():
            return Text(f"{safe(event.participant)} asks no more{_why(event)}")
        case events.Bid():
            return Text(f"{safe(event.participant)} bids {event.score:g}{_why(event)}")
        case _:
            return None


def _room(recorded: Recorded) -> Text | None:
    """Who is there, how they are, and what became of the record."""
    event: Event = recorded.event
    match event:
        case events.RoomOpened():
            return Text(f"session {safe(recorded.session)}")
        case events.ParticipantJoined():
            role = f", {safe(event.role)}" if event.role else ""
            return Text(f"{safe(event.participant)} ({event.participant_kind.value}{role})")
        case events.ParticipantLeft():
            return Text(f"{safe(event.participant)}{_why(event)}")
        case events.ParticipantMuted():
            return Text(f"{safe(event.participant)} {'' if event.muted else 'un'}muted by {safe(event.by)}")
        case events.StateChanged():
            return Text(
                f"{safe(event.participant)}: {safe(event.old)} -> {safe(event.new)} ({safe(event.cause)})"
            )
        case events.AgentFailed():
            line = Text(f"{safe(event.participant)}: {safe(event.what)}")
            return line.append(f"; {safe(event.recovery)}", style="dim") if event.recovery else line
        case events.RecordGap():
            lasted_s = (event.to_ms - event.from_ms) / 1000
            return Text(
                f"{event.lost} event(s) of {safe(recorded.source)} in {lasted_s:.1f} s never came here"
            )
        case events.RetentionTrimmed():
            unread = f", unread by {safe(', '.join(event.passed_groups))}" if event.passed_groups else ""
            return Text(f"{event.events} event(s) up to {safe(event.up_to_id)} removed{unread}")
        case events.WordsForgotten():
            return Text(f"{len(event.seqs)} event(s) with words of {safe(event.participant)} erased")
        case _:
            return None


def _why(event: Event) -> str:
    reason = str(getattr(event, "reason", ""))
    return f" ({safe(reason)})" if reason else ""


def _fields(recorded: Recorded) -> Text:
    values = cast("dict[str, Any]", json.loads(encode_event(recorded.event).data))
    shown = [
        f"{safe(name)}={safe(_short(value))}" for name, value in values.items() if value not in ("", None)
    ]
    return Text(" ".join([safe(recorded.source), *shown]) if shown else safe(recorded.source))


def _speech(who: str, heard: str, rest: str) -> Text:
    return Text(f"{safe(who)}: ").append_text(_heard(heard, rest))


def _heard(heard: str, rest: str) -> Text:
    line = Text(safe(heard))
    if rest:
        if heard:
            line.append(" ")
        line.append(safe(rest), style="strike dim")
    return line


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
