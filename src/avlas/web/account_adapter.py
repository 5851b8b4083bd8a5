"""How people get in: an administrator makes accounts, nobody signs up from outside, the audit log knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction

from avlas.system import audit
from avlas.system.models import User
from avlas.web import computers, sessions
from avlas.web.pages.access import computer

if TYPE_CHECKING:
    from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # the library has no types
    """Closes sign-up and writes sign-in, sign-out and failures to the audit log."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Nobody signs up by themselves."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address as ``trusted_proxies`` left it; this machine's own when there is none, as over a socket file."""
        return str(request.META.get("REMOTE_ADDR") or "127.0.0.1")

    def get_login_stages(self) -> list[str]:
        """What stands between password and pages: our own second factor in place of the library's."""
        theirs: list[str] = super().get_login_stages()
        return ["avlas.web.pages.second_factor.Stage" if "mfa" in one else one for one in theirs]

    def login(self, request: HttpRequest, user: User) -> None:
        """Sign in and record it, both or neither."""
        computers.look_up_soon(request)
        with transaction.atomic():
            super().login(request, user)
            sessions.begin(request)
            audit.record(
                "access.signed_in",
                utility=user.utility,
                user=user,
                computer=computer(request),
                target=user.email,
            )

    def logout(self, request: HttpRequest) -> None:
        """Sign out and record it."""
        user = request.user
        with transaction.atomic():
            if isinstance(user, User):
                audit.record(
                    "access.signed_out",
                    utility=user.utility,
                    user=user,
                    computer=computer(request),
                    target=user.email,
                )
            super().logout(request)

    def set_password(self, user: User, password: str) -> None:
        """Change a password and record it, never the password itself."""
        with transaction.atomic():
            super().set_password(user, password)
            audit.record(
                "access.password_changed",
                utility=user.utility,
                user=user,
                computer=computer(self.request) if self.request else "",
                target=user.email,
            )

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Record a failed sign-in with the address that was tried, in the log of whose account it is."""
        super().authentication_failed(request, **credentials)
        email = str(credentials.get("email") or credentials.get("username") or "").strip().lower()
        user = User.objects.filter(email=email).select_related("utility").first()
        with transaction.atomic():
            audit.record(
                "access.sign_in_failed",
                utility=user.utility if user else None,
                user=user,
                computer=computer(request),
                target=email,
            )
