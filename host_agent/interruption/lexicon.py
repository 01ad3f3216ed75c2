"""Which words of a transcript acknowledge, which command, and which are neither. Pure.

Words are compared without case, accents of typography or drawn-out letters ("yeahhh"); of a sound that
is spelled in several ways ("mm-hmm", "mhm") any spelling stands for all; a phrase ("hold on") counts as a
whole and the longest phrase wins, so that "no problem" in the one list is not the "no" of the other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from host_agent.errors import InterruptionSettingError

DEFAULT_IGNORE_WORDS: tuple[str, ...] = (
    "yeah", "yes", "yep", "yup", "ok", "okay", "hm", "hmm", "mhm", "mm-hmm", "uh-huh",
    "aha", "ah", "oh", "right", "sure", "alright", "all right", "got it", "i see", "gotcha",
)  # fmt: skip
DEFAULT_COMMAND_WORDS: tuple[str, ...] = (
    "stop", "wait", "no", "nope", "don't", "halt", "pause", "hold on", "hang on", "cancel",
    "but", "actually", "excuse me", "enough", "what", "question", "listen", "quiet", "never mind",
)  # fmt: skip

LONGEST_TEXT_CHARS = 4_000
"""Text beyond this is not read: nobody acknowledges at such length."""

_LETTER = r"[^\W_\u0964\u0965]|[\u0300-\u036f\u0900-\u0963\u0980-\u0dff]"
"""A letter or digit, or a sign that belongs to the letter before it."""
_WORD = re.compile(rf"(?:{_LETTER})+(?:'(?:{_LETTER})+)*")
_ANSWERS = """
    yes yeah yep yup yea ya ok okay sure right alright correct exactly absolutely definitely ja jawel doch
    genau klar sí si claro vale oui ouais d'accord sì certo sim हाँ जी haan ji はい ええ うん 是 对 好 tak evet
    tamam да ага 네 예 응
"""
ANSWERS: frozenset[str] = frozenset(_ANSWERS.split()) | {"all right", "o k", "okey", "yeh"}
"""Acknowledging words that also answer a question; "mm-hmm" is left out."""
_DRAWN_OUT = re.compile(r"(.)\1{2,}", re.IGNORECASE)
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'[a-z0-9]+)*")
"""What `_WORD` finds in lower-case ASCII, twice as fast."""

_SPELLINGS = """
    ok, okay, okey, o k; yeah, yea, yeh; hm, hmm, mm; aha, ah ha, a ha; alright, all right, allright
    uh huh, uhhuh, uh hu; uh uh, uhuh
    mhm, mm hmm, mm hm, mmhmm, mmhm, mhmm, m hm, m hmm, um hum, um hmm, hm hm
"""

Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The words of a transcript by what they do, each group in order."""

    commands: tuple[str, ...]
    backchannels: tuple[str, ...]
    others: tuple[str, ...]
    answers: tuple[str, ...] = ()
    """Those of `backchannels` that would answer a question."""

    @property
    def empty(self) -> bool:
        """There is no word at all."""
        return not (self.commands or self.backchannels or self.others)


class WordReader(Protocol):
    """Tells what the words of a transcript do."""

    def read(self, text: str) -> Reading:
        """Return what the words of `text` are; never raises."""
        ...


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of `text` in the form in which they are compared."""
    return _words(text[:LONGEST_TEXT_CHARS])


@lru_cache(maxsize=32)
def _words(text: str) -> tuple[str, ...]:
    if text.isascii():
        return tuple(_ASCII_WORD.findall(text.lower()))
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return tuple(_WORD.findall(plain))


_ALIKE = tuple(
    tuple(words_of(each) for each in group.split(","))
    for group in re.split(r"[;\n]", _SPELLINGS)
    if group.strip()
)


class Lexicon:
    """Two lists of words and phrases: those that acknowledge and those that command."""

    def __init__(
        self,
        ignore_words: Iterable[str] = DEFAULT_IGNORE_WORDS,
        command_words: Iterable[str] = DEFAULT_COMMAND_WORDS,
    ) -> None:
        """Compile the lists.

        Raises:
            InterruptionSettingError: a list is empty or holds what is no word, or both hold the same one.
        """
        ignore = _phrases("ignore_words", ignore_words)
        command = _phrases("command_words", command_words)
        if both := sorted(" ".join(phrase) for phrase in ignore.keys() & command.keys()):
            raise InterruptionSettingError(
                "ignore_words", f"{both} are in command_words too", cure="Take them out of one of the lists"
            )
        self._kinds: dict[Phrase, bool] = {**dict.fromkeys(ignore, False), **dict.fromkeys(command, True)}
        for spellings in _ALIKE:
            kinds = {self._kinds[each] for each in spellings if each in self._kinds}
            if len(kinds) == 1:
                self._kinds.update(dict.fromkeys(spellings, kinds.pop()))
        self._longest: dict[str, int] = {}
        for phrase in self._kinds:
            self._longest[phrase[0]] = max(self._longest.get(phrase[0], 0), len(phrase))

    def read(self, text: str) -> Reading:
        """Return what the words of `text` are, from left to right, the longest phrase first."""
        text = text[:LONGEST_TEXT_CHARS]
        words = words_of(text)
        if _DRAWN_OUT.search(text):
            words = tuple(self._known_form(word) for word in words)
        commands: list[str] = []
        backchannels: list[str] = []
        others: list[str] = []
        at = 0
        for place, word in enumerate(words):
            if place < at:
                continue
            at += 1
            longest = self._longest.get(word)
            if longest is None:
                others.append(word)
                continue
            for length in range(longest, 0, -1):
                phrase = words[place : place + length]
                if (command := self._kinds.get(phrase)) is not None:
                    (commands if command else backchannels).append(" ".join(phrase))
                    at = place + len(phrase)
                    break
            else:
                others.append(word)
        answers = tuple([entry for entry in backchannels if entry in ANSWERS]) if backchannels else ()
        return Reading(tuple(commands), tuple(backchannels), tuple(others), answers)

    def _known_form(self, word: str) -> str:
        if (word,) in self._kinds or not _DRAWN_OUT.search(word):
            return word
        for form in (_DRAWN_OUT.sub(r"\1\1", word), _DRAWN_OUT.sub(r"\1", word)):
            if (form,) in self._kinds:
                return form
        return word


def _phrases(key: str, entries: Iterable[str]) -> dict[Phrase, None]:
    if isinstance(entries, str) or not isinstance(entries, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped
        raise InterruptionSettingError(key, f"{entries!r} is no list", cure="Give a list of words")
    phrases: dict[Phrase, None] = {}
    for entry in entries:
        words = words_of(entry) if isinstance(entry, str) else ()  # pyright: ignore[reportUnnecessaryIsInstance] -- from files
        if not words:
            raise InterruptionSettingError(key, f"{entry!r} is not a word", cure="Write words or phrases")
        phrases[words] = None
    if not phrases:
        raise InterruptionSettingError(key, "is empty", cure="Name at least one word, or leave it out")
    return phrases
