"""The tree of a pattern -> an automaton that reads each character of a text once.

The automaton is nondeterministic; its sets of states are made into a deterministic one as texts ask for them.
"""

from __future__ import annotations

import functools

from fhir_server.core.errors import error
from terminology.regex.syntax import Choice, Node, One, Sequence, Test, parse

MAX_STATES = 5_000
_KEPT_SETS = 500


class Pattern:
    """A compiled pattern; FhirError value or too-costly where the pattern can't be."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._tests: list[Test | None] = [None]  # by state; None moves on without reading
        self._nexts: list[list[int]] = [[]]
        final = self._state(lambda c: False)
        start = self._build(parse(pattern), final)
        self._final = final
        self._start = self._reach([start])
        self._moves: dict[frozenset[int], dict[str, frozenset[int]]] = {}

    def _state(self, test: Test | None, *nexts: int) -> int:
        if len(self._tests) > MAX_STATES:
            raise error("too-costly", f"The pattern {self._pattern[:80]!r} is too large: its repeats multiply.")
        self._tests.append(test)
        self._nexts.append(list(nexts))
        return len(self._tests) - 1

    def _build(self, node: Node, after: int) -> int:
        """Adds the states for a node that lead on to `after`; returns where it begins."""
        if isinstance(node, One):
            return self._state(node.test, after)
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                after = self._build(part, after)
            return after
        if isinstance(node, Choice):
            return self._state(None, *(self._build(part, after) for part in node.parts))
        if node.high is None:
            loop = self._state(None, after)
            self._nexts[loop].append(self._build(node.part, loop))
            start = loop
        else:
            start = after
            for _ in range(node.high - node.low):
                start = self._state(None, after, self._build(node.part, start))
        for _ in range(node.low):
            start = self._build(node.part, start)
        return start

    def _reach(self, states: list[int]) -> frozenset[int]:
        """All that free moves lead to; of it only the states that read a character."""
        seen: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state not in seen:
                seen.add(state)
                if self._tests[state] is None:
                    waiting += self._nexts[state]
        return frozenset(s for s in seen if self._tests[s] is not None)

    def _step(self, current: frozenset[int], c: str) -> frozenset[int]:
        moves = self._moves.get(current)
        if moves is None:
            if len(self._moves) > _KEPT_SETS:
                self._moves.clear()
            moves = self._moves[current] = {}
        following = moves.get(c)
        if following is None:
            nexts = [n for s in current if (test := self._tests[s]) and test(c) for n in self._nexts[s]]
            following = moves[c] = self._reach(nexts)
        return following

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole text."""
        current = self._start
        for c in text:
            current = self._step(current, c)
            if not current:
                return False
        return self._final in current


@functools.lru_cache(maxsize=200)
def compiled(pattern: str) -> Pattern:
    """The pattern, compiled once."""
    return Pattern(pattern)
