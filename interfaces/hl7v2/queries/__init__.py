"""Queries and their answers: patients (PDQ, ITI-21), their other numbers (PIX, ITI-9), immunizations (Q11).

HL7 v2.9 chapter 5; IHE ITI TF-2, 3.9 and 3.21; CDC's implementation guide for immunization messaging 1.5.
"""

from __future__ import annotations

from interfaces.hl7v2.er7 import Message
from interfaces.hl7v2.queries.immunizations import immunizations
from interfaces.hl7v2.queries.numbers import corresponding
from interfaces.hl7v2.queries.patients import candidates
from interfaces.hl7v2.queries.response import Answer, Asker
from interfaces.hl7v2.reading import ClientReader
from mappings.hl7v2.tables import Tables

QUERIES = {"Q22": candidates, "Q23": corresponding, "Q11": immunizations}


def is_query(message: Message) -> bool:
    """Whether it is a query that is answered here."""
    return message.type == "QBP" and message.event in QUERIES


async def answer(message: Message, reader: ClientReader, tables: Tables, asker: Asker) -> bytes | None:
    """The response to a query; None where the message is none that is answered here."""
    if not is_query(message):
        return None
    made: Answer = await QUERIES[message.event](message, reader, tables)
    return asker.respond(message, made)
