"""What every operation begins with: the view of the catalog that the request asks for, and what it names in it."""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import error
from terminology.catalog import Catalog, CodeSystem
from terminology.compose.compiled import CompiledSet
from terminology.compose.context import value_set_of
from terminology.operations.arguments import Arguments
from terminology.service import Terminology
from terminology.versions import joined, rules, split

# Parameters that all operations take beside those of R4; the others only tune caches. Supplements that are known are
# always used, so useSupplement only makes sure that one is.
COMMON = ("tx-resource", "system-version", "check-system-version", "force-system-version", "useSupplement")
IGNORED = ("cache-id", "x-cache-id", "profile", "profile-url")

Json = dict[str, Any]


def view(service: Terminology, arguments: Arguments) -> Catalog:
    """The catalog with the request's own resources and its rules on versions."""
    resources = arguments.resources("tx-resource")
    named = [arguments.texts(f"{kind}system-version") for kind in ("", "force-", "check-")]
    if arguments.one("date"):
        raise error(
            "not-supported", "Content as of a past date is not kept here; name a version instead of 'date'.",
            location="date",
        )  # fmt: skip
    catalog = service.catalog
    found = catalog.with_request(resources, rules(*named)) if resources or any(named) else catalog
    for canonical in arguments.texts("useSupplement"):
        if not found.has_supplement(*split(canonical)):
            message = f"The supplement {canonical} is not known here."
            raise error("not-found", message, location="useSupplement")
    return found


def with_instance(catalog: Catalog, instance: Json | None) -> Catalog:
    """The catalog with a code system that is at hand, where it doesn't know it anyway."""
    if instance is None:
        return catalog
    url, version = instance.get("url", ""), instance.get("version", "")
    if any(system.info.version == version for system in catalog.store.systems(url)):
        return catalog
    return catalog.with_request([instance], catalog.rules)


def named_system(arguments: Arguments, name: str, version: str, instance: Json | None) -> tuple[str, str]:
    """url and version of the code system that the parameters name; where they don't, those of the one at hand."""
    url, asked = canonical_of(arguments, name, version)
    if instance is None:
        return url, asked
    return url or instance.get("url", ""), asked or instance.get("version", "")


def code_system(catalog: Catalog, url: str, version: str = "") -> CodeSystem:
    """The code system; FhirError not-found where it isn't known."""
    if not url:
        raise error(
            "required", "The code system is missing: give system, or a coding with a system.", location="system"
        )
    found = catalog.system(url, version)
    if found is None:
        raise error("not-found", unknown_system(catalog, url, version), location="system")
    return found


def unknown_system(catalog: Catalog, url: str, version: str) -> str:
    """What to tell of a code system that isn't known."""
    known = [system.info.version or "without version" for system in catalog.systems(url)]
    wanted = catalog.rules.version(url, version)
    if wanted and known:
        return f"The code system {url} is not known in version {wanted}; versions known: {', '.join(known)}."
    return f"The code system {joined(url, wanted)} is not known here, or its codes are not."


def value_set(service: Terminology, catalog: Catalog, arguments: Arguments, instance: Json | None) -> CompiledSet:
    """The value set that is meant, by instance, resource, url or context; FhirError where none or an unknown one is."""
    resource = instance or arguments.resource("valueSet", "ValueSet")
    if resource is not None:
        return service.compiled(resource, catalog)
    url = arguments.text("url")
    context = arguments.text("context")
    if not url and context:
        url = value_set_of(context)
    if not url:
        raise error("required", "The value set is missing: give url, valueSet or context.", location="url")
    canonical = url if split(url)[1] else joined(url, arguments.text("valueSetVersion"))
    found = service.value_set(canonical, catalog)
    if found is None:
        raise error("not-found", f"The value set {canonical} is not known here.", location="url")
    return found


def canonical_of(arguments: Arguments, name: str, version: str) -> tuple[str, str]:
    """url and version of a parameter that may have the version in itself or in another parameter."""
    url, own = split(arguments.text(name))
    return url, own or arguments.text(version)
