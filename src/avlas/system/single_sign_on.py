"""Signing in elsewhere: OpenID Connect's authorization code flow, at Entra ID, Keycloak or any other provider.

OpenID Connect Core 1.0, sections 3.1.2 and 3.1.3, with PKCE (RFC 7636), the issuer in the answer (RFC 9207) and
discovery (OpenID Connect Discovery 1.0). Of the ID token everything is checked: signature by the provider's published
keys, issuer, audience, times and nonce. Nobody gets an account by it: whoever comes is known already, by an earlier
visit or by an e-mail address that the provider has verified.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random_secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx
import jwt
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from avlas.system import audit
from avlas.system.models import OutsideIdentity, User

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import Promise

    from avlas.system.sign_on_provider import Provider

_SIGNED_BY: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_CLOCKS_DIFFER_SECONDS: Final = 60
_WAIT_SECONDS: Final = 10
_KNOWN_FOR_SECONDS: Final = 3600
_AGAIN_AFTER_SECONDS: Final = (
    30  # keys are asked for again when an unknown one is used, but not for each request
)

_AWAY: Final = _("The sign-in service can't be reached. Try again later, or sign in with your password.")
_WRONG: Final = _("The answer of the sign-in service can't be trusted, so nobody was signed in. Start again.")
_DECLINED: Final = _("The sign-in service did not let you in.")
_NO_ADDRESS: Final = _("The sign-in service did not tell a verified e-mail address.")
_NO_ACCOUNT: Final = _(
    "There is no account here for %(email)s. An administrator of your utility can make one."
)


class Refused(Exception):  # noqa: N818
    """Nobody is signed in. ``text`` is for the person, ``why`` for the log; neither holds a secret."""

    def __init__(self, text: Promise | str, why: str, email: str = "") -> None:
        super().__init__(why)
        self.text, self.why, self.email = text, why, email


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is at a provider."""

    issuer: str
    subject: str
    email: str
    verified: bool


def begin(at: Provider, back: str) -> tuple[str, dict[str, str]]:
    """The address to send somebody to, and what to keep until the answer comes to ``back``. Raises Refused."""
    told = _discovered(at)
    kept = {name: random_secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    challenge = hashlib.sha256(kept["verifier"].encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": at.client_id,
        "redirect_uri": back,
        "scope": "openid email",
        "state": kept["state"],
        "nonce": kept["nonce"],
        "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    address = str(told["authorization_endpoint"])
    return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", kept


def finish(at: Provider, kept: Mapping[str, str], answer: Mapping[str, str], back: str) -> Identity:
    """Who has come back with ``answer`` (the address's query). Raises Refused."""
    if not kept.get("state") or not hmac.compare_digest(
        answer.get("state", "").encode(), kept["state"].encode()
    ):
        raise Refused(_WRONG, "the state is not the one that was sent")
    if answer.get("iss", at.issuer).rstrip("/") != at.issuer:
        raise Refused(_WRONG, "the answer comes from another issuer")
    if "error" in answer:
        raise Refused(_DECLINED, f"the provider says {answer['error'][:80]!r}")
    told = _discovered(at)
    tokens = _tokens(at, told, answer.get("code", ""), kept["verifier"], back)
    claims = _claims(at, told, str(tokens.get("id_token", "")), kept["nonce"])
    if not claims.get("email") and told.get("userinfo_endpoint") and tokens.get("access_token"):
        claims |= _userinfo(told, str(tokens["access_token"]), str(claims["sub"]))
    verified = claims.get("email_verified") in (True, "true") or at.trust_email
    return Identity(
        at.issuer, str(claims["sub"]), str(claims.get("email") or "").strip().lower(), verified=verified
    )


def person(identity: Identity, *, computer: str = "") -> User:
    """The account of ``identity``, which is linked to it on the first visit. Raises Refused."""
    email = identity.email
    with transaction.atomic():
        known = (
            OutsideIdentity.objects.filter(issuer=identity.issuer, subject=identity.subject)
            .select_related("user__utility")
            .first()
        )
        if known:
            return known.user
        if not email or not identity.verified:
            raise Refused(_NO_ADDRESS, "no verified e-mail address", email)
        user = (
            User.objects.select_for_update(of=("self",)).select_related("utility").filter(email=email).first()
        )
        if user is None or not user.is_active:
            raise Refused(_NO_ACCOUNT % {"email": email}, "no account with this e-mail address", email)
        if user.outside_identities.filter(issuer=identity.issuer).exists():
            raise Refused(_NO_ACCOUNT % {"email": email}, "the account belongs to somebody else there", email)
        OutsideIdentity.objects.create(user=user, issuer=identity.issuer, subject=identity.subject)
        audit.record(
            "access.single_sign_on_linked", utility=user.utility, user=user, computer=computer, target=email,
            detail={"issuer": identity.issuer},
        )  # fmt: skip
    return user


# -- the provider ---------------------------------------------------------------------------------------------------

_known: dict[str, tuple[float, Any]] = {}  # by address: when it was fetched, and what it said
_lock = threading.Lock()


def forget() -> None:
    """Ask the provider anew for its addresses and keys."""
    with _lock:
        _known.clear()


def _discovered(at: Provider) -> dict[str, Any]:
    told: dict[str, Any] = _fetched(f"{at.issuer}/.well-known/openid-configuration", _KNOWN_FOR_SECONDS)
    if str(told.get("issuer", "")).rstrip("/") != at.issuer:
        raise Refused(_WRONG, f"the provider calls itself {told.get('issuer')!r}")
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if urlsplit(str(told.get(name, ""))).scheme not in ("https", urlsplit(at.issuer).scheme):
            raise Refused(_WRONG, f"the provider's {name} is missing or not HTTPS")
    return told


def _fetched(address: str, good_for: float) -> Any:
    """What an address of the provider says, at most ``good_for`` seconds old."""
    with _lock:
        at, told = _known.get(address, (0.0, None))
        if told is not None and time.monotonic() - at < good_for:
            return told
    try:
        answer = httpx.get(address, timeout=_WAIT_SECONDS)
        answer.raise_for_status()
        told = answer.json()
    except (httpx.HTTPError, ValueError) as problem:
        raise Refused(_AWAY, f"{address}: {type(problem).__name__}") from problem
    if not isinstance(told, dict):
        raise Refused(_WRONG, f"{address} does not answer with an object")
    with _lock:
        _known[address] = (time.monotonic(), told)
    return told


def _tokens(at: Provider, told: Mapping[str, Any], code: str, verifier: str, back: str) -> dict[str, Any]:
    """Exchange the code for tokens (section 3.1.3)."""
    sent = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
    ways = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    basic = None
    if "client_secret_basic" in ways:  # both parts as in a form, RFC 6749 section 2.3.1
        basic = httpx.BasicAuth(quote(at.client_id, safe=""), quote(at.client_secret, safe=""))
    else:
        sent |= {"client_id": at.client_id, "client_secret": at.client_secret}
    try:
        answer = httpx.post(str(told["token_endpoint"]), data=sent, auth=basic, timeout=_WAIT_SECONDS)
        given = answer.json()
    except (httpx.HTTPError, ValueError) as problem:
        raise Refused(_AWAY, f"token endpoint: {type(problem).__name__}") from problem
    if not answer.is_success or not isinstance(given, dict):
        why = given.get("error", "") if isinstance(given, dict) else ""
        raise Refused(_WRONG, f"token endpoint: {answer.status_code} {str(why)[:80]}")
    return given


def _claims(at: Provider, told: Mapping[str, Any], id_token: str, nonce: str) -> dict[str, Any]:
    """What the ID token says, after every check of section 3.1.3.7."""
    try:
        head = jwt.get_unverified_header(id_token)
        if head.get("alg") not in _SIGNED_BY:
            raise Refused(_WRONG, f"the ID token is signed by {str(head.get('alg'))[:20]!r}")
        claims: dict[str, Any] = jwt.decode(
            id_token,
            _key(told, head.get("kid")),
            algorithms=list(_SIGNED_BY),
            audience=at.client_id,
            issuer=[at.issuer, at.issuer + "/"],
            leeway=_CLOCKS_DIFFER_SECONDS,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except jwt.PyJWTError as problem:
        raise Refused(_WRONG, f"ID token: {type(problem).__name__}") from problem
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise Refused(_WRONG, "ID token: the nonce is not the one that was sent")
    if claims.get("azp", at.client_id) != at.client_id:
        raise Refused(_WRONG, "ID token: for another program")
    return claims


def _key(told: Mapping[str, Any], name: str | None) -> jwt.PyJWK:
    """The provider's key called ``name``; asked for again when it is not among those known."""
    for good_for in (_KNOWN_FOR_SECONDS, _AGAIN_AFTER_SECONDS):
        keys = jwt.PyJWKSet.from_dict(_fetched(str(told["jwks_uri"]), good_for)).keys
        for key in keys:
            if (key.key_id == name if name else len(keys) == 1) and key.public_key_use in (None, "sig"):
                return key
    raise Refused(_WRONG, "ID token: signed with a key that the provider does not publish")


def _userinfo(told: Mapping[str, Any], access_token: str, subject: str) -> dict[str, Any]:
    """What the provider says of the person besides (section 5.3); about nobody else."""
    try:
        answer = httpx.get(
            str(told["userinfo_endpoint"]),
            headers={"Authorization": f"Bearer {access_token}"},
            timeout=_WAIT_SECONDS,
        )
        answer.raise_for_status()
        said = answer.json()
    except (httpx.HTTPError, ValueError) as problem:
        raise Refused(_AWAY, f"userinfo: {type(problem).__name__}") from problem
    if not isinstance(said, dict) or said.get("sub") != subject:
        raise Refused(_WRONG, "userinfo: about somebody else")
    return {name: said[name] for name in ("email", "email_verified") if name in said}
