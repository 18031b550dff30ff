"""The presentation contexts of an association: read from the A-ASSOCIATE-RQ, answered in the A-ASSOCIATE-AC
(PS3.8 sections 9.3.2.2 and 9.3.3.2).

A storage client proposes some hundred contexts of three syntaxes each. pynetdicom makes an object of every item and
checks every UID several times, which costs as much of a processor as receiving ten images. One that proposes what was
proposed before, as each association of a modality does, has its contexts and their answers from there. What else there
is to an association is pynetdicom's.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable
from typing import Any

from pydicom import config
from pydicom.uid import UID
from pynetdicom.acse import ACSE
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_items import PDU_ITEM_TYPES
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import SCP_SCU_ROLES, PresentationContext
from pynetdicom.sop_class import _STORAGE_CLASSES

from interfaces.dicom.dataset.vrs import LONGEST_UID

PROPOSED, ANSWERED, ABSTRACT_SYNTAX, TRANSFER_SYNTAX, USER_INFORMATION = 0x20, 0x21, 0x30, 0x40, 0x50  # item types
ACCEPTED, NO_TRANSFER_SYNTAX = 0, 4  # results
_STORAGE = frozenset(map(str, _STORAGE_CLASSES.values()))


class Proposed(PresentationContext):
    """A context of an A-ASSOCIATE-RQ, for all associations that propose it alike: nobody changes it or its answer.

    answer: where it is answered here, that to a peer who asks for no roles, else None; item: the answer as it is
    encoded.
    """

    answer: PresentationContext | None = None
    item = b""


class AssociateRequest(A_ASSOCIATE_RQ):
    """An A-ASSOCIATE-RQ PDU; ValueError or AssertionError where it is none."""

    def __init__(self) -> None:
        self._proposed: list[Proposed] = []
        super().__init__()

    def _wrap_generate_items(self, bytestream: bytes) -> list[Any]:
        others = []
        for kind, item in self._generate_items(bytestream):
            if kind == PROPOSED:
                self._proposed.append(proposed(item))
            elif kind in PDU_ITEM_TYPES:
                made = PDU_ITEM_TYPES[kind]()
                made.decode(known(item) if kind == USER_INFORMATION else item)
                others.append(made)
        return others

    def to_primitive(self) -> Any:
        """The request as ACSE takes it."""
        primitive = super().to_primitive()
        primitive.presentation_context_definition_list.extend(self._proposed)
        return primitive


class Answers:
    """The items that answer the proposed contexts, as one item of an A-ASSOCIATE-AC PDU."""

    def __init__(self, items: Iterable[bytes]) -> None:
        self._encoded = b"".join(items)

    def encode(self) -> bytes:
        """The items."""
        return self._encoded

    def __len__(self) -> int:
        return len(self._encoded)


class Negotiation(ACSE):
    """Association control of an acceptor of every storage SOP class, in the first syntax that is not private."""

    answers: Answers | None = None

    def add_answers(self, pdu: A_ASSOCIATE_AC) -> None:
        """Puts the answers to all contexts into the PDU that accepts the association."""
        if self.answers is not None:
            pdu.variable_items.insert(1, self.answers)  # type: ignore[arg-type]

    def _negotiate_as_acceptor(self) -> None:
        request: Any = self.requestor.primitive
        contexts: list[Proposed] = request.presentation_context_definition_list
        self._own = [each for each in contexts if each.answer is not None]
        request.presentation_context_definition_list = [each for each in contexts if each.answer is None]
        super()._negotiate_as_acceptor()
        request.presentation_context_definition_list = contexts

    def send_accept(self) -> None:
        """Accepts the association; the contexts of other services have been negotiated by now."""
        association, roles = self.assoc, self.requestor.role_selection
        taken, refused = association._accepted_cx, association._rejected_cx
        items = {each.context_id or 0: answer_item(each) for each in (*taken.values(), *refused)}
        for context in self._own:
            made, item, id = context.answer, context.item, context.context_id or 0
            if roles and (asked := roles.get(named_by(context))):
                made = answered(context, (asked.scu_role, asked.scp_role))
                item = answer_item(made)
            assert made is not None
            items[id] = item
            if made.result == ACCEPTED:
                taken[id] = made
            else:
                refused.append(made)
        if roles:
            accepted = {named_by(context) for context in self._own if context.transfer_syntax}
            for uid in sorted(roles.keys() & accepted):  # one answer each, however many contexts
                self.acceptor.add_negotiation_item(_role(roles[uid]))
        self.answers = Answers(items[id] for id in sorted(items))
        association._accepted_cx, association._rejected_cx = {}, []  # their answers are encoded already
        try:
            super().send_accept()
        finally:
            association._accepted_cx, association._rejected_cx = taken, refused


def known(item: bytes) -> bytes:
    """A user information item without the items within that are none of the standard's, which are passed over."""
    kept, at = b"", 4
    while at < len(item):
        kind, length = struct.unpack_from(">BxH", item, at) if at + 4 <= len(item) else (0, len(item))
        if at + 4 + length > len(item):
            raise ValueError("an item of user information is cut short")
        if kind in PDU_ITEM_TYPES:
            kept += item[at : at + 4 + length]
        at += 4 + length
    return struct.pack(">BxH", USER_INFORMATION, len(kept)) + kept


@functools.lru_cache(1024)
def proposed(item: bytes) -> Proposed:
    """A presentation context of an A-ASSOCIATE-RQ; ValueError where it is none."""
    context = Proposed()
    context.context_id = item[4]
    at = 8
    while at < len(item):
        kind, length = struct.unpack_from(">BxH", item, at) if at + 4 <= len(item) else (0, 0)
        value = item[at + 4 : at + 4 + length]
        if kind not in (ABSTRACT_SYNTAX, TRANSFER_SYNTAX) or len(value) != length:
            raise ValueError("an item of a presentation context is cut short or none of its kinds")
        uid = named(value)
        if kind == ABSTRACT_SYNTAX:
            context._abstract_syntax = uid
        elif uid and uid not in context._transfer_syntax:
            context._transfer_syntax.append(uid)
        at += 4 + length
    if not context._abstract_syntax:
        raise ValueError("a presentation context names no abstract syntax")
    if not context.transfer_syntax or stores(named_by(context)):
        context.answer = answered(context, None)
        context.item = answer_item(context.answer)
    return context


@functools.lru_cache(4096)
def named(value: bytes) -> UID:
    """A UID as it is encoded, of letters that need not be those of one; ValueError where it can be none."""
    text = value.rstrip(b"\0 ").decode("ascii", "ignore")
    if len(text) > LONGEST_UID:
        raise ValueError(f"a UID has {len(text)} letters")
    return UID(text, config.IGNORE)


@functools.lru_cache(4096)
def stores(uid: UID) -> bool:
    """Whether an abstract syntax is a storage SOP class: one of PS3.4 annex B, a private one, or one not known yet."""
    from pynetdicom import sop_class

    return uid.is_private or uid in _STORAGE or not hasattr(sop_class, uid.keyword)


def answered(context: PresentationContext, roles: tuple[bool | None, bool | None] | None) -> PresentationContext:
    """The answer to a storage context; roles: whether the peer wants to be SCU and SCP (PS3.7 section D.3.3.4)."""
    made, syntaxes = PresentationContext(), context.transfer_syntax
    made.context_id = context.context_id
    made._abstract_syntax = context.abstract_syntax
    made._transfer_syntax = [uid for uid in syntaxes if not uid.is_private][:1] or syntaxes[:1]
    made.result = ACCEPTED if syntaxes else NO_TRANSFER_SYNTAX
    made._as_scu, made._as_scp = SCP_SCU_ROLES[roles][(True, True)][2:] if roles else (True, True)
    return made


def named_by(context: PresentationContext) -> UID:
    """Its abstract syntax."""
    assert context.abstract_syntax is not None
    return context.abstract_syntax


def _role(asked: Any) -> SCP_SCU_RoleSelectionNegotiation:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid = asked.sop_class_uid
    role.scu_role, role.scp_role = bool(asked.scu_role), bool(asked.scp_role)
    return role


def answer_item(context: PresentationContext) -> bytes:
    """An item of an A-ASSOCIATE-AC (PS3.8 table 9-18); the syntax is of no meaning where it is rejected."""
    syntax = str(context.transfer_syntax[0]).encode("ascii") if context.transfer_syntax else b""
    head = struct.pack(">BxHBxBx", ANSWERED, 8 + len(syntax), context.context_id, context.result)
    return head + struct.pack(">BxH", TRANSFER_SYNTAX, len(syntax)) + syntax
