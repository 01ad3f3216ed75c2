"""A local server that speaks the Gemini Live wire protocol over TLS, and keeps what it was sent.

It answers a turn-completing content, or an activity window that carried audio, with the next of its
replies: for each word a text delta and its audio, in a burst, then generationComplete; turnComplete comes
when the audio could have been played, as the real service does. activity_start ends an answer at once.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import ipaddress
import json
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from google.adk.models.google_llm import Gemini
    from websockets.asyncio.server import Server, ServerConnection

PATH = "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContent"
KEY = "local-key"
MODEL = "gemini-2.5-flash-native-audio-latest"
HZ = 24_000


@dataclass(slots=True)
class Session:
    """One connection and what came in on it, in order: (what, detail)."""

    got: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    setup: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def signals(self) -> list[str]:
        """What came, consecutive audio as one entry."""
        names: list[str] = []
        for what, _ in self.got:
            if what != "audio" or names[-1:] != ["audio"]:
                names.append(what)
        return names

    def texts(self, what: str = "content") -> list[tuple[str, str]]:
        """(role, text) of the turns in `what` entries: history, content or partial."""
        return [turn for name, detail in self.got if name == what for turn in detail]


class GeminiLiveServer:
    """Serves until left. `speed` is how much faster than it sounds an answer counts as played."""

    def __init__(self, *replies: str, word_ms: float = 200.0, speed: float = 1.0, deaf: bool = False) -> None:
        self.replies = list(replies)
        self.word_ms = word_ms
        self.speed = speed
        self.deaf = deaf
        """Does not react to activity_start."""
        self.sessions: list[Session] = []
        self.changed = asyncio.Event()
        self._connections: list[ServerConnection] = []
        self._server: Server | None = None
        self._folder = tempfile.TemporaryDirectory()
        self._certificate = _certificate(Path(self._folder.name))

    async def __aenter__(self) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate)
        self._server = await serve(self._serve, "127.0.0.1", 0, ssl=context, close_timeout=0.2)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        self._folder.cleanup()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"https://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    @property
    def certificate(self) -> str:
        """File with the certificate, for clients that are to trust this server."""
        return str(self._certificate)

    def model(self, name: str = MODEL, *, key: str = KEY) -> Gemini:
        """Return ADK's Gemini, talking to this server."""
        from google.adk.models.google_llm import Gemini
        from google.genai import types

        context = ssl.create_default_context(cafile=str(self._certificate))
        options = types.HttpOptions(async_client_args={"ssl": context})
        return Gemini(
            model=name,
            base_url=self.url,
            client_kwargs={"api_key": key, "vertexai": False, "http_options": options},
        )

    @property
    def last(self) -> Session:
        return self.sessions[-1]

    async def until(self, true: Any, limit_s: float = 5.0) -> None:
        """Return when `true()` holds; looked at whenever something has come."""
        async with asyncio.timeout(limit_s):
            while not true():
                self.changed.clear()
                await self.changed.wait()

    async def drop_connections(self, code: int = 1011, reason: str = "internal error") -> None:
        """Close what is open, as a failing service does."""
        for connection in self._connections:
            await connection.close(code, reason)

    def freeze(self) -> None:
        """Read nothing more from any connection, as a host does whose cable was pulled."""
        for connection in self._connections:
            connection.transport.pause_reading()

    async def _serve(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        if not request.path.startswith(PATH) or request.headers.get("x-goog-api-key") != KEY:
            await connection.close(1007, "API key not valid. Please pass a valid API key.")
            return
        setup = _plain(json.loads(await connection.recv()))["setup"]
        if not setup["model"].endswith(MODEL) and "gemini-3" not in setup["model"]:
            name = setup["model"]
            await connection.close(1008, f"{name} is not found for API version v1alpha, or is not supported")
            return
        session = Session(setup=setup)
        self.sessions.append(session)
        self._connections.append(connection)
        await connection.send(json.dumps({"setupComplete": {}}))
        with contextlib.suppress(ConnectionClosed):
            async with asyncio.TaskGroup() as tasks:
                talk = _Talk(self, session, connection, tasks)
                async for message in connection:
                    await talk.take(_plain(json.loads(message)))
                    self.changed.set()
                talk.stop()
        self._connections.remove(connection)


class _Talk:
    """The course of one session."""

    def __init__(
        self,
        server: GeminiLiveServer,
        session: Session,
        connection: ServerConnection,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._server = server
        self._session = session
        self._connection = connection
        self._tasks = tasks
        self._answer: asyncio.Task[None] | None = None
        self._heard = 0

    def stop(self) -> None:
        if self._answer is not None:
            self._answer.cancel()

    async def take(self, message: dict[str, Any]) -> None:
        """React to one message of the client, in either casing."""
        if (content := message.get("client_content")) is not None:
            await self._content(content)
        if (sent := message.get("realtime_input")) is None:
            return
        if "activity_start" in sent:
            self._session.got.append(("activity_start", None))
            self._heard = 0
            if not self._server.deaf and self._answer is not None and not self._answer.done():
                self.stop()
                await self._say({"interrupted": True})
                await self._say({"turnComplete": True})
        for chunk in [*sent.get("media_chunks", []), *([sent["audio"]] if "audio" in sent else [])]:
            data = base64.b64decode(chunk["data"])
            self._heard += len(data)
            self._session.got.append(("audio", len(data)))
        if "activity_end" in sent:
            self._session.got.append(("activity_end", None))
            if self._heard:
                await self._say({"inputTranscription": {"text": f"heard {self._heard} bytes"}})
                self._begin()
        if "text" in sent:
            self._session.got.append(("content", [("user", sent["text"])]))
            self._begin()

    async def _content(self, content: dict[str, Any]) -> None:
        turns = [
            (turn.get("role", "user"), "".join(part.get("text", "") for part in turn.get("parts", [])))
            for turn in content.get("turns", [])
        ]
        complete = bool(content.get("turn_complete"))
        seeding = not self._session.got and "history_config" in self._session.setup
        self._session.got.append(("history" if seeding else "content" if complete else "partial", turns))
        if complete:
            self._begin()

    def _begin(self) -> None:
        self.stop()
        self._answer = self._tasks.create_task(self._reply())

    async def _reply(self) -> None:
        server = self._server
        words = (server.replies.pop(0) if server.replies else "nothing more.").split()
        pcm = bytes(int(HZ * server.word_ms / 1000) * 2)
        audio = {"mimeType": f"audio/pcm;rate={HZ}", "data": base64.b64encode(pcm).decode()}
        for word in words:
            await self._say({"outputTranscription": {"text": f"{word} "}})
            await self._say({"modelTurn": {"role": "model", "parts": [{"inlineData": audio}]}})
        await self._say({"generationComplete": True})
        await asyncio.sleep(len(words) * server.word_ms / 1000 / server.speed)
        await self._say({"turnComplete": True})

    async def _say(self, content: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._connection.send(json.dumps({"serverContent": content}))


def _plain(value: Any) -> Any:
    """Return JSON with snake-case keys: the client mixes both."""
    if isinstance(value, dict):
        return {
            "".join(f"_{c.lower()}" if c.isupper() else c for c in key): _plain(item)
            for key, item in value.items()
        }
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "local.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
