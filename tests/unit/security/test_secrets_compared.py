"""Secrets are compared in constant time: no == or != of security's code has one on a side."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3] / "fhir_server"
FOLDERS = (ROOT / "security", ROOT / "rest" / "authorization")
SECRETS = {"secret", "password", "verifier", "challenge", "token", "form_token", "state", "nonce", "signature", "hash",
           "digest", "recovery", "totp"}  # fmt: skip


def named(node: ast.expr) -> str:
    """The last name of an expression."""
    if isinstance(node, ast.Call):
        return named(node.func)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def compared(source: str) -> list[tuple[int, str]]:
    """(line, name) of secrets that are compared with what is no constant."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(isinstance(op, (ast.Eq, ast.NotEq)) for op in node.ops):
            sides = [node.left, *node.comparators]
            if not any(isinstance(side, ast.Constant) for side in sides):
                found += [(node.lineno, named(side)) for side in sides if named(side) in SECRETS]
    return found


def test_the_check_finds_what_it_is_for():
    assert compared("if form['secret'] == kept: pass") == [(1, "secret")]
    assert compared("if self.state != given: pass\nif kind == 'token': pass") == [(1, "state")]


def test_no_secret_is_compared_with_an_operator_that_stops_at_the_first_difference():
    found = {
        f"{file.relative_to(ROOT)}:{line} {name}"
        for folder in FOLDERS
        for file in sorted(folder.rglob("*.py"))
        if "audit" not in file.parts  # hashes there are no secrets
        for line, name in compared(file.read_text("utf-8"))
    }
    assert not found
