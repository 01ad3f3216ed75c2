"""ADK sessions that are written at once in memory and, where there is a store, to that soon after.

ADK waits for the session service before it passes an event on, also `interrupted`; a store whose writes grow
with the history would stand between a person and the silence that the model owes. Here the open session lives
in memory; one writer follows, in order. What is not yet in the store when the process dies is lost to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any

from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.sessions.base_session_service import BaseSessionService, ListSessionsResponse
from google.adk.sessions.in_memory_session_service import InMemorySessionService
from google.adk.sessions.session import Session
from google.adk.sessions.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.adk.events.event import Event
    from google.adk.sessions.base_session_service import GetSessionConfig

_log = logging.getLogger(__name__)
_BACKLOG = 1024
_Key = tuple[str, str, str]


class LiveSessions(BaseSessionService):
    """Keeps open sessions in memory: an append costs the same however long the history is.

    With a `store` (say ADK's RedisSessionService) sessions are loaded from it and `run` writes to it, at most
    1,024 events behind; what does not fit is not stored and told to `on_lost`, as is what the store refuses.
    A store's sessions must have one writer. State of an app or a user is shared between the sessions here.
    """

    def __init__(
        self, store: BaseSessionService | None = None, *, on_lost: Callable[[str], None] | None = None
    ) -> None:
        self._store = store
        self._on_lost = on_lost
        self._sessions: dict[_Key, Session] = {}
        self._stored: dict[_Key, Session] = {}
        self._shared: dict[tuple[str, str], dict[str, Any]] = {}
        self._backlog: deque[tuple[_Key, Event]] = deque()
        self._waiting = asyncio.Event()
        self._writing = asyncio.Lock()

    async def create_session(
        self,
        *,
        app_name: str,
        user_id: str,
        state: dict[str, Any] | None = None,
        session_id: str | None = None,
    ) -> Session:
        """Make a session, also in the store.

        Raises:
            AlreadyExistsError: there is one of that id.
        """
        if session_id and (app_name, user_id, session_id) in self._sessions:
            raise AlreadyExistsError(f"Session with id {session_id} already exists.")
        if self._store is not None:
            stored = await self._store.create_session(
                app_name=app_name, user_id=user_id, state=state, session_id=session_id
            )
            session = self._adopt(stored)
        else:
            session = Session(
                id=session_id or uuid.uuid4().hex, app_name=app_name, user_id=user_id, state=dict(state or {})
            )
            self._share(session, session.state)
            self._sessions[_key(session)] = session
        return self._copy(session)

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        """Return a copy of a session, from memory or else from the store; events are shared, not copied."""
        session = self._sessions.get((app_name, user_id, session_id))
        if session is None and self._store is not None:
            stored = await self._store.get_session(app_name=app_name, user_id=user_id, session_id=session_id)
            session = self._adopt(stored) if stored is not None else None
        if session is None:
            return None
        copy = self._copy(session)
        if config is not None and config.after_timestamp is not None:
            copy.events = [event for event in copy.events if event.timestamp >= config.after_timestamp]
        if config is not None and config.num_recent_events is not None:
            copy.events = copy.events[-config.num_recent_events :] if config.num_recent_events else []
        return copy

    async def list_sessions(self, *, app_name: str, user_id: str | None = None) -> ListSessionsResponse:
        """Return the sessions without their events, oldest first."""
        if self._store is not None:
            await self.drain()
            return await self._store.list_sessions(app_name=app_name, user_id=user_id)
        found = [
            self._copy(session).model_copy(update={"events": []})
            for (app, user, _), session in self._sessions.items()
            if app == app_name and user_id in (None, user)
        ]
        return ListSessionsResponse(sessions=sorted(found, key=lambda session: session.last_update_time))

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        """Forget a session, also in the store."""
        key = (app_name, user_id, session_id)
        self._sessions.pop(key, None)
        self._stored.pop(key, None)
        if self._store is not None:
            await self._store.delete_session(app_name=app_name, user_id=user_id, session_id=session_id)

    async def append_event(self, session: Session, event: Event) -> Event:
        """Append to the session in memory; the store follows.

        Raises:
            SessionNotFoundError: there is no such session.
        """
        if event.partial:
            return event
        if (kept := self._sessions.get(_key(session))) is None:
            raise SessionNotFoundError(f"Session {session.id} not found.")
        event = await super().append_event(session, event)
        session.last_update_time = event.timestamp
        if kept is not session:
            kept.events.append(event)
            kept.last_update_time = event.timestamp
        if event.actions.state_delta:
            kept.state.update(event.actions.state_delta)
            self._share(kept, event.actions.state_delta)
        if self._store is not None:
            if len(self._backlog) >= _BACKLOG:
                self._lost("the store is more than 1,024 events behind")
            else:
                self._backlog.append((_key(session), event))
                self._waiting.set()
        return event

    async def run(self) -> None:
        """Write to the store until cancelled."""
        while True:
            self._waiting.clear()
            await self.drain()
            await self._waiting.wait()

    async def drain(self) -> None:
        """Write what the store does not have yet. Set a limit: the store may be away."""
        async with self._writing:
            while self._backlog:
                key, event = self._backlog[0]
                await self._write(key, event)
                self._backlog.popleft()

    async def finish(self, limit_s: float) -> None:
        """Write what the store does not have yet, or give up after `limit_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self.drain()

    async def _write(self, key: _Key, event: Event) -> None:
        if self._store is None:
            return
        stored = self._stored.pop(key, None)
        try:
            if stored is None:
                app_name, user_id, session_id = key
                stored = await self._store.get_session(
                    app_name=app_name, user_id=user_id, session_id=session_id
                )
            # A write that was cancelled may have arrived: then the event is there already.
            if stored is not None and all(known.id != event.id for known in stored.events[-2:]):
                await self._store.append_event(stored, event.model_copy(deep=True))
            if stored is not None:
                self._stored[key] = stored
        except Exception as error:  # whatever a store fails with: the open session does not depend on it
            self._lost(f"{type(error).__name__}: {error}")

    def _lost(self, why: str) -> None:
        _log.warning("host.session_event_not_stored", extra={"why": why})
        if self._on_lost is not None:
            self._on_lost(why)

    def _adopt(self, stored: Session) -> Session:
        self._stored[_key(stored)] = stored
        session = stored.model_copy(update={"events": list(stored.events), "state": dict(stored.state)})
        self._share(session, session.state)
        self._sessions[_key(session)] = session
        return session

    def _copy(self, session: Session) -> Session:
        state = {key: value for key, value in session.state.items() if not key.startswith(State.TEMP_PREFIX)}
        state |= self._shared.get((session.app_name, ""), {}) | self._shared.get(
            (session.app_name, session.user_id), {}
        )
        return session.model_copy(update={"events": list(session.events), "state": state})

    def _share(self, session: Session, delta: dict[str, Any]) -> None:
        for prefix, whose in ((State.APP_PREFIX, ""), (State.USER_PREFIX, session.user_id)):
            shared = {key: value for key, value in delta.items() if key.startswith(prefix)}
            if shared:
                self._shared.setdefault((session.app_name, whose), {}).update(shared)


def _key(session: Session) -> _Key:
    return session.app_name, session.user_id, session.id


def in_front_of(service: BaseSessionService | None, on_lost: Callable[[str], None]) -> LiveSessions | None:
    """Return memory in front of a service that stores; None where the service is memory itself."""
    if service is None or isinstance(service, (LiveSessions, InMemorySessionService)):
        return None
    return LiveSessions(service, on_lost=on_lost)
