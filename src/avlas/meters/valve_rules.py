"""What stands between a wish to cut somebody's heat and the valve: legal steps, a second person, frost. Data and pure.

The steps are those that Swedish law asks for before a consumer who does not pay is cut off. For heat: the District
Heating Act (fjärrvärmelagen, SFS 2008:263), 28 §, with the wording of the reminder and of the message to the social
welfare board in the ordinance SFS 2008:526, 5 and 6 §§ and annexes 1 and 2 (2 and 3 §§ until SFS 2022:337). For
electricity: the Electricity Act (ellagen, SFS 1997:857), chapter 11, 3-6 §§. The three weeks are the consumer's from
the reminder served, and the board's from its message, in which it may take the debt on. How long they have can be set
(``ValveRules.reminder_days``); whether all that the law asks has been done is for the person to judge who approves.
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
    """Something that has to be done and dated before anybody is cut off for want of payment; the law's paragraphs."""

    title: Promise
    help: Promise
    for_heat: Promise
    for_electricity: Promise

    def source(self, medium: str) -> Promise | str:
        """The paragraph that asks for it where this medium is delivered; "" where none is known to us."""
        if medium in HEAT:
            return self.for_heat
        return self.for_electricity if medium == "electricity" else ""


STEPS: Final[dict[str, Step]] = {
    "urged": Step(
        _("Asked to pay"),
        _("The customer was asked to pay within a certain time."),
        _("District Heating Act, 28 §"),
        _("Electricity Act, chapter 11, 3 §"),
    ),
    "reminded": Step(
        _("Written reminder served"),
        _("After that time. It says that the customer will be cut off if nothing is paid, and when."),
        _("District Heating Act, 28 §; SFS 2008:526, 5 § and annex 1"),
        _("Electricity Act, chapter 11, 4 §"),
    ),
    "social_welfare": Step(
        _("Social welfare board told"),
        _("The board of the municipality where the customer lives; it may take the debt on."),
        _("District Heating Act, 28 §; SFS 2008:526, 6 § and annex 2"),
        _("Electricity Act, chapter 11, 4 §"),
    ),
    "no_harm": Step(
        _("Found that it may be done"),
        _(
            "The debt is considerable and not in dispute, the board has not taken it on, and no injury to people and "
            "no extensive damage is to be feared."
        ),
        _("District Heating Act, 27 § and following"),
        _("Electricity Act, chapter 11, 3-6 §§"),
    ),
}
REMINDER_DAYS: Final = 21
"""From the reminder served, and from the board told, to the day on which the customer may be cut off."""


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
    if today < max(steps["reminded"], steps["social_welfare"]) + timedelta(days=reminder_days):
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
