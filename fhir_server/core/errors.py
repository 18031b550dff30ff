"""Errors as values: one exception type, one table category -> HTTP status and issue code.

FhirError(category, issues) is the only exception that an interaction raises on purpose. The REST layer turns it into
an OperationOutcome; nothing else decides the shape of an error.
Specification: https://hl7.org/fhir/R4/http.html#Status-Codes and https://hl7.org/fhir/R4/valueset-issue-type.html
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec


class Category(NamedTuple):
    """How an error of this kind is answered: the HTTP status and the issue type code."""

    status: int
    code: str


CATEGORIES: dict[str, Category] = {
    "malformed": Category(400, "structure"),  # the body can't be read at all
    "invalid": Category(400, "invalid"),  # a value that R4 does not allow, outside of a resource's content
    "value": Category(400, "value"),  # a parameter or header whose value can't be understood
    "unsupported-parameter": Category(400, "not-supported"),
    "required": Category(400, "required"),
    "login": Category(401, "login"),
    "forbidden": Category(403, "forbidden"),
    "not-found": Category(404, "not-found"),
    "unknown-type": Category(404, "not-supported"),
    "not-supported": Category(405, "not-supported"),
    "not-acceptable": Category(406, "not-supported"),
    "conflict": Category(409, "conflict"),
    "integrity": Category(409, "conflict"),
    "deleted": Category(410, "deleted"),
    "precondition": Category(412, "conflict"),
    "multiple-matches": Category(412, "multiple-matches"),
    "too-large": Category(413, "too-long"),
    "unsupported-media": Category(415, "not-supported"),
    "range": Category(416, "value"),  # a Range header that names no byte of what there is
    "unprocessable": Category(422, "invalid"),  # read, but the content breaks the rules of R4 or of a profile
    "business-rule": Category(422, "business-rule"),
    "upgrade": Category(426, "not-supported"),
    "throttled": Category(429, "throttled"),
    "too-costly": Category(403, "too-costly"),
    "exception": Category(500, "exception"),
    "not-implemented": Category(501, "not-supported"),
    "unavailable": Category(503, "transient"),
    "locked": Category(503, "lock-error"),
    "no-store": Category(507, "no-store"),
}
_HTTP = re.compile(r"header:(.+)|(?!http\.)(_?[a-z][\w:.-]*)").fullmatch  # the name of a header or a parameter
PASSING = frozenset({"unavailable", "locked", "no-store", "throttled"})  # those that go away by themselves


class Issue(msgspec.Struct, frozen=True, omit_defaults=True):
    """One issue of an OperationOutcome (https://hl7.org/fhir/R4/operationoutcome.html).

    severity: fatal | error | warning | information; code: issue-type; diagnostics: what to change, for a developer;
    expression: FHIRPath of the element, "" for none; location: a parameter, a header (header:If-Match) or a line, ""
    for none;
    rule: the key of the invariant or rule that was broken, "" for none; profile: its profile, "" for the base.
    """

    severity: str
    code: str
    diagnostics: str
    expression: str = ""
    location: str = ""
    rule: str = ""
    profile: str = ""

    def to_fhir(self) -> dict[str, Any]:
        """The issue as FHIR JSON."""
        issue: dict[str, Any] = {"severity": self.severity, "code": self.code}
        if self.rule:
            coding: dict[str, Any] = {"code": self.rule}
            if self.profile:
                coding["system"] = self.profile
            issue["details"] = {"coding": [coding]}
        issue["diagnostics"] = self.diagnostics
        if self.location:
            named = _HTTP(self.location)
            issue["location"] = [f"http.{named[1] or named[2]}" if named else self.location]
        if self.expression:
            issue["expression"] = [self.expression]
        return issue


class FhirError(Exception):
    """An answer that is not a success: category (a key of CATEGORIES), its issues, and headers that go with it."""

    def __init__(self, category: str, issues: list[Issue], headers: dict[str, str] | None = None) -> None:
        super().__init__(category, issues)
        self.category = category
        self.issues = issues
        self.headers = headers or {}

    @property
    def status(self) -> int:
        """The HTTP status."""
        return CATEGORIES[self.category].status

    def __str__(self) -> str:
        return "; ".join(issue.diagnostics for issue in self.issues)


class AfterCommitError(FhirError):
    """An index inside a transaction can't see what the transaction has written; it can be asked after the commit."""

    def __init__(self) -> None:
        told = "This can't be answered inside a transaction that has written; ask by a request of its own."
        super().__init__("not-implemented", [Issue("error", CATEGORIES["not-implemented"].code, told)])


def error(
    category: str,
    diagnostics: str,
    *,
    expression: str = "",
    location: str = "",
    code: str = "",
    headers: dict[str, str] | None = None,
) -> FhirError:
    """A FhirError with one issue of severity error; code defaults to the category's."""
    issue = Issue("error", code or CATEGORIES[category].code, diagnostics, expression, location)
    return FhirError(category, [issue], headers)


def operation_outcome(issues: list[Issue]) -> dict[str, Any]:
    """An OperationOutcome resource of these issues; one that says all is well where there are none."""
    issues = issues or [Issue("information", "informational", "No issues.")]
    return {"resourceType": "OperationOutcome", "issue": [issue.to_fhir() for issue in issues]}
