"""One speech through pocketsphinx: a language model and a search for short words, side by side.

Blocks and holds the GIL while it decodes: only for the recogniser's own process.
"""

from __future__ import annotations

import importlib
import tempfile
from collections import defaultdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from host_agent.offline.grammar import (
    Phones,
    believe,
    dictionary,
    jsgf,
    pronunciations_of,
    short_word,
)

# the package has no types
pocketsphinx: Any = importlib.import_module("pocketsphinx")

HZ = 16_000
STEP_BYTES = HZ // 10 * 2
"""Decoded at a time: 100 ms, after which there may be new words."""
PROBE_BYTES = HZ * 6 // 10 * 2
"""The language model's search begins when so much is there to estimate the channel from; it lives off it."""
SHORT_SPEECH_BYTES = HZ * 19 // 10 * 2
"""Speech longer than this (with its pre-roll) is no short word."""

# measured: word error 0.25 as against 0.29 with all passes, at two thirds of the work and a quarter
# of the wait at the end
_SENTENCE_SEARCH = {"fwdflat": False, "bestpath": True, "maxhmmpf": 5000, "maxwpf": 20, "topn": 2}
_CHANNEL = "40,3,-1"
"""The acoustic model's own start value for the cepstral mean."""


class Models:
    """What all decoders of the process share: the word lists, and a small decoder for the channel."""

    def __init__(self) -> None:
        self.model_path = Path(pocketsphinx.get_model_path("en-us"))
        lines = (self.model_path / "cmudict-en-us.dict").read_text(encoding="utf-8").splitlines()
        self.common_words = files("host_agent.offline").joinpath("common_words.txt").read_text().split()
        self.small_dictionary = dictionary(lines, self.common_words)
        self.forms: dict[str, list[Phones]] = defaultdict(list)
        for line in lines:
            name, *phones = line.split()
            self.forms[name.partition("(")[0]].append(tuple(phones))
        self._probe = self.small_decoder(jsgf(()))

    def small_decoder(self, grammar: str) -> Any:
        """Return a decoder of `grammar` that knows the words of the small dictionary only."""
        with tempfile.NamedTemporaryFile("w", suffix=".dict", encoding="utf-8") as file:
            file.write(self.small_dictionary)
            file.flush()
            decoder: Any = pocketsphinx.Decoder(lm=None, dict=file.name, loglevel="FATAL")
        decoder.add_jsgf_string("short", grammar)
        decoder.activate_search("short")
        return decoder

    def channel_of(self, pcm: bytes) -> str:
        """Return the mean cepstrum of a stretch of sound: voice, microphone and room, so to say."""
        self._probe.start_utt()
        self._probe.process_raw(pcm, full_utt=True)
        self._probe.end_utt()
        return str(self._probe.get_cmn(False))


class SpeechDecoder:
    """Decodes one speech at a time; begin a new one with `begin`."""

    def __init__(self, models: Models) -> None:
        """Load the decoders: some 0.5 s and 100 MB."""
        self._models = models
        self._sentence: Any = pocketsphinx.Decoder(loglevel="FATAL", **_SENTENCE_SEARCH)
        self._short: Any = models.small_decoder(jsgf(models.common_words))
        self._pcm = bytearray()
        self._taken = 0
        self._sentence_open = False
        self._short_open = False
        self._short_hypothesis: str | None = None

    def begin(self) -> None:
        """Forget the speech before."""
        self.abandon()
        self._pcm.clear()
        self._taken = 0
        self._short_hypothesis = None
        self._short.set_cmn(_CHANNEL)
        self._short.start_utt()
        self._short_open = True

    def abandon(self) -> None:
        """End the searches without asking for a result."""
        for decoder, is_open in ((self._short, self._short_open), (self._sentence, self._sentence_open)):
            if is_open:
                decoder.end_utt()
        self._short_open = self._sentence_open = False

    def take(self, pcm: bytes) -> tuple[str, float | None]:
        """Decode the next piece; return the words of all so far, and how sure they are."""
        self._taken += len(pcm)
        if self._short_open:
            if self._taken <= SHORT_SPEECH_BYTES:
                self._short.process_raw(pcm, full_utt=False)
                self._short_hypothesis = short_word(_text(self._short))
            else:
                self._close_short()
                self._short_hypothesis = None
        if self._sentence_open:
            self._sentence.process_raw(pcm, full_utt=False)
        else:
            self._pcm += pcm
            if len(self._pcm) >= PROBE_BYTES:
                self._open_sentence()
        return self._words()

    def finish(self) -> tuple[str, float | None]:
        """No more comes: return the final words, and how sure they are."""
        if self._pcm and not self._sentence_open:
            self._open_sentence()
        if self._short_open:
            self._close_short()
            self._short_hypothesis = short_word(_text(self._short))
        if self._sentence_open:
            self._sentence.end_utt()
            words = self._words()
            self._sentence_open = False
            return words
        return self._words()

    def _open_sentence(self) -> None:
        pcm = bytes(self._pcm)
        self._sentence.set_cmn(self._models.channel_of(pcm))
        self._sentence.start_utt()
        self._sentence_open = True
        self._sentence.process_raw(pcm, full_utt=False)
        self._pcm.clear()

    def _close_short(self) -> None:
        self._short.end_utt()
        self._short_open = False

    def _words(self) -> tuple[str, float | None]:
        sentence = _text(self._sentence) if self._sentence_open else ""
        words = [word.partition("(")[0] for word in sentence.split()]
        sounds = pronunciations_of(words, self._models.forms) if words else []
        return believe(self._short_hypothesis, " ".join(words), sounds)


def _text(decoder: Any) -> str:
    hypothesis = decoder.hyp()
    return "" if hypothesis is None else str(hypothesis.hypstr)
