"""What validation costs, in microseconds of CPU: python -m tests.bench.validation [--peer].

--peer: also what fhir.resources takes, of its last release for R4 (fhir.resources 6.5 with pydantic 1); where it is not
installed in this environment, --peer PYTHON names an interpreter that has it.
"""

from __future__ import annotations

import argparse
import gzip
import io
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import zstandard

from fhir_server.codec import json
from fhir_server.definitions import load
from profiles.packages import PackageStore
from profiles.validator import Validator
from terminology import Terminology
from tests.official_examples import official_examples

PACKAGE = Path(__file__).parents[1] / "data/packages/hl7.fhir.us.core-6.1.0.tar.zst"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
PEER = """
import json, sys, time
from fhir.resources import construct_fhir_element
for name in sys.argv[1:]:
    content = json.load(open(name))
    kind = content["resourceType"]
    for attempt in range(2):
        began, count = time.process_time(), 0
        while time.process_time() - began < 1:
            construct_fhir_element(kind, content); count += 1
    print(f"fhir.resources {kind:<52}{(time.process_time() - began) / count * 1e6:12.1f}")
"""


def measured(call: Callable[[], object]) -> float:
    """Microseconds of CPU of the fastest of seven runs, after one that is not counted."""
    began = time.process_time()
    call()
    count = max(1, int(0.05 / max(time.process_time() - began, 1e-6)))
    runs = []
    for _ in range(7):
        began = time.process_time()
        for _ in range(count):
            call()
        runs.append((time.process_time() - began) / count)
    return min(runs) * 1e6


def bundle_of(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """A collection of 100 resources, these in turn."""
    entries = []
    for number in range(100):
        resource = {**resources[number % len(resources)], "id": f"r{number}"}
        entries.append({"fullUrl": f"http://example.org/{resource['resourceType']}/r{number}", "resource": resource})
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def inputs() -> dict[str, dict[str, Any]]:
    """Title -> resource: two official examples, and a Bundle of them."""
    wanted = ("package/Patient-example.json", "package/Observation-example.json")
    patient, observation = (
        json.parse(data) for name, data in sorted(official_examples(), reverse=True) if name in wanted
    )
    return {"Patient": patient, "Observation": observation, "Bundle of 100": bundle_of([patient, observation])}


def us_core(folder: Path) -> tuple[Validator, dict[str, dict[str, Any]], float]:
    """A validator with US Core in a store on the disk, its Patient examples, and the seconds of the installation."""
    packed = zstandard.ZstdDecompressor().stream_reader(PACKAGE.read_bytes()).read()
    examples = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            if member.name.startswith("package/example/Patient-"):
                found = archive.extractfile(member)
                assert found is not None
                examples[member.name.rpartition("/")[2]] = json.parse(found.read())
    file = folder / "us-core.tgz"
    file.write_bytes(gzip.compress(packed, 6))
    store, terminology = PackageStore(folder / "packages.db"), Terminology(folder / "terminology.db")
    began = time.process_time()
    store.install(file, terminology.put)
    taken = time.process_time() - began
    service = terminology
    validator = Validator(load(), sources=[store], terminology=service, generation=service.store.generation)
    return validator, examples, taken


def both(validator: Validator, patient: dict[str, Any]) -> None:
    """What a write costs where US Core's Patient is required."""
    validator.check(patient)
    validator.conformance(patient, [US_CORE], declared=False)


def peer(interpreter: str, resources: dict[str, dict[str, Any]]) -> None:
    """Prints what fhir.resources takes for the same."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for title, resource in resources.items():
            file = Path(folder) / f"{title.split()[0]}.json"
            file.write_bytes(json.serialize(resource))
            files.append(str(file))
        subprocess.run([interpreter, "-c", PEER, *files], check=True)


def main() -> None:
    """Prints one line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", nargs="?", const=sys.executable, metavar="PYTHON")
    options = parser.parse_args()
    validator = Validator(load())
    resources = inputs()
    for title, resource in resources.items():
        assert not [issue for issue in validator.check(resource) if issue.severity == "error"], title
        print(
            f"{'structure, invariants, bindings: ' + title:<68}{measured(lambda r=resource: validator.check(r)):8.1f}"
        )
    with tempfile.TemporaryDirectory() as folder:
        profiled, examples, taken = us_core(Path(folder))
        print(f"{'installing US Core 6.1.0':<68}{taken:6.2f} s")
        for name, example in examples.items():
            size = len(json.serialize(example))
            call = partial(both, profiled, example)
            call()
            print(f"{f'R4 and US Core: {name}, {size} bytes':<68}{measured(call):8.1f}")
    if options.peer:
        peer(options.peer, resources)


if __name__ == "__main__":
    main()
