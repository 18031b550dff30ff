"""A mail server that really listens, with TLS; it keeps what it takes."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.authority import Authority

USER, PASSWORD = "reports", "s3cret/word"


class Mailbox:
    """taken: (recipients, message); refuse: recipient -> the answer to RCPT."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], EmailMessage]] = []
        self.refuse: dict[str, str] = {}
        self.answer = ""  # to DATA, where it is not taken
        self.port = 0
        self.authorities = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer:
            return self.answer
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append((envelope.rcpt_tos, message))
        return "250 OK"


class _Listening(Controller):
    """On a port that is free."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def _known(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
    right = isinstance(given, LoginPassword) and (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@contextlib.contextmanager
def mail_server(folder: Path, *, implicit: bool = False, tls: bool = True) -> Iterator[Mailbox]:
    """STARTTLS and a login are needed; with implicit TLS from the first byte, without tls neither."""
    authority = Authority(folder)
    certificate, key = authority.certificate("mail")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    box = Mailbox()
    starttls = {"tls_context": context, "require_starttls": True} if tls and not implicit else {}
    login = {"authenticator": _known, "auth_required": True, "auth_require_tls": not implicit} if tls else {}
    listening = _Listening(box, hostname="127.0.0.1", port=0, ssl_context=context if implicit else None,
                           **starttls, **login)  # fmt: skip
    listening.start()
    box.port, box.authorities = listening.port, str(authority.path)
    try:
        yield box
    finally:
        listening.stop()
