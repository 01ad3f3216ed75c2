"""The bins that durations are counted in, the same on the live stream and in SQL. Pure.

A duration is cut to whole milliseconds. Up to 63 ms each has a bin of its own; from there each doubling is
split into 32 bins, so that a bin is at most 1/32 (3.1 %) of its values wide. Longer than 70 minutes counts
as 70 minutes. A percentile is the upper end of the bin that it falls into: never too low, at most 3.1 % too
high.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_MS = (1 << 22) - 1
"""What is longer is counted as this long."""
MOST_MS = 1_000_000_000_000
"""What is longer is summed up as this long."""
_SINGLE_BITS = 6
_SINGLE = 1 << _SINGLE_BITS
_SPLIT = _SINGLE // 2


def whole_ms(value: float | None) -> int:
    """Return a duration in whole milliseconds, cut off; 0 where it is missing, negative or no number."""
    if value is None or not math.isfinite(value):
        return 0
    return math.floor(min(max(value, 0.0), MOST_MS))


def bin_of(value_ms: int) -> int:
    """Return the number of the bin that a duration in whole milliseconds falls into."""
    value_ms = min(max(value_ms, 0), LONGEST_MS)
    if value_ms < _SINGLE:
        return value_ms
    octave = value_ms.bit_length() - 1
    return _SINGLE + (octave - _SINGLE_BITS) * _SPLIT + (value_ms >> (octave - 5)) - _SPLIT


def bounds_ms(number: int) -> tuple[int, int]:
    """Return the shortest and the longest duration of a bin, both in it."""
    if number < _SINGLE:
        return number, number
    octave, part = divmod(number - _SINGLE, _SPLIT)
    low = (part + _SPLIT) << (octave + 1)
    return low, low + (1 << (octave + 1)) - 1


def percentile_ms(bins: Mapping[int, int], share: float) -> int | None:
    """Return the least bin end that at least `share` (0 to 1) of the durations do not exceed.

    None where there are none.
    """
    count = sum(bins.values())
    need = max(1, math.ceil(share * count))
    for number in sorted(bins):
        need -= bins[number]
        if need <= 0:
            return bounds_ms(number)[1]
    return None


def whole_ms_sql(value: str) -> str:
    """Return `whole_ms` of a column as an expression of SQL."""
    finite = f"abs({value}) <= 1.7976931348623157e308"  # what is no number is greater than all numbers
    whole = f"CAST(floor(least(greatest({value}, 0.0), {MOST_MS}.0)) AS BIGINT)"
    return f"(CASE WHEN {finite} THEN {whole} ELSE 0 END)"


def bin_of_sql(value_ms: str) -> str:
    """Return `bin_of` of a column of whole milliseconds as an expression of SQL."""
    cases = [f"WHEN {value_ms} < {_SINGLE} THEN greatest({value_ms}, 0)"]
    for octave in range(_SINGLE_BITS, LONGEST_MS.bit_length()):
        first = bin_of(1 << octave) - _SPLIT
        cases.append(f"WHEN {value_ms} < {1 << (octave + 1)} THEN {first} + ({value_ms} >> {octave - 5})")
    return f"(CASE {' '.join(cases)} ELSE {bin_of(LONGEST_MS)} END)"
