"""docs/reference/hl7v2-mapping.md: what the mapping tables in force say, made from them."""

from __future__ import annotations

import re

from mappings.hl7v2.events import DEFAULTS
from mappings.hl7v2.outgoing import tables_of
from mappings.hl7v2.tables import Tables, standard

HEAD = """# HL7 v2 mapping

<!-- Made from the tables by `make docs`. -->

What each message, segment and data type becomes, rule by rule. Whose a rule is stands in the last column: HL7's tables
([v2-to-FHIR](https://build.fhir.org/ig/HL7/v2-to-fhir/)), or ours, where HL7's lack something or can't be applied; a
site's own tables come over both ([how](../how-to/hl7v2-mapping.md)). A rule applies where its field is valued and its
condition holds.

"""


def mapping_page() -> str:
    """The page as Markdown."""
    tables = standard()
    parts = [
        HEAD,
        _messages(tables),
        _choices(tables),
        _maps(tables),
        _codes(tables),
        _left_out(tables),
        _defaults(),
        _outgoing(),
    ]
    return "\n".join(parts)


def _messages(tables: Tables) -> str:
    lines = ["## Messages", ""]
    for structure in sorted(tables.messages):
        rows = [row for row in tables.messages[structure] if row.target]
        if not rows:
            continue
        also = sorted(name for name, like in tables.like.items() if like == structure and name != structure)
        lines += [f"### {structure}", ""]
        if also:
            lines += [f"Also {', '.join(also)}.", ""]
        lines += ["| segment | condition | resource | by | whose |", "| --- | --- | --- | --- | --- |"]
        for row in rows:
            used = "" if tables.used(structure, row.map) else " (not used)"
            lines.append(_row(row.path, row.condition, row.target, f"{row.map}{used}", row.origin))
        lines.append("")
    return "\n".join(lines)


def _choices(tables: Tables) -> str:
    lines = ["## Rows that are not used", "", "| message | rows of | why |", "| --- | --- | --- |"]
    lines += [_row(structure, name, why) for (structure, name), (used, why) in tables.choices.items() if not used]
    return "\n".join([*lines, ""])


def _maps(tables: Tables) -> str:
    lines = ["## Segments and data types", ""]
    for name in tables.names():
        found = tables.map(name)
        rules = [
            *(found.constants if found else ()),
            *(one for rules in (found.by_field if found else {}).values() for one in rules),
        ]
        if not rules:
            continue
        lines += [f"### {name}", "", "| from | condition | to | how | whose |", "| --- | --- | --- | --- | --- |"]
        for rule in rules:
            row = rule.row
            how = "; ".join(
                part
                for part in (row.map, row.vocabulary, row.assignment, row.comment if row.origin != "HL7" else "")
                if part
            )
            lines.append(_row(row.source or "always", row.condition, row.target, how, row.origin))
        lines.append("")
    return "\n".join(lines)


def _codes(tables: Tables) -> str:
    lines = ["## Codes", "", "| table | v2 code: R4 code |", "| --- | --- |"]
    lines += [
        _row(name, ", ".join(f"{code}: {entry[0]}" for code, entry in table.items()))
        for name, table in sorted(tables.codes.items())
        if table
    ]
    return "\n".join([*lines, ""])


def _left_out(tables: Tables) -> str:
    lines = [
        "## Rows of HL7's tables that can't be applied",
        "",
        "| map | from | to | why |",
        "| --- | --- | --- | --- |",
    ]
    for name in tables.names():
        found = tables.map(name)
        lines += [_row(name, row.source, row.target, why) for row, why in (found.left_out if found else ())]
    return "\n".join([*lines, ""])


def _defaults() -> str:
    lines = [
        "## What R4 asks for and a message may leave out",
        "",
        "| resource | element | value |",
        "| --- | --- | --- |",
    ]
    lines += [_row(kind, name, str(value)) for kind, found in DEFAULTS.items() for name, value in found.items()]
    return "\n".join([*lines, ""])


def _outgoing() -> str:
    lines = ["## FHIR to v2", ""]
    for name, rows in tables_of().items():
        head, *others = rows
        lines += [f"### {name}", "", _row(*head), _row(*["---"] * len(head)), *(_row(*row) for row in others), ""]
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return "| " + " | ".join(_cell(cell.replace("|", "\\|").replace("\n", " ")) for cell in cells) + " |"


def _cell(text: str) -> str:
    """What Markdown would take for a link stands as code."""
    return f"`{text}`" if re.search(r"[\[\]*_<>]", text) and "`" not in text else text
