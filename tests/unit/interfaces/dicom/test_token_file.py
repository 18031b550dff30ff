"""The token that `hms dicom listen --server` shows."""

import os

import pytest

from fhir_server.commands.dicom import TokenFile
from fhir_server.core.errors import FhirError


def test_a_token_is_read_again_once_its_file_changes(tmp_path):
    path = tmp_path / "token"
    path.write_text("one\n")
    token = TokenFile(path)
    assert token() == "one"
    path.write_text("two\n")
    os.utime(path, ns=(1, 1))
    assert token() == "two"


@pytest.mark.parametrize("content", ["", None])
def test_a_file_without_a_token_is_told(tmp_path, content):
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    with pytest.raises(FhirError, match="token file"):
        TokenFile(path)()
