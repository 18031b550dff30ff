"""A visit end to end, as `hms story` and `make demo` tell it, on a server with everything mounted; twice the same."""

import re
import socket
from pathlib import Path

from tests.system.process import hms, serving

STEPS = (
    "ADT^A01 by MLLP", "ORU^R01 by MLLP", "CT by DICOM", "charged", "scrubbed", "claimed", "837 written", "denied",
    "CO-16 M64, information missing, due", "ADT^A08 by MLLP", "frequency 7", "denial closed", "835 posted",
    "trial balance                0.00", "shift covered", "time recorded", "indicator admissions",
    "indicator denial_rate", "indicator days_in_receivables", "traced", "made again from the feed", "is told.",
)  # fmt: skip


def test_the_story_is_told_and_told_again(tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        mllp = free.getsockname()[1]
    mounted = ("--subsystems", "analytics,billing,workforce", "--hl7-port", mllp, "--dicom", "true", "--dicom-port", 0,
               "--dicom-study-pause-seconds", 0)  # fmt: skip
    with serving(tmp_path, *mounted) as server:
        found = re.search(r"DICOM .*:(\d+)$", server.said(), re.MULTILINE)
        assert found
        where = ("--server", server.origin, "--mllp", f"127.0.0.1:{mllp}", "--dicom", f"127.0.0.1:{found[1]}")
        told: list[set[str]] = []
        for _ in range(2):
            said = hms("story", *where)
            for step in STEPS:
                assert step in said
            told.append(set(re.findall(r"(?:Claim|DocumentReference|Encounter)/[\w-]+", said)))
        assert told[0] == told[1]  # nothing is billed twice
        message = re.search(r"message (STORY-A0[13]-\d+)", said)
        assert message
        traced = hms("trace", message[1], "--server", server.base)
        assert "Encounter/" in traced
        entry = re.search(r"journal/\d+", said)
        assert entry
        traced = hms("trace", entry[0], "--server", server.base)
        assert "ChargeItem/" in traced and message[1] in traced
        assert entry[0] in hms("trace", message[1], "--data", tmp_path)
