"""Where spoken text may be cut into pieces that are synthesised one by one. Pure."""

from __future__ import annotations

import re

LONGEST_PIECE_CHARS = 280
"""A sentence longer than this is cut at a comma or a space, so that its audio does not come late."""

_END = re.compile(r"""[.!?…]+["'”’)\]]*(?=\s)|\n+""")
_CLAUSE = re.compile(r"[,;:—](?=\s)")
_ABBREVIATIONS = frozenset(
    {"dr.", "mr.", "mrs.", "ms.", "prof.", "st.", "vs.", "etc.", "e.g.", "i.e.", "no.", "approx.", "fig."}
)


def split_sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of `text` in order, without the white space around them."""
    pieces, rest = _take(text + "\n")
    return (*pieces, *((rest.strip(),) if rest.strip() else ()))


class SentenceBuffer:
    """Gathers streamed text and gives each sentence as soon as its end has been seen."""

    def __init__(self) -> None:
        self._rest = ""

    def push(self, delta: str) -> tuple[str, ...]:
        """Take the next piece of text; return the sentences that it completed."""
        pieces, self._rest = _take(self._rest + delta)
        return pieces

    def flush(self) -> tuple[str, ...]:
        """Return what is left at the end of the text."""
        pieces, rest = _take(self._rest + "\n")
        self._rest = ""
        return (*pieces, *((rest.strip(),) if rest.strip() else ()))


def _take(text: str) -> tuple[tuple[str, ...], str]:
    pieces: list[str] = []
    start = 0
    for end in _END.finditer(text):
        sentence = text[start : end.end()].strip()
        if not sentence or _abbreviated(sentence, end.group()):
            continue
        pieces.extend(_short(sentence))
        start = end.end()
    rest = text[start:]
    if len(rest) > LONGEST_PIECE_CHARS:
        *ready, rest = _short(rest.lstrip())
        pieces.extend(ready)
    return tuple(pieces), rest


def _abbreviated(sentence: str, end: str) -> bool:
    last = sentence.rsplit(None, 1)[-1].lower().lstrip("(\"'")
    return end == "." and (
        last in _ABBREVIATIONS or (re.fullmatch(r"[a-z]\.", last) is not None and last != "i.")
    )


def _short(sentence: str) -> list[str]:
    pieces: list[str] = []
    while len(sentence) > LONGEST_PIECE_CHARS:
        head = sentence[:LONGEST_PIECE_CHARS]
        clauses = [m.end() for m in _CLAUSE.finditer(head)]
        cut = clauses[-1] if clauses else head.rfind(" ")
        if cut <= 0 and (cut := sentence.find(" ")) < 0:
            break
        pieces.append(sentence[:cut].strip())
        sentence = sentence[cut:].lstrip()
    pieces.append(sentence)
    return [piece for piece in pieces if piece]
