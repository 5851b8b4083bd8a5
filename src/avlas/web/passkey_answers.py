"""What passes between a browser and ``passkeys``: the session keeps what the browser's next answer must fit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from avlas.system import passkeys
from avlas.web.pages.access import computer

if TYPE_CHECKING:
    from django.http import HttpRequest

    from avlas.system.models import User

STATE: Final = "passkey_state"
PROVEN: Final = "both_factors"  # in the state of a sign-in: nothing more needs to be shown


def host(request: HttpRequest) -> str:
    """The name that passkeys made here belong to: the address without the port."""
    return request.get_host().partition(":")[0]


def begin(request: HttpRequest, user: User | None = None) -> dict[str, Any]:
    """What the browser needs to show one of ``user``'s passkeys, or any that its owner chooses."""
    options, request.session[STATE] = passkeys.begin_showing(host(request), user)
    return options


def shown(request: HttpRequest, user: User | None = None) -> User:
    """Whose passkey the browser has shown, in the form's field ``credential``. Raises passkeys.Refused."""
    state = request.session.pop(STATE, {})
    return passkeys.show(host(request), state, answer_in(request), user, computer=computer(request))


def answer_in(request: HttpRequest) -> dict[str, Any]:
    """What a browser sent in the form's field ``credential``. Raises passkeys.Refused when it is no answer at all."""
    try:
        answer = json.loads(request.POST.get("credential", ""))
    except ValueError as problem:
        raise passkeys.Refused from problem
    if not isinstance(answer, dict):
        raise passkeys.Refused
    return answer
