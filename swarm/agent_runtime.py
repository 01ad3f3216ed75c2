"""One agent in one room: its host speaks only while its grant lasts, and its mouth tells the record.

The floor decides who speaks (grants come from the talking stick, whoever asked for them), the adapter decides
what is heard, the host decides what is said. This file only carries word from one to the other.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host_agent.ports import Prompt
from streams import events as ev
from streams.vocabulary import Decision, ParticipantKind, Verdict
from swarm import allocation
from swarm.participant import Priority

if TYPE_CHECKING:
    from adapters.livekit_adapter import LiveKitAdapter
    from adapters.ports import Cut, Resumed, WordsHeard
    from host_agent.ports import TurnResult
    from host_agent.universal_host_agent import UniversalHostAgent
    from streams.events import Recorded
    from streams.outbox import Outbox
    from swarm.grant import Grant
    from swarm.participant import Participant
    from swarm.roster import Roster
    from swarm.talking_stick import TalkingStick

MAX_PROMPTS = 16
MAX_HEARD = 40


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """How an agent behaves around its turns."""

    playout_tail_ms: int = 150
    """Between the last sample handed over and the release: what the listeners' jitter buffers still hold."""
    floor_call_timeout_s: float = 2.0
