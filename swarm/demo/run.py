"""`swarm demo`: sets the stage, runs the story, writes down what was found."""

from __future__ import annotations

import asyncio
import errno
import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live

from adapters.errors import UnsupportedAudioError
from adapters.wav import read_wav, write_wav
from streams import keys
from streams.relay import Relay
from swarm import agents, settings, tail_lines
from swarm.demo import picture, report, scenario, summary
from swarm.demo.live import LiveView
from swarm.demo.person import Microphone
from swarm.demo.scenario import EXPERT, HOST, PERSON, Happenings, Voices
from swarm.demo.stage import open_stage
from swarm.errors import SettingError
from swarm.metrics import serve
from swarm.redis_connection import open_redis
from swarm.room_errors import as_setting_errors
from swarm.session import SwarmSession
from swarm.steady import collector_spares_what_is_loaded
from swarm.trace_export import exporting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


PEOPLE = frozenset((PERSON,))
AGENTS = frozenset((HOST, EXPERT))
MIC_HZ = 16_000
MIC_MINUTES = 10.0
RECORDING, PICTURE, RECORD = "recording.wav", "timeline.png", "events.jsonl"
RECORDINGS = Path(__file__).parent / "recordings"
REFRESH_S = 0.1


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line was given."""

    mic: Path | None = None
    out: Path = Path("swarm-demo")
    model: str = settings.OFFLINE_MODEL
    live: bool = True
    metrics_port: int | None = None


async def demo(options: Options) -> dict[str, Any]:
    """Run the demo and return its document (see `swarm demo --json`).

    Raises:
        SettingError: the microphone's file, the Redis, the room, the model or the folder cannot be used.
    """
    environment = settings.from_environment()
    settings.check_model(options.model)
    mic = None if options.mic is None else recorded(options.mic)
    out = writable(options.out)
    console = Console(stderr=not options.live)
    room = f"demo-{secrets.token_hex(3)}"
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(open_redis(environment.redis_url))
        with as_setting_errors():
            stage = await stack.enter_async_context(open_stage(environment.livekit, room))
        await stack.enter_async_context(Relay(server.redis))
        await stack.enter_async_context(exporting("swarm-demo"))
        metrics = await stack.enter_async_context(serve(options.metrics_port))
        happenings = Happenings()
        recogniser = await stack.enter_async_context(agents.offline_recogniser())
        view = LiveView((HOST, EXPERT), (PERSON,))

        def on_event(entry: Any) -> None:
            happenings.feed(entry)
            view.feed(entry)
            if metrics is not None:
                metrics.feed(entry)

        session = SwarmSession(
            server.redis,
            room,
            agents=[
                agents.spec(HOST, role="host", model=options.model),
                agents.spec(EXPERT, role="expert", model=options.model),
            ],
            connect=stage.connect if metrics is None else metrics.counting(stage.connect),
            recogniser=recogniser,
            on_event=on_event,
        )
        if metrics is not None:
            metrics.follow(session)
        with as_setting_errors():
            await stack.enter_async_context(session)
        stack.enter_context(collector_spares_what_is_loaded())
        microphone = Microphone(await stage.person_sink(MIC_HZ))
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(microphone.run())]
            if options.live:
                background.append(tasks.create_task(show(view, session, console)))
            if mic is None:
                voices = Voices(recorded(RECORDINGS / "backchannel.wav"), recorded(RECORDINGS / "cut_in.wav"))
                await scenario.story(session, happenings, microphone, voices)
            else:
                await scenario.accompany(session, happenings, microphone, mic)
            for task in background:
                task.cancel()
        await session.outbox.flush(1.0)
        events = await session.stream.read()
        recording = stage.recording(session.stream.server_clock)
    found = report.build(events, recording, agents=AGENTS, people=PEOPLE)
    document = report.document(
        found,
        mic=mic is not None,
        redis={"kind": server.kind, "version": server.version},
        room={"kind": stage.kind, "name": room},
        stream={"key": keys.stream(room)},
        recording=str(out / RECORDING),
        picture=str(out / PICTURE),
        record=str(out / RECORD),
    )
    write_wav(
        out / RECORDING,
        [recording.samples[who] for who in sorted(recording.samples)],
        recording.rate_hz,
    )
    (out / RECORD).write_text("".join(f"{line}\n" for line in map(tail_lines.document, events)))
    picture.draw(found, recording, PEOPLE, out / PICTURE)
    if options.live:
        console.print(summary.render(found, document))
    return document


def recorded(path: Path) -> NDArray[np.int16]:
    """Return a recording as int16 mono at MIC_HZ.

    Raises:
        SettingError: the file cannot be used; names `--mic` and the cure.
    """
    try:
        return read_wav(path, max_minutes=MIC_MINUTES).mono(MIC_HZ)
    except UnsupportedAudioError as error:
        raise SettingError(
            "--mic",
            error.reason,
            f"Use a WAV file of 8 to 48 kHz, mono or stereo, up to {MIC_MINUTES:.0f} minutes",
        ) from error


def writable(folder: Path) -> Path:
    """Return `folder`, made if need be.

    Raises:
        SettingError: it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
        for name in (RECORDING, PICTURE, RECORD):
            if (folder / name).is_dir():
                raise IsADirectoryError(errno.EISDIR, "a folder is in the way", str(folder / name))
    except OSError as error:
        raise SettingError(
            "--out",
            f"{error.filename or str(folder)!r} cannot be written ({error.strerror})",
            "Name another folder",
        ) from error
    return folder


async def show(view: LiveView, session: SwarmSession, console: Console) -> None:
    """Keep the screen up to date until cancelled."""
    with Live(
        view, console=console, refresh_per_second=1 / REFRESH_S, transient=not console.is_terminal
    ) as live:
        while True:
            await asyncio.sleep(REFRESH_S)
            for name, runtime in session.agents.items():
                heard, generated = runtime.host.saying
                if generated:
                    view.saying(name, heard, generated)
            live.update(view)
