"""Extended negotiation: of queries relational ones, dates with times, names alike; roles."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pynetdicom import AE, build_context, build_role
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation, SOPClassExtendedNegotiation

from interfaces.dicom.scu.checkpoint import steady
from tests.system.dicom.conftest import TITLE
from tests.system.dicom.images import image
from tests.system.dicom.test_studies import receive

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
CT, IMPLICIT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"


def found(dicom, asked: bytes, tag: str, **keys: str) -> list[str] | int:
    """The values of a tag in the answers to a query, or the status that refuses it."""
    entity = AE("MODALITY")
    entity.add_requested_context(FIND)
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = FIND, asked
    association = steady(entity.associate("127.0.0.1", dicom.port, ae_title=TITLE, ext_neg=[extended]))
    identifier = Dataset()
    for keyword, value in {tag: "", **keys}.items():
        setattr(identifier, keyword, value)
    identifier.SpecificCharacterSet = "ISO_IR 192"
    answers = list(association.send_c_find(identifier, FIND))
    association.release()
    if answers[-1][0].Status:
        return answers[-1][0].Status
    return sorted(str(getattr(answer, tag)) for _, answer in answers[:-1])


def test_relational_queries_are_taken_once_they_are_negotiated(dicom_with):
    dicom = dicom_with(dicom_relational=False)
    receive(dicom, image(SeriesInstanceUID="1.2.3"))
    assert found(dicom, b"\0", "SeriesInstanceUID", QueryRetrieveLevel="SERIES") == 0xA900
    assert found(dicom, b"\1", "SeriesInstanceUID", QueryRetrieveLevel="SERIES") == ["1.2.3"]


def test_dates_and_times_are_one_moment_once_that_is_negotiated(dicom):
    for uid, date, time in (("1.1", "20260101", "2330"), ("1.2", "20260102", "0030"), ("1.3", "20260102", "120000.5")):
        receive(dicom, image(StudyInstanceUID=uid, StudyDate=date, StudyTime=time))
    keys = {"QueryRetrieveLevel": "STUDY", "StudyDate": "20260101-20260102", "StudyTime": "2300-0100"}
    assert found(dicom, b"\0\0", "StudyInstanceUID", **keys) == []
    assert found(dicom, b"\0\1", "StudyInstanceUID", **keys) == ["1.1", "1.2"]
    later = {**keys, "StudyDate": "20260102-", "StudyTime": "0000-"}
    assert found(dicom, b"\0\1", "StudyInstanceUID", **later) == ["1.2", "1.3"]


def test_names_are_found_by_the_beginnings_of_words_once_that_is_negotiated(dicom):
    receive(dicom, image(StudyInstanceUID="1.1", PatientName="Müller^Jörg", SpecificCharacterSet="ISO_IR 192"))
    keys = {"QueryRetrieveLevel": "STUDY", "PatientName": "jorg mul"}
    assert found(dicom, b"\0\0\0", "StudyInstanceUID", **keys) == []
    assert found(dicom, b"\0\0\1", "StudyInstanceUID", **keys) == ["1.1"]


def test_a_role_that_is_asked_for_is_answered_once_for_all_contexts_of_its_class(dicom):
    entity = AE("MODALITY")
    contexts = [build_context(CT, syntax) for syntax in (IMPLICIT, EXPLICIT)]
    roles = [build_role(CT, scu_role=True, scp_role=True)]
    association = steady(entity.associate("127.0.0.1", dicom.port, contexts, TITLE, ext_neg=roles))
    answered = [
        item for item in association.acceptor.user_information if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
    ]
    accepted = association.accepted_contexts
    association.release()
    assert [(item.sop_class_uid, item.scu_role, item.scp_role) for item in answered] == [(CT, True, True)]
    assert [context.transfer_syntax for context in accepted] == [[IMPLICIT], [EXPLICIT]]
