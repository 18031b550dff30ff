"""Segments into groups, by the tables of each version."""

import pytest

from interfaces.hl7v2.er7 import parse
from interfaces.hl7v2.er7.groups import Structure
from interfaces.hl7v2.er7.strict import strict_problems
from interfaces.hl7v2.er7.structures import VERSIONS, find_structure, tables


def paths(structure: str, version: str, names: str) -> str:
    """The group of each segment, in one line."""
    kind, event = structure.split("_")
    raw = f"MSH|^~\\&|||||||{kind}^{event}|1|P|{version}\r" + "".join(f"{name}|1\r" for name in names.split()[1:])
    message = parse(raw.encode())
    found = find_structure(message.type, message.event, message.structure, message.version)
    assert found
    root = Structure(*found).group(message.segments)
    assert [segment for _, segment in root.walk()] == message.segments or "?" in names
    return " ".join(f"{group.path.rpartition('.')[2]}:{segment.name}" for group, segment in root.walk())


def test_results_repeat_in_their_orders():
    assert paths("ORU_R01", "2.5.1", "MSH PID NTE PV1 ORC OBR NTE OBX NTE OBX SPM OBX OBR OBX PID OBR OBX") == (
        "ORU_R01:MSH PATIENT:PID PATIENT:NTE VISIT:PV1 ORDER_OBSERVATION:ORC ORDER_OBSERVATION:OBR"
        " ORDER_OBSERVATION:NTE OBSERVATION:OBX OBSERVATION:NTE OBSERVATION:OBX SPECIMEN:SPM SPECIMEN:OBX"
        " ORDER_OBSERVATION:OBR OBSERVATION:OBX PATIENT:PID ORDER_OBSERVATION:OBR OBSERVATION:OBX"
    )


def test_the_next_order_is_no_prior_result():
    assert paths("OML_O21", "2.5", "MSH PID ORC OBR OBX ORC OBR OBX").endswith(
        "ORDER:ORC OBSERVATION_REQUEST:OBR OBSERVATION:OBX ORDER:ORC OBSERVATION_REQUEST:OBR OBSERVATION:OBX"
    )
    assert "PATIENT_PRIOR:PID" in paths("OML_O21", "2.5", "MSH PID ORC OBR OBX PID ORC OBR OBX")


def test_two_patients_of_a_swap():
    assert paths("ADT_A17", "2.5", "MSH EVN PID PV1 PID PV1").count("ADT_A17:PID") == 2


def test_unknown_and_late_segments_stay_where_they_came():
    assert paths("ORU_R01", "2.5", "MSH PID ZPI OBR ZZZ OBX ZOB PD1").endswith(
        "PATIENT:PD1 PATIENT:ZPI ORDER_OBSERVATION:OBR ORDER_OBSERVATION:ZZZ OBSERVATION:OBX OBSERVATION:ZOB"
    ) or "PATIENT:PD1" in paths("ORU_R01", "2.5", "MSH PID ZPI OBR ZZZ OBX ZOB PD1 ?")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_structure_of_every_version_groups_its_own_segments(version):
    def leaves(children):
        for child in children:
            yield from leaves(child[3]) if len(child) > 3 else [child[0]]

    class Named:
        def __init__(self, name):
            self.name = name

    for name, children in tables(version)["messages"].items():
        segments = [Named(leaf) for leaf in leaves(children)]
        assert len(list(Structure(name, children).group(segments).walk())) == len(segments)


@pytest.mark.parametrize(
    ("kind", "event", "stated", "version", "structure"),
    [("ADT", "A08", "", "2.5", "ADT_A01"), ("ADT", "A31", "", "2.9", "ADT_A05"),
     ("ADT", "A40", "ADT_A39", "2.3", "ADT_A39"),
     ("OUL", "R22", "", "2.3", "OUL_R22"), ("ORU", "R01", "nonsense", "", "ORU_R01"),
     ("MDM", "T10", "", "2.5", "MDM_T02")],
)  # fmt: skip
def test_structures_are_found_by_event_and_version(kind, event, stated, version, structure):
    found = find_structure(kind, event, stated, version)
    assert found and found[0] == structure


def test_no_structure_for_what_the_standard_lacks():
    assert find_structure("FOO", "B99", "", "2.5") is None


def test_strict_reading_says_what_is_wrong():
    good = "MSH|^~\\&|A|B|C|D|20240102||ACK^A01^ACK|1|P|2.5\rMSA|AA|1\r"
    assert strict_problems(parse(good.encode())) == []
    assert strict_problems(parse(good.replace("MSA|AA|1\r", "").encode()))
    assert "FOO" in strict_problems(parse(good.replace("ACK^A01^ACK", "FOO^B99").encode()))[0]
