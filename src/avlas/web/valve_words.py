"""Why a request about a valve is held up, in words for people and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters.valve_rules import STEPS

if TYPE_CHECKING:
    from django.utils.functional import Promise

    from avlas.meters.valve_requests import Held

HELD: Final[dict[str, Promise]] = {
    "no_reason": gettext_lazy("Say why the valve is to be closed."),
    "no_explanation": gettext_lazy("Explain the reason in words."),
    "not_installed": gettext_lazy("The meter is not installed anywhere now."),
    "already_asked": gettext_lazy("The same has been asked for already and is not done yet."),
    "same_person": gettext_lazy("Another person than the one who asked must approve."),
    "needs_person": gettext_lazy("A person must approve, signed in on the pages."),
    "customer_changed": gettext_lazy(
        "Another customer has the metering point now, or the meter was moved. Take the request back and ask again."
    ),
    "not_waiting": gettext_lazy("The request has been dealt with meanwhile."),
    "finished": gettext_lazy("The request is finished already."),
}
_FROST: Final[dict[str, Promise]] = {
    "season": gettext_lazy("Heat is not cut off in these months (the utility's frost guard)."),
    "temperature": gettext_lazy("It is too cold outside for cutting off heat (the utility's frost guard)."),
}
_STEPS: Final[dict[str, Promise]] = {
    "future": gettext_lazy("A step lies in the future."),
    "order": gettext_lazy("The steps are not in the order that the law asks for."),
    "too_early": gettext_lazy(
        "The time after the reminder and after the message to the board has not passed yet."
    ),
}
NO_ROAD: Final = gettext_lazy(
    "No road to this valve yet: somebody has to go there, and tell here how it went."
)


def why_held(problem: Held) -> str:
    """The sentence about a shut gate."""
    if problem.code == "frost":
        return str(_FROST[problem.what[0]])
    if problem.code == "steps":
        missing = [str(STEPS[name].title) for name in problem.what if name in STEPS]
        if missing:
            return _(
                "Before anybody is cut off for not paying, these steps must be taken and dated: %(steps)s."
            ) % {"steps": ", ".join(missing)}
        return " ".join(str(_STEPS[name]) for name in problem.what)
    return str(HELD[problem.code])
