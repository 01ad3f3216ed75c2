"""Replies made by rule, so that the classifier knows short forms that one corpus of meetings lacks.

Acknowledgements are combined from sounds, words and remarks; claims of the floor are short questions,
corrections, commands, answers, and words taken from what the other speaker was saying.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from host_agent.interruption.english import CLASSES, WORD_CLASS
from host_agent.interruption.english_phrases import PHRASES

if TYPE_CHECKING:
    from collections.abc import Sequence

EACH = 1500
ECHOES = 300
_SEED = 20_26
_SOUNDS = ("mm-hmm", "uh-huh", "hmm", "mhm", "mmm", "um-hum", "huh", "uh huh", "mm hm")
_ANSWERS = (
    "yeah",
    "yes",
    "yep",
    "right",
    "okay",
    "sure",
    "exactly",
    "absolutely",
    "true",
    "alright",
    "ok",
    "ya",
)
_CALLS = ("oh", "ah", "wow", "oh my", "gosh", "ooh", "well", "oh boy", "oh really", "uh", "um")
_STARTS = (
    "that's", "it's", "that is", "that was", "that would be", "it must be", "that sounds", "sounds", "it was",
    "that'd be", "that must be", "that must have been", "i think that's", "this is", "they're", "that seems",
)  # fmt: skip
_DEGREES = ("", "", "", "very", "really", "pretty", "so", "quite", "too", "just", "kind of", "a")
_PRAISES = ("good", "great", "nice", "fair", "interesting")
_THINGS = ("point", "idea", "one", "question")
_TAILS = ("", "", "", "yeah", "okay", "right", "mm-hmm", "so")
_CLAIMS = (
    "what", "why", "who", "which one", "how much", "where", "when was that", "what do you mean", "say again",
    "sorry", "pardon", "excuse me", "stop", "wait", "hold on", "hang on", "no", "no no", "not really", "but",
    "no it isn't", "that's not", "that's not what i", "that's wrong", "you mean", "you said", "is it",
    "can i", "can you", "could you", "do we", "do you have", "did you get", "is there", "are there any",
    "let me", "i want", "i need", "i have a question", "one question", "actually", "because", "so you",
    "so what", "and then", "or", "or maybe", "if we", "we could", "we should", "they don't", "he said",
    "i don't think so", "i don't know", "i'm not sure", "i thought", "i mean", "it depends", "for example",
    "like the", "as in", "in the", "on monday", "at five", "twenty two", "the other one", "my", "not the",
    "never mind", "go back", "skip that", "repeat that", "tell me", "show me", "change it", "make it",
    "listen", "hello", "hey", "look", "please", "yeah but", "yeah and", "yes because", "okay so what",
    "right but", "well but", "well i", "oh so you", "oh you mean", "oh but", "sure but", "how about",
    "what about", "what if", "which", "whose", "does that", "isn't that the", "there's", "it says",
    "anyway", "next", "the next one", "cancel", "another one", "next week",
    "that isn't right", "that can't be right", "that's not good", "it's too expensive", "that's too late",
    "this is too long", "it doesn't work", "it isn't true", "is it big", "is it good", "it wasn't me",
    "too far",
    "you know what", "you know the", "so i mean", "so i was", "so i was thinking", "so can we", "so then",
    "so it's", "by the way", "that reminds me", "before i forget", "it was more than that",
    "it could go either way",
    "it seems like", "i know a", "i know that already", "i guess i'll", "i bet it's", "that's for my",
    "that's on the",
)  # fmt: skip


def synthetic_replies(contexts: Sequence[str], weight: float) -> list[dict[str, Any]]:
    """Return EACH acknowledgements and EACH claims of the floor, as rows of `weight`; always the same."""
    chance = random.Random(_SEED)
    said = [context for context in contexts if context]
    rows: list[dict[str, Any]] = []
    for _ in range(EACH):
        context = chance.choice(said)
        rows.append(
            {"text": _acknowledgement(chance), "label": "ignore", "context": context, "weight": weight}
        )
        context = chance.choice(said)
        text = _claim(chance, chance.choice(said))
        rows.append({"text": text, "label": "interrupt", "context": context, "weight": weight})
    for _ in range(ECHOES):
        context = chance.choice(said)
        rows.append(
            {"text": _echo(chance, context), "label": "interrupt", "context": context, "weight": weight}
        )
        context = chance.choice(said)
        rows.append(
            {"text": _led_echo(chance, context), "label": "ignore", "context": context, "weight": weight}
        )
    return [row for row in rows if row["text"]]


def _echo(chance: random.Random, context: str) -> str:
    """Return up to three words that the other has just said: asked back, as a check."""
    words = context.split()[-12:]
    for _ in range(10):
        at = chance.randrange(len(words))
        taken = words[at : at + chance.randint(1, 3)]
        if taken[-1].lower() not in WORD_CLASS and not any(word.endswith("-") for word in taken):
            return " ".join(taken)
    return ""


def _led_echo(chance: random.Random, context: str) -> str:
    """Return the same with a sound or answer beside it: taken notice of."""
    echo = _echo(chance, context)
    lead = chance.choice((*_CALLS, *_ANSWERS, *_SOUNDS, "oh", "oh", "ah", "oh yeah"))
    tail = chance.choice(("", "", "", *_ANSWERS))
    if not echo:
        return ""
    return chance.choice(
        (f"{lead} {echo} {tail}", f"{lead} {echo}", f"{echo} {chance.choice(_ANSWERS)}")
    ).strip()


def _acknowledgement(chance: random.Random) -> str:
    whole = [phrase for phrase, letter in PHRASES.items() if letter in "RPp"]
    remark = (
        f"{chance.choice(_STARTS)} {chance.choice(_DEGREES)} {chance.choice(CLASSES['E'].split())}",
        f"{chance.choice(CLASSES['E'].split())}",
        f"{chance.choice(_PRAISES)} {chance.choice(_THINGS)}",
        chance.choice(whole),
        chance.choice(_ANSWERS),
        chance.choice(_SOUNDS),
    )
    lead = chance.choice(("", "", chance.choice(_CALLS), chance.choice(_ANSWERS), chance.choice(_SOUNDS)))
    return " ".join(f"{lead} {chance.choice(remark)} {chance.choice(_TAILS)}".split())


def _claim(chance: random.Random, said: str) -> str:
    words = said.split()
    at = chance.randrange(len(words))
    taken = words[at : at + chance.randint(1, 3)]
    content = [word for word in taken if word.lower() not in WORD_CLASS and not word.endswith("-")]
    body = chance.choice((" ".join(taken) if content else chance.choice(_CLAIMS), chance.choice(_CLAIMS)))
    more = chance.choice(("", "", " ".join(words[at : at + 3])))
    lead = chance.choice(("", "", "", chance.choice(_ANSWERS), chance.choice(_SOUNDS), "oh", "okay", "yeah"))
    return " ".join(f"{lead} {body} {more}".split())
