"""Where the SQL of DuckDB and that of PostgreSQL part: how JSON is read, and what is hashed. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields of `data`, and the condition under which they are read; else they are NULL."""

    when: str
    kinds: Mapping[str, str]
    """`name` or `object.name`, each to `text` or `number`. A name stands in one of several `Fields`."""


class Dialect(Protocol):
    """What `swarm.analytics.queries` asks of a database beyond the SQL that all of them speak."""

    def given(self, name: str) -> str:
        """Return the parameter of that name."""
        ...

    def hashed(self, *columns: str) -> str:
        """Return 64 bits that stand for the columns."""
        ...

    def one_of(self, value: str, among: Sequence[str]) -> str:
        """Return the literal of one of several names, in the type that is compared fastest."""
        ...

    def contains(self, text: str, part: str) -> str:
        """Return whether a text contains another."""
        ...

    def plain(self, text: str) -> str:
        """Return a text of `data` without the character NUL."""
        ...

    def ends_with(self, text: str, part: str) -> str:
        """Return whether a text ends with a character."""
        ...

    def size(self, text: str) -> str:
        """Return how many bytes a text has."""
        ...

    def read(self, columns: Mapping[str, str], fields: Sequence[Fields], source: str, where: str) -> str:
        """Return a query of columns (name to expression), and of fields of `data` under their own names.

        A field that is not there, or of another kind, is NULL. `written_plainly` says that no character of
        `data` is escaped.
        """
        ...


class DuckdbDialect:
    """DuckDB's."""

    def given(self, name: str) -> str:
        """See `Dialect`."""
        return f"${name}"

    def hashed(self, *columns: str) -> str:
        """See `Dialect`."""
        return f"hash({', '.join(columns)})"

    def one_of(self, value: str, among: Sequence[str]) -> str:
        """See `Dialect`. An ENUM is compared as a number."""
        names = ", ".join(f"'{each}'" for each in among)
        return f"'{value}'::ENUM({names})"

    def contains(self, text: str, part: str) -> str:
        """See `Dialect`."""
        return f"contains({text}, {part})"

    def plain(self, text: str) -> str:
        """See `Dialect`."""
        return f"replace({text}, chr(0), '\ufffd')"

    def ends_with(self, text: str, part: str) -> str:
        """See `Dialect`."""
        return f"ends_with({text}, {part})"

    def size(self, text: str) -> str:
        """See `Dialect`."""
        return f"strlen({text})"

    def read(self, columns: Mapping[str, str], fields: Sequence[Fields], source: str, where: str) -> str:
        """See `Dialect`. Each shape is kept small: the transformation looks for every field in every row."""
        made = [
            f"CASE WHEN {each.when} THEN json_transform(data, '{json.dumps(_shape(each))}') END AS d{n}"
            for n, each in enumerate(fields)
        ]
        names = [
            f"d{n}.{_quoted(path)} AS {_quoted(_last(path))}"
            for n, each in enumerate(fields)
            for path in each.kinds
        ]
        return (
            f"SELECT {', '.join(columns)}, written_plainly, {', '.join(names)} FROM ("
            f"SELECT {_named(columns)}, NOT contains(data, '\\') AS written_plainly, {', '.join(made)} "
            f"FROM {source} WHERE {where}) AS transformed"
        )


def _shape(fields: Fields) -> dict[str, str | dict[str, str]]:
    shape: dict[str, str | dict[str, str]] = {}
    for path, kind in fields.kinds.items():
        outer, _, inner = path.partition(".")
        column = {"text": "VARCHAR", "number": "DOUBLE"}[kind]
        nested = shape.get(outer)
        if inner:
            shape[outer] = {**(nested if isinstance(nested, dict) else {}), inner: column}
        else:
            shape[outer] = column
    return shape


_FINITE = r"'^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]{1,4})?\s*$'"
_NOT_FINITE = r"'^\s*[-+]?(nan|inf|infinity)\s*$'"


class PostgresDialect:
    """PostgreSQL's."""

    def given(self, name: str) -> str:
        """See `Dialect`."""
        return f"%({name})s"

    def hashed(self, *columns: str) -> str:
        """See `Dialect`."""
        expression = "0"
        for column in columns:
            expression = f"hashtextextended(({column})::text, {expression})"
        return expression

    def one_of(self, value: str, among: Sequence[str]) -> str:
        """See `Dialect`."""
        return f"'{value}'"

    def contains(self, text: str, part: str) -> str:
        """See `Dialect`."""
        return f"strpos({text}, {part}) > 0"

    def plain(self, text: str) -> str:
        """See `Dialect`. `read` gives it so."""
        return text

    def ends_with(self, text: str, part: str) -> str:
        """See `Dialect`."""
        return f"right({text}, 1) = {part}"

    def size(self, text: str) -> str:
        """See `Dialect`."""
        return f"octet_length({text})"

    def read(self, columns: Mapping[str, str], fields: Sequence[Fields], source: str, where: str) -> str:
        """See `Dialect`. A cast that fails would end the query: what is no number is not cast."""
        kinds = {path: kind for each in fields for path, kind in each.kinds.items()}
        nested = {path.split(".")[0] for path in kinds if "." in path}
        tops = dict.fromkeys(path.split(".")[0] for path in kinds)
        shape = ", ".join(f'"{name}" {"json" if name in nested else "text"}' for name in tops)
        names: list[str] = []
        for path, kind in kinds.items():
            outer, _, inner = path.partition(".")
            value = f"d.\"{outer}\"->>'{inner}'" if inner else f'd."{outer}"'
            names.append(f"{_number(f'({value})') if kind == 'number' else value} AS {_quoted(_last(path))}")
        # JSON may hold the character NUL, and PostgreSQL's text may not.
        plain = (
            r"CASE WHEN position('\u0000' IN data::text) > 0 "
            r"THEN replace(data::text, '\u0000', '\ufffd')::json ELSE data END"
        )
        when = " OR ".join(f"({each.when})" for each in fields)
        return (
            f"SELECT {_named(columns)}, position('\\' IN data::text) = 0 AS written_plainly, "
            f"{', '.join(names)} FROM {source} "
            f"LEFT JOIN LATERAL json_to_record(CASE WHEN {when} THEN {plain} END) AS d({shape}) ON true "
            f"WHERE {where}"
        )


def _number(text: str) -> str:
    return (
        f"CASE WHEN {text} ~* {_FINITE} THEN CASE WHEN abs({text}::numeric) < 1e-9 THEN 0 "
        f"ELSE least(greatest({text}::numeric, -1e15), 1e15)::double precision END "
        f"WHEN {text} ~* {_NOT_FINITE} THEN 'NaN'::double precision END"
    )


def _named(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{expression} AS {name}" for name, expression in columns.items())


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _quoted(path: str) -> str:
    return ".".join(f'"{name}"' for name in path.split("."))


DUCKDB, POSTGRES = DuckdbDialect(), PostgresDialect()
