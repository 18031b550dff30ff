"""The strict reading of a message: what hl7apy's validation finds wrong with it by the standard's own tables.

Hundreds of times slower than reading; for interfaces whose setting asks for it.
"""

from __future__ import annotations

from interfaces.hl7v2.er7.message import Message
from interfaces.hl7v2.er7.structures import find_structure, nearest_version


def strict_problems(message: Message) -> list[str]:
    """What breaks the standard, in sentences; [] for a message that obeys it.

    It is checked by the tables of the nearest version that hl7apy has (2.1 to 2.8.2).
    """
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_message
    from hl7apy.validation import Validator

    version = nearest_version(message.version)
    found = find_structure(message.type, message.event, message.structure, version)
    if found is None:
        return [f"MSH-9: no version of the standard has the message {message.type}^{message.event}."]
    text = "\r".join(segment.text for segment in message.segments if segment.text.strip())
    try:
        parsed = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
        Validator.validate(parsed)
    except HL7apyException as problem:
        return [f"{str(problem).rstrip('.') or type(problem).__name__}."]
    except Exception as problem:  # hl7apy ends in KeyError, TypeError and others on what it does not foresee
        return [f"The message can't be checked by the tables of version {version}: {type(problem).__name__}."]
    return []
