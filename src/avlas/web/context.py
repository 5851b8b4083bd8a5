"""What every page's frame shows: version, utility, user, theme and where in the program one is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

import avlas
from avlas.system import permissions
from avlas.system.models import Permission
from avlas.web import manual

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.utils.functional import Promise

THEMES = ("auto", "light", "dark")


@dataclass(frozen=True, slots=True)
class Entry:
    """A place one can go to."""

    name: str  # of the address
    title: Promise
    also: tuple[str, ...] = ()  # addresses that belong to it
    needs: str = Permission.DATA_ACCESS
    of_installation: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One of the headings at the top and what stands under it."""

    title: Promise
    icon: str
    entries: tuple[Entry, ...]

    @property
    def names(self) -> set[str]:
        """Every address of the section."""
        return {name for entry in self.entries for name in (entry.name, *entry.also)}


SECTIONS = (
    Section(_("Home"), "home", (Entry("home", _("Home")),)),
    Section(
        _("Meters"),
        "meter",
        (
            Entry(
                "meters",
                _("Meters"),
                (
                    "meter",
                    "meter_readings",
                    "meters_act",
                    "meter_telegrams",
                    "meter_telegram",
                    "meter_let_in",
                    "priority_meters",
                    "meter_add",
                    "meter_edit",
                    "meter_delete",
                    "meter_take_down",
                    "meter_report_send",
                    "meter_inputs",
                    "meter_photos",
                    "meter_reading_add",
                    "meter_reading_void",
                ),
            ),
            Entry("map", _("Map")),
            Entry("groups", _("Groups"), ("group_add", "group_edit", "group_delete")),
            Entry(
                "points",
                _("Metering points"),
                (
                    "point",
                    "point_add",
                    "point_edit",
                    "point_move",
                    "point_report_send",
                    "point_parts",
                    "point_photos",
                    "point_delete",
                ),
            ),
            Entry(
                "customers",
                _("Customers"),
                ("customer", "customer_add", "customer_edit", "customer_report_send", "customer_delete"),
            ),
            Entry("exchanges", _("Exchanges"), ("exchange", "meter_exchange", "exchange_photos")),
            Entry(
                "valve_list",
                _("Valves"),
                ("valve_request", "valve_rules", "meter_valve"),
                needs=Permission.DEVICE_AND_CUSTOMER_MANAGEMENT,
            ),
            Entry("meter_stock", _("In stock"), ("meter_install",)),
            Entry(
                "imports",
                _("Imports"),
                ("import_add", "import_one", "import_columns", "import_undo", "import_compare"),
                needs=Permission.DEVICE_AND_CUSTOMER_MANAGEMENT,
            ),
            Entry("meter_revisions", _("Revision"), ("revision_periods",)),
        ),
    ),
    Section(
        _("Analysis"),
        "chart",
        (
            Entry("heat_report", _("Heat reports"), ("heat_levels",)),
            Entry("consumption_report", _("Consumption reports"), ("consumption_report_map",)),
            Entry("compare", _("Data comparison")),
            Entry("performance", _("Reading performance"), ("performance_level",)),
            Entry("water_loss", _("Water loss analysis")),
            Entry("billing", _("Billing"), ("billing_trial", "billing_corrections")),
            Entry("saved_reports", _("Saved reports"), ("report_save", "report_edit")),
        ),
    ),
    Section(
        _("Operation"),
        "antenna",
        (
            Entry("info_codes", _("Info codes"), ("meter_case",)),
            Entry("readings_in_doubt", _("Readings in doubt")),
            Entry("alerts", _("Consumption alerts"), ("alert", "alert_add", "alert_limit")),
            Entry("notifications", _("Notifications"), ("notification_add", "notification_edit")),
            Entry("heard", _("Heard"), ("heard_one",)),
            Entry(
                "receivers",
                _("Receivers"),
                ("receiver", "receiver_find", "receiver_add", "receiver_edit", "receiver_delete"),
            ),
            Entry(
                "exports",
                _("Exports"),
                ("export_add", "export_edit", "export_make", "export_delete", "receipts", "receipt"),
            ),
            Entry("import_file", _("Import telegrams"), needs=Permission.READING_MANAGEMENT),
            Entry("explain", _("Explain a telegram")),
            Entry("jobs", _("Jobs"), ("job", "job_run", "job_add", "job_edit", "job_delete")),
            Entry("messages", _("Messages"), ("message",), needs=Permission.SYSTEM_CONFIGURATION),
        ),
    ),
    Section(
        _("Configuration"),
        "sliders",
        (
            Entry("utility_settings", _("Utility"), needs=Permission.SYSTEM_CONFIGURATION),
            Entry(
                "users",
                _("Users"),
                ("user_add", "user_edit", "user_link", "user_second_factor"),
                Permission.ACCESS_CONTROL,
            ),
            Entry("roles", _("Roles"), needs=Permission.ACCESS_CONTROL),
            Entry("keys", _("Keys"), ("key_passwords", "key_import", "key_add", "key_delete", "key_test")),
            Entry(
                "api_tokens",
                _("API tokens"),
                ("api_token_add", "api_token_revoke"),
                Permission.ACCESS_CONTROL,
            ),
            Entry(
                "webhooks",
                _("Webhooks"),
                ("webhook_add", "webhook_edit", "webhook_delete", "webhook_new_secret"),
                needs=Permission.SYSTEM_CONFIGURATION,
            ),
            Entry("sms_settings", _("SMS"), needs=Permission.SYSTEM_CONFIGURATION),
            Entry(
                "places",
                _("Places"),
                ("place", "place_add", "place_edit", "place_pin", "place_test", "place_delete"),
                needs=Permission.SYSTEM_CONFIGURATION,
            ),
            Entry("old_readings", _("Old readings"), needs=Permission.SYSTEM_CONFIGURATION),
            Entry(
                "mail_server", _("Mail server"), needs=Permission.SYSTEM_CONFIGURATION, of_installation=True
            ),
            Entry("mqtt_out", _("MQTT"), needs=Permission.SYSTEM_CONFIGURATION, of_installation=True),
            Entry("check_up", _("Check-up"), needs=Permission.SYSTEM_CONFIGURATION, of_installation=True),
            Entry("privacy", _("Privacy"), ("privacy_customer",), Permission.ACCESS_CONTROL),
            Entry("audit_log", _("Audit log"), needs=Permission.ACCESS_CONTROL),
        ),
    ),
)


def _open_to(allowed: frozenset[str], *, runs_installation: bool) -> list[Section]:
    """The sections with the places somebody may go to; one that holds none is left out."""
    found = []
    for section in SECTIONS:
        entries = tuple(
            entry
            for entry in section.entries
            if entry.needs in allowed and (runs_installation or not entry.of_installation)
        )
        if entries:
            found.append(replace(section, entries=entries))
    return found


def page(request: HttpRequest) -> dict[str, Any]:
    """Template context of every page."""
    user = getattr(request, "user", None)
    signed_in = user is not None and user.is_authenticated
    match = request.resolver_match
    here = (match.url_name or "") if match else ""
    allowed = getattr(request, "allowed", None)
    if allowed is None:  # a page outside the pages' own guard, such as "not found"
        allowed = permissions.of(user) if user is not None and signed_in else frozenset()
    open_sections = _open_to(allowed, runs_installation=getattr(user, "runs_installation", False))
    section = next((section for section in open_sections if here in section.names), None)
    theme = request.COOKIES.get("theme", "auto")
    return {
        "version": avlas.__version__,
        "utility": user.utility if user is not None and signed_in else None,
        "may": {name: name in allowed for name in Permission.values},
        "theme": theme if theme in THEMES else "auto",
        "sections": open_sections,
        "here": here,
        "section_here": section,
        "entries": section.entries if section else (),
        "help_name": manual.help_for(here),
        "entry_here": next(
            (e for s in SECTIONS for e in s.entries if here == e.name or here in e.also), None
        ),
    }
