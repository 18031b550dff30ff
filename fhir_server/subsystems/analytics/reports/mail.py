"""Reports by e-mail, to the SMTP server of a setting; never without TLS. What it logs and tells names no content."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from fhir_server.core.errors import error
from fhir_server.core.settings import Settings
from fhir_server.subsystems.analytics.reports.content import Content
from fhir_server.subsystems.analytics.reports.files import File

SECONDS = 30  # that the server may take for an answer
PORTS = {"smtp": 587, "smtps": 465}


class Unsent(Exception):
    """It was not taken; lasting: whether trying again is of no use. Its words name no content and no recipient."""

    def __init__(self, words: str, *, lasting: bool = False) -> None:
        super().__init__(words)
        self.lasting = lasting


class Mailer(NamedTuple):
    """scheme: smtp for STARTTLS, smtps for TLS from the first byte; sender: an address."""

    scheme: str
    host: str
    port: int
    user: str
    password: str
    sender: str
    authorities: str

    def send(self, message: EmailMessage) -> None:
        """Hands a message to the server; Unsent where it does not take it."""
        try:
            context = ssl.create_default_context(cafile=self.authorities or None)
            if self.scheme == "smtps":
                server = smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
            else:
                server = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
            with server:
                if self.scheme == "smtp":
                    server.starttls(context=context)
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(message)
        except smtplib.SMTPRecipientsRefused as problem:
            code = max(code for code, _ in problem.recipients.values())
            raise Unsent(f"The mail server refuses the recipient ({code}).", lasting=code >= 500) from None
        except smtplib.SMTPAuthenticationError as problem:
            raise Unsent(f"The mail server refuses user and password of smtp_url ({problem.smtp_code}).") from None
        except smtplib.SMTPResponseException as problem:
            refused = problem.smtp_code
            raise Unsent(f"The mail server answers {refused}.", lasting=500 <= refused < 600) from None
        except smtplib.SMTPNotSupportedError:
            raise Unsent("The mail server has no STARTTLS or no login; smtps:// is for TLS from the start.") from None
        except ssl.SSLError as problem:
            raise Unsent(f"No TLS with the mail server: {problem.reason or 'refused'}; see smtp_authorities.") from None
        except (OSError, smtplib.SMTPException) as problem:
            raise Unsent(f"The mail server can't be reached ({type(problem).__name__}).") from None


def mailer(settings: Settings) -> Mailer | None:
    """By smtp_url, None where that is empty; FhirError "value" where it is wrong."""
    if not settings.smtp_url:
        return None
    try:
        url = urlsplit(settings.smtp_url)
        port = url.port or PORTS[url.scheme]
    except (ValueError, KeyError):
        raise error("value", "smtp_url must be smtp://HOST:PORT or smtps://HOST:PORT, with USER:PASSWORD@.") from None
    if not url.hostname or not settings.smtp_sender:
        raise error("value", "smtp_url needs a host, and smtp_sender the address that reports come from.")
    user, password = unquote(url.username or ""), unquote(url.password or "")
    return Mailer(url.scheme, url.hostname, port, user, password, settings.smtp_sender, settings.smtp_authorities)


def message(content: Content, files: Sequence[File], sender: str, recipient: str, now: int) -> EmailMessage:
    """The same Message-ID for the same report, period and recipient, so that a second copy is known as one."""
    made = EmailMessage()
    made["From"] = sender
    made["To"] = recipient
    made["Subject"] = " ".join(f"{content.title}, {content.period}".split())
    made["Date"] = formatdate(now / 1_000_000, usegmt=True)
    digest = hashlib.sha256(f"{content.name}\n{content.period}\n{recipient}".encode()).hexdigest()[:32]
    made["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(f"{content.title} of {content.period}, made {content.made}, is attached.\n")
    for file in files:
        main, sub = file.type.split("/")
        made.add_attachment(file.content, maintype=main, subtype=sub, filename=file.name)
    return made
