"""Where in the loops of its transaction set each segment belongs."""

from __future__ import annotations

from interfaces.x12.content import check
from interfaces.x12.problem import STRUCTURE, Problem
from interfaces.x12.segments import Segment
from interfaces.x12.tree import Loop, Transaction
from mappings.x12.tables import LoopNode, SegmentNode

Node = LoopNode | SegmentNode


class Placing:
    """Takes the segments of one transaction set in order; what fits nowhere stays in the loop that is open."""

    def __init__(self, transaction: Transaction, st: Segment) -> None:
        self.transaction = transaction
        self.place = 0
        self._set = transaction.set
        self._component = transaction.delimiters.component
        self._stack = [transaction.root]
        self._problems = transaction.problems
        transaction.root.place = 1
        self.take(st)

    def take(self, segment: Segment) -> None:
        """The next segment."""
        self.place += 1
        if self._set is None:
            self._stack[0].children.append(segment)
            return
        found = self._in_order(segment)
        if found is None:
            found = self._astray(segment)
        if found is None:
            self._stack[-1].children.append(segment)
            return
        depth, node = found
        while len(self._stack) > depth + 1:
            self._close(self._stack.pop())
        self._enter(node, segment)

    def finish(self) -> None:
        """Closes the loops that are open."""
        while self._stack:
            self._close(self._stack.pop())

    # ------------------------------------------------------------------ finding
    def _in_order(self, segment: Segment) -> tuple[int, Node] | None:
        """The innermost open loop that the segment can go on with."""
        for depth in range(len(self._stack) - 1, -1, -1):
            loop = self._stack[depth]
            for node in loop.node.at.get(segment.id, ()):  # type: ignore[union-attr]
                if node.position >= loop.position and _starts(node).fits(segment.values, self._component):
                    return depth, node
        return None

    def _astray(self, segment: Segment) -> tuple[int, Node] | None:
        """Where a segment belongs that is out of order or has a code that does not fit; None for nowhere."""
        current = self._stack[-1]
        assert self._set is not None
        if segment.id not in self._set.segments:
            shown = segment.id[:20] or "(empty)"
            self._tell("1", segment, current, "", f"{shown} is no segment of transaction set {self._set.name}")
            return None
        for depth in range(len(self._stack) - 1, -1, -1):
            loop = self._stack[depth]
            for node in loop.node.at.get(segment.id, ()):  # type: ignore[union-attr]
                if isinstance(node, SegmentNode) and node.fits(segment.values, self._component):
                    self._tell("7", segment, loop, "", f"{segment.id} is out of order: {node.name} comes earlier")
                    return depth, node
        for depth in range(len(self._stack) - 1, -1, -1):
            loop = self._stack[depth]
            near = [node for node in loop.node.at.get(segment.id, ()) if node.position >= loop.position]  # type: ignore[union-attr]
            codes = sorted(code for node in near for code in (_starts(node).key or (0, 0, ()))[2])
            if codes:
                element = f"{segment.id}{(_starts(near[0]).key or (0,))[0] + 1:02}"
                value = segment.values[0] if segment.values else ""
                shown = ", ".join(codes[:12])
                self._tell("2", segment, loop, element, f"{value[:20]!r} is not possible here; possible: {shown}")
                self._undo_deeper(depth)
                return None
        self._tell("2", segment, current, "", f"{segment.id} is not expected here")
        return None

    def _undo_deeper(self, depth: int) -> None:
        """A segment that opens no loop that is known still ends those inside of the one that it stands in."""
        while len(self._stack) > depth + 1:
            self._close(self._stack.pop())

    # ------------------------------------------------------------------ entering and closing
    def _enter(self, node: Node, segment: Segment) -> None:
        loop = self._stack[-1]
        loop.position = max(loop.position, node.position)
        count = loop.counts[id(node)] = loop.counts.get(id(node), 0) + 1
        if node.most and count > node.most:
            if isinstance(node, LoopNode):
                self._tell(
                    "4",
                    segment,
                    node,
                    "",
                    f"loop {node.id} ({node.name}) occurs more than {node.most} times in {loop.id}",
                )
            else:
                self._tell("5", segment, loop, "", f"{node.id} ({node.name}) occurs more than {node.most} times")
        while isinstance(node, LoopNode):
            inside = Loop(node)
            inside.place = self.place
            loop.children.append(inside)
            self._stack.append(inside)
            loop, node = inside, node.starts
            loop.position = node.position
            loop.counts[id(node)] = 1
        loop.children.append(segment)
        check(segment, node, self.place, self.transaction.delimiters, self._problems)

    def _close(self, loop: Loop) -> None:
        if loop.node is None:
            return
        counts = loop.counts
        for node in loop.node.required:
            if id(node) not in counts:
                if isinstance(node, LoopNode):
                    self._tell(
                        "3",
                        Segment(node.starts.id, []),
                        node,
                        "",
                        f"loop {node.id} ({node.name}) is required in loop {loop.id}, but is missing",
                    )
                else:
                    self._tell(
                        "3", Segment(node.id, []), loop, "", f"{node.id} ({node.name}) is required, but is missing"
                    )

    def _tell(self, code: str, segment: Segment, loop: Loop | LoopNode, element: str, message: str) -> None:
        self._problems.append(Problem(STRUCTURE, code, segment.id[:20], loop.id, self.place, element, message))


def _starts(node: Node) -> SegmentNode:
    return node.starts if isinstance(node, LoopNode) else node
