"""Which holes in an archive's seq are losses. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from streams.sequence import Gap, without
from swarm.archive.ports import SeqGap

if TYPE_CHECKING:
    from collections.abc import Iterable


def without_forgotten(
    holes: Iterable[tuple[str, str, int, int]],
    forgotten: Iterable[tuple[str, str, Any]],
    room: str | None = None,
) -> list[SeqGap]:
    """Return what of `holes` (room, session, seq before, seq after) no WORDS_FORGOTTEN explains.

    `forgotten` has room, session and data of these events; with `room`, other rooms are left out.
    """
    explained: dict[tuple[str, str], set[int]] = {}
    for its_room, session, raw in forgotten:
        data = from_json(raw) if isinstance(raw, str | bytes) else raw
        seqs = [seq for seq in data.get("seqs", ()) if isinstance(seq, int)]
        explained.setdefault((its_room, data.get("session") or session), set()).update(seqs)
    lost: list[SeqGap] = []
    for its_room, session, after_seq, before_seq in holes:
        if room is None or its_room == room:
            gap = Gap(its_room, session, after_seq, before_seq)
            left = without(gap, explained.get((its_room, session), ()))
            lost += [SeqGap(its_room, session, each.after_seq, each.before_seq) for each in left]
    return lost
