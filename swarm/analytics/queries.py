"""The figures as SQL over an archive's table `events`, in DuckDB's dialect. No I/O; see docs/analytics.md.

Each query is one scan. What an event counts for is decided here once more, as `swarm.analytics.live` decides
it: a test holds both to the same results. An event of a newer version, or of a kind that is not its type's,
counts only by its type.
"""

from __future__ import annotations

import json

from streams.codec import MODELS
from streams.events import SCHEMA_VERSION
from swarm.analytics.bins import SQL as BINS
from swarm.analytics.live import WORD
from swarm.analytics.speeches import LONGEST_SPEECH_MS

_WHITE = " OR ".join(f"contains(text, chr({code}))" for code in (9, 10, 11, 12, 13))
MACROS = f"""
{BINS}
CREATE OR REPLACE TEMP MACRO words(text) AS
  CASE WHEN text IS NULL OR text = '' THEN 0
       WHEN contains(text, '  ') OR {_WHITE} THEN len(regexp_extract_all(text, '{WORD}'))
       ELSE strlen(text) - strlen(replace(text, ' ', '')) + 1
            - starts_with(text, ' ')::INTEGER - ends_with(text, ' ')::INTEGER END;
"""
"""What the queries call. The expression counts words exactly, and is slow: plain text needs none."""


def _known(*types: str) -> str:
    """Return a table of the types and kinds that count, as this version knows them; `sort` is the type.

    As an ENUM it is compared as a number, of which a query over millions of events does a great deal.
    """
    enum = "ENUM(" + ", ".join(f"'{each}'" for each in types) + ")"
    rows = ", ".join(f"('{each}', '{MODELS[each].kind}', '{each}'::{enum})" for each in types)
    return f"(VALUES {rows}) known(type, kind, sort)"


def _shape(**fields: object) -> str:
    return json.dumps(fields)


TYPES = "SELECT type, count(*), min(at_ms), max(at_ms) FROM {events} GROUP BY type"
"""Events by type."""

SESSIONS = """
WITH spans AS (
  SELECT room, session, min(seq) AS first_seq, max(seq) AS last_seq, count(*) AS events
  FROM {events} GROUP BY room, session
)
SELECT room, session, last_seq - first_seq + 1 <> events FROM spans
"""
"""Sessions, each with whether its seq have holes."""

HOLES = """
SELECT seq, next_seq FROM (
  SELECT seq, lead(seq) OVER (ORDER BY seq) AS next_seq
  FROM {events} WHERE room = $in_room AND session = $in_session
) WHERE next_seq > seq + 1
"""
"""Of one session: the seq before and after each hole."""

FORGOTTEN = "SELECT room, session, data FROM {events} WHERE type = 'WORDS_FORGOTTEN'"

_COUNTED = _known(
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
_COUNTED_SHAPE = _shape(
    participant="VARCHAR",
    on_behalf_of="VARCHAR",
    participant_kind="VARCHAR",
    granted_to_audio_ms="DOUBLE",
    held_ms="DOUBLE",
    waited_ms="DOUBLE",
    position="BIGINT",
    reason="VARCHAR",
    interrupted="VARCHAR",
    interruptor="VARCHAR",
    by="VARCHAR",
    speaker="VARCHAR",
    latency={"onset_to_detector_ms": "DOUBLE", "detector_to_gate_ms": "DOUBLE"},
    generated_text="VARCHAR",
    heard_text="VARCHAR",
    heard_ms="DOUBLE",
    generated_ms="DOUBLE",
    text="VARCHAR",
    final="BOOLEAN",
)
COUNTS = f"""
WITH read AS (
  SELECT sort, json_transform(data, '{_COUNTED_SHAPE}') AS d
  FROM {{events}} JOIN {_COUNTED} USING (type, kind)
  WHERE v <= {SCHEMA_VERSION}
), told AS (
  SELECT sort,
    CASE sort
      WHEN 'FLOOR_REQUESTED' THEN coalesce(nullif(d.on_behalf_of, ''), d.participant)
      WHEN 'INTERRUPTION' THEN d.interruptor
      WHEN 'FALSE_INTERRUPTION' THEN d."by"
      WHEN 'BACKCHANNEL' THEN d."by"
      ELSE d.participant END AS who,
    CASE sort
      WHEN 'INTERRUPTION' THEN d.interrupted
      WHEN 'FALSE_INTERRUPTION' THEN d.speaker
      WHEN 'BACKCHANNEL' THEN d.speaker END AS whom,
    CASE sort
      WHEN 'FLOOR_GRANTED' THEN d.position IS NOT NULL
      WHEN 'FLOOR_TAKEN' THEN d.granted_to_audio_ms IS NOT NULL
      WHEN 'FLOOR_EXPIRED' THEN d.reason = 'take_up'
      WHEN 'INTERRUPTION' THEN d.latency.onset_to_detector_ms IS NOT NULL
      WHEN 'PARTICIPANT_JOINED' THEN d.participant_kind = 'person'
      WHEN 'UTTERANCE' THEN d.interrupted = 'true'
      WHEN 'TRANSCRIPT' THEN d.final
      ELSE false END AS flag,
    CASE sort
      WHEN 'FLOOR_GRANTED' THEN whole_ms(d.waited_ms)
      WHEN 'FLOOR_TAKEN' THEN whole_ms(d.granted_to_audio_ms)
      WHEN 'INTERRUPTION'
      THEN whole_ms(d.latency.onset_to_detector_ms + coalesce(d.latency.detector_to_gate_ms, 0.0))
      WHEN 'UTTERANCE' THEN whole_ms(d.heard_ms)
      WHEN 'TRANSCRIPT' THEN 0
      ELSE whole_ms(d.held_ms) END AS ms,
    CASE sort WHEN 'UTTERANCE' THEN whole_ms(d.generated_ms) ELSE 0 END AS generated_ms,
    CASE sort
      WHEN 'UTTERANCE' THEN words(d.generated_text)
      WHEN 'TRANSCRIPT' THEN CASE WHEN d.final THEN words(d.text) ELSE 0 END
      ELSE 0 END AS words,
    CASE sort WHEN 'UTTERANCE' THEN words(d.heard_text) ELSE 0 END AS words_heard
  FROM read
), timed AS (
  SELECT *,
    CASE WHEN sort IN ('FLOOR_RELEASED', 'FLOOR_REVOKED', 'FLOOR_EXPIRED')
           OR (flag AND sort IN ('FLOOR_GRANTED', 'FLOOR_TAKEN', 'INTERRUPTION'))
         THEN ms END AS timed_ms
  FROM told
), counted AS (
  SELECT sort, who, whom, flag, timed_ms, grouping(timed_ms) = 1 AS by_who, count(*) AS n, sum(ms) AS ms,
    sum(generated_ms) AS generated_ms, sum(words) AS words, sum(words_heard) AS words_heard
  FROM timed GROUP BY GROUPING SETS ((sort, flag, who, whom), (sort, flag, timed_ms))
)
SELECT sort::VARCHAR, who, whom, flag, CASE WHEN timed_ms IS NOT NULL THEN bin_of(timed_ms) END, by_who,
  sum(n)::BIGINT, sum(ms)::BIGINT,
  sum(generated_ms)::BIGINT, sum(words)::BIGINT, sum(words_heard)::BIGINT
FROM counted GROUP BY ALL
"""
"""Events by type and who did it to whom, and by type and bin of their duration; `flag` is a type's own."""

_MARKS = _known(
    "SPEECH_STARTED",
    "SPEECH_ENDED",
    "FLOOR_TAKEN",
    "FLOOR_RELEASED",
    "FLOOR_EXPIRED",
    "INTERRUPTION",
    "UTTERANCE",
)
_MARKS_SHAPE = _shape(
    participant="VARCHAR",
    speech_id="VARCHAR",
    duration_ms="DOUBLE",
    due_ms="BIGINT",
    participant_kind="VARCHAR",
)
SPEECHES = f"""
CREATE OR REPLACE TEMP TABLE speeches AS
WITH read AS (
  SELECT hash(room, session) AS place, seq, at_ms, occurred_ms, token, sort,
    CASE WHEN sort NOT IN ('FLOOR_RELEASED', 'INTERRUPTION', 'UTTERANCE')
         THEN json_transform(data, '{_MARKS_SHAPE}') END AS d
  FROM {{events}} JOIN {_MARKS} USING (type, kind)
  WHERE v <= {SCHEMA_VERSION} AND (token IS NOT NULL OR sort IN ('SPEECH_STARTED', 'SPEECH_ENDED'))
), marks AS (
  SELECT place, seq, at_ms, d.participant AS who,
    CASE WHEN sort IN ('SPEECH_STARTED', 'SPEECH_ENDED') THEN hash(d.speech_id) ELSE hash(token) END AS key,
    sort IN ('SPEECH_STARTED', 'FLOOR_TAKEN') AS begins,
    sort = 'SPEECH_STARTED' AS is_person,
    CASE sort WHEN 'FLOOR_EXPIRED' THEN d.due_ms WHEN 'SPEECH_ENDED' THEN NULL ELSE occurred_ms END AS ms,
    CASE sort WHEN 'SPEECH_ENDED' THEN whole_ms(d.duration_ms) END AS lasted_ms
  FROM read WHERE sort <> 'FLOOR_TAKEN' OR coalesce(d.participant_kind, 'agent') = 'agent'
), paired AS (
  SELECT place, begins, at_ms, ms, lasted_ms,
    lag({{{{'seq': seq, 'who': who, 'is_person': is_person, 'ms': ms, 'at_ms': at_ms, 'begins': begins}}}})
      OVER (PARTITION BY place, key ORDER BY seq) AS onset
  FROM marks
)
SELECT place, onset.seq AS seq, onset.who AS who, onset.is_person AS is_person, onset.ms AS from_ms,
  CASE WHEN ms IS NULL THEN onset.ms + lasted_ms ELSE greatest(onset.ms, ms) END AS to_ms
FROM paired
WHERE NOT begins AND onset.begins AND at_ms - onset.at_ms <= {LONGEST_SPEECH_MS}
""".replace("{{", "{").replace("}}", "}")
"""Stretches of speech: a beginning and the next mark of the same token or speech, where that is an end.

Sessions and keys are compared by 64 bits of hash, which halves the time: two of a million sessions share one
with a chance of 3 in 100 million.
"""

SPOKEN = "SELECT who, count(*), sum(to_ms - from_ms)::BIGINT, count_if(is_person) FROM speeches GROUP BY who"
"""Stretches by participant."""

RELATIONS = """
WITH latest AS (
  SELECT *, max(to_ms) OVER before AS until_ms
  FROM speeches
  WINDOW before AS (PARTITION BY place ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), records AS (
  SELECT *,
    CASE WHEN until_ms IS NULL OR to_ms >= until_ms THEN {'who': who, 'is_person': is_person} END AS record
  FROM latest
), compared AS (
  SELECT who, is_person, from_ms, to_ms, until_ms,
    last_value(record IGNORE NULLS) OVER before AS last
  FROM records
  WINDOW before AS (PARTITION BY place ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), named AS (
  SELECT
    CASE
      WHEN last.who = who THEN 'pause'
      WHEN from_ms >= until_ms THEN 'gap'
      WHEN to_ms > until_ms THEN 'overlap'
      ELSE 'overlap_within' END AS name,
    CASE
      WHEN last.who = who OR from_ms >= until_ms THEN greatest(0, from_ms - until_ms)
      WHEN to_ms > until_ms THEN until_ms - from_ms
      ELSE to_ms - from_ms END AS ms,
    last.is_person AND NOT is_person AS answers
  FROM compared WHERE until_ms IS NOT NULL
)
SELECT name, answers AND name = 'gap', bin_of(ms), count(*), sum(ms)::BIGINT FROM named GROUP BY ALL
"""
"""How each stretch lies to the one before it that ends last, by bin."""
