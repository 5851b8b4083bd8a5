"""The certificate that people's browsers are shown: whether they will believe it, and how long it lasts."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from avlas.operation.check.finding import bad, moment, ok, warning
from avlas.system.models import MailServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avlas.operation.check.finding import Asked, Finding

PATIENCE_SECONDS: Final = 3.0
RENEW_WITHIN: Final = timedelta(days=14)
RENEW_AT_ONCE_WITHIN: Final = timedelta(days=3)
_NOT_VALID_NOW: Final = (9, 10)  # OpenSSL: X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


def certificate(asked: Asked) -> Iterator[Finding]:
    """Look at the certificate as a browser does, at the address that is set for links in messages."""
    area = _("Certificate")
    server = MailServer.objects.filter(pk=1).first()
    address = urlsplit(server.site_address if server else "")
    if address.scheme != "https" or not address.hostname:
        if settings.HTTPS:
            yield ok(
                area,
                _("Not looked at: the address of these pages is not known. Give it on the page Mail server."),
            )
        return
    try:
        begins, ends = _validity(address.hostname, address.port or 443)
    except ssl.SSLCertVerificationError as problem:
        said = _("Browsers do not believe the certificate of %(host)s: %(problem)s") % {
            "host": address.hostname,
            "problem": problem.verify_message,
        }
        yield bad(
            area,
            said,
            _("Renew it (and see the clock).")
            if problem.verify_code in _NOT_VALID_NOW
            else _("Get one for this very name from a known issuer, with the whole chain; see your proxy's manual."),
        )  # fmt: skip
        return
    except OSError as problem:
        yield warning(
            area,
            _("%(host)s does not answer over HTTPS: %(problem)s")
            % {"host": address.hostname, "problem": problem.strerror or str(problem)},
            _("See that the proxy runs, and that the address on the page Mail server is right."),
        )
        return
    said = _("The certificate of %(host)s is valid until %(when)s.") % {
        "host": address.hostname,
        "when": moment(ends),
    }
    advice = _("Renew it, and see why it is not renewed by itself.")
    left, life = ends - asked.now, ends - begins
    if left < min(RENEW_AT_ONCE_WITHIN, life / 8):
        yield bad(area, said, advice)
    elif left < min(RENEW_WITHIN, life / 4):  # those that live for days are renewed late
        yield warning(area, said, advice)
    else:
        yield ok(area, said)


def _validity(host: str, port: int) -> tuple[datetime, datetime]:
    """From when to when the certificate shown at ``host`` is valid. Raises OSError, of which SSLError is one."""
    with (
        socket.create_connection((host, port), timeout=PATIENCE_SECONDS) as line,
        ssl.create_default_context().wrap_socket(line, server_hostname=host) as shown,
    ):
        seen = shown.getpeercert() or {}
    begins, ends = (
        datetime.fromtimestamp(ssl.cert_time_to_seconds(str(seen[name])), UTC)
        for name in ("notBefore", "notAfter")
    )
    return begins, ends
