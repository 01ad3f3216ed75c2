"""A LiveKit room, over WebRTC, behind the same Protocol as the one in memory."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Literal

from adapters.errors import NotConnectedError, RoomUnavailableError
from adapters.livekit_access import Access, check_reachable, quiet_connect
from adapters.livekit_exit import let_calls_end
from adapters.livekit_sink import LiveKitSink
from adapters.ports import EARS_HZ, FRAME_MS, AudioFrame
from adapters.track_format import TrackFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from livekit import rtc

    from adapters.ports import RoomListener

_log = logging.getLogger(__name__)

REACH_LIMIT_S = 5.0
CONNECT_LIMIT_S = 10.0
PUBLISH_LIMIT_S = 10.0
CLOSE_LIMIT_S = 1.0
WAITING_FRAMES = 100
"""Frames of one person that may wait for the event loop; the oldest are dropped (1 s)."""


class LiveKitRoom:
    """One participant's connection to a LiveKit room; usable as an async context manager.

    Given a token, or key, secret, identity and room to make one. Others' audio arrives as mono frames
    of FRAME_MS at `audio_hz`. Of somebody with several audio tracks the newest is heard. A connection
    that is lost and found again goes on by itself; meanwhile everybody counts as muted. A participant
    of whatever kind that publishes nothing is announced to the others about 3 s late.

    Raises:
        RoomUnavailableError: the address is none, or a setting is missing.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        api_key: str = "",
        api_secret: str = "",
        identity: str = "",
        room: str = "",
        kind: Literal["standard", "agent"] = "standard",
        audio_hz: int = EARS_HZ,
    ) -> None:
        self._access = Access(url, room, identity, token, api_key, api_secret, kind)
        self._audio_hz = TrackFormat(audio_hz).sample_rate_hz
        self._identity = identity
        self._name = room
        self._listeners: list[RoomListener] = []
        self._room: rtc.Room | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._stack = AsyncExitStack()
        self._heard: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._muted: set[str] = set()
        self._sinks: list[LiveKitSink] = []

    @property
    def identity(self) -> str:
        """Who we are; with a token known from `connect` on."""
        return self._identity

    @property
    def name(self) -> str:
        """The room's name; with a token known from `connect` on."""
        return self._name

    @property
    def dropped_frames(self) -> int:
        """Frames of our tracks that the engine took no more."""
        return sum(sink.discarded_frames for sink in self._sinks)

    def add_listener(self, listener: RoomListener) -> None:
        """Tell `listener` from now on, first of all who is already there."""
        self._listeners.append(listener)
        if self._room is not None:
            for identity in self._room.remote_participants:
                listener.on_joined(identity)

    def remove_listener(self, listener: RoomListener) -> None:
        """Tell it no more; no harm if it never listened."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def connect(self) -> None:
        """Join, within REACH_LIMIT_S + CONNECT_LIMIT_S.

        Raises:
            RoomUnavailableError: not reachable, or the address, key, secret or token is refused.
        """
        if self._room is not None:
            return
        await check_reachable(self._access, limit_s=REACH_LIMIT_S)
        from livekit import rtc

        let_calls_end()
        token = self._access.make_token()
        async with AsyncExitStack() as stack:
            self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            room = rtc.Room()
            stack.push_async_callback(self._leave, room)
            self._subscribe(room)
            refusal = await self._refusal(room, token)
            if refusal is None:
                self._stack = stack.pop_all()
        if refusal is not None:
            raise refusal  # without its cause, whose text quotes the token
        self._room = room
        self._identity = room.local_participant.identity
        self._name = room.name
        for identity in tuple(room.remote_participants):
            self._tell(lambda listener, identity=identity: listener.on_joined(identity))

    async def publish_audio(self, sample_rate_hz: int, *, channels: int = 1) -> LiveKitSink:
        """A new outgoing track, without a queue between the push and the encoder.

        Raises:
            NotConnectedError: before `connect` or after the connection has ended.
            UnsupportedAudioError: a format that is not taken.
            RoomUnavailableError: the server did not take the track within PUBLISH_LIMIT_S.
        """
        track_format = TrackFormat(sample_rate_hz, channels)
        if self._room is None or self._tasks is None:
            raise NotConnectedError(self._name, self._identity)
        from livekit import rtc

        source = rtc.AudioSource(sample_rate_hz, channels, queue_size_ms=0)
        track = rtc.LocalAudioTrack.create_audio_track("voice", source)
        sink = LiveKitSink(source, track, track_format, self._tasks)
        self._sinks.append(sink)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        try:
            async with asyncio.timeout(PUBLISH_LIMIT_S):
                await self._room.local_participant.publish_track(track, options)
        except TimeoutError as error:
            await sink.aclose()
            raise self._access.unreachable("does not take an audio track") from error
        return sink

    async def aclose(self) -> None:
        """Leave, within about CLOSE_LIMIT_S. Harmless when not there."""
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _refusal(self, room: rtc.Room, token: str) -> RoomUnavailableError | None:
        """Connect; say why it failed. Not raised here: a task group would wrap it."""
        from livekit import rtc

        options = rtc.RoomOptions(connect_timeout=CONNECT_LIMIT_S / 2)
        with quiet_connect() as connecting:
            try:
                async with asyncio.timeout(CONNECT_LIMIT_S):
                    await room.connect(self._access.url, token, options)
            except TimeoutError:
                connecting.failed()
                return self._access.unreachable(f"does not let us in within {CONNECT_LIMIT_S:.0f} s")
            except rtc.ConnectError as error:
                connecting.failed()
                return self._access.refusal(str(error))
        return None

    async def _leave(self, room: rtc.Room) -> None:
        was_in, self._room = self._room is not None, None
        self._tasks = None  # tracks that still come while we leave are not heard: nobody would end that
        for sink in self._sinks:
            await sink.aclose()
        self._sinks.clear()
        for identity in tuple(self._heard):
            self._stop_hearing(identity)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await room.disconnect()
        if was_in:
            self._tell(lambda listener: listener.on_closed("left"))

    def _subscribe(self, room: rtc.Room) -> None:
        handlers: Mapping[Any, Callable[..., None]] = {
            "participant_connected": self._on_connected,
            "participant_disconnected": self._on_disconnected,
            "track_subscribed": self._on_subscribed,
            "track_unsubscribed": self._on_unsubscribed,
            "track_muted": self._on_muted,
            "track_unmuted": self._on_unmuted,
            "reconnecting": self._on_reconnecting,
            "disconnected": self._on_closed,
        }
        for event, handler in handlers.items():
            room.on(event, handler)  # pyright: ignore[reportUnknownMemberType]  # bare Callable in livekit

    def _on_connected(self, participant: rtc.RemoteParticipant) -> None:
        self._tell(lambda listener: listener.on_joined(participant.identity))

    def _on_disconnected(self, participant: rtc.RemoteParticipant) -> None:
        self._stop_hearing(participant.identity)
        self._tell(lambda listener: listener.on_left(participant.identity))

    def _on_subscribed(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        from livekit import rtc

        if track.kind != rtc.TrackKind.KIND_AUDIO or self._tasks is None:
            return
        self._stop_hearing(participant.identity)
        if publication.muted:
            self._muted.add(publication.sid)
        task = self._tasks.create_task(self._hear(track, publication.sid, participant.identity))
        self._heard[participant.identity] = (publication.sid, task)

    def _on_unsubscribed(
        self, track: Any, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        self._muted.discard(publication.sid)
        if self._heard.get(participant.identity, ("",))[0] == publication.sid:
            self._stop_hearing(participant.identity)
            self._tell(lambda listener: listener.on_muted(participant.identity))

    def _on_muted(self, participant: rtc.Participant, publication: rtc.TrackPublication) -> None:
        if self._heard.get(participant.identity, ("",))[0] == publication.sid:
            self._muted.add(publication.sid)
            self._tell(lambda listener: listener.on_muted(participant.identity))

    def _on_unmuted(self, participant: rtc.Participant, publication: rtc.TrackPublication) -> None:
        self._muted.discard(publication.sid)

    def _on_reconnecting(self) -> None:
        for identity in tuple(self._heard):
            self._tell(lambda listener, identity=identity: listener.on_muted(identity))

    def _on_closed(self, reason: Any = None) -> None:
        if self._room is not None:
            self._room = None
            text = _reason_text(reason)
            self._tell(lambda listener: listener.on_closed(text))

    async def _hear(self, track: Any, sid: str, identity: str) -> None:
        from livekit import rtc

        stream = rtc.AudioStream(
            track,
            sample_rate=self._audio_hz,
            num_channels=1,
            frame_size_ms=FRAME_MS,
            capacity=WAITING_FRAMES,
        )
        try:
            async for event in stream:
                if sid not in self._muted:
                    frame = AudioFrame(bytes(event.frame.data), self._audio_hz)
                    self._tell(lambda listener, frame=frame: listener.on_audio(identity, frame))
        except Exception:  # one person's track must not end everybody's
            _log.exception("track_failed")
            self._tell(lambda listener: listener.on_muted(identity))
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_LIMIT_S):
                    await stream.aclose()

    def _stop_hearing(self, identity: str) -> None:
        sid, task = self._heard.pop(identity, ("", None))
        self._muted.discard(sid)
        if task is not None:
            task.cancel()

    def _tell(self, call: Callable[[RoomListener], None]) -> None:
        for listener in tuple(self._listeners):
            try:
                call(listener)
            except Exception:
                _log.exception("room_listener_failed")


def _reason_text(reason: Any) -> str:
    from livekit import rtc

    try:
        return rtc.DisconnectReason.Name(reason).lower().replace("_", " ")
    except (TypeError, ValueError):
        return "disconnected"
