from pathlib import Path

import pytest

from fhir_server.core.erasing import Erased
from fhir_server.core.errors import FhirError
from fhir_server.operations.erasures import Erasures, InFolder

pytestmark = pytest.mark.anyio

ERASED = Erased("Patient/a", frozenset({("urn:mrn", "1")}), frozenset({"Patient/a"}))


async def test_an_erasure_that_can_not_be_kept_is_refused(tmp_path: Path) -> None:
    (tmp_path / "erasures").write_text("a file in the way")
    with pytest.raises(FhirError, match="the record stays") as refused:
        await Erasures(InFolder(tmp_path / "erasures"), ("lab",))(ERASED)
    assert refused.value.status == 503
