"""The espeak-ng library by ctypes: text in, samples and marks out. Nothing else.

The library has one global state (voice, rate, callback), so one lock guards every use of it in the
process. A call blocks for the time of the synthesis (a sentence takes some milliseconds) and lets go
of the GIL meanwhile: call it from a thread, never from an event loop.
"""

from __future__ import annotations

import ctypes
import importlib.util
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host_agent.errors import OfflineEngineMissingError, VoiceError
from host_agent.offline.word_spans import Mark

if TYPE_CHECKING:
    from collections.abc import Callable

_SYNCHRONOUS = 2
_BUFFER_MS = 60
_CHARS_UTF8 = 1
_POSITION_CHARACTER = 1
_PARAMETER_RATE, _PARAMETER_VOLUME, _PARAMETER_PITCH = 1, 2, 3
_EVENT_END_OF_LIST, _EVENT_WORD = 0, 1
_OK = 0
_VOLUME = 90

_lock = threading.Lock()
_engine: _Engine | None = None


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True, slots=True)
class Rendering:
    """What the engine made of a text: int16 mono samples, marks in order, whether it was aborted."""

    pcm: bytes
    sample_rate_hz: int
    marks: tuple[Mark, ...]
    aborted: bool


def render(text: str, *, voice: str, rate_wpm: int, pitch: int, aborted: Callable[[], bool]) -> Rendering:
    """Synthesise `text`; `aborted` is asked every 60 ms of audio and ends the work within a few ms.

    Raises:
        OfflineEngineMissingError: espeakng-loader is not installed.
        VoiceError: the library cannot be loaded, does not know the voice, or failed.
    """
    with _lock:
        engine = _load()
        engine.choose(voice, rate_wpm, pitch)
        return engine.synthesise(text, aborted)


def check_voice(voice: str) -> None:
    """Return if the engine knows `voice`.

    Raises:
        OfflineEngineMissingError: espeakng-loader is not installed.
        VoiceError: the library cannot be loaded, or does not know the voice.
    """
    with _lock:
        engine = _load()
        engine.choose(voice, 175, 50)


class _Engine:
    def __init__(self, library: ctypes.CDLL, data: Path) -> None:
        self._library = library
        self._variants = data / "voices" / "!v"
        hz = int(library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, str(data).encode(), 0))
        if hz <= 0:
            raise VoiceError(f"espeak-ng did not start with the data in {data}")
        self._sample_rate_hz = hz
        self._callback = _Callback(self._on_audio)
        library.espeak_SetSynthCallback(self._callback)
        self._reset(lambda: False)

    def _reset(self, aborted: Callable[[], bool]) -> None:
        self._pcm = bytearray()
        self._marks: list[Mark] = []
        self._aborted = False
        self._is_aborted = aborted

    def choose(self, voice: str, rate_wpm: int, pitch: int) -> None:
        _, plus, variant = voice.partition("+")
        # the engine takes any variant without complaint and then speaks with the plain voice
        known = not plus or (variant and "/" not in variant and (self._variants / variant).is_file())
        if not known or self._library.espeak_SetVoiceByName(voice.encode("utf-8", "replace")) != _OK:
            raise VoiceError(f"espeak-ng has no voice {voice!r}; examples: 'en-us', 'en-gb-x-rp', 'en-us+f3'")
        self._library.espeak_SetParameter(_PARAMETER_RATE, rate_wpm, 0)
        self._library.espeak_SetParameter(_PARAMETER_PITCH, pitch, 0)
        self._library.espeak_SetParameter(_PARAMETER_VOLUME, _VOLUME, 0)

    def synthesise(self, text: str, aborted: Callable[[], bool]) -> Rendering:
        self._reset(aborted)
        encoded = text.replace("\0", " ").encode("utf-8", "replace") + b"\0"
        outcome = self._library.espeak_Synth(
            encoded, ctypes.c_size_t(len(encoded)), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        if outcome != _OK:
            raise VoiceError(f"espeak-ng failed with code {outcome}")
        return Rendering(bytes(self._pcm), self._sample_rate_hz, tuple(self._marks), self._aborted)

    def _on_audio(self, samples: Any, count: int, events: Any) -> int:
        # called by C on the thread that holds the lock
        index = 0
        while events[index].type != _EVENT_END_OF_LIST:
            if events[index].type == _EVENT_WORD:
                self._marks.append(Mark(max(0, events[index].text_position - 1), events[index].sample))
            index += 1
        if count > 0:
            self._pcm += ctypes.string_at(samples, 2 * count)
        if self._is_aborted():
            self._aborted = True
            return 1
        return 0


def _load() -> _Engine:
    global _engine
    if _engine is None:
        if importlib.util.find_spec("espeakng_loader") is None:
            raise OfflineEngineMissingError("voice", "espeakng-loader")
        import espeakng_loader

        try:
            library = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise VoiceError(f"espeak-ng's library cannot be loaded ({error})") from error
        _engine = _Engine(library, Path(espeakng_loader.get_data_path()))
    return _engine
