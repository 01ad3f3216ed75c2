"""Word lists of languages other than English, each read by its own rules. Pure.

Each language has lists of its own: "no" acknowledges in Polish. Japanese, Chinese and Korean are read as one
run of characters, the longest entry first, because spaces do not part their words there.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from host_agent.interruption.lexicon import ANSWERS, LONGEST_TEXT_CHARS, Lexicon, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from host_agent.interruption.lexicon import WordReader

_ONE_I = str.maketrans("Iİı", "iii", "\u0307")
_SHORT_COMMAND = 1
"""A command of one character counts only where it begins what is not an acknowledgement."""


@dataclass(frozen=True, slots=True)
class LanguageWords:
    """The lists of one language and how they are read."""

    language: str
    ignore: tuple[str, ...]
    command: tuple[str, ...]
    first_only: frozenset[str] = frozenset()
    """Commands only where they begin the utterance, acknowledgements apart: Spanish "para" is also "for"."""
    spaceless: bool = False


class LanguageLexicon:
    """Reads one language that parts its words by spaces."""

    def __init__(self, words: LanguageWords) -> None:
        """Compile the lists.

        Raises:
            InterruptionSettingError: a list is empty, or both hold the same word.
        """
        self._turkish = words.language == "tr"
        self._lexicon = Lexicon(map(self._folded, words.ignore), map(self._folded, words.command))
        self._first_only = frozenset(map(self._folded, words.first_only))

    def read(self, text: str) -> Reading:
        """Return what the words of `text` are; never raises."""
        text = self._folded(text[:LONGEST_TEXT_CHARS])
        reading = self._lexicon.read(text)
        late = self._first_only.intersection(reading.commands)
        if not late or not reading.others:
            return reading
        if self._begins_with_command(text):
            return reading
        return replace(
            reading,
            commands=tuple(word for word in reading.commands if word not in late),
            others=(*reading.others, *sorted(late)),
        )

    def _folded(self, text: str) -> str:
        """Turkish has two letters i with a capital each; lower-casing by other rules mixes them."""
        return text.translate(_ONE_I) if self._turkish else text

    def _begins_with_command(self, text: str) -> bool:
        words = text.split()
        for count in range(1, len(words) + 1):
            begun = self._lexicon.read(" ".join(words[:count]))
            if begun.others:
                return False
            if begun.commands:
                return True
        return False


class SpacelessLexicon:
    """Reads one language by characters, the longest entry first."""

    def __init__(self, words: LanguageWords) -> None:
        Lexicon(words.ignore, words.command)
        self._kinds = {
            **{_bare(entry): False for entry in words.ignore},
            **{_bare(entry): True for entry in words.command},
        }
        self._longest = max(len(entry) for entry in self._kinds)

    def read(self, text: str) -> Reading:
        """Return what the characters of `text` are; never raises."""
        bare = _bare(text[:LONGEST_TEXT_CHARS])
        commands: list[str] = []
        backchannels: list[str] = []
        others: list[str] = []
        unknown = ""
        at = 0
        while at < len(bare):
            entry = self._entry_at(bare, at)
            begun = bool(others or unknown)
            command = entry is not None and self._kinds[entry]
            if entry is None or (command and len(entry) == _SHORT_COMMAND and begun):
                unknown += bare[at]
                at += 1
                continue
            if unknown:
                others += _pieces(unknown)
                unknown = ""
            (commands if command else backchannels).append(entry)
            at += len(entry)
        others += _pieces(unknown)
        answers = tuple(entry for entry in backchannels if entry in ANSWERS)
        return Reading(tuple(commands), tuple(backchannels), tuple(others), answers)

    def _entry_at(self, bare: str, at: int) -> str | None:
        for length in range(min(self._longest, len(bare) - at), 0, -1):
            if (entry := bare[at : at + length]) in self._kinds:
                return entry
        return None


def reader_for(words: LanguageWords) -> LanguageLexicon | SpacelessLexicon:
    """Return what reads the language.

    Raises:
        InterruptionSettingError: a list is empty, or both hold the same word.
    """
    return SpacelessLexicon(words) if words.spaceless else LanguageLexicon(words)


def language_of(text: str, otherwise: str) -> str:
    """Return the language that the script of `text` gives away; scripts of many languages say `otherwise`."""
    if text.isascii():
        return otherwise
    for letter in text[:LONGEST_TEXT_CHARS]:
        for language, ranges in _SCRIPTS.items():
            if any(low <= letter <= high for low, high in ranges):
                return "ja" if language == "zh" and any("ぁ" <= each <= "ヿ" for each in text) else language
    return otherwise


class Readers:
    """The word lists of all languages, each compiled when it is first spoken; shared by all judges."""

    def __init__(self, lists: Mapping[str, LanguageWords], english: WordReader, usual: str) -> None:
        """Read `english` and `lists`; `usual` is spoken where neither tag nor script says another."""
        self._lists = lists
        self._readers: dict[str, WordReader] = {"en": english}
        self.usual = usual

    def language(self, tag: str, words: str) -> str:
        """Return what `words` are in: by their tag ("pt-BR"), else by their script, else the usual."""
        if not tag:
            return language_of(words, self.usual)
        spoken = tag.lower().replace("_", "-").partition("-")[0]
        return spoken if spoken == "en" or spoken in self._lists else language_of(words, self.usual)

    def read(self, text: str) -> Reading:
        """Return what the words of a text without a tag are; never raises."""
        return self.reader(self.language("", text)).read(text)

    def reader(self, language: str) -> WordReader:
        """Return what reads `language`, one that `language()` has named."""
        if language not in self._readers:
            self._readers[language] = reader_for(self._lists[language])
        return self._readers[language]


_SCRIPTS = {
    "ja": (("ぁ", "ヿ"),),
    "ko": (("가", "힣"), ("ㄱ", "ㆎ")),
    "zh": (("一", "鿿"),),
    "hi": (("ऀ", "ॿ"),),
    "ru": (("а", "я"), ("А", "Я"), ("ё", "ё")),
}


def _bare(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(each for each in plain if each.isalnum() or each == "ー")


def _pieces(unknown: str) -> list[str]:
    return [unknown[at : at + 2] for at in range(0, len(unknown), 2)]
