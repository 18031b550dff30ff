"""A file that is gone or cut short is given to nobody as if it were whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.files import Torn
from interfaces.dicom.archive.instances import encoded, encoded_as, instances
from tests.system.dicom.images import encoded as sent
from tests.system.dicom.images import image

IMPLICIT = "1.2.840.10008.1.2"


@pytest.mark.parametrize("left", [None, 0, -2])
def test_a_file_that_is_not_whole_is_told(tmp_path, left):
    archive = Archive(Settings(data=tmp_path, dicom_fsync=False, dicom_reserve_mb=0))
    try:
        made = image()
        archive.receive(sent(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
        [row] = instances(archive.reading, {"00080018": made.SOPInstanceUID})
        path = archive.files.local(row["digest"])
        assert path is not None and encoded(archive, row) == path.read_bytes()
        path.unlink() if left is None else path.write_bytes(path.read_bytes()[:left])
        values: Any = row
        coerced = {**values, "coercion": json.dumps({"00100020": {"vr": "LO", "Value": ["P2"]}})}
        for given in (row, coerced):
            with pytest.raises(Torn):
                encoded(archive, given)
            with pytest.raises(Torn):
                encoded_as(archive, given, IMPLICIT)
    finally:
        archive.close()
