"""Every safeguard on its page is shown by tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/safeguards.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| \d", line)]
STANDARDS = (
    "(a)(1)",
    "(a)(2)(i)",
    "(a)(2)(ii)",
    "(a)(2)(iii)",
    "(a)(2)(iv)",
    "(b)",
    "(c)(1)",
    "(c)(2)",
    "(d)",
    "(e)(1)",
)


def test_every_row_names_tests_that_exist() -> None:
    for row in ROWS:
        named = re.findall(r"`(tests/[^`]+)`", row.split("|")[4])
        assert named, row
        for name in named:
            path, _, function = name.partition("::")
            assert re.search(rf"^\s*(?:async )?def {function}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE), name


def test_every_technical_safeguard_of_the_security_rule_is_there() -> None:
    for standard in STANDARDS:
        assert any(row.startswith(f"| 164.312{standard} |") for row in ROWS), standard
