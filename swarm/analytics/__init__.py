"""How a room talks: floor time, turns, gaps, interruptions, waits. docs/analytics.md defines each figure.

`LiveTally` counts event by event; `swarm.analytics.archived.tally_of` counts an archive by SQL (needs the
extra `archive`). Both give a `Tally`, and the same one for the same events.
"""

from swarm.analytics.live import LiveTally
from swarm.analytics.tally import Histogram, Pair, Tally

__all__ = ("Histogram", "LiveTally", "Pair", "Tally")
