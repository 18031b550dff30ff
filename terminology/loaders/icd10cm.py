"""ICD-10-CM, from any of the files that the CDC and CMS publish (https://www.cdc.gov/nchs/icd/icd-10-cm/files.html).

    a list of codes        chapters, blocks and codes in order, one a line, without titles
    the code file          code and title, billable codes only (icd10cm-codes-*.txt)
    the order file         number, code, whether it is billable, short and long title (icd10cm-order-*.txt)
    the tabular list       XML with chapters, blocks, notes (icd10cm-tabular-*.xml)

The files have codes without their point; they are loaded as they are written: A000 becomes A00.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from fhir_server.core.errors import error
from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.model import ABSTRACT, Designation, Property, Record, SystemInfo

URL = "http://hl7.org/fhir/sid/icd-10-cm"
_CODE = re.compile(r"[A-Z][0-9A-Z]{2}[0-9A-Z]{0,4}")
_BLOCK = re.compile(r"[A-Z][0-9A-Z]{2}-[A-Z][0-9A-Z]{2}")
_CHAPTER = re.compile(r"[0-9]{1,2}")
_ORDER = re.compile(r"[0-9]{5} (?P<code>[A-Z0-9]{3,7}) +(?P<billable>[01]) (?P<short>.{60}) (?P<long>.*)")
_TITLED = re.compile(r"(?P<code>[A-Z][0-9A-Z]{2,6})\s+(?P<title>\S.*)")
_SAMPLE = 20


def dotted(code: str) -> str:
    """The code with its point."""
    return f"{code[:3]}.{code[3:]}" if len(code) > 3 and "-" not in code else code


class Tree:
    """Finds the parent of a code or block from what came before it in the order of the classification.

    A code is in the block that came last; a block is in the last one that spans it and has no codes of its own.
    """

    def __init__(self) -> None:
        self._codes: set[str] = set()
        self._blocks: list[tuple[str, str, str]] = []
        self._filled = False
        self._chapter = ""

    def parents(self, code: str, block: bool) -> tuple[str, ...]:
        """The parent's code, () for a chapter; remembers this one. block: whether the code opens a block."""
        if _CHAPTER.fullmatch(code):
            self._chapter, self._blocks = code, []
            return ()
        if block:
            first, _, last = code.partition("-")
            if self._filled and self._blocks:
                self._blocks.pop()
            while self._blocks and not (self._blocks[-1][0] <= first and (last or first) <= self._blocks[-1][1]):
                self._blocks.pop()
        self._filled = not block or "-" not in code
        outer = self._blocks[-1][2] if self._blocks else self._chapter
        if block:
            self._blocks.append((first, last or first, code))
        if "-" not in code:
            self._codes.add(code)
            shorter = (code[:length] for length in range(len(code) - 1, 2, -1))
            outer = next((dotted(prefix) for prefix in shorter if prefix in self._codes), outer)
        return (outer,) if outer else ()


def _record(tree: Tree, code: str, title: str, billable: bool | None, short: str = "", block: bool = False) -> Record:
    grouping = not _CODE.fullmatch(code)
    return Record(
        dotted(code),
        title,
        flags=ABSTRACT if grouping else 0,
        designations=(Designation(short, "en"),) if short and short != title else (),
        properties=(
            *((Property("notSelectable", "boolean", True),) if grouping else ()),
            *((Property("billable", "boolean", billable),) if billable is not None and not grouping else ()),
        ),
        parents=tree.parents(code, block),
    )


def _with_next(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    last = next(lines, None)
    if last is not None:
        for line in lines:
            yield last, line
            last = line
        yield last, ""


def _listed(source: Path) -> Iterator[Record]:
    tree = Tree()
    last = ""
    with source.open(encoding="ascii", errors="replace") as lines:
        for code, following in _with_next(line.strip() for line in lines if line.strip()):
            if code == last:
                continue  # a block of one category has that category's code, and stands before it
            last = code
            billable = not (following.startswith(code) and "-" not in following)
            yield _record(tree, code, "", billable, block="-" in code or code == following)


def _titled(source: Path) -> Iterator[Record]:
    tree = Tree()
    with source.open(encoding="utf-8-sig", errors="replace") as lines:
        for line in lines:
            if match := _TITLED.match(line):
                yield _record(tree, match["code"], match["title"].strip(), True)


def _ordered(source: Path) -> Iterator[Record]:
    tree = Tree()
    with source.open(encoding="utf-8-sig", errors="replace") as lines:
        for line in lines:
            if match := _ORDER.match(line.rstrip("\n")):
                title = match["long"].strip()
                yield _record(tree, match["code"], title, match["billable"] == "1", match["short"].strip())


def _tabular(source: Path) -> Iterator[Record]:
    root = etree.parse(source, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)).getroot()
    for chapter in root.iter("chapter"):
        number = chapter.findtext("name", "").strip()
        yield Record(number, chapter.findtext("desc", "").strip(), flags=ABSTRACT)
        for section in chapter.iterfind("section"):
            block = section.get("id", "")
            single = "-" not in block  # a block of one category has that category's code
            if not single:
                yield Record(block, section.findtext("desc", "").strip(), flags=ABSTRACT, parents=(number,))
            for diagnosis in section.iterchildren("diag"):
                yield from _diagnoses(diagnosis, number if single else block)


def _diagnoses(diagnosis: etree._Element, parent: str) -> Iterator[Record]:
    code = diagnosis.findtext("name", "").strip()
    notes = [note.text.strip() for note in diagnosis.iterfind("inclusionTerm/note") if note.text]
    children = list(diagnosis.iterchildren("diag"))
    yield Record(
        code,
        diagnosis.findtext("desc", "").strip(),
        designations=tuple(Designation(note, "en") for note in notes),
        properties=(Property("billable", "boolean", not children),),
        parents=(parent,),
    )
    for child in children:
        yield from _diagnoses(child, code)


def _layout(source: Path) -> Callable[[Path], Iterator[Record]]:
    with source.open(encoding="utf-8-sig", errors="replace") as lines:
        sample = [line.rstrip("\n") for _, line in zip(range(_SAMPLE), lines, strict=False) if line.strip()]
    if (sample and sample[0].startswith("<?xml")) or any("<ICD10CM.tabular" in line for line in sample):
        return _tabular
    for pattern, layout in ((_ORDER, _ordered), (_TITLED, _titled)):
        if sample and all(pattern.match(line) for line in sample):
            return layout
    codes = (_CHAPTER, _BLOCK, _CODE)
    if sample and all(any(pattern.fullmatch(line.strip()) for pattern in codes) for line in sample):
        return _listed
    raise error("unprocessable", f"{source.name} is none of the files of ICD-10-CM: {sample[:1]} is not understood.")


def plan(source: Path, options: Options) -> Plan:
    """The version is the fiscal year in the file's name where no option gives one."""
    layout = _layout(source)
    year = re.search(r"20[0-9]{2}(?:-[0-9]{2})?", source.name)
    version = options.get("version") or (year.group() if year else "")
    resource = {"valueSet": "http://hl7.org/fhir/ValueSet/icd-10-cm", "hierarchyMeaning": "is-a"}
    info = SystemInfo(URL, version, "ICD-10-CM", case_sensitive=False, resource=resource)
    return Plan(info, (Stage("codes", "records", lambda: layout(source)),))


LOADER = Loader(
    "icd10cm",
    "ICD-10-CM",
    "a list of codes, icd10cm-codes-*.txt, icd10cm-order-*.txt, or the tabular list as XML",
    {"version": "the version, such as 2026"},
    plan,
)
