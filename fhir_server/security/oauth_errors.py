"""Errors of OAuth 2.0 (RFC 6749, section 5.2): a code that software reads, a description that a developer reads."""

from __future__ import annotations


class OAuthError(Exception):
    """error: one of the codes of RFC 6749, 7009, 7591 or OpenID Connect; status: of the HTTP answer."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error, description)
        self.error = error
        self.description = description
        self.status = status

    def __str__(self) -> str:
        return f"{self.error}: {self.description}"
