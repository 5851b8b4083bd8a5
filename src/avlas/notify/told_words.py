"""What notifications say: the lines of a message, its subject and its text, in the active language."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from avlas.decode.registers import BY_CODE
from avlas.notify import sms_text
from avlas.notify.models import Period
from avlas.reports.info_words import in_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from avlas.meters.models import Meter, MeteringPoint
    from avlas.notify.models import Notice

MOST_LINES: Final = 60
MOST_SMS_PARTS: Final = 3
_OF_MEDIUM: Final = {
    "heat": gettext_lazy("heat meter"), "cooling": gettext_lazy("cooling meter"),
    "heat/cooling": gettext_lazy("heat and cooling meter"), "electricity": gettext_lazy("electricity meter"),
    "water": gettext_lazy("water meter"), "cold water": gettext_lazy("cold water meter"),
    "hot water": gettext_lazy("hot water meter"), "warm water": gettext_lazy("hot water meter"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One notice in words."""

    meter: Meter
    place: str  # address, or the facility's id; "" where the meter sits nowhere
    what: str  # the code in words, or what was used of how much
    code: str
    severity: int
    began: str
    began_at: datetime
    ended: str
    times: int
    detail: dict[str, Any]

    def data(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "meter": self.meter.pk,
            "manufacturer": self.meter.manufacturer,
            "serial": self.meter.serial,
            "place": self.place,
            "code": self.code,
            "severity": self.severity,
            "text": self.what,
            "began_at": self.began_at.isoformat(),
            "ended": bool(self.ended),
            "times": self.times,
            **({"alert": self.detail} if self.detail else {}),
        }


def line(notice: Notice, point: MeteringPoint | None, zone: ZoneInfo) -> Line:
    """A notice in words, times on the reader's clock."""
    severity, what = 2, ""
    if notice.detail:
        what = alert_in_words(notice.detail)
    else:
        said = next(
            (one for one in in_words(notice.meter.family, notice.info_code) if one.code == notice.what), None
        )
        severity, what = (said.severity, said.text) if said else (2, notice.what)
    return Line(
        notice.meter,
        ", ".join(part for part in (point.address or point.facility_id, point.city) if part) if point else "",
        what,
        "alert" if notice.detail else notice.what,
        severity,
        _clock(notice.began_at, zone),
        notice.began_at,
        _clock(notice.ended_at, zone) if notice.ended_at else "",
        notice.times,
        notice.detail,
    )


def alert_in_words(detail: dict[str, Any]) -> str:
    """What a consumption alert says: "High consumption: 12.5 kWh in an hour, the ceiling is 10 kWh"."""
    register = BY_CODE[detail["register"]]
    values = {
        "register": (register.sv if _swedish() else register.en).lower(),
        "used": f"{_number(detail['used'], register.decimals)} {register.unit}".strip(),
        "ceiling": f"{_number(detail['ceiling'], register.decimals)} {register.unit}".strip(),
        "period": str(Period(detail["period"]).label),
    }
    if detail["period"] == Period.TOTAL:
        return _("High consumption: %(used)s in all (%(register)s), the ceiling is %(ceiling)s") % values
    return _("High consumption: %(used)s in %(period)s (%(register)s), the ceiling is %(ceiling)s") % values


def mail(utility: str, lines: Sequence[Line], kind: str, to_customer: bool, address: str) -> tuple[str, str]:
    """Subject and text of a mail."""
    meters = len({one.meter.pk for one in lines})
    if kind == "daily":
        subject = ngettext(
            "Summary: %(n)d meter has reported something",
            "Summary: %(n)d meters have reported something",
            meters,
        ) % {"n": meters}
    else:
        subject = _brief(lines, kind)
    told = [_written(one, kind, with_meter=not to_customer) for one in lines[:MOST_LINES]]
    body = _heading(utility, meters, kind, to_customer) + "\n\n" + "\n".join(told)
    if more := len(lines) - len(told):
        body += "\n" + ngettext("… and %(n)d more.", "… and %(n)d more.", more) % {"n": more}
    if address and to_customer:
        body += "\n\n" + _("Choose what you are told, and how, or end it:") + "\n" + address
    elif address:
        body += "\n\n" + address
    return subject, body + "\n"


def text_message(utility: str, lines: Sequence[Line], kind: str, address: str) -> str:
    """The text of an SMS: what, and where as far as there is room."""
    places = list(dict.fromkeys(one.place.partition(",")[0] or one.meter.serial for one in lines))
    head = f"{utility}: {_brief(lines, kind, with_place=False)}"
    tail = sms_text.plain(f"\n{address}") if address else ""
    for shown in range(len(places), -1, -1):
        listed = ", ".join(places[:shown])
        if shown < len(places):
            listed += f" +{len(places) - shown}"
        text = sms_text.plain(f"{head}. {listed.strip()}") + tail
        if sms_text.size(text).parts <= MOST_SMS_PARTS:
            return text
    return sms_text.shortened(sms_text.plain(head), MOST_SMS_PARTS)


def _heading(utility: str, meters: int, kind: str, to_customer: bool) -> str:
    if to_customer:
        return _("%(utility)s reads your meter. It has reported:") % {"utility": utility}
    if kind == "over":
        text = ngettext("%(utility)s, over at %(n)d meter:", "%(utility)s, over at %(n)d meters:", meters)
    else:
        text = ngettext(
            "%(utility)s, reported by %(n)d meter:", "%(utility)s, reported by %(n)d meters:", meters
        )
    return text % {"utility": utility, "n": meters}


def _brief(lines: Sequence[Line], kind: str, *, with_place: bool = True) -> str:
    """In a few words: "Leak: Ängsgatan 7", "Leak (12 meters), Burst"."""
    counted = Counter(_kind_of(one) for one in sorted(lines, key=lambda one: -one.severity))
    if len(lines) == 1 and with_place:
        text = f"{_kind_of(lines[0])}: {lines[0].place or lines[0].meter.serial}"
    else:
        text = ", ".join(
            what
            if n == 1
            else ngettext("%(what)s (%(n)d meter)", "%(what)s (%(n)d meters)", n) % {"what": what, "n": n}
            for what, n in counted.most_common(4)
        )
        if len(counted) > 4:
            text += " …"
    return _("Over: %(what)s") % {"what": text} if kind == "over" else text


def _kind_of(one: Line) -> str:
    return _("High consumption") if one.detail else one.what


def _written(one: Line, kind: str, *, with_meter: bool) -> str:
    values = {"what": one.what, "since": one.began, "until": one.ended}
    if one.ended:
        text = _("%(what)s (from %(since)s to %(until)s)") % values
    elif one.detail:
        text = _("%(what)s (at %(since)s)") % values
    else:
        text = _("%(what)s (since %(since)s)") % values
    if one.times > 1 and kind != "over":
        text += ", " + ngettext("%(n)d time", "%(n)d times", one.times) % {"n": one.times}
    where = one.place
    if with_meter:
        meter = f"{one.meter.manufacturer} {one.meter.serial}"
        where = f"{where} ({meter})" if where else meter
    elif one.meter.medium in _OF_MEDIUM:
        where = f"{where}, {_OF_MEDIUM[one.meter.medium]}" if where else str(_OF_MEDIUM[one.meter.medium])
    return f"- {where}: {text}" if where else f"- {text}"


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def _number(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace(".", ",") if _swedish() else text


def _swedish() -> bool:
    return (get_language() or "sv").startswith("sv")
