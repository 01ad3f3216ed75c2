"""The bundled streaming recogniser, seen from the process that listens: streams in, words by callback.

pocketsphinx holds the GIL while it decodes, so it runs in a process of its own. It is weak: of general
speech about one word in four is wrong. Short words are reported as sure only where two searches agree.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import sys
import time
from typing import TYPE_CHECKING, Self

from host_agent.errors import OfflineEngineMissingError, RecogniserError
from host_agent.offline.wire import Kind, Message, Messages, WireError, read_words
from streams.vocabulary import WordsHeard

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_log = logging.getLogger(__name__)

MOST_UNSENT_BYTES = 16_000 * 2 * 10
"""Audio waiting for the recogniser's process; what comes beyond is dropped, the oldest is kept."""
FINAL_LIMIT_S = 2.0
"""A speech whose final words do not come so long after its end has failed."""
SHORTEST_LIFE_S = 5.0
"""A process that dies younger than this is not started again."""
STOP_LIMIT_S = 0.5
_READ_BYTES = 1 << 16


class OfflineStream:
    """Recognition of one speech. Made by `OfflineRecogniser.open`."""

    def __init__(
        self,
        owner: OfflineRecogniser,
        number: int,
        speech_id: str,
        person: str,
        on_words: Callable[[WordsHeard], None],
    ) -> None:
        self._owner = owner
        self._number = number
        self._speech_id = speech_id
        self._person = person
        self._on_words = on_words
        self._limit: asyncio.TimerHandle | None = None
        self._closed = False
        self.dropped_bytes = 0
        """Audio that was not taken because the recogniser's process lags behind."""

    def push(self, pcm: bytes) -> None:
        """Take int16 mono at 16 kHz, any length. Never blocks."""
        if not self._closed and not self._owner.send(Message(Kind.AUDIO, self._number, pcm)):
            if not self.dropped_bytes:
                _log.warning("recogniser_lags", extra={"speech_id": self._speech_id})
            self.dropped_bytes += len(pcm)

    def finish(self) -> None:
        """No more audio; the final words follow by callback, failed ones after FINAL_LIMIT_S."""
        if self._closed or self._limit is not None:
            return
        self._owner.send(Message(Kind.FINISH, self._number), always=True)
        self._limit = asyncio.get_running_loop().call_later(FINAL_LIMIT_S, self.fail)

    def cancel(self) -> None:
        """Want no more words; none come."""
        if not self._closed:
            self._close()
            self._owner.send(Message(Kind.CANCEL, self._number), always=True)

    def tell(self, text: str, *, final: bool, confidence: float | None) -> None:
        """Pass on what the process has heard."""
        if self._closed:
            return
        if final:
            self._close()
        self._on_words(WordsHeard(self._speech_id, self._person, text, final, confidence))

    def fail(self) -> None:
        """Give up on this speech."""
        if not self._closed:
            self._close()
            self._owner.send(Message(Kind.CANCEL, self._number), always=True)
            self._on_words(WordsHeard(self._speech_id, self._person, "", final=True, failed=True))

    def _close(self) -> None:
        self._closed = True
        if self._limit is not None:
            self._limit.cancel()
        self._owner.forget(self._number)


class OfflineRecogniser:
    """pocketsphinx in a process that lives while the `async with` lasts.

    Several speeches at once. A process that dies takes its open speeches with it (they are told to have
    failed) and is started again, unless it died within SHORTEST_LIFE_S of its start.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tasks = asyncio.TaskGroup()
        self._process: asyncio.subprocess.Process | None = None
        self._streams: dict[int, OfflineStream] = {}
        self._last_number = 0
        self._ready = asyncio.Event()
        self._gone = False

    async def __aenter__(self) -> Self:
        """Start the process, without waiting until it has loaded its models.

        Raises:
            OfflineEngineMissingError: the extra `offline` is not installed.
            RecogniserError: the process cannot be started.
        """
        if importlib.util.find_spec("pocketsphinx") is None:
            raise OfflineEngineMissingError("recogniser", "pocketsphinx")
        process = await self._start()
        await self._tasks.__aenter__()
        self._serving = self._tasks.create_task(self._serve(process))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process; open speeches are told to have failed."""
        process = self._process
        self._serving.cancel()
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:
            # the task may have been cancelled before it ever ran
            self._gone = True
            self._lost()
            if process is not None:
                await _end(process)

    @property
    def process_id(self) -> int | None:
        """The recogniser's process, while there is one."""
        return None if self._process is None else self._process.pid

    async def ready(self, limit_s: float = 10.0) -> None:
        """Return when the models are loaded.

        Raises:
            RecogniserError: it takes longer than `limit_s`, or the process is gone.
        """
        try:
            async with asyncio.timeout(limit_s):
                await self._ready.wait()
        except TimeoutError as late:
            raise RecogniserError(f"not ready within {limit_s:g} s") from late
        if self._gone:
            raise RecogniserError("its process ended at once, twice")

    def open(self, speech_id: str, person: str, on_words: Callable[[WordsHeard], None]) -> OfflineStream:
        """Begin to recognise a speech; `on_words` is called on the event loop, never before this returns."""
        self._last_number = self._last_number % 0xFFFF_FFFF + 1
        stream = OfflineStream(self, self._last_number, speech_id, person, on_words)
        self._streams[self._last_number] = stream
        if not self.send(Message(Kind.OPEN, self._last_number), always=True):
            asyncio.get_running_loop().call_soon(stream.fail)
        return stream

    def send(self, message: Message, *, always: bool = False) -> bool:
        """Hand a message to the process; False where there is none, or too much waits and not `always`."""
        pipe = None if self._process is None else self._process.stdin
        if pipe is None or pipe.is_closing():
            return False
        if not always and pipe.transport.get_write_buffer_size() > MOST_UNSENT_BYTES:
            return False
        pipe.write(message.encode())
        return True

    def forget(self, number: int) -> None:
        """Know no more of a stream."""
        self._streams.pop(number, None)

    async def _start(self) -> asyncio.subprocess.Process:
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "host_agent.offline.recogniser_process",
                stdin=pipe,
                stdout=pipe,
                stderr=nothing,
                start_new_session=True,  # Ctrl-C in the terminal is for its parent, which ends it
            )
        except OSError as error:
            raise RecogniserError(f"its process cannot be started ({error})") from error
        self._process = process
        return process

    async def _serve(self, process: asyncio.subprocess.Process) -> None:
        try:
            while True:
                started_s = self._clock()
                await self._listen(process)
                self._lost()
                lived_s = self._clock() - started_s
                _log.error("recogniser_died", extra={"lived_s": round(lived_s, 1)})
                await _end(process)
                if lived_s < SHORTEST_LIFE_S:
                    return
                self._ready.clear()
                process = await self._start()
        except RecogniserError:
            _log.exception("recogniser_not_restarted")
        finally:
            self._gone = True
            self._lost()
            self._ready.set()
            await _end(process)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Pass on what the process says, until it ends or talks nonsense."""
        messages = Messages()
        out = process.stdout
        while out is not None and (chunk := await out.read(_READ_BYTES)):
            try:
                for message in messages.feed(chunk):
                    self._on_message(message)
            except WireError:
                _log.exception("recogniser_nonsense")
                return

    def _on_message(self, message: Message) -> None:
        stream = self._streams.get(message.stream)
        match message.kind:
            case Kind.READY:
                self._ready.set()
            case Kind.WORDS if stream is not None:
                text, final, confidence = read_words(message.payload)
                stream.tell(text, final=final, confidence=confidence)
            case Kind.FAILED if stream is not None:
                stream.fail()
            case _:
                pass

    def _lost(self) -> None:
        self._process = None
        for stream in tuple(self._streams.values()):
            stream.fail()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process and wait for it, bounded; cancelling does not leave it behind."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_LIMIT_S):
            await process.wait()
