import pytest

from fhir_server.commands.story import story
from fhir_server.core.errors import FhirError


@pytest.mark.parametrize("server", ["http://127.0.0.1:1", "no URL"])
def test_where_no_server_answers_one_line_says_so(server):
    with pytest.raises(FhirError, match="is this its URL"):
        story(server=server, mllp="", dicom="", title="")
