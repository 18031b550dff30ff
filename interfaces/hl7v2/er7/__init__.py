"""ER7, the encoding of HL7 v2 messages with bars and carets: lossless, lazy, small.

`parse(raw)` gives a Message whose segments are split only as they are looked at; `Message.encode()` of a message that
nobody edited is `raw`, byte for byte. Specification: HL7 v2.9, chapter 2, 2.5 to 2.7 and 2.14 (MSH).
"""

from interfaces.hl7v2.er7.delimiters import Delimiters
from interfaces.hl7v2.er7.groups import Group, Structure
from interfaces.hl7v2.er7.message import Message, parse
from interfaces.hl7v2.er7.segment import Segment

__all__ = ["Delimiters", "Group", "Message", "Segment", "Structure", "parse"]
