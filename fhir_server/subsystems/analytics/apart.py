"""One question to the lake in a process of its own, which is run as a script and ends with its answer.

What DuckDB can't interrupt, a function over one huge value, ends with the process; memory that DuckDB does not count
ends it too. Both sides speak pickle by the pipes of the child, which runs nothing but this.
"""

from __future__ import annotations

import pickle
import resource
import subprocess
import sys
import threading
from typing import Any, NamedTuple

GRACE = 2.0  # seconds in which a question that is told to end may do so
ADDRESSES = 6 << 30  # bytes of address space
LARGEST = 64 << 20  # bytes of an answer
ANSWERED, TOO_LONG, TOO_MUCH, GONE, WRONG = "answered", "too long", "too much", "gone", "wrong"


class Question(NamedTuple):
    """setup: statements that come before; memory: DuckDB's limit; rows: to fetch."""

    setup: list[str]
    sql: str
    memory: str
    rows: int
    seconds: float


class Told(NamedTuple):
    """how: ANSWERED with columns and rows; GONE (a file is no more) and WRONG with what DuckDB says."""

    how: str
    columns: list[str] = []  # noqa: RUF012  never changed
    rows: list[tuple[Any, ...]] = []  # noqa: RUF012
    said: str = ""


def ask(question: Question) -> Told:
    """The answer, whatever the question does."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", __file__],
            input=pickle.dumps(tuple(question)), capture_output=True, timeout=question.seconds + GRACE, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Told(TOO_LONG)
    return Told(*pickle.loads(done.stdout)) if done.returncode == 0 else Told(TOO_MUCH)


def _answer(question: Question) -> Told:
    import duckdb

    with duckdb.connect(config={"memory_limit": question.memory}) as connection:
        timer = threading.Timer(question.seconds, connection.interrupt)
        timer.daemon = True
        try:
            for each in question.setup:
                connection.execute(each)
            timer.start()
            answer = connection.execute(question.sql)
            columns = [column[0] for column in answer.description or ()]
            return Told(ANSWERED, columns, answer.fetchmany(question.rows))
        except duckdb.InterruptException:
            return Told(TOO_LONG)
        except (MemoryError, duckdb.OutOfMemoryException):
            return Told(TOO_MUCH)
        except duckdb.IOException as problem:
            return Told(GONE, said=str(problem))
        except duckdb.Error as problem:
            return Told(WRONG, said=str(problem))
        finally:
            timer.cancel()


def main() -> None:
    """The child: a question by standard input, its answer by standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    told = pickle.dumps(tuple(_answer(Question(*pickle.load(sys.stdin.buffer)))))
    if len(told) > LARGEST:
        told = pickle.dumps(tuple(Told(TOO_MUCH)))
    sys.stdout.buffer.write(told)


if __name__ == "__main__":
    main()
