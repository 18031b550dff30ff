"""A peer that asks for Unified Procedure Steps, by pynetdicom, and steps for it to ask for."""

from __future__ import annotations

import contextlib

from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import (
    UnifiedProcedureStepPull,
    UnifiedProcedureStepPush,
    UnifiedProcedureStepQuery,
    UnifiedProcedureStepWatch,
)

from interfaces.dicom.scu.checkpoint import steady
from tests.system.dicom.conftest import TITLE

CLASSES = (UnifiedProcedureStepPush, UnifiedProcedureStepPull, UnifiedProcedureStepWatch, UnifiedProcedureStepQuery)


@contextlib.contextmanager
def associated(dicom, title="PERFORMER"):
    entity = AE(title)
    for uid in CLASSES:
        entity.add_requested_context(uid)
    association = steady(entity.associate("127.0.0.1", dicom.port, ae_title=TITLE))
    assert association.is_established
    try:
        yield Peer(association)
    finally:
        association.release()


class Peer:
    """A peer that speaks by pull's context of the push class's instances, as the standard has it."""

    def __init__(self, association):
        self.association = association

    def create(self, step, uid=None):
        uid = uid or generate_uid()
        status, _ = self.association.send_n_create(step, UnifiedProcedureStepPush, uid)
        return status.Status, uid

    def set(self, uid, transaction="", **attributes):
        given = dataset(**attributes)
        if transaction:
            given.TransactionUID = transaction
        status, _ = self.association.send_n_set(given, UnifiedProcedureStepPush, uid, meta_uid=UnifiedProcedureStepPull)
        return status.Status

    def get(self, uid, *keywords):
        tags = [Tag(keyword) for keyword in keywords]
        status, found = self.association.send_n_get(
            tags, UnifiedProcedureStepPush, uid, meta_uid=UnifiedProcedureStepPull
        )
        return found if status.Status == 0 else status.Status

    def act(self, uid, action, **information):
        given = dataset(**information) if information else None
        status, _ = self.association.send_n_action(
            given, action, UnifiedProcedureStepPush, uid, meta_uid=UnifiedProcedureStepWatch
        )
        return status.Status

    def state(self, uid, state, transaction=""):
        return self.act(uid, 1, ProcedureStepState=state, **({"TransactionUID": transaction} if transaction else {}))

    def begin(self, **attributes):
        """A step that is under way, and the Transaction UID that locks it."""
        status, uid = self.create(step(**attributes))
        assert status == 0
        transaction = generate_uid()
        assert self.state(uid, "IN PROGRESS", transaction) == 0
        return uid, transaction

    def find(self, **keys):
        found = self.association.send_c_find(dataset(**keys), UnifiedProcedureStepQuery)
        answers = [(status.Status, identifier) for status, identifier in found]
        assert answers.pop()[0] == 0
        return [identifier for _, identifier in answers]


def dataset(**attributes):
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def code(value="110005", meaning="Interpretation", scheme="DCM"):
    return dataset(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def step(**attributes):
    """A step as a scheduler creates it."""
    made = dataset(
        ProcedureStepState="SCHEDULED",
        ScheduledProcedureStepPriority="HIGH",
        ProcedureStepLabel="Segment the lungs",
        WorklistLabel="POST",
        ScheduledProcedureStepStartDateTime="20260101100000",
        InputReadinessState="READY",
        ScheduledWorkitemCodeSequence=[code()],
        InputInformationSequence=[dataset(StudyInstanceUID="1.2.3", TypeOfInstances="DICOM")],
    )
    made.update(dataset(**attributes))
    return made


def performed(**attributes):
    """What a performer says in the end."""
    item = dataset(
        PerformedStationNameCodeSequence=[code("WS1", "Workstation 1", "99L")],
        PerformedProcedureStepStartDateTime="20260101101000",
        PerformedWorkitemCodeSequence=[code()],
        PerformedProcedureStepEndDateTime="20260101102000",
        OutputInformationSequence=[dataset(StudyInstanceUID="1.2.4")],
    )
    item.update(dataset(**attributes))
    return {"UnifiedProcedureStepPerformedProcedureSequence": [item]}
