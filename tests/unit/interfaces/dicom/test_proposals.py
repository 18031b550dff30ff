"""Presentation contexts are read and answered as pynetdicom reads and answers them, which takes its time."""

from __future__ import annotations

import pytest
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.presentation import StoragePresentationContexts

from interfaces.dicom.association.proposals import Answers, AssociateRequest, answer_item, answered, proposed

PRIVATE = "1.2.3.4"
CT = "1.2.840.10008.5.1.4.1.1.2"


def primitive() -> A_ASSOCIATE:
    made = A_ASSOCIATE()
    made.application_context_name = "1.2.840.10008.3.1.1.1"
    made.calling_ae_title, made.called_ae_title = "MODALITY", "ULTIMATEHMS"
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 16382, PRIVATE
    made.user_information = [length, implementation]
    return made


def request() -> bytes:
    made = primitive()
    for number, context in enumerate(StoragePresentationContexts):
        context.context_id = number * 2 + 1
    made.presentation_context_definition_list = StoragePresentationContexts
    return A_ASSOCIATE_RQ(made).encode()


def shown(context) -> tuple:
    return context.context_id, context.abstract_syntax, context.transfer_syntax


def test_a_request_is_read_as_pynetdicom_reads_it():
    ours, theirs = AssociateRequest(), A_ASSOCIATE_RQ()
    for pdu in (ours, theirs):
        pdu.decode(request())
    mine, other = ours.to_primitive(), theirs.to_primitive()
    contexts = mine.presentation_context_definition_list
    assert len(contexts) == len(StoragePresentationContexts)
    assert list(map(shown, contexts)) == list(map(shown, other.presentation_context_definition_list))
    assert (mine.calling_ae_title, mine.user_information) == (other.calling_ae_title, other.user_information)


def test_an_answer_is_written_as_pynetdicom_writes_it():
    ours, theirs = primitive(), primitive()
    contexts = [answered(proposed(item(5, CT, "1.2.840.10008.1.2")), None)]
    theirs.presentation_context_definition_results_list = contexts
    pdu = A_ASSOCIATE_AC(ours)
    pdu.variable_items.insert(1, Answers(map(answer_item, contexts)))
    assert pdu.encode() == A_ASSOCIATE_AC(theirs).encode()


def item(number: int, *uids: str) -> bytes:
    """An item of a request: the abstract syntax, then transfer syntaxes."""
    made = b""
    for kind, uid in zip((0x30, *[0x40] * len(uids)), uids, strict=False):
        made += bytes((kind, 0)) + len(uid).to_bytes(2) + uid.encode()
    return b"\x20\0" + (len(made) + 4).to_bytes(2) + bytes((number, 0, 0, 0)) + made


def test_the_first_syntax_that_is_not_private_is_taken():
    assert answered(proposed(item(1, CT, PRIVATE, "1.2.840.10008.1.2.1")), None).transfer_syntax == [
        "1.2.840.10008.1.2.1"
    ]
    assert answered(proposed(item(1, CT, PRIVATE)), None).transfer_syntax == [PRIVATE]


def test_a_context_without_a_syntax_is_refused_alone():
    assert answered(proposed(item(1, CT)), None).result == 4


def test_who_wants_to_be_the_provider_only_is_answered_as_user():
    made = answered(proposed(item(1, CT, "1.2.840.10008.1.2")), (False, True))
    assert (made.as_scu, made.as_scp) == (True, False)


@pytest.mark.parametrize(
    "wrong", [item(1)[:-1], item(1, CT)[:-3], item(2, CT), item(1, "1" * 65, "1.2"), b"\x20\0\0\0"]
)
def test_what_is_no_context_is_told(wrong):
    with pytest.raises((ValueError, IndexError)):
        proposed(wrong)
