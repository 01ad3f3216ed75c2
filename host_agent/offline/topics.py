"""What the rule-based model can talk about. Plain text, written to be spoken."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """A subject: the words that call for it, and what there is to say."""

    keywords: frozenset[str]
    text: str


TOPICS = (
    Topic(
        frozenset(("stick", "floor", "turn", "turns", "grant")),
        "The talking stick is a right to speak that is kept in one place. Whoever wants to speak asks for "
        "it and waits in a queue. Only the one who holds it can be heard, whatever the others send.",
    ),
    Topic(
        frozenset(("lease", "leases", "token", "tokens", "fence", "fencing", "crash")),
        "The stick is a lease, so nobody has to trust anybody. Each grant carries a number that only "
        "grows. If a process stalls and wakes up late, its number is old and its voice stays mute.",
    ),
    Topic(
        frozenset(("interrupt", "interruption", "barge", "cut", "stop", "silence")),
        "When a person begins to speak, my voice is held in the same instant. Nothing waits for the "
        "network or for the model. Only then is it decided whether I was meant to stop.",
    ),
    Topic(
        frozenset(("yeah", "backchannel", "acknowledge", "listening", "nod")),
        "People say yes and right while they listen, and they do not want the floor. Such a word holds my "
        "voice for a moment, and then I go on from the exact sample. Nothing is lost and nothing is said "
        "twice.",
    ),
    Topic(
        frozenset(("heard", "memory", "context", "remember", "rewind")),
        "I remember only what you really heard. The playout counts every sample, and words that never "
        "sounded are taken out of my memory. So I do not believe that I said things that nobody knows.",
    ),
    Topic(
        frozenset(("stream", "record", "event", "events", "redis", "analytics")),
        "Everything that happens here is an event in one stream. Each event is written in the same step "
        "as the change that it reports. Whoever reads the stream can prove that nothing is missing.",
    ),
)

OPENING = "Hello everybody, and welcome. I am {name}. {topic}"
CORRECTION = (
    "One moment, that needs a correction. The lease ends on its own clock, a little before the floor does."
)
NOT_CAUGHT = "I am sorry, I did not catch that. Could you say it again?"
