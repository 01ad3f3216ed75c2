"""The figures as SQL over an archive's table `events`, in DuckDB and PostgreSQL. Pure; see docs/analytics.md.

What an event counts for is decided here once more, as `swarm.analytics.live` decides it: a test holds both to
the same results. An event of a newer version, or of a kind that is not its type's, counts only by its type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.codec import MODELS
from streams.events import SCHEMA_VERSION
from swarm.analytics.bins import bin_of_sql, whole_ms_sql
from swarm.analytics.dialects import Fields
from swarm.analytics.live import WORD
from swarm.analytics.speeches import LONGEST_SPEECH_MS

if TYPE_CHECKING:
    from swarm.analytics.dialects import Dialect

_COUNTED = (
    "FLOOR_REQUESTED",
    "FLOOR_GRANTED",
    "FLOOR_DENIED",
    "FLOOR_TAKEN",
    "FLOOR_RELEASED",
    "FLOOR_REVOKED",
    "FLOOR_EXPIRED",
    "INTERRUPTION",
    "FALSE_INTERRUPTION",
    "BACKCHANNEL",
    "PARTICIPANT_JOINED",
    "BID",
    "AGENT_FAILED",
    "UTTERANCE",
    "TRANSCRIPT",
)
_ENDS = "'FLOOR_RELEASED', 'FLOOR_REVOKED', 'FLOOR_EXPIRED'"
_PAIRED = "'INTERRUPTION', 'FALSE_INTERRUPTION', 'BACKCHANNEL'"
_COUNTED_FIELDS = (
    Fields(
        f"sort IN ({_ENDS}, 'FALSE_INTERRUPTION', 'BACKCHANNEL')", {"held_ms": "number", "reason": "text"}
    ),
    Fields(
        "sort IN ('FLOOR_REQUESTED', 'FLOOR_GRANTED')",
        {"on_behalf_of": "text", "waited_ms": "number", "position": "number"},
    ),
    Fields(
        "sort IN ('FLOOR_TAKEN', 'PARTICIPANT_JOINED')",
        {"granted_to_audio_ms": "number", "participant_kind": "text"},
    ),
    Fields(
        "sort = 'INTERRUPTION'",
        {"latency.onset_to_detector_ms": "number", "latency.detector_to_gate_ms": "number"},
    ),
    Fields(
        "sort = 'UTTERANCE'",
        {
            "generated_text": "text",
            "heard_text": "text",
            "heard_ms": "number",
            "generated_ms": "number",
            "interrupted": "text",
        },
    ),
    Fields("sort = 'TRANSCRIPT'", {"text": "text", "final": "text"}),
)
_MARKS = (
    "SPEECH_STARTED",
    "SPEECH_ENDED",
    "FLOOR_TAKEN",
    "FLOOR_RELEASED",
    "FLOOR_EXPIRED",
    "INTERRUPTION",
    "UTTERANCE",
)
_MARKS_COLUMNS = ("seq", "at_ms", "occurred_ms", "token", "sort")
_MARKS_FIELDS = (
    Fields("sort IN ('SPEECH_STARTED', 'SPEECH_ENDED')", {"speech_id": "text", "duration_ms": "number"}),
    Fields("sort = 'FLOOR_TAKEN'", {"participant_kind": "text"}),
    Fields("sort = 'FLOOR_EXPIRED'", {"due_ms": "number"}),
)

SPOKEN = """
SELECT who, count(*), CAST(sum(to_ms - from_ms) AS BIGINT), count(*) FILTER (WHERE is_person)
FROM speeches GROUP BY who
"""
"""Stretches by participant."""

RELATIONS = f"""
WITH latest AS (
  SELECT *, max(to_ms) OVER (PARTITION BY place ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    AS until_ms
  FROM speeches
), followed AS (
  SELECT *, max(CASE WHEN until_ms IS NULL OR to_ms >= until_ms THEN n END)
    OVER (PARTITION BY place ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS last_n
  FROM latest
), named AS (
  SELECT
    CASE
      WHEN last.who = followed.who THEN 'pause'
      WHEN from_ms >= until_ms THEN 'gap'
      WHEN to_ms > until_ms THEN 'overlap'
      ELSE 'overlap_within' END AS name,
    CASE
      WHEN last.who = followed.who OR from_ms >= until_ms THEN greatest(0, from_ms - until_ms)
      WHEN to_ms > until_ms THEN until_ms - from_ms
      ELSE to_ms - from_ms END AS ms,
    last.is_person AND NOT followed.is_person AS answers
  FROM followed JOIN (SELECT place, n, who, is_person FROM speeches) AS last
    ON last.place = followed.place AND last.n = followed.last_n
)
SELECT name, answers AND name = 'gap', {bin_of_sql("ms")}, count(*), CAST(sum(ms) AS BIGINT)
FROM named GROUP BY 1, 2, 3
"""
"""How each stretch lies to the one before it that ends last, by bin."""


def types(events: str) -> str:
    """Return the query of how many events there are of each type, and from when to when."""
    return f"SELECT type, count(*), min(at_ms), max(at_ms) FROM {events} GROUP BY type"


def sessions(events: str) -> str:
    """Return the query of the sessions, each with whether its seq have holes."""
    return f"""
SELECT room, session, max(seq) - min(seq) + 1 <> count(*) FROM {events} GROUP BY room, session
"""


def holes(dialect: Dialect, events: str) -> str:
    """Return the query of the seq before and after each hole of the session `in_room`, `in_session`."""
    return f"""
SELECT seq, next_seq FROM (
  SELECT seq, lead(seq) OVER (ORDER BY seq) AS next_seq
  FROM {events} WHERE room = {dialect.given("in_room")} AND session = {dialect.given("in_session")}
) AS followed WHERE next_seq > seq + 1
"""


def forgotten(events: str) -> str:
    """Return the query of the words that were forgotten."""
    return f"SELECT room, session, CAST(data AS VARCHAR) FROM {events} WHERE type = 'WORDS_FORGOTTEN'"


def counts(dialect: Dialect, events: str) -> str:
    """Return the query of events by type and who did it to whom, and by type and bin of their duration.

    `flag` is a type's own.
    """
    read = dialect.read(
        {"sort": "sort", **{name: f"coalesce({name}, '')" for name in ("participant", "other")}},
        _COUNTED_FIELDS,
        f"{events} JOIN {_known(dialect, _COUNTED)} USING (type, kind)",
        f"v <= {SCHEMA_VERSION}",
    )
    return f"""
WITH read AS (
  {read}
), told AS (
  SELECT sort, written_plainly,
    CASE
      WHEN sort = 'FLOOR_REQUESTED' THEN coalesce(nullif({dialect.plain("on_behalf_of")}, ''), participant)
      WHEN sort IN ({_PAIRED}) THEN other
      ELSE participant END AS who,
    CASE WHEN sort IN ({_PAIRED}) THEN participant END AS whom,
    CASE
      WHEN sort = 'FLOOR_GRANTED' THEN "position" IS NOT NULL
      WHEN sort = 'FLOOR_TAKEN' THEN granted_to_audio_ms IS NOT NULL
      WHEN sort = 'FLOOR_EXPIRED' THEN reason = 'take_up'
      WHEN sort = 'INTERRUPTION' THEN onset_to_detector_ms IS NOT NULL
      WHEN sort = 'PARTICIPANT_JOINED' THEN participant_kind = 'person'
      WHEN sort = 'UTTERANCE' THEN {_true("interrupted")}
      WHEN sort = 'TRANSCRIPT' THEN {_true("final")}
      ELSE false END AS flag,
    CASE
      WHEN sort = 'FLOOR_GRANTED' THEN waited_ms
      WHEN sort = 'FLOOR_TAKEN' THEN granted_to_audio_ms
      WHEN sort = 'INTERRUPTION' THEN onset_to_detector_ms + coalesce(detector_to_gate_ms, 0.0)
      WHEN sort = 'UTTERANCE' THEN heard_ms
      ELSE held_ms END AS lasted_ms,
    generated_ms AS sounded_ms,
    CASE WHEN sort = 'UTTERANCE' THEN generated_text WHEN sort = 'TRANSCRIPT' THEN "text" END AS said,
    heard_text AS heard
  FROM read WHERE sort <> 'TRANSCRIPT' OR {_true("final")}
), measured AS (
  SELECT sort, who, whom, flag, {whole_ms_sql("lasted_ms")} AS ms,
    {whole_ms_sql("sounded_ms")} AS generated_ms,
    {_words(dialect, "said")} AS words,
    CASE WHEN heard = said THEN NULL ELSE {_words(dialect, "heard")} END AS words_of_less
  FROM told
), timed AS (
  SELECT *, coalesce(words_of_less, words) AS words_heard,
    CASE WHEN sort IN ({_ENDS}) OR (flag AND sort IN ('FLOOR_GRANTED', 'FLOOR_TAKEN', 'INTERRUPTION'))
         THEN ms END AS timed_ms
  FROM measured
), counted AS (
  SELECT sort, who, whom, flag, timed_ms, grouping(timed_ms) = 1 AS by_who, count(*) AS n, sum(ms) AS ms,
    sum(generated_ms) AS generated_ms, sum(words) AS words, sum(words_heard) AS words_heard
  FROM timed GROUP BY GROUPING SETS ((sort, flag, who, whom), (sort, flag, timed_ms))
)
SELECT CAST(sort AS VARCHAR), who, whom, flag,
  CASE WHEN timed_ms IS NOT NULL THEN {bin_of_sql("timed_ms")} END, by_who,
  CAST(sum(n) AS BIGINT), CAST(sum(ms) AS BIGINT), CAST(sum(generated_ms) AS BIGINT),
  CAST(sum(words) AS BIGINT), CAST(sum(words_heard) AS BIGINT)
FROM counted GROUP BY 1, 2, 3, 4, 5, 6
"""


def speeches(dialect: Dialect, events: str) -> str:
    """Return what makes a table of stretches of speech, `n` giving their order within a session.

    A beginning and the next mark of the same token or speech, where that is an end. Sessions and keys are
    compared by 64 bits of hash, which halves the time: two of a million sessions share one with a chance of 3
    in 100 million.
    """
    read = dialect.read(
        {
            "place": dialect.hashed("room", "session"),
            "participant": "coalesce(participant, '')",
            **{name: name for name in _MARKS_COLUMNS},
        },
        _MARKS_FIELDS,
        f"{events} JOIN {_known(dialect, _MARKS)} USING (type, kind)",
        f"v <= {SCHEMA_VERSION} AND (token IS NOT NULL OR sort IN ('SPEECH_STARTED', 'SPEECH_ENDED'))",
    )
    longest_ms = "1000000000000000"
    return f"""
CREATE TEMP TABLE speeches AS
WITH read AS (
  {read}
), marks AS (
  SELECT place, seq, at_ms, occurred_ms, sort, participant AS who,
    CASE WHEN sort IN ('SPEECH_STARTED', 'SPEECH_ENDED') THEN {dialect.hashed("place", "speech_id")}
         ELSE {dialect.hashed("token", "place")} END AS "key",
    CASE sort
      WHEN 'SPEECH_ENDED' THEN {whole_ms_sql("duration_ms")}
      WHEN 'FLOOR_EXPIRED'
        THEN CAST(coalesce(least(greatest(due_ms, -{longest_ms}), {longest_ms}), -{longest_ms}) AS BIGINT)
      WHEN 'SPEECH_STARTED' THEN NULL
      WHEN 'FLOOR_TAKEN' THEN NULL
      ELSE occurred_ms END AS end_ms
  FROM read WHERE sort <> 'FLOOR_TAKEN' OR coalesce(participant_kind, 'agent') = 'agent'
), paired AS (
  SELECT place, seq, at_ms, who, sort, occurred_ms AS from_ms,
    lead(end_ms) OVER marked AS end_ms, lead(at_ms) OVER marked AS ended_at_ms
  FROM marks WINDOW marked AS (PARTITION BY "key" ORDER BY seq)
)
SELECT place, row_number() OVER (PARTITION BY place ORDER BY seq) AS n, who,
  sort = 'SPEECH_STARTED' AS is_person, from_ms,
  CASE sort WHEN 'SPEECH_STARTED' THEN from_ms + end_ms ELSE greatest(from_ms, end_ms) END AS to_ms
FROM paired
WHERE sort IN ('SPEECH_STARTED', 'FLOOR_TAKEN') AND end_ms IS NOT NULL
  AND ended_at_ms - at_ms <= {LONGEST_SPEECH_MS}
"""


def _known(dialect: Dialect, names: tuple[str, ...]) -> str:
    """Return a table of the types and kinds that count, as this version knows them; `sort` is the type."""
    rows = ", ".join(f"('{each}', '{MODELS[each].kind}', {dialect.one_of(each, names)})" for each in names)
    return f"(VALUES {rows}) AS known(type, kind, sort)"


def _true(field: str) -> str:
    """Return whether a field is what counts as true in an event."""
    return f"""lower("{field}") IN ('true', '1', '1.0', 't', 'y', 'yes', 'on')"""


def _words(dialect: Dialect, text: str) -> str:
    """Return the number of words. The expression counts exactly, and is slow: plain text needs none."""
    white = " OR ".join(dialect.contains(text, f"chr({n})") for n in range(9, 14))
    odd = f"{dialect.contains(text, repr('  '))} OR (NOT written_plainly AND ({white}))"
    unspaced = dialect.size(f"replace({text}, ' ', '')")
    words_as_x = f"regexp_replace({text}, '{WORD}', 'x', 'g')"
    return (
        f"(CASE WHEN {text} IS NULL OR {text} = '' THEN 0 "
        f"WHEN {odd} THEN length(regexp_replace({words_as_x}, '[^x]', '', 'g')) "
        f"ELSE {dialect.size(text)} - {unspaced} + 1 - CAST(starts_with({text}, ' ') AS INTEGER) "
        f"- CAST({dialect.ends_with(text, repr(' '))} AS INTEGER) END)"
    )
