"""Errors of OAuth 2.0 (RFC 6749, section 5.2): a code that software reads, a description that a developer reads."""

from __future__ import annotations

from collections.abc import Mapping


class OAuthError(Exception):
    """error: one of the codes of RFC 6749, 7009, 7591 or OpenID Connect; status, retry_after: of the HTTP answer."""

    def __init__(self, error: str, description: str, status: int = 400, retry_after: str = "") -> None:
        super().__init__(error, description)
        self.error = error
        self.description = description
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.error}: {self.description}"


def required(form: Mapping[str, str], name: str) -> str:
    """The value of a parameter; OAuthError "invalid_request" where it is missing or empty (RFC 6749, section 3.2)."""
    value = form.get(name, "")
    if not value:
        raise OAuthError("invalid_request", f"{name} is missing.")
    return value
