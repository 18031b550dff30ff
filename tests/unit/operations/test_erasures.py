from pathlib import Path

import pytest

from fhir_server.core.erasing import Erased
from fhir_server.core.errors import FhirError
from fhir_server.operations.erasures import Erasures

pytestmark = pytest.mark.anyio

ERASED = Erased("Patient/a", frozenset({("urn:mrn", "1")}), frozenset({"Patient/a"}))


async def test_an_erasure_is_pending_at_each_interface_until_it_is_forgotten(tmp_path: Path) -> None:
    erasures = Erasures(tmp_path / "erasures", ("lab", "ward"))
    assert await erasures(ERASED) == {"pending at lab": 1, "pending at ward": 1}
    (pending,) = erasures.of("lab")
    assert (pending.reference, pending.identifiers) == ("Patient/a", [("urn:mrn", "1")])
    assert erasures.find(pending.id, "ward") is None
    erasures.forget(pending)
    assert (erasures.of("lab"), len(erasures.of("ward"))) == ([], 1)


async def test_an_erasure_that_can_not_be_kept_is_refused(tmp_path: Path) -> None:
    (tmp_path / "erasures").write_text("a file in the way")
    with pytest.raises(FhirError, match="the record stays") as refused:
        await Erasures(tmp_path / "erasures", ("lab",))(ERASED)
    assert refused.value.status == 503
