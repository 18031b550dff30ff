"""The rows of the index in SQLite: statements are made once for each shape of a question."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from interfaces.dicom.archive.index import Row, Selection, Test, Where
from interfaces.dicom.archive.sqlite.conditions import condition
from interfaces.dicom.archive.sqlite.selecting import statement

STANDING = (
    "SELECT i.digest, s.pk AS series, t.uid AS study_uid, p.patient_id, p.issuer, j.due"
    " FROM (SELECT 1) LEFT JOIN instance i ON i.uid = ? LEFT JOIN series s ON s.uid = ?"
    " LEFT JOIN study t ON t.pk = s.study LEFT JOIN patient p ON p.pk = t.patient LEFT JOIN job j"
    " ON j.kind = 'study' AND j.key = ? AND j.state = 'waiting' AND j.attempts = 0"
)


class SqliteRows:
    """The rows by a connection; a transaction is the caller's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def one(self, table: str, where: Where) -> Row | None:
        """See the port."""
        sql, values = _where(where)
        return self._connection.execute(f"SELECT * FROM {table}{sql} LIMIT 1", values).fetchone()

    def all(self, table: str, where: Where, order: str = "pk", *, newest: bool = False, limit: int = -1) -> list[Row]:
        """See the port."""
        sql, values = _where(where)
        way = "DESC" if newest else "ASC"
        return self._connection.execute(
            f"SELECT * FROM {table}{sql} ORDER BY {order} {way} LIMIT {limit:d}", values
        ).fetchall()

    def distinct(self, table: str, column: str, where: Where) -> list[Any]:
        """See the port."""
        sql, values = _where(where)
        rows = self._connection.execute(f"SELECT DISTINCT {column} FROM {table}{sql} ORDER BY 1", values)
        return [row[0] for row in rows]

    def select(self, selection: Selection) -> Iterator[Row]:
        """See the port."""
        sql, values = statement(selection)
        yield from self._connection.execute(sql, values)

    def standing(self, instance: str, series: str, study: str) -> Row:
        """See the port."""
        return self._connection.execute(STANDING, (instance, series, study)).fetchone()

    def insert(self, table: str, values: Mapping[str, Any]) -> int:
        """See the port."""
        made = self._connection.execute(_inserting(table, tuple(values)), tuple(values.values()))
        return int(made.lastrowid or 0)

    def put(self, table: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """See the port."""
        sql = _putting(table, tuple(key), tuple(values))
        self._connection.execute(sql, (*key.values(), *values.values()))

    def change(self, table: str, where: Where, values: Mapping[str, Any], add: Mapping[str, int] | None = None) -> int:
        """See the port."""
        sql, asked = _where(where)
        setting = _setting(tuple(values), tuple(add or ()))
        given = (*values.values(), *(add or {}).values(), *asked)
        return self._connection.execute(f"UPDATE {table} SET {setting}{sql}", given).rowcount

    def remove(self, table: str, where: Where) -> int:
        """See the port."""
        sql, values = _where(where)
        return self._connection.execute(f"DELETE FROM {table}{sql}", values).rowcount


def _where(where: Where) -> tuple[str, list[Any]]:
    values = list(where.values())
    if Test not in map(type, values):
        return _equal(tuple(where)), values
    parts: list[str] = []
    values = []
    for column, wanted in where.items():
        if isinstance(wanted, Test):
            sql, added = condition(column, wanted)
            parts.append(sql)
            values += added
        else:
            parts.append(f"{column} = ?")
            values.append(wanted)
    return f" WHERE {' AND '.join(parts)}", values


@functools.lru_cache(256)
def _equal(columns: tuple[str, ...]) -> str:
    return f" WHERE {' AND '.join(f'{column} = ?' for column in columns)}" if columns else ""


@functools.lru_cache(256)
def _inserting(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


@functools.lru_cache(256)
def _putting(table: str, key: tuple[str, ...], columns: tuple[str, ...]) -> str:
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns)
    doing = f"UPDATE SET {changes}" if columns else "NOTHING"
    return f"{_inserting(table, key + columns)} ON CONFLICT ({', '.join(key)}) DO {doing}"


@functools.lru_cache(256)
def _setting(columns: tuple[str, ...], added: tuple[str, ...]) -> str:
    return ", ".join([*(f"{column} = ?" for column in columns), *(f"{column} = {column} + ?" for column in added)])
