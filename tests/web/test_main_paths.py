"""Ten ways through the pages that people take every day, from the start page on, by clicking, in both languages.

All ten share one server and one utility, as building them costs more than walking. A path says what is clicked in
the words of the code; the person walking it reads them in Swedish or English, as the pages show them. What the
browser complains about fails the path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import openpyxl
import pytest
from django.utils import translation
from playwright.sync_api import expect
from tests.reports.test_period_use import place, store

from avlas.meters.models import (
    BilledAmount,
    Case,
    Exchange,
    Group,
    GroupMember,
    Installation,
    Meter,
    Reading,
    VoidedReading,
)
from avlas.system.models import User
from avlas.transfer.exports.ready_made import READY_MADE
from avlas.transfer.models import ExportTemplate

from .conftest import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Locator, Page

    from .conftest import World

PATIENCE_MS = 60_000
STANDARD_TIME = timedelta(hours=1)  # Swedish, all year: in it billing months begin
DAY = timedelta(days=1)


@dataclass
class Town:
    """The utility, its address, and meters with what they showed in the month that ended last."""

    north: World
    address: str
    steady: Meter  # used 5,000 kWh
    silent: Meter  # fell silent on the tenth
    spare: Meter  # in stock


@dataclass
class Person:
    """Somebody at a browser who reads the pages in one language and clicks on what they say."""

    town: Town
    page: Page
    language: str
    complaints: list[str] = field(default_factory=list)

    def says(self, text: str, context: str = "") -> str:
        """What a text of the program is in this person's language."""
        with translation.override(self.language):
            return translation.pgettext(context, text) if context else translation.gettext(text)

    def goes_to(self, section: str, entry: str = "") -> None:
        """From the start page to one of the pages in the navigation."""
        self.page.get_by_role("link", name="Avläs", exact=True).click()
        expect(self.heading()).to_have_text(self.town.north.utility.name)
        sections = self.page.get_by_role("navigation", name=self.says("Sections"))
        sections.get_by_role("link", name=self.says(section), exact=True).click()
        if entry:
            tabs = self.page.get_by_role("navigation", name=self.says(section), exact=True)
            tabs.get_by_role("link", name=self.says(entry), exact=True).click()
            expect(self.page.locator(".tabs a[aria-current]")).to_have_text(self.says(entry))

    def opens_meter(self, serial: str) -> None:
        self.goes_to("Meters")
        self.page.get_by_role("searchbox").fill(serial)
        rows = self.page.locator("#list tbody tr")
        expect(rows).to_have_count(1)
        rows.locator("a.main").first.click()
        expect(self.page.locator("#now")).to_be_visible()

    def heading(self) -> Locator:
        return self.page.get_by_role("heading", level=1)

    def button(self, text: str) -> Locator:
        return self.page.get_by_role("button", name=self.says(text), exact=True)

    def link(self, text: str) -> Locator:
        return self.page.get_by_role("main").get_by_role("link", name=self.says(text), exact=True)

    def input(self, text: str) -> Locator:
        return self.page.get_by_label(re.compile(f"^{re.escape(self.says(text))}"))

    def sees(self, text: str) -> None:
        expect(self.page.get_by_role("main")).to_contain_text(self.says(text))

    def downloads(self, click: Callable[[], None]) -> Path:
        with self.page.expect_download() as download:
            click()
        return download.value.path()


def find_a_customer_and_see_the_meters_month(person: Person) -> None:
    """On a phone, as a fitter does."""
    page = person.page
    page.set_viewport_size({"width": 390, "height": 844})
    person.goes_to("Meters")
    page.get_by_role("searchbox").press_sequentially("öberg")
    rows = page.locator("#list tbody tr")
    expect(rows).to_have_count(1)
    rows.locator("a.main").first.click()
    expect(person.heading()).to_have_text(person.town.north.point.address)
    expect(page.locator(".choice a[aria-current]")).to_have_text(person.says("Days"))
    chart = page.locator("#consumption svg.chart.narrow").first
    expect(chart).to_be_visible()
    assert chart.bounding_box()["width"] > 250
    expect(chart.locator(".bar:has(.amount)").last).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 800})


def put_meters_into_a_group_from_the_list(person: Person) -> None:
    page, serials = person.page, {meter.serial for meter in person.town.north.meters[:2]}
    person.goes_to("Meters")
    for serial in serials:
        page.get_by_role("checkbox", name=f"{person.says('Choose')} {serial}").check()
    expect(page.locator("[data-count]")).to_have_text(f"{person.says('Meters selected:')} 2")
    page.get_by_text(person.says("Add to group"), exact=True).click()
    page.get_by_role("button", name=person.says("Make a group of them")).click()
    person.input("Name").fill("Norra ringen")
    person.button("Make the group").click()
    expect(person.heading()).to_have_text("Norra ringen")
    expect(page.locator("#list tbody tr")).to_have_count(2)
    group = Group.objects.get(name="Norra ringen")
    assert {member.meter.serial for member in GroupMember.objects.filter(group=group)} == serials


def exchange_a_meter(person: Person) -> None:
    page, town = person.page, person.town
    person.opens_meter(town.silent.serial)
    person.link("Exchange").click()
    person.input("Reason").fill("Revision")
    person.button("Start the exchange").click()
    step = page.locator("#step-head")
    expect(step).to_have_text(person.says("When and why"))
    person.button("Save and go on").click()
    expect(step).to_have_text(person.says("Last reading of the old meter"))
    person.button("Save and go on").click()
    expect(step).to_have_text(person.says("The new meter"))
    page.get_by_text(str(town.spare)).click()
    person.button("Take the chosen one").click()
    expect(step).to_have_text(person.says("First reading of the new meter"))
    person.input("E1").first.fill("0")
    person.button("Save and go on").click()
    expect(step).to_have_text(person.says("Check and carry out"))
    person.button("Carry out the exchange").click()
    person.sees("The exchange is carried out. The old meter lies in stock.")
    done = Exchange.objects.get(old__meter=town.silent)
    assert Installation.objects.get(point=done.old.point, to_at=None).meter == town.spare


def enter_a_reading_and_void_it(person: Person) -> None:
    page, meter = person.page, person.town.steady
    person.opens_meter(meter.serial)
    person.link("Enter a reading").click()
    person.input("E1").first.fill("5777")
    person.button("Save").click()
    person.sees("The reading is kept.")
    row = page.get_by_role("row").filter(has_text=re.compile(r"5\s777"))
    row.get_by_role("link", name=person.says("Void")).click()
    person.input("Reason").fill("Fel mätare")
    person.button("Void it").click()
    person.sees("The reading is out of use. It stays in the list, marked.")
    expect(row).to_contain_text(person.says("taken out of use"))
    assert VoidedReading.objects.get(meter=meter).reason == "Fel mätare"


def heat_report_to_excel(person: Person) -> None:
    page, serial = person.page, person.town.north.meters[0].serial
    person.goes_to("Analysis", "Heat reports")
    expect(page.get_by_role("row").filter(has_text=serial)).to_be_visible()
    page.get_by_text(person.says("Export"), exact=True).click()
    path = person.downloads(page.get_by_role("link", name="Excel").click)
    with path.open("rb") as file:
        rows = list(openpyxl.load_workbook(file, read_only=True).active.values)
    assert any(serial in map(str, row) for row in rows)


def those_who_used_much_into_a_group(person: Person) -> None:
    page, meter = person.page, person.town.steady
    person.goes_to("Analysis", "Consumption reports")
    page.wait_for_load_state("load")  # before its scripts a menu does nothing
    page.get_by_label(person.says("Consumption"), exact=True).select_option(label="E1")
    expect(page).to_have_url(re.compile("of="))
    page.wait_for_load_state("load")
    person.input("Compared").select_option("more")
    expect(page).to_have_url(re.compile("test=more"))
    page.wait_for_load_state("load")
    person.input("Limit").fill("4000")
    person.button("Update").click()
    rows = page.locator("table.report tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(meter.serial)
    person.input("New group").fill("Mycket värme")
    page.locator(".to-group button[name=all]").click()
    expect(page.locator(".note.good, .message")).to_contain_text("Mycket värme")
    assert GroupMember.objects.get(group__name="Mycket värme").meter == meter


def acknowledge_an_info_code_and_assign_it(person: Person) -> None:
    page, north = person.page, person.town.north
    meter = north.meters[1]
    person.goes_to("Operation", "Info codes")
    row = page.get_by_role("row").filter(has_text=meter.serial)
    row.locator(f"a[href$='/{meter.pk}/case/']").click()
    person.input("Assigned to").select_option(label=str(north.superuser))
    person.button("Save and acknowledge").click()
    person.sees("Saved.")
    person.goes_to("Operation", "Info codes")
    expect(row).to_contain_text(str(north.superuser))
    expect(row.locator(".case-state .good")).to_be_visible()
    assert Case.objects.get(utility=north.utility).assigned_to == north.superuser


def approve_an_estimate_and_close_the_month(person: Person) -> None:
    page, meter = person.page, person.town.silent
    person.goes_to("Analysis", "Billing")
    row = page.get_by_role("row").filter(has_text=meter.serial)
    expect(row).to_contain_text(person.says("Estimate:"))
    row.get_by_role("checkbox").check()
    person.button("Approve the estimates of the selected").click()
    expect(row).to_contain_text(person.says("Estimated"))
    assert Reading.objects.get(meter=meter, kind=2).energy_heat_kwh > 300
    person.button("Close the month").click()
    expect(page.locator(".note.good").get_by_role("link", name=person.says("Corrections"))).to_be_visible()
    assert {meter, person.town.steady} <= {billed.meter for billed in BilledAmount.objects.all()}


def make_an_export_of_a_ready_format(person: Person) -> None:
    page = person.page
    person.goes_to("Operation", "Exports")
    with translation.override(person.language):
        name = str(READY_MADE["billing"].name)
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.locator("#preview pre")).to_contain_text(person.town.steady.serial)
    person.input("Name").fill("Till faktureringen")
    person.button("Save").click()
    page.get_by_role("link", name="Till faktureringen", exact=True).click()
    person.link("Export").click()
    expect(person.heading()).to_contain_text("Till faktureringen")
    lines = person.downloads(person.button("Export").click).read_text("latin-1").splitlines()
    assert any(person.town.steady.serial in line for line in lines)
    assert ExportTemplate.objects.filter(name="Till faktureringen").exists()


def invite_a_user_and_give_a_role(person: Person) -> None:
    page = person.page
    person.goes_to("Configuration", "Users")
    person.link("Add a user").click()
    person.input("E-mail address").fill("ny@nordby.example")
    person.input("First name").fill("Nora")
    person.input("Last name").fill("Ny")
    person.input("Role").select_option("superuser")
    person.button("Add").click()
    expect(page.locator("code.secret")).to_contain_text("http")
    person.link("Done").click()
    expect(page.get_by_role("row").filter(has_text="Nora Ny")).to_be_visible()
    assert User.objects.get(email="ny@nordby.example").role == "superuser"


PATHS = (
    (find_a_customer_and_see_the_meters_month, "sv"),
    (put_meters_into_a_group_from_the_list, "en"),
    (heat_report_to_excel, "en"),
    (those_who_used_much_into_a_group, "sv"),
    (acknowledge_an_info_code_and_assign_it, "en"),
    (make_an_export_of_a_ready_format, "en"),
    (invite_a_user_and_give_a_role, "sv"),
    (enter_a_reading_and_void_it, "sv"),
    (approve_an_estimate_and_close_the_month, "en"),
    (exchange_a_meter, "sv"),  # of the meter that was estimated
)


@pytest.fixture
def town(live_server, north) -> Town:
    local = (datetime.now(UTC) + STANDARD_TIME).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = local - STANDARD_TIME
    start = (local - DAY).replace(day=1) - STANDARD_TIME
    tenth = start + 10 * DAY
    steady, silent, spare = (
        Meter.objects.create(utility=north.utility, manufacturer="KAM", serial=serial, medium="heat")
        for serial in ("70000001", "70000002", "70000003")
    )
    for meter in (steady, silent):
        place(meter, start - 90 * DAY)
    store(steady, [start, end], [0.0, 5000.0])
    store(silent, [tenth - 30 * DAY, start, tenth], [0.0, 200.0, 300.0])
    return Town(north, live_server.url, steady, silent, spare)


@pytest.fixture
def people(browser: Browser, town: Town) -> Iterator[dict[str, Person]]:
    """An administrator in each language, signed in on a computer of their own."""
    north = town.north
    english = User.objects.create_user(
        "english@nordby.example", PASSWORD, utility=north.utility, role="administrator", language="en"
    )
    found: dict[str, Person] = {}
    contexts: list[BrowserContext] = []
    for language, user in (("sv", north.administrator), ("en", english)):
        context = browser.new_context(
            locale={"sv": "sv-SE", "en": "en-GB"}[language], timezone_id="Europe/Stockholm"
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        person = Person(town, context.new_page(), language)
        watch(person)
        person.page.goto(town.address)
        person.page.fill("#id_login", user.email)
        person.page.fill("#id_password", PASSWORD)
        person.button("Sign in").click()
        expect(person.heading()).to_have_text(north.utility.name)
        found[language] = person
    yield found
    for context in contexts:
        context.close()


def watch(person: Person) -> None:
    """Write down what the browser complains about."""
    page, complaints = person.page, person.complaints
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)


@pytest.mark.one_database
def test_main_paths(people: dict[str, Person], subtests):
    for walk, language in PATHS:
        person = people[language]
        with subtests.test(walk.__name__, language=language):
            walk(person)
            assert not person.complaints
        person.complaints.clear()
