"""From words and the audio that came with them, and how much of it was played, to what was heard.

Pure. A timeline is filled in the order in which a model or voice delivers: a voice that reports each word
after its audio gives one segment a word; a native model's text deltas and the audio around them give longer
segments, in which the words are placed in proportion to their letters. A word counts as heard when its audio
was finished. Audio that the output refused was never heard and takes no time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = re.compile(r"\S+")
_CHARS_PER_MS = 0.014
_ROUNDING_MS = 1.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text with the audio that came with it."""

    text: str
    start_ms: float
    """On the axis of accepted audio."""
    accepted_ms: float
    refused_ms: float = 0.0

    @property
    def end_ms(self) -> float:
        return self.start_ms + self.accepted_ms

    @property
    def total_ms(self) -> float:
        return self.accepted_ms + self.refused_ms


@dataclass(frozen=True, slots=True)
class Heard:
    """What of an utterance was heard, and what was not."""

    heard: str
    unheard: str


def heard_prefix(segment: Segment, heard_ms: float) -> str:
    """Return the words of `segment` whose audio had finished at `heard_ms`, with their white space."""
    if segment.refused_ms <= 0 and segment.total_ms > 0 and segment.end_ms <= heard_ms + _ROUNDING_MS:
        return segment.text
    if segment.total_ms <= 0:
        return ""
    played_ms = max(0.0, min(heard_ms, segment.end_ms) - segment.start_ms)
    return words_within(segment.text, len(segment.text) * played_ms / segment.total_ms)


def words_within(text: str, letters: float) -> str:
    """Return the whole words of `text` that end within its first `letters`, never the last word."""
    ends = [word.end() for word in _WORD.finditer(text)][:-1]
    return text[: max((end for end in ends if end <= letters), default=0)]


class SpokenTimeline:
    """The words of one utterance along its audio."""

    __slots__ = (
        "_accepted_ms",
        "_generated",
        "_open_accepted_ms",
        "_open_refused_ms",
        "_open_text",
        "_segments",
        "_text_first",
    )

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self._generated = ""
        self._accepted_ms = 0.0
        self._open_text = ""
        self._open_accepted_ms = 0.0
        self._open_refused_ms = 0.0
        self._text_first = False

    @property
    def accepted_ms(self) -> float:
        """Audio that the output took."""
        return self._accepted_ms

    @property
    def has_audio(self) -> bool:
        return self._accepted_ms > 0 or any(s.refused_ms for s in self._all())

    @property
    def reported_text(self) -> str:
        """The text that came with audio, or was said to have been spoken."""
        return "".join(segment.text for segment in self._all())

    @property
    def generated_text(self) -> str:
        """All that the model made, also what never became audio."""
        reported = self.reported_text
        return reported + self._pending(reported) if self._generated else reported

    @property
    def segments_done(self) -> int:
        """How many segments there are; a later `split` can begin behind them."""
        return len(self._all())

    def add_generated(self, text: str) -> None:
        """Note text that the model made and that the voice has still to say."""
        self._generated += text

    def add_audio(self, duration_ms: float, *, accepted: bool) -> None:
        """Note audio in the order of delivery, and whether the output took it."""
        if self._open_text and not self._text_first:
            self._close()
        if accepted:
            self._open_accepted_ms += duration_ms
            self._accepted_ms += duration_ms
        else:
            self._open_refused_ms += duration_ms

    def add_text(self, text: str) -> None:
        """Note text that goes with the audio just before it, or just after it where text came first."""
        has_audio = self._open_accepted_ms + self._open_refused_ms > 0
        if self._text_first and has_audio:
            self._close()
            has_audio = False
        if not self._open_text:
            self._text_first = not has_audio
        self._open_text += text

    def split(self, heard_ms: float, *, complete: bool = False, first_segment: int = 0) -> Heard:
        """Return what was heard when `heard_ms` of the accepted audio had been played.

        `complete` says that all accepted audio was played and no more will come. Segments before
        `first_segment` are left out.
        """
        if complete:
            heard_ms = self._accepted_ms
        heard, unheard = "", ""
        for segment in self._all()[first_segment:]:
            whole = complete and segment.refused_ms <= 0
            prefix = segment.text if whole else heard_prefix(segment, heard_ms)
            heard += prefix
            unheard += segment.text[len(prefix) :]
        pending = self._pending(self.reported_text)
        if not unheard and not complete:
            said = self._guess(pending, heard_ms)
            heard, pending = heard + said, pending[len(said) :]
        return Heard(heard=heard, unheard=unheard + pending)

    def _pending(self, reported: str) -> str:
        """Generated text that no audio was reported for; compared by words, since voices tidy white space."""
        words = list(_WORD.finditer(self._generated))
        done = len(_WORD.findall(reported))
        return self._generated[words[done].start() :] if done < len(words) else ""

    def _guess(self, pending: str, heard_ms: float) -> str:
        """Words of a sentence whose audio is still being made, by the pace of the ones before."""
        if self._open_text or not self._open_accepted_ms:
            return ""
        beyond_ms = min(heard_ms, self._accepted_ms) - (self._accepted_ms - self._open_accepted_ms)
        said_ms = sum(segment.total_ms for segment in self._segments)
        pace = sum(len(s.text) for s in self._segments) / said_ms if said_ms else _CHARS_PER_MS
        return words_within(pending, max(0.0, beyond_ms) * pace)

    def _all(self) -> list[Segment]:
        return [*self._segments, self._open_segment()] if self._open_text else list(self._segments)

    def _open_segment(self) -> Segment:
        return Segment(
            text=self._open_text,
            start_ms=self._accepted_ms - self._open_accepted_ms,
            accepted_ms=self._open_accepted_ms,
            refused_ms=self._open_refused_ms,
        )

    def _close(self) -> None:
        self._segments.append(self._open_segment())
        self._open_text = ""
        self._open_accepted_ms = self._open_refused_ms = 0.0
        self._text_first = False
