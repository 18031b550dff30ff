"""The parts of the HL7 v2 path without sockets and stores: python -m tests.bench.hl7v2_parts

codec: read an ORU with 20 OBX, every sub-component of it, group it, and write it back; numbers, values and times differ
from message to message, codes, units and ranges come again, as an analyser sends them;
translation: these, and one of 20,000 OBX, to a transaction; large: a message of 20,000 OBX read and grouped.
The best of several rounds, in CPU time of this process, so that what else the machine does disturbs least.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable

from interfaces.hl7v2.er7 import Structure, parse
from interfaces.hl7v2.er7.structures import find_structure
from mappings.hl7v2.tables import standard
from mappings.hl7v2.translating import translate

HEAD = (
    "MSH|^~\\&|LAB|HOSP|HMS|HOSP|20240102120000+0000||ORU^R01^ORU_R01|{one}|P|2.5.1||||||UNICODE UTF-8\r"
    "PID|1||{one}^^^A&1.2&ISO||DOE^JANE{one}||19700101|F|||1 Main^^Town\rORC|RE|{one}^A|{one}^B\r"
    "OBR|1|{one}^A|{one}^B|24317-0^Hemogram^LN|||20240102|||||||||||||||20240102110000|||F\r"
)


def message(results: int, one: int = 1) -> bytes:
    """An ORU with so many OBX; one: its number."""
    taken = f"2014{1 + one % 12:02}0606{one % 60:02}00+0700"
    lines = (
        f"OBX|{number}|NM|{1000 + number}-1^Name {number}^LN|1|{one % 97}.{number}|10*3/uL^^UCUM|1-5|N|||F|||{taken}\r"
        for number in range(results)
    )
    return (HEAD.format(one=one) + "".join(lines)).encode()


def best(work: Callable[[], object], times: int, rounds: int = 12) -> float:
    """Seconds of CPU for one run."""
    found = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - began) / times)
    return min(found)


def main() -> None:
    """Measures and prints."""
    structure = Structure(*(find_structure("ORU", "R01", "", "2.5.1") or ("", [])))

    different = itertools.cycle([message(20, one) for one in range(3000)])

    def codec() -> bytes:
        read = parse(next(different))
        structure.group(read.segments)
        for segment in read.segments:
            segment.values()
        return read.encode()

    def header() -> str:
        return parse(next(different)).control_id

    loop = asyncio.new_event_loop()  # one for all, as a server has one

    def translation(data: bytes | None = None) -> object:
        data = data or next(different)
        return loop.run_until_complete(translate(parse(data), standard()))

    translation()
    print(f"codec, everything read        {1 / best(codec, 50):8,.0f} messages/s")
    print(f"codec, header read            {1 / best(header, 200):8,.0f} messages/s")
    print(f"translation                   {1 / best(translation, 10):8,.0f} messages/s")
    large = message(20_000)
    print(f"translation of 20,000 OBX     {best(lambda: translation(large), 1, 2):8.3f} s")
    print(f"20,000 segments read, grouped {best(lambda: structure.group(parse(large).segments), 1, 5):8.3f} s")
    huge = message(20)[:-1] + b"|x" * 25_000_000
    print(f"{len(huge) / 1e6:.0f} MB read                     {best(lambda: parse(huge), 1, 3):8.3f} s")


if __name__ == "__main__":
    main()
