# ruff: noqa: E501 - JSON in SQL is clearer in one piece
"""An archive of any size for `stream.py`: turns of twenty events, as the demo's are, made by DuckDB itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from swarm.archive import open_archive

if TYPE_CHECKING:
    from pathlib import Path

EVENTS_A_TURN = 20
TURNS_A_ROOM = 500
EVENTS_A_ROOM = EVENTS_A_TURN * TURNS_A_ROOM

_MADE = """
INSERT INTO events BY NAME
WITH numbered AS (
  SELECT i // {room} AS room_n, (i % {room}) // {turn} AS turn_n, i % {turn} AS step, i % {room} + 1 AS seq,
         (hash(i // {turn}) >> 2)::BIGINT AS chance
  FROM range({first}, {last}) made(i)
), told AS (
  SELECT *, 'room-' || room_n AS room, 'session-' || room_n AS session,
         ['host', 'expert', 'guide', 'scribe'][chance % 4 + 1] AS agent,
         'person-' || (room_n * 3 + chance // 7 % 3) AS person,
         'speech-' || room_n || '-' || turn_n AS speech, 'utterance-' || room_n || '-' || turn_n AS utterance,
         1700000000000 + room_n * 1000 + turn_n * 12000 AS from_ms,
         1700000000000000 + (room_n * 500 + turn_n) * 12000000 AS grant_token,
         chance // 11 % 900 AS gap_ms, chance // 13 % 8000 + 500 AS spoken_ms,
         chance // 17 % 4 = 0 AS cut, '{sentence}'[chance // 19 % 700 + 1:chance // 19 % 700 + 210] AS sentence
  FROM numbered
), timed AS (
  SELECT *, from_ms + CASE
    WHEN step < 3 THEN step * 300 WHEN step < 10 THEN 2000 + gap_ms // 2 WHEN step = 10 THEN 2000 + gap_ms
    WHEN step < 15 THEN 2000 + gap_ms + spoken_ms // 2 ELSE 2000 + gap_ms + spoken_ms END AS now_ms
  FROM told
)
SELECT room, session, now_ms || '-' || step AS entry_id, now_ms AS entry_ms, step AS entry_n, seq,
  CASE WHEN seq = 1 THEN '' ELSE now_ms || '-' || step - 1 END AS prev,
  CASE WHEN step IN (1, 2, 4, 12) THEN 'TRANSCRIPT' WHEN step = 15 THEN 'UTTERANCE' WHEN step = 16 THEN 'USAGE'
       ELSE 'SYSTEM_SIGNAL' END AS kind,
  CASE step
    WHEN 0 THEN 'SPEECH_STARTED' WHEN 3 THEN 'SPEECH_ENDED' WHEN 5 THEN 'FLOOR_REQUESTED'
    WHEN 6 THEN 'FLOOR_QUEUED' WHEN 7 THEN 'FLOOR_RELEASED' WHEN 8 THEN 'FLOOR_GRANTED'
    WHEN 9 THEN 'STATE_CHANGED' WHEN 10 THEN 'FLOOR_TAKEN' WHEN 11 THEN 'SPEECH_STARTED'
    WHEN 13 THEN 'SPEECH_ENDED' WHEN 14 THEN CASE WHEN cut THEN 'INTERRUPTION' ELSE 'BACKCHANNEL' END
    WHEN 15 THEN 'UTTERANCE' WHEN 16 THEN 'USAGE' WHEN 17 THEN 'STATE_CHANGED'
    WHEN 18 THEN CASE WHEN cut THEN 'FLOOR_REVOKED' ELSE 'FLOOR_RELEASED' END
    WHEN 19 THEN 'FLOOR_TAKEN' ELSE 'TRANSCRIPT' END AS type,
  CASE WHEN step < 8 OR step = 19 THEN person ELSE agent END AS source, now_ms AS at_ms, now_ms - 3 AS occurred_ms,
  1 AS v, CASE WHEN step IN (8, 9, 10, 14, 15, 17, 18) THEN grant_token END AS token, false AS late,
  CASE WHEN step = 5 THEN agent || '-4b1f' WHEN step IN (6, 8, 9, 10, 14, 15, 16, 17, 18) THEN agent
       ELSE person END AS participant,
  CASE WHEN step = 14 OR step = 18 AND cut THEN person END AS other, step IN (1, 2, 4, 12, 14, 15) AS spoken,
  false AS forgotten,
  CASE
    WHEN step = 0 THEN format('{{{{"participant":"{{}}","speech_id":"{{}}"}}}}', person, speech)
    WHEN step = 11 THEN format('{{{{"participant":"{{}}","speech_id":"{{}}-b"}}}}', person, speech)
    WHEN step IN (1, 2, 4, 12) THEN format(
      '{{{{"participant":"{{}}","speech_id":"{{}}","text":"{{}}","final":{{}},"confidence":0.45,"language":null,"decision":null}}}}',
      person, speech, sentence[:20 + step * 10], step = 4)
    WHEN step = 3 THEN format('{{{{"participant":"{{}}","speech_id":"{{}}","duration_ms":{{}}}}}}', person, speech, 1500 + gap_ms // 4)
    WHEN step = 13 THEN format('{{{{"participant":"{{}}","speech_id":"{{}}-b","duration_ms":{{}}}}}}', person, speech, 192)
    WHEN step = 5 THEN format(
      '{{{{"participant":"{{}}-4b1f","priority":3,"request_id":"turn:{{}}","on_behalf_of":"{{}}","reason":"answer to {{}} (last_holder)"}}}}',
      agent, speech, agent, person)
    WHEN step = 6 THEN format('{{{{"participant":"{{}}","priority":3,"request_id":"turn:{{}}","position":1,"was":null}}}}', agent, speech)
    WHEN step = 7 THEN format('{{{{"participant":"{{}}","held_ms":{{}},"to":null,"reason":"silent"}}}}', person, 1800 + gap_ms // 4)
    WHEN step = 8 THEN format(
      '{{{{"participant":"{{}}","request_id":"turn:{{}}","lease_ms":1000,"waited_ms":{{}},"guard_ms":0,"reason":"answer to {{}}","position":1}}}}',
      agent, speech, gap_ms // 3, person)
    WHEN step IN (9, 17) THEN format('{{{{"participant":"{{}}","old":"idle","new":"speaking","cause":"granted"}}}}', agent)
    WHEN step = 10 THEN format('{{{{"participant":"{{}}","participant_kind":"agent","granted_to_audio_ms":{{}}}}}}', agent, gap_ms // 9)
    WHEN step = 14 AND cut THEN format(
      '{{{{"interrupted":"{{}}","interruptor":"{{}}","interruptor_kind":"person","utterance_id":"{{}}","heard_text":"{{}}","unheard_text":"{{}}","heard_ms":{{}},"generated_ms":{{}},"reason":"speech goes on after 518 ms","words":"wait","latency":{{{{"onset_to_detector_ms":{{}}.523,"detector_to_gate_ms":0.625,"gate_to_decision_ms":461.008,"decision_to_model_ms":1.65,"model_to_publish_ms":0.007}}}}}}}}',
      agent, person, utterance, sentence[:90], sentence[90:], spoken_ms // 2, spoken_ms, gap_ms // 8)
    WHEN step = 14 THEN format(
      '{{{{"speaker":"{{}}","by":"{{}}","utterance_id":"{{}}","reason":"192 ms of sound","words":"yeah","held_ms":299.8,"latency":{{{{"onset_to_detector_ms":100.56,"detector_to_gate_ms":null,"gate_to_decision_ms":299.99,"decision_to_model_ms":null,"model_to_publish_ms":null}}}}}}}}',
      agent, person, utterance)
    WHEN step = 15 THEN format(
      '{{{{"participant":"{{}}","utterance_id":"{{}}","generated_text":"{{}}","heard_text":"{{}}","heard_ms":{{}},"generated_ms":{{}}.75,"interrupted":{{}}}}}}',
      agent, utterance, sentence, sentence[:CASE WHEN cut THEN 90 ELSE 500 END], spoken_ms // 2, spoken_ms, cut)
    WHEN step = 16 THEN format('{{{{"participant":"{{}}","input_tokens":0,"output_tokens":0,"audio_in_s":0,"audio_out_s":12.9}}}}', agent)
    WHEN step = 18 AND cut THEN format('{{{{"participant":"{{}}","by":"{{}}","held_ms":{{}},"reason":"speech goes on"}}}}', agent, person, spoken_ms)
    WHEN step = 18 THEN format('{{{{"participant":"{{}}","held_ms":{{}},"to":null,"reason":""}}}}', agent, spoken_ms + 140)
    ELSE format('{{{{"participant":"{{}}","participant_kind":"person","granted_to_audio_ms":null}}}}', person)
  END AS data
FROM timed
"""
_SAID = (
    "Thank you. People say yes and right while they listen, and they do not want the floor. Such a word holds "
    "my voice for a moment, and then I go on from the exact sample. Nothing is lost and nothing is said twice. "
    "When a person begins to speak, my voice is held in the same instant. Nothing waits for the network or for "
    "the model. Only then is it decided whether I was meant to stop. The stick is a lease, so nobody has to "
    "trust anybody. Each grant carries a number that only grows. If a process stalls and wakes up late, its "
    "number is old and its voice stays shut. Whoever wants to speak asks for it and waits in a queue. Only the "
    "one who holds it is heard. A lease ends on its own clock, a little before the floor does. What was heard "
    "is kept word for word, and what was not heard is struck out, so that the next sentence begins where the "
    "last one was cut. Over to you, and thank you for your patience with all of this."
)
_BATCH = 1_000_000


def make(path: Path, events: int) -> None:
    """Write an archive of `events` events to `path`, which does not exist yet.

    Raises:
        ArchiveError: the file cannot be made.
        duckdb.Error: it cannot be written.
    """
    import duckdb

    asyncio.run(_empty(path))
    with duckdb.connect(str(path), config={"memory_limit": "1GB"}) as connection:
        connection.execute("SET enable_progress_bar = false")
        for first in range(0, events, _BATCH):
            made = _MADE.format(
                room=EVENTS_A_ROOM,
                turn=EVENTS_A_TURN,
                first=first,
                last=min(events, first + _BATCH),
                sentence=_SAID,
            )
            connection.execute(made)
        connection.execute(
            "INSERT INTO positions SELECT room, arg_max(entry_id, seq) FROM events GROUP BY room"
        )


async def _empty(path: Path) -> None:
    async with open_archive(path):
        pass
