"""Which OpenID Connect provider people may sign in at, from the environment. See ``single_sign_on``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Provider:
    """Where people sign in, and how this program proves itself there. ``name`` stands on the button.

    ``trust_email``: its e-mail addresses count as verified, though it does not say so (Entra ID never does).
    ``both_factors``: it asks for a second factor itself, so that none is asked for here.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str = "OpenID Connect"
    trust_email: bool = False
    both_factors: bool = False


def provider(environment: Mapping[str, str]) -> Provider | None:
    """The provider that the environment's AVLAS_OIDC_... describe; None without an issuer.

    Raises ValueError with what is wrong: a missing part, or an issuer that is not HTTPS (but on this computer).
    """
    issuer = environment.get("AVLAS_OIDC_ISSUER", "").rstrip("/")
    if not issuer:
        return None
    parts = urlsplit(issuer)
    if not parts.hostname or (parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1")):
        raise ValueError(f"AVLAS_OIDC_ISSUER must be an address that begins with https://; it is {issuer!r}")
    for name in ("AVLAS_OIDC_CLIENT_ID", "AVLAS_OIDC_CLIENT_SECRET"):
        if not environment.get(name):
            raise ValueError(f"AVLAS_OIDC_ISSUER is set, so {name} must be set too")
    return Provider(
        issuer,
        environment["AVLAS_OIDC_CLIENT_ID"],
        environment["AVLAS_OIDC_CLIENT_SECRET"],
        environment.get("AVLAS_OIDC_NAME") or "OpenID Connect",
        trust_email=environment.get("AVLAS_OIDC_TRUST_EMAIL") == "1",
        both_factors=environment.get("AVLAS_OIDC_SECOND_FACTOR") == "1",
    )
