"""What is wrong in an interchange, and where."""

from __future__ import annotations

from typing import NamedTuple

ENVELOPE, STRUCTURE, CONTENT = "envelope", "structure", "content"


class Problem(NamedTuple):
    """One error.

    kind: ENVELOPE (ISA to IEA, control numbers, counts), STRUCTURE (segments and loops) or CONTENT (elements); code:
    what a 999 calls it (IK304, IK403) or a TA1 (TA105), "" for none; place: the number of the segment in its
    transaction set, 1 for ST, in the file for an envelope; element: such as NM103 or SV101-2, "" for a whole segment.
    """

    kind: str
    code: str
    segment: str
    loop: str
    place: int
    element: str
    message: str

    def __str__(self) -> str:
        where = f"segment {self.segment}" + (f" ({self.element})" if self.element else "")
        loop = f" in loop {self.loop}" if self.loop else ""
        return f"{where}{loop}, number {self.place}: {self.message}"
