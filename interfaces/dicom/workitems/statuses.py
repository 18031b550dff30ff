"""The statuses of the Unified Procedure Step service (PS3.4 section CC.2, PS3.7 annex C)."""

from __future__ import annotations

SUCCESS = 0x0000
NO_SUCH_ATTRIBUTE = 0x0105
INVALID_VALUE = 0x0106
PROCESSING_FAILURE = 0x0110
DUPLICATE = 0x0111
INVALID_ARGUMENT = 0x0115
INVALID_INSTANCE = 0x0117
MISSING_ATTRIBUTE = 0x0120
MISSING_VALUE = 0x0121
NO_SUCH_ACTION = 0x0123
NOT_AUTHORIZED = 0x0124
ALREADY_CANCELED = 0xB304
ALREADY_COMPLETED = 0xB306
NO_LONGER_UPDATED = 0xC300
WRONG_TRANSACTION = 0xC301
ALREADY_IN_PROGRESS = 0xC302
ONLY_BY_CREATION = 0xC303
FINAL_STATE_NOT_MET = 0xC304
NO_SUCH_STEP = 0xC307
UNKNOWN_RECEIVER = 0xC308
NOT_SCHEDULED = 0xC309
NOT_IN_PROGRESS = 0xC310
COMPLETED_BEFORE = 0xC311
NOBODY_TO_CONTACT = 0xC312
WRONG_INSTANCE = 0xC314

# what each says, where nothing more exact is said
MEANINGS = {
    NO_SUCH_ATTRIBUTE: "an attribute may not be set in this way",
    INVALID_VALUE: "an attribute has a value that it can't have",
    PROCESSING_FAILURE: "no data set, or one with a binary value over 1 KiB, which is not kept",
    DUPLICATE: "a step of this UID is there already",
    INVALID_ARGUMENT: "the action information lacks what the action needs",
    INVALID_INSTANCE: "the SOP Instance UID is no UID",
    MISSING_ATTRIBUTE: "an attribute of type 1 is missing",
    MISSING_VALUE: "an attribute of type 1 is empty",
    NO_SUCH_ACTION: "there are action types 1 to 5",
    NOT_AUTHORIZED: "the peer may not use procedure steps (its entry in the peers file)",
    ALREADY_CANCELED: "The UPS is already in the requested state of CANCELED",
    ALREADY_COMPLETED: "The UPS is already in the requested state of COMPLETED",
    NO_LONGER_UPDATED: "The UPS may no longer be updated",
    WRONG_TRANSACTION: "The correct Transaction UID was not provided",
    ALREADY_IN_PROGRESS: "The UPS is already IN PROGRESS",
    ONLY_BY_CREATION: "The UPS may only become SCHEDULED via N-CREATE",
    FINAL_STATE_NOT_MET: "The final state requirements are not met",
    NO_SUCH_STEP: "There is no UPS of this SOP Instance UID",
    UNKNOWN_RECEIVER: "The Receiving AE is none of the peers",
    NOT_SCHEDULED: "The UPS State must be SCHEDULED at creation",
    NOT_IN_PROGRESS: "The UPS is not yet in the IN PROGRESS state",
    COMPLETED_BEFORE: "The UPS is already COMPLETED",
    NOBODY_TO_CONTACT: "The performer cannot be contacted: nobody is subscribed",
    WRONG_INSTANCE: "The action is not one for this instance",
}


class Refused(Exception):
    """Nothing was changed; code is the status, comment says why in at most 64 characters."""

    def __init__(self, code: int, comment: str = "") -> None:
        self.code = code
        self.comment = comment or MEANINGS[code]
        super().__init__(f"{code:04X} {self.comment}")


def passed(code: int) -> int:
    """A success or a warning as it is; Refused for a failure of this service."""
    if code >= NO_LONGER_UPDATED:
        raise Refused(code)
    return code
