"""The standard's message structures, segments and data types by version, as compile_structures.py wrote them."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import msgspec
import zstandard

VERSIONS = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2")
# What a message without a structure of its own has (HL7 table 0354), for types whose events share one.
SHARED: dict[str, tuple[str, ...]] = {
    "ADT_A01": ("A04", "A08", "A13"),
    "ADT_A05": ("A14", "A28", "A31"),
    "ADT_A06": ("A07",),
    "ADT_A09": ("A10", "A11", "A12"),
    "ADT_A21": ("A22", "A23", "A25", "A26", "A27", "A29", "A32", "A33"),
    "ADT_A30": ("A34", "A35", "A36", "A46", "A47", "A48", "A49"),
    "ADT_A39": ("A40", "A41", "A42"),
    "ADT_A43": ("A44",),
    "ADT_A50": ("A51",),
    "ADT_A54": ("A55",),
    "ADT_A61": ("A62",),
    "MDM_T01": ("T03", "T05", "T07", "T09", "T11"),
    "MDM_T02": ("T04", "T06", "T08", "T10"),
    "SIU_S12": tuple(f"S{number}" for number in (*range(13, 25), 26, 27)),
    "PPR_PC1": ("PC2", "PC3"),
    "PGL_PC6": ("PC7", "PC8"),
    "REF_I12": ("I13", "I14", "I15"),
    "ORU_R01": ("R31", "R32", "R40", "R42", "R43"),
    "DFT_P03": (),
    "BAR_P01": (),
}
_OF_EVENT = {(structure[:3], event): structure for structure, events in SHARED.items() for event in events}


@functools.cache
def tables(version: str) -> dict[str, Any]:
    """The tables of one of VERSIONS: "messages", "segments" and "types" as compile_structures.py describes them."""
    packed = resources.files(__name__).joinpath(f"{version}.msgpack.zst").read_bytes()
    return msgspec.msgpack.decode(zstandard.decompress(packed))


def nearest_version(stated: str) -> str:
    """The version of VERSIONS by which a message of a stated version is read: the last not after it; 2.5.1 for none."""
    try:
        wanted = tuple(int(part) for part in stated.strip().split("."))
    except ValueError:
        return "2.5.1"
    return next(
        (version for version in reversed(VERSIONS) if tuple(map(int, version.split("."))) <= wanted), VERSIONS[0]
    )


def find_structure(message_type: str, event: str, stated: str, version: str) -> tuple[str, list[Any]] | None:
    """The name and the tree of a message's structure; None where no version of the standard has it.

    stated: MSH-9.3, which only counts where it is a structure; version: MSH-12. A structure that the version lacks is
    looked for in later versions, then in earlier ones.
    """
    at = VERSIONS.index(nearest_version(version))
    names = [stated, f"{message_type}_{event}" if event else message_type, _OF_EVENT.get((message_type, event), "")]
    for candidate in (*VERSIONS[at:], *reversed(VERSIONS[:at])):
        messages = tables(candidate)["messages"]
        for name in names:
            if name and name in messages:
                return name, messages[name]
    return None
