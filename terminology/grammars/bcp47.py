"""Language tags as a code system: urn:ietf:bcp:47 (https://www.rfc-editor.org/rfc/rfc5646)."""

from __future__ import annotations

import re
from collections.abc import Callable

from terminology.grammars.base import Grammar
from terminology.model import Concept, Property, SystemInfo

REGISTRY = "https://www.iana.org/assignments/language-subtag-registry"
_TAG = re.compile(
    r"(?:(?P<language>[a-z]{2,3}|[a-z]{4,8})(?:-(?P<extlang>[a-z]{3}(?:-[a-z]{3}){0,2}))?(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*)(?:-x(?P<private>(?:-[a-z0-9]{1,8})+))?"
    r"|x(?P<only_private>(?:-[a-z0-9]{1,8})+))",
    re.IGNORECASE,
)
_PARTS = {"language": "language", "extlang": "ext-lang", "script": "script", "region": "region"}

Registry = Callable[[str], Concept | None]


def registry_code(kind: str, subtag: str) -> str:
    """How the registry's own code system names a subtag: region:CH."""
    return f"{kind}:{subtag.lower()}"


class Bcp47(Grammar):
    """Well-formed tags whose subtags are registered; registry: registry_code() -> the subtag's concept."""

    def __init__(self, registry: Registry) -> None:
        self.info = SystemInfo("urn:ietf:bcp:47", "", "Language tags (BCP 47)", case_sensitive=False)
        self._registry = registry

    def find(self, code: str) -> Concept | None:
        """A valid tag, displayed by the names of its subtags: German (Switzerland)."""
        names = self._names(code)
        if isinstance(names, str):
            return None
        return Concept(0, code, names[0] + (f" ({', '.join(names[1:])})" if names[1:] else ""))

    def why_not(self, code: str) -> str:
        """The subtag that isn't registered, or what a tag looks like."""
        names = self._names(code)
        return names if isinstance(names, str) else ""

    def _names(self, code: str) -> list[str] | str:
        """The names of the subtags, or what is wrong."""
        whole = self._registry(registry_code("grandfathered", code))
        if whole:
            return [whole.display]
        match = _TAG.fullmatch(code)
        if match is None:
            return "A language tag is written language-Script-REGION, such as en, de-CH or zh-Hans-CN."
        if match["only_private"]:
            return ["Private use", code]
        names = []
        for group in ("language", "extlang", "script", "region"):
            for subtag in (match[group] or "").split("-"):
                found = self._name(group, subtag) if subtag else None
                if subtag and found is None:
                    return f"The {group} subtag '{subtag}' of '{code}' is not registered."
                names += [found] if found else []
        for variant in match["variants"].split("-")[1:]:
            found = self._name("variant", variant)
            if found is None:
                return f"The variant subtag '{variant}' of '{code}' is not registered."
            names.append(found)
        return names

    def _name(self, kind: str, subtag: str) -> str | None:
        if (kind == "language" and "qaa" <= subtag.lower() <= "qtz" and len(subtag) == 3) or (
            kind == "region" and (subtag.upper() in ("AA", "ZZ") or "QM" <= subtag.upper() <= "QZ" or subtag[0] in "xX")
            and len(subtag) == 2
        ):  # fmt: skip
            return "Private use"
        concept = self._registry(registry_code(kind, subtag))
        return concept.display if concept else None

    def properties(self, concept: Concept) -> tuple[Property, ...]:
        """The subtags by kind."""
        match = _TAG.fullmatch(concept.code)
        if match is None:
            return ()
        found = [Property(name, "code", match[group]) for group, name in _PARTS.items() if match[group]]
        found += [Property("variant", "code", variant) for variant in (match["variants"] or "").split("-")[1:]]
        if match["extensions"]:
            found.append(Property("extension", "code", match["extensions"][1:]))
        private = match["private"] or match["only_private"]
        return (*found, *((Property("private-use", "code", private[1:]),) if private else ()))

    def property_codes(self) -> list[str]:
        """language, ext-lang, script, region, variant, extension, private-use."""
        return [*_PARTS.values(), "variant", "extension", "private-use"]
