"""Receivers: which there are, how they are, adding, changing, stopping and removing them.

The pages only change the table; the collector process looks at it and acts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.collect.drivers import kinds
from avlas.collect.spec import SpecError, parse_spec
from avlas.meters.models import Collector, Telegram
from avlas.meters.receiver_silence import silent_receivers
from avlas.system.models import Permission
from avlas.web.pages.access import PageRequest, find, page, record, rows
from avlas.web.pages.position import WGS84, PositionForm

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.utils.functional import Promise

DRIVERS: Final[dict[str, Promise]] = {
    "im871a": gettext_lazy("iM871A radio receiver (USB)"),
    "im170a": gettext_lazy("iM170A radio receiver, 169 MHz (USB)"),
    "iu891a": gettext_lazy("iU891A radio receiver (USB)"),
    "iu893a": gettext_lazy("iU893A radio receiver (USB)"),
    "amb8465": gettext_lazy("AMB8465 or Metis-II radio receiver (USB)"),
    "amb3665": gettext_lazy("AMB3665 radio receiver, 169 MHz (USB)"),
    "rc1180": gettext_lazy("RC1180 radio receiver"),
    "cul": gettext_lazy("CUL or nanoCUL radio receiver (USB)"),
    "rtl_wmbus": gettext_lazy("rtl_wmbus with a software radio"),
    "rtl_433": gettext_lazy("rtl_433 with a software radio"),
    "wmbusmeters": gettext_lazy("wmbusmeters log lines"),
    "hex": gettext_lazy("Telegrams as hexadecimal lines"),
    "hextty": gettext_lazy("Telegrams as hexadecimal digits without lines"),
    "rawtty": gettext_lazy("Telegrams as bytes"),
    "rawtty_crc": gettext_lazy("Telegrams as bytes with their checksums"),
}
LINK_MODES: Final[dict[str, Promise | str]] = {
    "c1t1": gettext_lazy("C1 and T1 (most meters)"),
    "c1": gettext_lazy("C1 only"),
    "t1": gettext_lazy("T1 only"),
    "s1": gettext_lazy("S1 only"),
    "c1t1s1": gettext_lazy("C1, T1 and S1 (software radio)"),
    **{mode: f"{mode[0].upper()}{mode[1:]} (169 MHz)" for mode in kinds.LINK_MODES if mode.startswith("n")},
}
STATUS_TEXTS: Final[dict[str, Promise]] = {
    "stopped": gettext_lazy("stopped"),
    "starting": gettext_lazy("starting"),
    "running": gettext_lazy("running"),
    "waiting": gettext_lazy("waiting"),
    "failed": gettext_lazy("failed"),
}
STATUS_TONES: Final[dict[str, str]] = {
    "running": "good",
    "starting": "accent",
    "waiting": "warn",
    "failed": "bad",
    "stopped": "",
}
_HOST = re.compile(r"(?:(?P<road>tcp|udp)://)?(?P<host>\[[0-9a-fA-F:]+\]|[\w.-]+):(?P<port>\d{1,5})/?")
_PORTS: Final = ("/dev/serial/by-id/*", "/dev/ttyUSB*", "/dev/ttyACM*", "/dev/ttyAMA*")


def is_receiver(collector: Collector) -> bool:
    """Whether a row is something people set up here; the API and imports bring telegrams too."""
    return collector.spec.partition(":")[0] in DRIVERS


@dataclass(frozen=True, slots=True)
class Shown:
    """A receiver with its description taken apart for people."""

    row: Collector

    @property
    def driver(self) -> str:
        """Its kind."""
        return self.row.spec.partition(":")[0]

    @property
    def is_told(self) -> bool:
        """Whether Avläs decides what it listens for."""
        kind = kinds.KINDS[self.driver]
        return bool(kind.link_modes or self.where.startswith("run"))

    @property
    def where(self) -> str:
        """Port or host."""
        return self.row.spec.partition(":")[2].removeprefix("tcp://")


def serial_ports() -> list[str]:
    """Serial ports plugged into this machine now, the lasting names first."""
    return [str(path) for pattern in _PORTS for path in sorted(Path("/").glob(pattern.removeprefix("/")))]


class ReceiverForm(PositionForm):
    """A receiver: name, kind, where it is connected, what it listens for, and where its aerial stands."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        help_text=gettext_lazy("For example where it stands: Water tower."),
    )
    driver = forms.ChoiceField(label=gettext_lazy("Kind"), choices=lambda: list(DRIVERS.items()))
    where = forms.CharField(
        label=gettext_lazy("Where it is connected"),
        max_length=250,
        help_text=gettext_lazy(
            "A serial port of the computer Avläs runs on, /dev/ttyUSB0, or host:port over the network. "
            "Write run to let Avläs start rtl_wmbus or rtl_433 itself."
        ),
        widget=forms.TextInput(attrs={"list": "ports", "autocomplete": "off", "spellcheck": "false"}),
    )
    link_mode = forms.ChoiceField(
        label=gettext_lazy("Listens for"),
        choices=lambda: list(LINK_MODES.items()),
        help_text=gettext_lazy(
            "Receivers on a port are told; programs and modems listen for what they were started with."
        ),
    )

    def __init__(self, *args: Any, request: PageRequest, own: Collector | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request, self._own = request, own

    def clean_name(self) -> str:
        """A name that is not taken."""
        name: str = self.cleaned_data["name"].strip()
        taken = rows(self._request, Collector).filter(name=name)
        if self._own is not None:
            taken = taken.exclude(pk=self._own.pk)
        if taken.exists():
            raise forms.ValidationError(_("There is a receiver with this name already."))
        return name

    def clean(self) -> dict[str, Any]:
        """Put kind and place together to what the collector understands."""
        data = super().clean() or {}
        driver, where = data.get("driver"), str(data.get("where", "")).strip()
        if not driver or not where:
            return data
        network = _HOST.fullmatch(where)
        if network:
            if not 0 < int(network["port"]) < 65536:
                self.add_error("where", _("A port is a number from 1 to 65535."))
                return data
            where = f"{network['road'] or 'tcp'}://{network['host']}:{network['port']}"
        elif re.fullmatch(r"run(/[\w.-]{1,32})?", where, re.ASCII) and kinds.KINDS[driver].programs:
            pass  # a program of this machine, on a software radio
        elif not where.startswith("/") and not re.fullmatch(r"COM\d+(:\d+)?", where, re.IGNORECASE):
            self.add_error(
                "where", _("Write a serial port like /dev/ttyUSB0, or host:port like 192.168.1.20:1234.")
            )
            return data
        try:
            spec = parse_spec(f"{driver}:{where}")
            data["spec"] = str(spec)
        except SpecError:
            self.add_error(
                "where", _("Write a serial port like /dev/ttyUSB0, or host:port like 192.168.1.20:1234.")
            )
            return data
        known = kinds.link_modes(kinds.KINDS[driver], spec.road)
        if known and data.get("link_mode") not in known and "link_mode" in data:
            names = ", ".join(mode.upper() for mode in known)
            self.add_error("link_mode", _("This kind can listen for: %(modes)s.") % {"modes": names})
            return data
        same = rows(self._request, Collector).filter(spec=data["spec"])
        if self._own is not None:
            same = same.exclude(pk=self._own.pk)
        if same.exists():
            self.add_error("where", _("Another receiver uses this connection already."))
        return data


@page()
def receivers(request: PageRequest) -> HttpResponse:
    """All receivers with how they are, and the other roads telegrams came by."""
    every = list(rows(request, Collector).order_by("name"))
    context = {
        "receivers": [Shown(one) for one in every if is_receiver(one)],
        "others": [one for one in every if not is_receiver(one) and one.telegrams],
        "drivers": DRIVERS,
        "link_modes": LINK_MODES,
        "status_texts": STATUS_TEXTS,
        "status_tones": STATUS_TONES,
        "silent": {one.collector.pk for one in silent_receivers(request.utility.pk)},
        "may_change": Permission.SYSTEM_CONFIGURATION in request.allowed,
    }
    fragment = request.htmx and not request.htmx.boosted
    return render(request, "pages/receiver_rows.html" if fragment else "pages/receivers.html", context)


@page(view=Permission.SYSTEM_CONFIGURATION, change=Permission.SYSTEM_CONFIGURATION)
def add(request: PageRequest) -> HttpResponse:
    """Set up a new receiver."""
    ports = serial_ports()
    form = ReceiverForm(request.POST or None, request=request, initial={"where": ports[0] if ports else ""})
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            made = Collector.objects.create(utility=request.utility, status="starting", **_values(form))
            record(
                request,
                "receivers.added",
                target=made.name,
                detail={"spec": made.spec, "link_mode": made.link_mode},
            )
        messages.success(request, _("%(name)s is added and will be started at once.") % {"name": made.name})
        return redirect("receivers")
    status = 422 if request.method == "POST" else 200
    return render(
        request, "pages/receiver_form.html", {"form": form, "ports": ports, "receiver": None}, status=status
    )


@page(view=Permission.SYSTEM_CONFIGURATION, change=Permission.SYSTEM_CONFIGURATION)
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change a receiver."""
    own = find(request, Collector, pk)
    if not is_receiver(own):
        return redirect("receivers")
    driver, _colon, where = own.spec.partition(":")
    first = {
        "name": own.name,
        "driver": driver,
        "where": where.removeprefix("tcp://"),
        "link_mode": own.link_mode,
        "system": WGS84,
        "north": own.latitude,
        "east": own.longitude,
    }
    form = ReceiverForm(request.POST or None, request=request, own=own, initial=first)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            values = _values(form)
            before = {name: getattr(own, name) for name in values}
            for name, value in values.items():
                setattr(own, name, value)
            own.save(update_fields=list(values))
            changed = {name: [before[name], value] for name, value in values.items() if before[name] != value}
            record(request, "receivers.changed", target=own.name, detail=changed)
        messages.success(request, _("%(name)s is saved.") % {"name": own.name})
        return redirect("receivers")
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "ports": serial_ports(), "receiver": own}
    return render(request, "pages/receiver_form.html", context, status=status)


def _values(form: ReceiverForm) -> dict[str, Any]:
    data = form.cleaned_data
    latitude, longitude = form.position or (None, None)
    return {
        "name": data["name"],
        "spec": data["spec"],
        "link_mode": data["link_mode"],
        "latitude": latitude,
        "longitude": longitude,
    }


@page(view=Permission.SYSTEM_CONFIGURATION, change=Permission.SYSTEM_CONFIGURATION)
def switch(request: PageRequest, pk: int) -> HttpResponse:
    """Start or stop a receiver."""
    own = find(request, Collector, pk)
    if request.method == "POST" and is_receiver(own):
        with transaction.atomic():
            own.active = request.POST.get("active") == "1"
            own.save(update_fields=["active"])
            record(request, "receivers.started" if own.active else "receivers.stopped", target=own.name)
        text = _("%(name)s is being started.") if own.active else _("%(name)s is being stopped.")
        messages.success(request, text % {"name": own.name})
    return redirect("receivers")


@page(view=Permission.SYSTEM_CONFIGURATION, change=Permission.SYSTEM_CONFIGURATION)
def delete(request: PageRequest, pk: int) -> HttpResponse:
    """Remove a receiver that brought nothing which is still kept; others can only be stopped."""
    own = find(request, Collector, pk)
    if not is_receiver(own):
        return redirect("receivers")
    needed = Telegram.objects.filter(collector_id=own.pk).exists()
    if request.method == "POST" and not needed:
        with transaction.atomic():
            record(request, "receivers.removed", target=own.name, detail={"spec": own.spec})
            own.delete()
        messages.success(request, _("%(name)s is removed.") % {"name": own.name})
        return redirect("receivers")
    return render(request, "pages/receiver_delete.html", {"receiver": own, "needed": needed})
