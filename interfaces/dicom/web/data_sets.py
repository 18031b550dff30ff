"""The body of a request as one data set, checked by writing it as DICOM writes it."""

from __future__ import annotations

from fhir_server.core.errors import error
from interfaces.dicom.dataset.model import Model, to_model
from interfaces.dicom.dataset.syntaxes import EXPLICIT_LITTLE
from interfaces.dicom.dataset.walk import DataSet, Malformed
from interfaces.dicom.services.identifiers import data_set_of
from interfaces.dicom.web.exchange import DICOM_JSON, WebRequest, reason
from interfaces.dicom.web.native import read_native
from interfaces.dicom.web.stow import DICOM_XML, models_of


def data_set(request: WebRequest, content: bytes, *, needed: bool) -> Model:
    """The data set, {} for no body where none is needed; FhirError where it is none or comes as something else."""
    if not content.strip():
        if needed:
            raise error("required", f"The body must be one data set as {DICOM_JSON} or {DICOM_XML}.")
        return {}
    type = request.headers.get("content-type", DICOM_JSON).split(";")[0].strip().lower()
    if type in (DICOM_XML, "text/xml", "application/xml"):
        models = [read_native(content)]
    elif type in (DICOM_JSON, "application/json"):
        models = models_of(content)
    else:
        raise error("unsupported-media", f"Send the data set as {DICOM_JSON} or {DICOM_XML}, not {type[:60]}.")
    if len(models) != 1:
        raise error("malformed", f"The body must be one data set, not {len(models)}.")
    return _checked(models[0])


def _checked(model: Model) -> Model:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    def too_large(path: str) -> str:
        raise error("too-large", f"{path} is a binary value over 1 KiB, which is not kept.")

    written = DicomBytesIO()
    written.is_little_endian, written.is_implicit_VR = True, False
    try:
        write_dataset(written, data_set_of(model))
    except Exception as problem:  # pydicom raises what it likes over values of the wrong kind
        raise error("malformed", f"The body makes no data set: {reason(problem)}.") from problem
    try:
        return to_model(DataSet(written.getvalue(), EXPLICIT_LITTLE), bulk=too_large)
    except Malformed as problem:
        raise error("malformed", f"The body makes no data set: {reason(problem)}.") from problem
