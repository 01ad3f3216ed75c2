"""The recogniser's own process: audio in on standard input, words out on standard output.

Ends when its input ends, so it cannot outlive the process that started it. At most `MOST_STREAMS`
speeches at once; one more is told to have failed. Of each speech at most `LONGEST_WAITING_BYTES` wait
to be decoded; what comes beyond is dropped, so the words of its beginning are kept.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from host_agent.offline.decoding import HZ, STEP_BYTES, Models, SpeechDecoder
from host_agent.offline.wire import Kind, Message, Messages, WireError, words_payload

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_STREAMS = 4
LONGEST_WAITING_BYTES = HZ * 2 * 20
_READ_BYTES = 1 << 16


@dataclass(slots=True)
class _Speech:
    decoder: SpeechDecoder
    waiting: bytearray = field(default_factory=bytearray)
    finished: bool = False
    told: tuple[str, float | None] = ("", None)


class Recognition:
    """Decodes the open speeches in turn, one step each."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._models = Models()
        self._idle = [SpeechDecoder(self._models)]
        self._speeches: dict[int, _Speech] = {}

    @property
    def busy(self) -> bool:
        """Whether there is something to decode."""
        return any(len(each.waiting) >= STEP_BYTES or each.finished for each in self._speeches.values())

    def on_message(self, message: Message) -> None:
        """Do what the other process asks."""
        speech = self._speeches.get(message.stream)
        match message.kind:
            case Kind.OPEN:
                self._open(message.stream)
            case Kind.AUDIO if speech is not None:
                speech.waiting += message.payload[: max(0, LONGEST_WAITING_BYTES - len(speech.waiting))]
            case Kind.FINISH if speech is not None:
                speech.finished = True
            case Kind.CANCEL if speech is not None:
                self._close(message.stream)
            case _:
                pass

    def step(self) -> None:
        """Decode one step of each speech that has one."""
        for stream, speech in list(self._speeches.items()):
            if len(speech.waiting) >= STEP_BYTES or (speech.finished and speech.waiting):
                piece = bytes(speech.waiting[:STEP_BYTES])
                del speech.waiting[:STEP_BYTES]
                words = speech.decoder.take(piece[: len(piece) // 2 * 2])
                if words != speech.told and words[0]:
                    speech.told = words
                    self._tell(stream, words, final=False)
            elif speech.finished:
                self._tell(stream, speech.decoder.finish(), final=True)
                self._close(stream)

    def _open(self, stream: int) -> None:
        if len(self._speeches) >= MOST_STREAMS:
            self._send(Message(Kind.FAILED, stream, b"too many speeches at once"))
            return
        decoder = self._idle.pop() if self._idle else SpeechDecoder(self._models)
        decoder.begin()
        self._speeches[stream] = _Speech(decoder)

    def _close(self, stream: int) -> None:
        decoder = self._speeches.pop(stream).decoder
        decoder.abandon()
        self._idle.append(decoder)

    def _tell(self, stream: int, words: tuple[str, float | None], *, final: bool) -> None:
        text, confidence = words
        self._send(Message(Kind.WORDS, stream, words_payload(text, final=final, confidence=confidence)))


def main() -> None:
    """Serve until standard input ends."""
    for stopping in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stopping, signal.SIG_IGN)
    # what the engine prints must not get between the messages
    out = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(message: Message) -> None:
        data = message.encode()
        while data:
            data = data[os.write(out, data) :]

    source = sys.stdin.fileno()
    recognition = Recognition(send)
    send(Message(Kind.READY))
    messages = Messages()
    while True:
        wait_s = 0 if recognition.busy else None
        if select.select([source], [], [], wait_s)[0]:
            chunk = os.read(source, _READ_BYTES)
            if not chunk:
                return
            for message in messages.feed(chunk):
                recognition.on_message(message)
        else:
            recognition.step()


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, WireError):
        sys.exit(1)
