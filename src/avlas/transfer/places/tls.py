"""Certificates: checked against those this machine trusts, or the one that a person has pinned."""

from __future__ import annotations

import hashlib
import ssl

from django.utils.translation import gettext_noop

from avlas.transfer.places.road import Identity, PlaceError


def context(pinned: str) -> ssl.SSLContext:
    """How to check a server: by name and the machine's own authorities; with ``pinned`` (PEM) by that one alone."""
    if not pinned:
        return ssl.create_default_context()
    made = ssl.create_default_context(cadata=pinned)
    made.check_hostname = False  # it is this very certificate, whatever name stands in it
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return made


def unchecked() -> ssl.SSLContext:
    """For asking a server who it is: nothing secret is ever sent over this."""
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def identity(certificate: bytes) -> Identity:
    """The identity of a server with this certificate (DER)."""
    digits = hashlib.sha256(certificate).hexdigest().upper()
    return Identity(ssl.DER_cert_to_PEM_cert(certificate), fingerprint_text(digits))


def fingerprint(pinned: str) -> str:
    """The fingerprint of a certificate (PEM), as ``identity`` gives it."""
    return identity(ssl.PEM_cert_to_DER_cert(pinned)).fingerprint


def fingerprint_text(digits: str) -> str:
    """Hex digits in pairs, as browsers show them."""
    return "SHA256 " + ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))


def refusal(problem: ssl.SSLError, host: str, port: int, pinned: str) -> PlaceError:
    """What went wrong with TLS, in words."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        if pinned:
            return PlaceError(
                gettext_noop(
                    "%(host)s shows another certificate than the one that was pinned (%(fingerprint)s), or that one "
                    "has expired: %(problem)s. Nothing was sent. If the server's owner confirms the new one, test "
                    "the place and pin it."
                ),
                host=host,
                fingerprint=fingerprint(pinned),
                problem=problem.verify_message,
                for_good=True,
                stranger=True,
            )
        return PlaceError(
            gettext_noop("The certificate of %(host)s is not trusted: %(problem)s."),
            host=host,
            problem=problem.verify_message,
            for_good=True,
            stranger=True,
        )
    return PlaceError(
        gettext_noop("No TLS with %(host)s:%(port)s (%(problem)s). Is it the right port?"),
        host=host,
        port=port,
        problem=problem.reason or str(problem),
    )
