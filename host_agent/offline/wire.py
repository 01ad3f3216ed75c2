"""The messages between a process and its recogniser process. Pure: bytes to messages and back.

    to the recogniser     OPEN id | AUDIO id pcm | FINISH id | CANCEL id
    from the recogniser   READY | WORDS id final confidence text | FAILED id reason

A message is kind (1 byte), stream id (4), length (4), payload; little-endian.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum

_HEAD = struct.Struct("<BII")
_WORDS = struct.Struct("<Bf")
LARGEST_PAYLOAD_BYTES = 1 << 22


class Kind(IntEnum):
    """What a message says."""

    OPEN = 1
    AUDIO = 2
    FINISH = 3
    CANCEL = 4
    READY = 5
    WORDS = 6
    FAILED = 7


_KINDS = frozenset(kind.value for kind in Kind)


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `payload` as its kind has it."""

    kind: Kind
    stream: int = 0
    payload: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        return _HEAD.pack(self.kind, self.stream, len(self.payload)) + self.payload


class WireError(ValueError):
    """Bytes that are no message."""


class Messages:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[Message]:
        """Take the next bytes; return the messages that they complete.

        Raises:
            WireError: the bytes are no message; the stream cannot be read on.
        """
        self._buffer += chunk
        complete: list[Message] = []
        at = 0
        while len(self._buffer) - at >= _HEAD.size:
            kind, stream, length = _HEAD.unpack_from(self._buffer, at)
            if kind not in _KINDS or length > LARGEST_PAYLOAD_BYTES:
                raise WireError(f"kind {kind}, length {length}")
            end = at + _HEAD.size + length
            if len(self._buffer) < end:
                break
            complete.append(Message(Kind(kind), stream, bytes(self._buffer[at + _HEAD.size : end])))
            at = end
        del self._buffer[:at]
        return complete


def words_payload(text: str, *, final: bool, confidence: float | None) -> bytes:
    """Return the payload of WORDS."""
    return _WORDS.pack(final, math.nan if confidence is None else confidence) + text.encode()


def read_words(payload: bytes) -> tuple[str, bool, float | None]:
    """Return (text, final, confidence) of WORDS."""
    final, confidence = _WORDS.unpack_from(payload)
    text = payload[_WORDS.size :].decode("utf-8", "replace")
    return text, bool(final), None if math.isnan(confidence) else round(confidence, 3)
