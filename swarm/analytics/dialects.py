"""Where the SQL of DuckDB and that of PostgreSQL part: how JSON is read, and what is hashed. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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

    def size(self, text: str) -> str:
        """Return how many bytes a text has."""
        ...

    def read(
        self, columns: Mapping[str, str], fields: Mapping[str, str], source: str, where: str, when: str
    ) -> str:
        """Return a query of columns (name to expression), and of fields of `data` under their own names.

        `fields` are `name` or `object.name`, each with `text` or `number`. Only where `when` holds is `data`
        read; else, and where it is not there or of another kind, a field is NULL.
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

    def size(self, text: str) -> str:
        """See `Dialect`."""
        return f"strlen({text})"

    def read(
        self, columns: Mapping[str, str], fields: Mapping[str, str], source: str, where: str, when: str
    ) -> str:
        """See `Dialect`."""
        shape: dict[str, str | dict[str, str]] = {}
        for path, kind in fields.items():
            outer, _, inner = path.partition(".")
            column = {"text": "VARCHAR", "number": "DOUBLE"}[kind]
            nested = shape.get(outer)
            if inner:
                shape[outer] = {**(nested if isinstance(nested, dict) else {}), inner: column}
            else:
                shape[outer] = column
        names = ", ".join(f"d.{_quoted(path)} AS {_quoted(_last(path))}" for path in fields)
        transformed = f"json_transform(data, '{json.dumps(shape)}')"
        return (
            f"SELECT {', '.join(columns)}, {names} FROM ("
            f"SELECT {_named(columns)}, CASE WHEN {when} THEN {transformed} END AS d "
            f"FROM {source} WHERE {where}) AS transformed"
        )


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

    def size(self, text: str) -> str:
        """See `Dialect`."""
        return f"octet_length({text})"

    def read(
        self, columns: Mapping[str, str], fields: Mapping[str, str], source: str, where: str, when: str
    ) -> str:
        """See `Dialect`. A cast that fails would end the query: what is no number is not cast."""
        tops = dict.fromkeys(path.split(".")[0] for path in fields)
        nested = {path.split(".")[0] for path in fields if "." in path}
        shape = ", ".join(f'"{name}" {"json" if name in nested else "text"}' for name in tops)
        names: list[str] = []
        for path, kind in fields.items():
            outer, _, inner = path.partition(".")
            value = f"d.\"{outer}\"->>'{inner}'" if inner else f'd."{outer}"'
            names.append(f"{_number(f'({value})') if kind == 'number' else value} AS {_quoted(_last(path))}")
        # JSON may hold the character NUL, and PostgreSQL's text may not.
        plain = (
            r"CASE WHEN position('\u0000' IN data::text) > 0 "
            r"THEN replace(data::text, '\u0000', '\ufffd')::json ELSE data END"
        )
        return (
            f"SELECT {_named(columns)}, {', '.join(names)} FROM {source} "
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
