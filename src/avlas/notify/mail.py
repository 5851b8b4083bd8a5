"""One e-mail by SMTP (RFC 5321), in steps, so that it is always known whether the message was handed over.

A server takes a message only when it has got the line with a single dot after it (RFC 5321, 4.1.1.4). Until
then everything can be tried again; ``hand_over`` is called just before that line; after it only the server's
answer tells.
"""

from __future__ import annotations

import contextlib
import re
import select
import smtplib
import socket
import ssl
from base64 import b64encode
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext_noop

from avlas.notify.errors import ClaimLost, NotSent
from avlas.system.models import MailSecurity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from avlas.system.models import Attachment

TIMEOUT_SECONDS: Final = 20.0
_POLICY: Final = policy.SMTP.clone(cte_type="7bit")


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to sign in there."""

    host: str
    port: int
    security: str  # of MailSecurity
    sender: str
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """What is sent."""

    to: str
    subject: str
    body: str
    message_id: UUID
    written_at: datetime
    sender_name: str = ""  # shown beside the sender's address
    files: tuple[Attachment, ...] = ()


def send(server: Server, mail: Mail, hand_over: Callable[[], bool]) -> str:
    """Send ``mail``; gives the server's answer ("250 2.0.0 queued as 4F2A").

    ``hand_over`` notes that the last byte follows now; it gives False when the message is not ours any more.
    Raises NotSent with the reason, ClaimLost.
    """
    data = re.sub(rb"(?m)^\.", b"..", message(server, mail).as_bytes())
    with connection(server) as smtp:
        _expect(smtp.mail(ascii_address(server.sender)), 250)
        _expect(smtp.rcpt(ascii_address(mail.to)), 250, 251)
        _expect(smtp.docmd("DATA"), 354)
        smtp.send(data)
        assert smtp.sock is not None
        if select.select([smtp.sock], [], [], 0)[0]:  # it speaks, or hangs up, before it has got everything
            _expect(smtp.getreply())
        if not hand_over():
            raise ClaimLost
        smtp.send(b".\r\n")
        try:
            answer = smtp.getreply()
        except (OSError, smtplib.SMTPException) as problem:
            raise NotSent(
                gettext_noop(
                    "The connection to %(host)s was lost after the message was handed over and before the server "
                    "answered, so it may have arrived. It is not sent again by itself."
                ),
                host=server.host,
                unsure=True,
            ) from problem
        return _expect(answer, 250)


def message(server: Server, mail: Mail) -> EmailMessage:
    """The message with its headers; the same ``mail`` always has the same Message-ID."""
    made = EmailMessage(_POLICY)
    made["From"] = Address(mail.sender_name, addr_spec=ascii_address(server.sender))
    made["To"] = ascii_address(mail.to)
    made["Subject"] = mail.subject
    made["Date"] = format_datetime(mail.written_at)
    made["Message-ID"] = f"<{mail.message_id}@{ascii_address(server.sender).rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    made.set_content(mail.body)
    for one in mail.files:
        main, _slash, sub = one.media_type.partition("/")
        made.add_attachment(bytes(one.content), maintype=main, subtype=sub, filename=one.name)
    return made


def ascii_address(address: str) -> str:
    """An e-mail address as SMTP takes it: å, ä and ö of a domain as IDNA writes them."""
    name, _at, domain = address.rpartition("@")
    return f"{name}@{domain.encode('idna').decode('ascii')}"


@contextlib.contextmanager
def connection(server: Server) -> Iterator[smtplib.SMTP]:
    """A connection, protected and signed in as ``server`` says. Whatever goes wrong inside becomes NotSent."""
    where: dict[str, Any] = {"host": server.host, "port": server.port}
    smtp: smtplib.SMTP | None = None
    try:
        context = ssl.create_default_context()
        if server.security == MailSecurity.TLS:
            smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
        smtp.ehlo_or_helo_if_needed()
        if server.security == MailSecurity.STARTTLS:
            if not smtp.has_extn("starttls"):
                raise NotSent(gettext_noop("%(host)s:%(port)s does not offer STARTTLS."), **where)
            smtp.starttls(context=context)
        if server.user:
            _sign_in(smtp, server.user, server.password)
        yield smtp
        with contextlib.suppress(OSError, smtplib.SMTPException):
            smtp.quit()  # after success alone: in the middle of a message it would be a part of it
    except smtplib.SMTPAuthenticationError as problem:
        raise NotSent(
            gettext_noop("The mail server refused the user or the password: %(answer)s"),
            answer=_said(problem.smtp_code, problem.smtp_error),
        ) from problem
    except smtplib.SMTPNotSupportedError as problem:
        raise NotSent(
            gettext_noop("The mail server does not take a user and a password in this way: %(answer)s"),
            answer=str(problem),
        ) from problem
    except smtplib.SMTPResponseException as problem:
        raise NotSent(
            gettext_noop("The mail server answered: %(answer)s"),
            answer=_said(problem.smtp_code, problem.smtp_error),
        ) from problem
    except smtplib.SMTPServerDisconnected as problem:
        raise NotSent(gettext_noop("%(host)s:%(port)s closed the connection."), **where) from problem
    except ssl.SSLCertVerificationError as problem:
        raise NotSent(
            gettext_noop("The certificate of %(host)s is not trusted: %(problem)s."),
            host=server.host,
            problem=problem.verify_message,
        ) from problem
    except ssl.SSLError as problem:
        raise NotSent(
            gettext_noop(
                "No TLS with %(host)s:%(port)s (%(problem)s). Does the port fit the security that is chosen?"
            ),
            **where,
            problem=problem.reason or "",
        ) from problem
    except socket.gaierror as problem:
        raise NotSent(
            gettext_noop("There is no computer called %(host)s, or the name server is away."),
            host=server.host,
        ) from problem
    except TimeoutError as problem:
        raise NotSent(gettext_noop("%(host)s:%(port)s did not answer in time."), **where) from problem
    except ConnectionRefusedError as problem:
        raise NotSent(
            gettext_noop("No connection to %(host)s:%(port)s: nothing answers there."), **where
        ) from problem
    except OSError as problem:
        raise NotSent(
            gettext_noop("No connection to %(host)s:%(port)s: %(problem)s."),
            **where,
            problem=problem.strerror or str(problem),
        ) from problem
    finally:
        if smtp is not None:
            smtp.close()


def _sign_in(smtp: smtplib.SMTP, user: str, password: str) -> None:
    """As smtplib does it, which knows ASCII alone; else by PLAIN in UTF-8 (RFC 4616)."""
    if user.isascii() and password.isascii():
        smtp.login(user, password)
        return
    smtp.ehlo_or_helo_if_needed()
    if "PLAIN" not in smtp.esmtp_features.get("auth", "").upper().split():
        raise NotSent(
            gettext_noop("The mail server takes only user names and passwords without å, ä, ö and the like.")
        )
    plain = b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
    code, answer = smtp.docmd("AUTH", f"PLAIN {plain}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, answer)


def _expect(answer: tuple[int, bytes], *good: int) -> str:
    """The answer as text if it is a good one; else NotSent, for good when the server says so (5xx)."""
    code, said = answer
    text = _said(code, said)
    if code not in good:
        raise NotSent(
            gettext_noop("The mail server answered: %(answer)s"), answer=text, for_good=500 <= code < 600
        )
    return text


def _said(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(text.split())}"[:500]
