"""What the classifier sees of a person's words: their classes, and what acknowledges nothing. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from host_agent.interruption.english import HUMMED, WORD_CLASS
from host_agent.interruption.english_phrases import BEGUN, PHRASES

_PHRASE_WORDS = frozenset(
    word for phrase, letter in PHRASES.items() if letter in "RPxED" for word in phrase.split()
)
LONGEST_READ_WORDS = 12
"""Words beyond these change nothing: who says so many has taken the floor."""
LONGEST_READ_CHARS = 240
_TELLING = frozenset("WQXnIUTSZNCBKG")
_ENOUGH_TELLING = 6
"""After so many units of these classes nothing that follows makes an acknowledgement of it."""
_CONTEXT_CHARS = 160
_CONTENT = frozenset("WZLE")
_SOUNDS = frozenset("HAO")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*(?:-(?![^\W_]))?")
_ACKNOWLEDGED = re.compile(
    r"(?<![oNn])F*[HAORYPpt]+o?$|(?<=[HAO])q$|F*P?D[VX]*[MYJF]?At?|(?<![oNn])F*[HAORY]+"
    r"|(?<![oNnF])F*P?(?:U[VX]+|D[VX]*|VV?)?[MYFJ]*E+[Lo]?t?|P?D[VX]*[MYJ]*EL"
    r"|(?:D[VX]*)?x[MEFJ]*[WELT]{1,2}$|U?[HAORY]+F$"
)
"""What asks for nothing: sounds, short answers, remarks ("that would be really nice")."""
_OPEN = re.compile(r"(?:D[VX]?V?|V|I|[HAORY]I|U|F|J|M|Y|C)+$")
"""An end that may still become a remark: "that's", "it would be", "i"."""
_STUTTERED = frozenset("DIUVTJMF")
"""Classes of which a word said twice in a row counts once ("that's that's nice")."""
_REMARK_GOES_ON = re.compile(r"[MYDJFx]{0,2}o?")
_REMARK_BEGINS = frozenset({
    "that's", "it's", "i", "uh", "um", "of", "makes", "sounds", "got", "sounds like", "sounds like a",
    "that's actually", "it's actually",
    "i think", "i guess", "i bet", "i hope", "i suppose", "i imagine",
})  # fmt: skip
"""After these words a remark ("that's nice", "i see") is about as likely as a claim of the floor."""


@dataclass(frozen=True, slots=True)
class Units:
    """An utterance in units, words or phrases that belong together, and the class letter of each."""

    texts: tuple[str, ...]
    letters: str


def units_of(text: str) -> Units:
    """Return the units of `text`; words that were cut off ("th-") are left out."""
    return _units(text[:LONGEST_READ_CHARS])


@lru_cache(maxsize=64)
def _units(text: str) -> Units:
    words = _WORD.findall(text.lower().replace("’", "'"))
    if "-" in text:
        words = [word for word in words if word[-1] != "-" or len(word) > 3]
    texts: list[str] = []
    letters: list[str] = []
    at, end, before, telling = 0, min(len(words), LONGEST_READ_WORDS), "", 0
    while at < end and telling < _ENOUGH_TELLING:
        unit = words[at]
        letter = BEGUN.get(unit)
        taken = at + 1
        if letter is None:
            letter = WORD_CLASS.get(unit) or _class_of(unit)
        else:
            unit, letter, taken = _phrase_at(words, at, end, letter)
        at = taken
        if unit == before and letter in _STUTTERED:
            continue
        before = unit
        telling += letter in _TELLING
        texts.append(unit)
        letters.append(letter)
    return Units(tuple(texts), "".join(letters))


def _phrase_at(words: list[str], at: int, end: int, letter: str) -> tuple[str, str, int]:
    """Return the longest phrase that begins at a place, its letter and where it ends; else the word."""
    begun = words[at]
    phrase, taken = begun, at + 1
    for place in range(at + 1, end):
        begun = f"{begun} {words[place]}"
        longer = BEGUN.get(begun)
        if longer is None:
            break
        if longer:
            phrase, letter, taken = begun, longer, place + 1
    return phrase, letter or WORD_CLASS.get(phrase) or _class_of(phrase), taken


def _class_of(word: str) -> str:
    if word.isdigit():
        return "Z"
    return "H" if word[0] in "mnhaou" and HUMMED.fullmatch(word) else "W"


def features_of(text: str, context: str = "") -> list[str]:
    """Return the features of `text` said over `context`; empty where `text` holds no word."""
    units = units_of(text)
    letters = units.letters
    if not letters:
        return []
    beyond = _beyond(letters)
    rest = "".join(letters[index] for index in beyond)
    features = [
        "1",
        f"n{min(len(letters), 7)}",
        f"r{min(len(rest), 6)}",
        f"l{letters[:1]}",
        f"l{letters[:2]}",
        f"e{letters[-1]}",
        f"e{letters[-2:]}",
        f"w{units.texts[0]}",
    ]
    if _cut_off(text):
        features.append("cut off")
    if beyond:
        features += [
            f"f{rest[0]}",
            f"f{rest[:2]}",
            f"f{min(len(rest), 3)}{rest[0]}{rest[-1]}",
            f"b{units.texts[beyond[0]]}",
            f"z{units.texts[beyond[-1]]}",
        ]
        features += ["c" + letter for letter in dict.fromkeys(rest)]
        if beyond[0] == 0:
            features.append("at once")
        if beyond[-1] < len(letters) - 1:
            features.append("acknowledged after")
        if len(rest) <= 3 and rest.strip("JFC") == "":
            features.append("only fillers")
        if _OPEN.search(rest) and beyond[-1] == len(letters) - 1:
            features.append("open")
            if len(rest) <= 3:
                features.append(f"open{rest}")
        features += _echoing(units, beyond, context)
    features += dict.fromkeys(["u" + word for word in units.texts[:6]])
    features += dict.fromkeys(["g" + letters[at : at + 3] for at in range(min(len(letters) - 2, 5))])
    return features


@lru_cache(maxsize=256)
def _beyond(letters: str) -> tuple[int, ...]:
    """Return the places of the units that no acknowledgement explains."""
    explained: set[int] = set()
    for match in _ACKNOWLEDGED.finditer(letters):
        explained.update(range(*match.span()))
    return tuple(index for index in range(len(letters)) if index not in explained)


def _echoing(units: Units, beyond: tuple[int, ...], context: str) -> list[str]:
    """Return whether the content words were all said by the other, and what acknowledges before and after."""
    letters = units.letters
    content = [units.texts[index] for index in beyond if letters[index] in _CONTENT]
    if not content:
        return []
    said = context[-_CONTEXT_CHARS:].lower()
    echo = "echo" if all(_stands_in(word, said) for word in content) else "fresh"
    beside = "".join(letter if letter in _SOUNDS else "-" for letter in (letters[0], letters[-1]))
    return [f"{echo}{beside}", f"{echo}{beside}{min(len(beyond), 4)}"]


def _stands_in(word: str, text: str) -> bool:
    """Whether `word` stands in `text` as a whole."""
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        if not text[at - 1 : at].isalnum() and not text[end : end + 1].isalnum():
            return True
        at = text.find(word, at + 1)
    return False


def acknowledges(text: str) -> bool:
    """Whether nothing in `text` goes beyond an acknowledgement; False without a word or if it breaks off."""
    letters = units_of(text).letters
    return bool(letters) and not _beyond(letters) and not _cut_off(text)


def _cut_off(text: str) -> bool:
    """Whether the last word breaks off ("yeah m-"): its speaker meant to say more."""
    return text.rstrip().endswith("-")


def may_become_a_remark(text: str) -> bool:
    """Whether `text` goes beyond an acknowledgement only by a few words that begin a remark."""
    units = units_of(text)
    beyond = _beyond(units.letters)
    if not beyond or units.texts[beyond[0]] not in _REMARK_BEGINS:
        return False
    return _REMARK_GOES_ON.fullmatch(units.letters, beyond[0] + 1) is not None


def in_phrases(command: str) -> bool:
    """Whether a command word also stands in phrases that acknowledge ("no" in "no problem")."""
    return command in _PHRASE_WORDS


def without_phrases(text: str) -> str | None:
    """Return `text` without the phrases that acknowledge as a whole ("fair enough"); None if it has none."""
    units = units_of(text)
    kept = [
        word
        for word, letter in zip(units.texts, units.letters, strict=True)
        if letter not in "RPxED" or " " not in word
    ]
    return " ".join(kept) if len(kept) < len(units.texts) else None
