"""Known vulnerabilities of the packages in requirements.lock, by pip-audit and PyPI's advisories. `make audit`.

Fails for a package with an advisory. What the index that is reached does not know can't be judged: that is said, and no
failure, as it tells of the network and not of the packages.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
SECONDS = 300


def main() -> int:
    """The exit code."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--no-deps", "-r", str(LOCK)]
    command += ["--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        found = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        print("NOT AUDITED: PyPI's advisories could not be reached.", file=sys.stderr)
        return 0
    unknown = [each["name"] for each in found if "skip_reason" in each]
    wrong = [(each, advisory) for each in found for advisory in each.get("vulns", ())]
    for each, advisory in wrong:
        fixed = ", ".join(advisory["fix_versions"]) or "no version"
        print(f"{each['name']} {each['version']}: {advisory['id']}, fixed in {fixed}", file=sys.stderr)
    print(f"{len(found) - len(unknown)} of {len(found)} packages were audited, {len(wrong)} advisories.")
    if unknown:
        print(f"NOT AUDITED, as the index knows no such release: {', '.join(unknown)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
