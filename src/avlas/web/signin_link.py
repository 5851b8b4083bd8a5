"""A link that signs one person in, once and soon: what `./run demo` prints. Refused outside the demo."""

from __future__ import annotations

import secrets
from typing import Final

from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.urls import reverse

from avlas.system.models import User

VALID_SECONDS: Final = 3600
_SALT: Final = "avlas.signin_link"


def path_for(user: User) -> str:
    """The path (without host) that signs ``user`` in, once, within an hour."""
    token = signing.dumps([user.pk, secrets.token_urlsafe(12)], salt=_SALT)
    return reverse("signin_link", args=[token])


def redeem(token: str) -> User | None:
    """The user a token stands for; None when it is false, too old, used before or this is no demo."""
    if not settings.DEMO:
        return None
    try:
        user_id, nonce = signing.loads(token, salt=_SALT, max_age=VALID_SECONDS)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    user = User.objects.filter(pk=user_id, is_active=True).select_related("utility").first()
    if user is None or not cache.add(f"signin-link/{nonce}", 1, VALID_SECONDS + 60):
        return None
    return user
