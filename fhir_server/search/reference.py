"""The reference page of search, made from the tables that parsing and extraction use.

python -m fhir_server.search.reference > docs/reference/search.md
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from importlib.resources import files

from fhir_server.definitions import Definitions, load
from fhir_server.search.extract.converters import CONVERTERS
from fhir_server.search.parse.builtin import BUILT_IN
from fhir_server.search.parse.comparison import PREFIXES
from fhir_server.search.parse.filter_operators import OPERATORS
from fhir_server.search.parse.modifiers import MODIFIERS, NEGATED
from fhir_server.search.parse.near import METRES
from fhir_server.search.parse.results import RESULTS
from fhir_server.search.phonetic import kind_of

PREFIXED = ("number", "date", "quantity")  # search types whose values take a prefix


def summary(function: Callable[..., object] | partial[object]) -> str:
    """The first paragraph of a function's docstring as one line."""
    documented = function.func if isinstance(function, partial) else function
    return " ".join((documented.__doc__ or "").split("\n\n")[0].split()).replace("|", "\\|")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def codes(names: Iterable[str]) -> str:
    """Names as code, in one cell."""
    return " ".join(f"`{name}`" for name in names)


def types_table(definitions: Definitions) -> str:
    """What each search type takes."""
    counts = Counter(kind_of(parameter) for parameter in definitions.search_parameter_list)
    rows = []
    for kind, readers in MODIFIERS.items():
        modifiers = [f":{name}" for name in (*readers, "missing") if name]
        if kind == "reference":
            modifiers.append(":[type]")
        sources = [*CONVERTERS.get(kind, {}), *(["Reference"] if kind == "reference" else [])]
        prefixes = codes(PREFIXES) if kind in PREFIXED else ""
        rows.append((kind, str(counts[kind]), codes(modifiers), prefixes, ", ".join(sorted(sources))))
    return table(("type", "parameters in R4", "modifiers", "prefixes", "elements searched"), rows)


def modifiers_table() -> str:
    """Each modifier by an example."""
    rows = []
    for kind, readers in MODIFIERS.items():
        for name, read in readers.items():
            meaning = "none of these values" if name in NEGATED else summary(read)
            rows.append((kind, f"`:{name}`" if name else "", meaning))
    return table(("type", "modifier", "example"), rows)


def operators_table() -> str:
    """The operators of _filter by search type."""
    rows = [
        (kind, codes(dict.fromkeys((*operators, *(["ne"] if "eq" in operators else []), "pr"))))
        for kind, (_, operators) in OPERATORS.items()
    ]
    return table(("type", "operators"), rows)


def page(definitions: Definitions) -> str:
    """The page as Markdown."""
    template = files("fhir_server.search").joinpath("reference.md").read_text()
    return template.format(
        types=types_table(definitions),
        modifiers=modifiers_table(),
        built_in=table(("parameter", "example"), [(f"`{name}`", summary(read)) for name, read in BUILT_IN.items()]),
        results=table(("parameter", "example"), [(f"`{name}`", summary(read)) for name, read in RESULTS.items()]),
        operators=operators_table(),
        units=codes(METRES),
    )


if __name__ == "__main__":
    sys.stdout.write(page(load()))
