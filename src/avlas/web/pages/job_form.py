"""The form of a job: when it runs (chosen in words, not written as cron), its parameters, and whom it tells."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.system.jobs import schedule_of
from avlas.system.schedule import (
    LAST_DAY,
    LONGEST_INTERVAL_MINUTES,
    WEEKDAY_NAMES,
    Schedule,
    ScheduleError,
)
from avlas.web.pages.account import time_zones
from avlas.web.pages.fields import mail_addresses

if TYPE_CHECKING:
    from django.http import QueryDict
    from django.utils.functional import Promise

    from avlas.system.job_kind import Kind, Parameter
    from avlas.system.models import Job, Utility

PATTERNS: Final[tuple[tuple[str, Promise], ...]] = (
    ("minutes", gettext_lazy("At an interval")),
    ("hourly", gettext_lazy("Every hour")),
    ("daily", gettext_lazy("Every day")),
    ("weekly", gettext_lazy("On certain weekdays")),
    ("monthly", gettext_lazy("Every month")),
    ("cron", gettext_lazy("By an expression (for experts)")),
)
_PARAMETER: Final = "parameter_"


def _days_of_month() -> list[tuple[int, str]]:
    return [*((day, str(day)) for day in range(1, 29)), (LAST_DAY, _("the last"))]


def _clock() -> forms.TimeField:
    widget = forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    return forms.TimeField(
        label=gettext_lazy("At"), required=False, widget=widget, input_formats=["%H:%M", "%H.%M"]
    )


class JobForm(forms.Form):
    """Name, schedule, parameters and addresses. ``schedule`` is there once the form is valid."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100, required=False)
    pattern = forms.ChoiceField(label=gettext_lazy("Runs"), choices=PATTERNS, widget=forms.RadioSelect)
    every_minutes = forms.IntegerField(
        label=gettext_lazy("Minutes between"),
        min_value=1,
        max_value=LONGEST_INTERVAL_MINUTES,
        required=False,
        help_text=gettext_lazy("Counted from midnight, universal time: 15 means at 0, 15, 30 and 45 past."),
    )
    minute = forms.IntegerField(
        label=gettext_lazy("Minutes past the hour"), min_value=0, max_value=59, required=False
    )
    daily_at = _clock()
    weekly_at = _clock()
    weekdays = forms.TypedMultipleChoiceField(
        label=gettext_lazy("On"),
        choices=[(number, name) for number, name in enumerate(WEEKDAY_NAMES, 1)],
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    monthly_at = _clock()
    month_day = forms.TypedChoiceField(
        label=gettext_lazy("Day of the month"), choices=_days_of_month, coerce=int, required=False
    )
    cron = forms.CharField(
        label=gettext_lazy("Expression"),
        max_length=100,
        required=False,
        help_text=gettext_lazy(
            "Five fields as cron has them: minute, hour, day of month, month, weekday. "
            "30 6 * * 1-5 is 06:30 on weekdays."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        choices=time_zones,
        help_text=gettext_lazy(
            "Of the times above. A time that summer time skips is made up for at once; one that comes twice "
            "counts once."
        ),
    )
    tell = forms.CharField(
        label=gettext_lazy("Who is told when it fails"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy(
            "E-mail addresses, one a line. They get one message when it begins to fail and one when it works again. "
            "Empty: the administrators."
        ),
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        kind: Kind,
        own: Job | None = None,
        zone: str,
        utility: Utility | None = None,
    ) -> None:
        self.kind = kind
        super().__init__(data, initial=_first_values(kind, own, zone))
        self.schedule: Schedule | None = None
        for parameter in kind.parameters:
            self.fields[_PARAMETER + parameter.name] = _field(parameter, utility)

    @property
    def parameter_fields(self) -> list[forms.BoundField]:
        """The fields of the kind's own parameters."""
        return [self[name] for name in self.fields if name.startswith(_PARAMETER)]

    @property
    def parameters(self) -> dict[str, Any]:
        """What the valid form says of the kind's own parameters."""
        return {p.name: self.cleaned_data[_PARAMETER + p.name] for p in self.kind.parameters}

    def clean_tell(self) -> list[str]:
        """The addresses, each once."""
        return mail_addresses(self.cleaned_data["tell"])

    def clean(self) -> dict[str, Any]:
        """Put the schedule together from what belongs to the pattern that was chosen."""
        data = super().clean() or {}
        pattern = data.get("pattern")
        needed = {
            "minutes": ("every_minutes",),
            "hourly": ("minute",),
            "daily": ("daily_at",),
            "weekly": ("weekly_at", "weekdays"),
            "monthly": ("monthly_at", "month_day"),
            "cron": ("cron",),
        }.get(pattern or "", ())
        for name in needed:
            if data.get(name) in (None, "", []) and name not in self.errors:
                self.add_error(name, _("This belongs to the choice above and is needed."))
        if not pattern or any(name in self.errors for name in (*needed, "time_zone")):
            return data
        try:
            self.schedule = _schedule(pattern, data)
        except ScheduleError as problem:
            self.add_error("cron" if pattern == "cron" else "pattern", str(problem))
        return data


def _schedule(pattern: str, data: dict[str, Any]) -> Schedule:
    zone = data["time_zone"]
    if pattern == "minutes":
        return Schedule(every_minutes=data["every_minutes"], time_zone=zone)
    if pattern == "hourly":
        return Schedule(cron=f"{data['minute']} * * * *", time_zone=zone)
    if pattern == "cron":
        return Schedule(cron=" ".join(data["cron"].split()), time_zone=zone)
    at: time = data[f"{pattern}_at"]
    day, weekdays = "*", "*"
    if pattern == "weekly":
        chosen = sorted(data["weekdays"])
        weekdays = "1-5" if chosen == [1, 2, 3, 4, 5] else ",".join(map(str, chosen))
    elif pattern == "monthly":
        day = "L" if data["month_day"] == LAST_DAY else str(data["month_day"])
    return Schedule(cron=f"{at.minute} {at.hour} {day} * {weekdays}", time_zone=zone)


def _first_values(kind: Kind, own: Job | None, zone: str) -> dict[str, Any]:
    """What the form shows first: the job as it is, or something sensible for a new one."""
    morning = time(6, 0)
    first: dict[str, Any] = {
        "pattern": "daily", "every_minutes": 15, "minute": 0, "daily_at": morning, "weekly_at": morning,
        "weekdays": [1, 2, 3, 4, 5], "monthly_at": morning, "month_day": 1, "cron": "", "time_zone": zone,
    }  # fmt: skip
    parameters = kind.defaults()
    if own is not None:
        schedule = schedule_of(own)
        parts = schedule.parts()
        first |= {
            "name": own.name,
            "pattern": parts.pattern,
            "time_zone": own.time_zone,
            "tell": "\n".join(own.tell),
            "cron": own.cron,
        }
        if parts.pattern == "minutes":
            first["every_minutes"] = own.every_minutes
        elif parts.pattern == "hourly":
            first["minute"] = parts.minute
        elif parts.pattern != "cron":
            first[f"{parts.pattern}_at"] = time(parts.hour, parts.minute)
            first["month_day"] = parts.month_day
            first["weekdays"] = list(parts.weekdays) or first["weekdays"]
        parameters |= own.parameters
    return first | {_PARAMETER + name: value for name, value in parameters.items()}


def _field(parameter: Parameter, utility: Utility | None) -> forms.Field:
    """The form field of one of a kind's parameters."""
    common: dict[str, Any] = {
        "label": parameter.label,
        "help_text": parameter.help,
        "required": parameter.required,
    }
    if parameter.type == "number":
        return forms.IntegerField(min_value=parameter.least, max_value=parameter.most, **common)
    if parameter.type == "yes_no":
        return forms.BooleanField(**common | {"required": False})
    if parameter.type == "choice":
        choices = parameter.options(utility)
        if not choices:
            common["help_text"] = _("There is none yet: make one first, then come back here.")
        return forms.ChoiceField(choices=choices, **common)
    return forms.CharField(max_length=500, **common)
