"""Short words that acknowledge or command, how they sound, and when a hypothesis of them is to be believed.

Pure. The recogniser looks for one such word among three hundred frequent others; a second, independent
search with a language model hears the same sound. Only where both come to similar phones is the word
sure: scores of the one search alone do not separate right from wrong.
"""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Phones = tuple[str, ...]

_PRONOUNCED = {
    "yeah": "Y AE|Y EH AH|Y EH|Y AE AH",
    "yep": "Y EH P",
    "yes": "Y EH S",
    "okay": "OW K EY|K EY",
    "uh-huh": "AH HH AH|AH HH AA|AH HH AO",
    "mm-hmm": "M HH M|AH M HH AH M|M M HH M|AH M HH M|M HH AH M",
    "hmm": "HH M|HH AH M|M|AH M",
    "right": "R AY T",
    "sure": "SH UH R|SH AO R|SH AO",
    "got it": "G AA T IH T|G AA D IH T",
    "alright": "AO L R AY T",
    "i see": "AY S IY",
    "aha": "AA HH AA|AH HH AA",
    "oh": "OW",
    "stop": "S T AA P",
    "wait": "W EY T",
    "no": "N OW",
    "hold on": "HH OW L D AA N|HH OW L D AO N",
    "hang on": "HH AE NG AA N|HH AE NG AO N",
    "pause": "P AO Z",
    "halt": "HH AO L T",
    "excuse me": "IH K S K Y UW Z M IY",
    "what": "W AH T|W AA T|HH W AH T",
    "but wait": "B AH T W EY T",
    "no stop": "N OW S T AA P",
    "no wait": "N OW W EY T",
    "yeah yeah": "Y AE Y AE|Y EH AH Y EH AH",
}
PRONUNCIATIONS: Mapping[str, tuple[Phones, ...]] = {
    word: tuple(tuple(form.split()) for form in forms.split("|")) for word, forms in _PRONOUNCED.items()
}
"""Each short word, and phrase, with its pronunciations in ARPAbet."""

COMMANDS = frozenset(
    (
        "stop",
        "wait",
        "no",
        "hold on",
        "hang on",
        "pause",
        "halt",
        "excuse me",
        "what",
        "but wait",
        "no stop",
        "no wait",
    )
)
"""Those of the short words that command; the others acknowledge."""

_PREFIX = "k_"
_VOWELS = frozenset(
    ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
)
SURE_WITHIN = 0.36
"""Share of the phones that two searches may differ in where a word still counts as heard."""
UNSURE = 0.3
"""Confidence of words that only one search found."""
UNSURE_SENTENCE = 0.45
"""The same for several words: some of them are right, not all."""


def token(word: str) -> str:
    """Return the name of a short word in the search."""
    return _PREFIX + word.replace(" ", "_")


def short_word(hypothesis: str) -> str | None:
    """Return the short word that a hypothesis of the search stands for; None for anything else."""
    parts = hypothesis.split()
    if len(parts) != 1 or not parts[0].startswith(_PREFIX):
        return None
    return parts[0].partition("(")[0].removeprefix(_PREFIX).replace("_", " ")


def jsgf(common_words: Sequence[str]) -> str:
    """Return the grammar: exactly one short word, or one of `common_words` that compete with them."""
    names = " | ".join([*(token(word) for word in PRONUNCIATIONS), *common_words])
    return f"#JSGF V1.0; grammar short; public <speech> = {names};"


def dictionary(lines: Sequence[str], common_words: Sequence[str]) -> str:
    """Return the dictionary of `jsgf`'s words, out of the lines of a larger one."""
    wanted = set(common_words)
    kept = [line for line in lines if line.partition(" ")[0].partition("(")[0] in wanted]
    for word, forms in PRONUNCIATIONS.items():
        for nth, phones in enumerate(forms):
            name = token(word) + (f"({nth + 1})" if nth else "")
            kept.append(f"{name} {' '.join(phones)}")
    return "\n".join(kept) + "\n"


def difference(word: str, heard: Phones) -> float:
    """Return the share of phones, 0 to 1, in which `heard` differs from the nearest form of a short word."""
    forms = PRONUNCIATIONS[word]
    return min(_distance(form, heard) / max(len(form), len(heard), 1) for form in forms)


def pronunciations_of(words: Sequence[str], forms: Mapping[str, Sequence[Phones]]) -> list[Phones]:
    """Return up to eight ways in which a sequence of known words sounds; an unknown word is silent."""
    choices = product(*(forms.get(word, ((),)) for word in words))
    return [tuple(phone for part in choice for phone in part) for choice in islice(choices, 8)]


def believe(short: str | None, sentence: str, sounds: Sequence[Phones]) -> tuple[str, float | None]:
    """Return the words to report and how sure they are, 0 to 1; no confidence for no words.

    `short` is what the search for short words found, `sentence` what the language model made of the
    same sound, `sounds` how that sentence may be pronounced. A short word is sure where these sounds are
    near to it, and no nearer to a word that means the opposite.
    """
    if short is not None and sounds:
        off = min(difference(short, heard) for heard in sounds)
        against = min(
            difference(word, heard)
            for word in PRONUNCIATIONS
            if (word in COMMANDS) != (short in COMMANDS)
            for heard in sounds
        )
        if off <= SURE_WITHIN and off <= against:
            return short, round(0.95 - off, 2)
    if not sentence:
        return ("", None) if short is None else (short, UNSURE)
    return sentence, UNSURE_SENTENCE if len(sentence.split()) > 2 else UNSURE


def _distance(one: Phones, other: Phones) -> float:
    """Edit distance; a vowel for another vowel, or a consonant for another, costs half."""
    row = [float(n) for n in range(len(other) + 1)]
    for phone in one:
        diagonal, row[0] = row[0], row[0] + 1
        for at, against in enumerate(other):
            same_kind = (phone in _VOWELS) == (against in _VOWELS)
            cost = 0.0 if phone == against else 0.5 if same_kind else 1.0
            diagonal, row[at + 1] = row[at + 1], min(row[at + 1] + 1, row[at] + 1, diagonal + cost)
    return row[-1]
