"""What stands between a wish to cut somebody's heat and the valve: legal steps, a second person, frost. Data and pure.

The steps are those of Sweden's District Heating Act (fjärrvärmelagen, SFS 2008:263), 28 §, which a utility has to have
taken before it interrupts the distribution to a consumer who does not pay. The reminder and the message to the social
welfare board have the wording of the ordinance SFS 2008:526, 2 and 3 §§ (annexes 1 and 2). How long the consumer has
after the reminder can be set (``ValveRules.reminder_days``); whether all that the law asks has been done is for the
person to judge who approves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.utils.functional import Promise

DISCONNECT, CONNECT, REFRESH = "disconnect", "connect", "refresh"
WISHES: Final[dict[str, Promise]] = {
    DISCONNECT: _("Disconnect"),
    CONNECT: _("Connect"),
    REFRESH: _("Ask for the valve's state"),
}
HEAT: Final = ("heat", "heat/cooling")
FROST_MONTHS: Final = (10, 11, 12, 1, 2, 3, 4)
FROST_BELOW_C: Final = 5.0
TEMPERATURE_HOLDS: Final = timedelta(hours=24)
"""An outdoor temperature older than this says nothing any more."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a valve is to be closed. ``owed``: for want of payment; ``second``: another person has to approve."""

    title: Promise
    owed: bool = False
    second: bool = True
    frost: bool = True  # the frost guard holds


REASONS: Final[dict[str, Reason]] = {
    "non_payment": Reason(_("The customer does not pay"), owed=True),
    "prepaid_used_up": Reason(_("The prepaid balance is used up"), owed=True),
    "customer_request": Reason(_("The customer asks for it"), second=False),
    "vacant": Reason(_("Nobody lives there any more")),
    "work": Reason(_("Work on the pipes or the substation"), second=False),
    "danger": Reason(_("Danger: leak, burst or damage"), second=False, frost=False),
    "other": Reason(_("Another reason")),
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that has to be done and dated before anybody is cut off for want of payment."""

    title: Promise
    help: Promise
    source: str


STEPS: Final[dict[str, Step]] = {
    "urged": Step(
        _("Asked to pay"),
        _("The customer was asked to pay within a certain time."),
        "SFS 2008:263, 28 §",
    ),
    "reminded": Step(
        _("Written reminder served"),
        _("The reminder says that the heat will be cut off if nothing is paid, and when."),
        "SFS 2008:263, 28 §; SFS 2008:526, 2 §",
    ),
    "social_welfare": Step(
        _("Social welfare board told"),
        _("The message to the board of the municipality where the customer lives."),
        "SFS 2008:263, 28 §; SFS 2008:526, 3 §",
    ),
    "no_harm": Step(
        _("Found that nobody comes to harm"),
        _("No injury to people and no serious damage is to be feared, and the debt is not in dispute."),
        "SFS 2008:263, 25-30 §§",
    ),
}  # fmt: skip
REMINDER_DAYS: Final = 21
"""From the reminder served to the day on which the heat may be cut."""


def missing_steps(steps: Mapping[str, date], today: date, reminder_days: int = REMINDER_DAYS) -> list[str]:
    """What the dates of the legal steps lack: names of STEPS, "future", "order" or "too_early"; [] when nothing."""
    lacking = [name for name in STEPS if name not in steps]
    if lacking:
        return lacking
    found = []
    if any(day > today for day in steps.values()):
        found.append("future")
    if steps["reminded"] < steps["urged"] or steps["social_welfare"] < steps["urged"]:
        found.append("order")
    if today < steps["reminded"] + timedelta(days=reminder_days):
        found.append("too_early")
    return found


def frost(
    medium: str,
    now: datetime,
    months: Sequence[int] = FROST_MONTHS,
    below_c: float = FROST_BELOW_C,
    outdoor: tuple[float, datetime] | None = None,
) -> str:
    """Whether frost forbids closing a valve: "season", "temperature", or "" when it doesn't.

    Only heat is guarded. ``now`` is local; ``outdoor``: °C and when it was that. In the frost months it is always
    forbidden, outside of them while a fresh temperature lies below ``below_c``.
    """
    if medium not in HEAT:
        return ""
    if now.month in months:
        return "season"
    if outdoor is not None and now - outdoor[1] <= TEMPERATURE_HOLDS and outdoor[0] < below_c:
        return "temperature"
    return ""
