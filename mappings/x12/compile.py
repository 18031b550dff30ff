"""Makes tables/*.json from the maps of pyx12, a test dependency: python -m mappings.x12.compile."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "tables"
# name: (map, implementation conventions, functional identifier, whether its code lists are of an older release)
SETS = {
    "837P": ("837.5010.X222.A1.xml", ["005010X222A1", "005010X222A2", "005010X222"], "HC", False),
    "837I": ("837Q3.I.5010.X223.A1.xml", ["005010X223A2", "005010X223A3", "005010X223A1", "005010X223"], "HC", False),
    "835": ("835.5010.X221.A1.xml", ["005010X221A1", "005010X221"], "HP", False),
    "277CA": ("277.5010.X214.xml", ["005010X214"], "HN", False),
    "277": ("277.5010.X212.xml", ["005010X212"], "HN", False),
    "276": ("276.4010.X093.A1.xml", ["005010X212", "004010X093A1"], "HR", True),
    "270": ("270.4010.X092.A1.xml", ["005010X279A1", "005010X279", "004010X092A1"], "HS", True),
    "271": ("271.4010.X092.A1.xml", ["005010X279A1", "005010X279", "004010X092A1"], "HB", True),
    "999": ("999.5010X231.A1.xml", ["005010X231A1", "005010X231"], "FA", False),
}
NESTED = {"2000C": "2000B", "2000D": "2000C", "2000E": "2000D"}  # of 277, whose map has these loops side by side
ADDED = {
    "270": {"DTP01": ["102", "291"]},
    "276": {"DTP01": ["472"]},
}  # qualifiers that 005010 has beside those of 004010
# that the map requires, but X214 doesn't: a provider may only be counted, a file or a provider be refused as a whole
SITUATIONAL = {"277CA": {("2200C", "STC"), ("2000B", "2000C"), ("2000C", "2000D")}}
CONVENTION = ["Implementation Convention Reference", "AN", 1, 35, "S", []]


class Compiler:
    """One map at a time; elements that are the same are kept once."""

    def __init__(self, types: dict[str, tuple[str, int, int]], older: bool, added: dict[str, list[str]]) -> None:
        self._types = types
        self._added = added
        self._older = older
        self.elements: list[Any] = []
        self._known: dict[str, int] = {}

    def loop(self, node: ElementTree.Element) -> list[Any]:
        """A loop with its children in order of their positions; wrappers are left out, their children stay."""
        most = value(node, "repeat") or "1"
        return [
            "loop",
            node.get("xid"),
            value(node, "name"),
            value(node, "usage") or "S",
            0 if most.startswith(">") else int(most),
            0,
            self._children(node),
        ]

    def _children(self, node: ElementTree.Element) -> list[Any]:
        made: list[Any] = []
        position = 0
        last = None
        for child in node:
            if child.tag not in ("loop", "segment"):
                continue
            if child.get("type") == "wrapper":
                if value(child, "usage") == "N":
                    continue
                for each in self._children(child):
                    position += 1
                    made.append([*each[:5], position, *each[6:]])
                last = None
                continue
            place = value(child, "pos")
            position += 0 if place == last and child.tag == "segment" else 1
            last = place
            entry = self.loop(child) if child.tag == "loop" else self.segment(child)
            made.append([*entry[:5], position, *entry[6:]])
        return made

    def segment(self, node: ElementTree.Element) -> list[Any]:
        """A segment with indices of its elements."""
        most = value(node, "max_use") or "1"
        elements: list[Any] = []
        for child in node:
            if child.tag == "element":
                elements.append(self.element(child))
            elif child.tag == "composite":
                inside = [self.element(each) for each in child if each.tag == "element"]
                repeat = value(child, "repeat") or "1"
                elements.append([value(child, "name"), value(child, "usage") or "S",
                                 0 if repeat.startswith(">") else int(repeat), inside])  # fmt: skip
        if node.get("xid") == "ST" and len(elements) == 2:
            elements.append(self._index(CONVENTION))
        return ["segment", node.get("xid"), value(node, "name"), value(node, "usage") or "S",
                0 if most.startswith(">") else int(most), 0, elements,
                [each.text for each in node if each.tag == "syntax"]]  # fmt: skip

    def element(self, node: ElementTree.Element) -> int:
        """The index of an element."""
        type, least, most = self._types.get(value(node, "data_ele") or "", ("AN", 1, 0))
        codes = [each.text or "" for each in node.iterfind("valid_codes/code")]
        usage = value(node, "usage") or "S"
        if (node.get("xid") or "").startswith("ST03") and usage == "N":
            usage, codes = "S", []
        codes += self._added.get(node.get("xid") or "", ()) if codes else ()
        if self._older and usage == "N":
            usage = "S"
        return self._index([value(node, "name"), type, least, most, usage, codes])

    def _index(self, made: list[Any]) -> int:
        key = json.dumps(made)
        if key not in self._known:
            self._known[key] = len(self.elements)
            self.elements.append(made)
        return self._known[key]


def value(node: ElementTree.Element, name: str) -> str | None:
    """An attribute or a child's text: the maps have both ways."""
    return node.get(name) or node.findtext(name)


def nest(children: list[Any]) -> list[Any]:
    """The loops of 277 each inside of the level above it."""
    loops = {child[1]: child for child in children if child[0] == "loop"}
    loops |= {child[1]: child for child in loops["2000A"][6] if child[0] == "loop"}
    kept = list(children)
    for name, above in NESTED.items():
        child = next(each for each in kept if each[1] == name)
        kept.remove(child)
        inside = loops[above][6]
        inside.append([*child[:5], 1 + max(each[5] for each in inside), *child[6:]])
        loops[name] = inside[-1]
    return kept


def relax(loop: list[Any], names: set[tuple[str, str]]) -> None:
    """Makes segments and loops situational in the loops that they stand in."""
    for child in loop[6]:
        if (loop[1], child[1]) in names:
            child[3] = "S"
        if child[0] == "loop":
            relax(child, names)


def main() -> None:
    """Writes every table anew."""
    import pyx12

    maps = Path(pyx12.__file__).parent / "map"
    types = {
        each.get("ele_num", ""): (each.get("data_type", "AN"), int(each.get("min_len", 1)), int(each.get("max_len", 0)))
        for each in ElementTree.parse(maps / "dataele.xml").getroot()
    }
    for name, (file, conventions, group, older) in SETS.items():
        tree = ElementTree.parse(maps / file)
        node = next(each for each in tree.iter("loop") if each.get("xid") == "ST_LOOP")
        compiler = Compiler(types, older, ADDED.get(name, {}))
        root = compiler.loop(node)
        if name == "277":
            root[6] = nest(root[6])
        root[6] = [child for child in root[6] if child[1] != "SE"]
        relax(root, SITUATIONAL.get(name, set()))
        made = {"set": name, "code": name[:3], "conventions": conventions, "group": group, "older": older,
                "elements": compiler.elements, "root": root}  # fmt: skip
        text = (
            json.dumps(made, separators=(",", ":"))
            .replace('["loop"', '\n["loop"')
            .replace('["segment"', '\n["segment"')
        )
        (HERE / f"{name}.json").write_text(text + "\n")
        print(f"{name}: {len(text) // 1024} KiB")


if __name__ == "__main__":
    main()
