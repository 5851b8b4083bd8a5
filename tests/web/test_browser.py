"""The main paths in a real browser, by mouse and by keyboard; no page breaks the strict content policy."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from avlas.meters.models import Exchange, Installation, Meter, MeteringPoint, MeterState, State
from avlas.reports.variables import VARIABLES
from avlas.simulate.kem import KemMeter, kem_file
from avlas.system.models import Delivery, JobRun
from avlas.web.listing import ROWS_PER_PAGE

from .conftest import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

pytestmark = pytest.mark.one_database
TABLET = 768  # held upright


@pytest.fixture
def watched(page: Page) -> Iterator[Page]:
    """The page; whatever the browser complains about fails the test."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}"))
    yield page
    left_by_going_on, refused_form = "net::ERR_ABORTED", "status of 422"
    complaints = [text for text in complaints if left_by_going_on not in text and refused_form not in text]
    assert not complaints, complaints


def arrived(page: Page, address: str) -> None:
    """Wait until the page at an address (a pattern) is there with its scripts: before them menus do nothing."""
    expect(page).to_have_url(re.compile(address))
    page.wait_for_load_state("load")


@pytest.fixture
def site(live_server, north):
    """The running server with one utility on it."""
    return live_server.url


@pytest.fixture
def signed_in(watched: Page, site, north) -> Page:
    watched.goto(f"{site}/")
    watched.fill("#id_login", north.superuser.email)
    watched.fill("#id_password", PASSWORD)
    watched.get_by_role("button", name="Logga in", exact=True).click()
    expect(watched.get_by_role("heading", name="Nordby Energi")).to_be_visible()
    return watched


def every_address(north) -> list[str]:
    stranger = MeterState.objects.get(utility=north.utility, meter=None)
    names = ["home", "meters", "map", "utility_settings", "groups", "group_add", "heard", "receivers",
             "receiver_add", "import_file", "explain", "keys", "key_import",
             "key_add", "info_codes", "performance", "performance_level", "jobs", "job_add", "messages", "webhooks", "webhook_add", "settings",
             "exports", "export_add", "receipts", "places", "place_add",
             "heat_report", "heat_levels", "consumption_report", "compare", "water_loss", "saved_reports", "report_save",
             "notifications", "notification_add", "sms_settings", "alerts", "alert_limit",
             "priority_meters", "imports", "import_add", "valve_list", "valve_rules", "old_readings", "consumption_report_map",
             "billing", "billing_trial", "billing_corrections", "own_sessions", "second_factor", "passkey_add",
             "account_change_password", "account_logout"]  # fmt: skip
    found = [reverse(name) for name in names]
    found += [reverse(name, args=[meter.pk]) for meter in north.meters for name in ("meter", "meter_case")]
    found += [
        reverse("exchanges"),
        reverse("exchange", args=[Exchange.objects.get(utility=north.utility).pk]),
    ]
    found += [
        reverse(name, args=[north.meters[0].pk])
        for name in ("meter_exchange", "meter_readings", "meter_reading_add")
    ]
    found += [reverse(name) for name in ("points", "point_add", "customers", "customer_add")]
    found += [reverse(name, args=[north.point.pk]) for name in ("point", "point_edit", "point_move")]
    found += [reverse(name, args=[north.customer.pk]) for name in ("customer", "customer_edit")]
    found += [reverse(name) for name in ("meter_add", "meter_stock", "meter_revisions", "revision_periods")]
    found += [
        reverse(name, args=[north.meters[0].pk])
        for name in (
            "meter_edit",
            "meter_delete",
            "meter_install",
            "meter_take_down",
            "meter_valve",
            "meter_photos",
            "meter_inputs",
            "meter_report_send",
        )
    ]
    found.append(reverse("meter_install", args=[north.meters[1].pk]) + "?q=Nordby")
    found += [reverse("heard_one", args=[stranger.pk]), reverse("meter_telegrams", args=[north.meters[0].pk])]
    found += [
        reverse("meter_readings", args=[north.meters[1].pk]),
        reverse("help"),
        reverse("help_page", args=["decode"]),
    ]
    found += [reverse("meters") + "?columns=" + ".".join(one.code for one in VARIABLES)]
    found += [reverse(name, args=[north.job.pk]) for name in ("job", "job_edit", "job_delete")]
    found += [
        reverse("job_run", args=[north.job.pk, north.run.pk]),
        reverse("receiver_find"),
        *(reverse(name, args=[north.collector.pk]) for name in ("receiver", "receiver_edit")),
    ]
    newest = Delivery.objects.filter(utility=north.utility).latest("pk")
    return [*found, reverse("message", args=[newest.pk]), reverse("webhook_edit", args=[newest.webhook_id])]


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_every_page_fits_the_window_and_obeys_the_policy(signed_in, site, north, width, theme):
    signed_in.set_viewport_size({"width": width, "height": 844})
    signed_in.emulate_media(color_scheme=theme)
    for address in every_address(north):
        signed_in.goto(site + address)
        wide = signed_in.evaluate("document.documentElement.scrollWidth")
        sticking_out = signed_in.evaluate(
            """[...document.querySelectorAll('main *')]
               .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.table-wrap, svg'))
               .map((e) => e.outerHTML.slice(0, 150))"""
        )
        assert wide <= width, (address, wide, sticking_out)
        assert signed_in.locator("h1").count() == 1, address
        unnamed = signed_in.evaluate(
            """[...document.querySelectorAll('button, a[href], input:not([type=hidden]), select, textarea')]
               .filter((e) => e.checkVisibility() && !e.innerText?.trim() && !e.ariaLabel && !e.labels?.length && !e.title)
               .map((e) => e.outerHTML.slice(0, 120))"""
        )
        assert not unnamed, (address, unnamed)
        if width > TABLET:
            signed_in.set_viewport_size({"width": TABLET, "height": 1024})
            assert signed_in.evaluate("document.documentElement.scrollWidth") <= TABLET, address
            signed_in.set_viewport_size({"width": width, "height": 844})


def test_find_a_meter_and_look_at_its_consumption(signed_in, site, north):
    signed_in.get_by_role("navigation", name="Avdelningar").get_by_role("link", name="Mätare").click()
    rows = signed_in.locator("#list tbody tr")
    expect(rows).to_have_count(3)
    signed_in.get_by_role("searchbox").press_sequentially("öberg")
    expect(rows).to_have_count(1)
    expect(signed_in).to_have_url(re.compile(r"q=%C3%B6berg"))
    signed_in.reload()  # the same address shows the same view
    expect(rows).to_have_count(1)
    rows.first.locator("td").nth(5).click()  # anywhere in the row
    expect(signed_in.get_by_role("heading", level=1)).to_have_text("Nordbygatan 7")
    signed_in.get_by_role("link", name="Timmar").click()
    expect(signed_in.locator(".choice a[aria-current]")).to_have_text("Timmar")
    expect(signed_in).to_have_url(re.compile("unit=hour"))
    signed_in.get_by_role("link", name="Dygn").click()
    expect(signed_in.locator(".choice a[aria-current]")).to_have_text("Dygn")  # the new part is there
    bars = signed_in.locator("svg.chart.wide .bar:has(.amount)")  # a day that has just begun has no value
    expect(bars.last).to_be_visible()
    bars.last.hover()
    tip = signed_in.locator(".tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("kWh")
    signed_in.select_option("#register", "volume_m3")
    expect(signed_in.locator("#use-head")).to_contain_text("Volym")
    signed_in.go_back()
    expect(signed_in.locator("#use-head")).to_contain_text("Värmeenergi")


def test_choose_meters_across_searches_put_them_into_a_new_group_and_export_it(signed_in, site, north):
    first, second, _third = (meter.serial for meter in north.meters)
    signed_in.goto(f"{site}/meters/")
    count = signed_in.locator("[data-count]")
    expect(count).to_have_text("Valda mätare: 0")
    expect(signed_in.get_by_role("button", name="Detaljer")).to_be_disabled()
    signed_in.get_by_role("searchbox").fill(first)
    rows = signed_in.locator("#list tbody tr")
    expect(rows).to_have_count(1)
    signed_in.get_by_role("checkbox", name=f"Välj {first}").check()
    expect(count).to_have_text("Valda mätare: 1")
    expect(signed_in.get_by_role("button", name="Detaljer")).to_be_enabled()
    signed_in.get_by_role("searchbox").fill(second)
    signed_in.get_by_role("checkbox", name=f"Välj {second}").check()
    expect(count).to_have_text("Valda mätare: 2")
    signed_in.reload()
    expect(count).to_have_text("Valda mätare: 2")
    signed_in.get_by_text("Lägg i grupp").click()
    signed_in.get_by_role("button", name="Skapa en grupp av dem").click()
    expect(signed_in.get_by_text("2 valda mätare läggs i den.")).to_be_visible()
    signed_in.get_by_label("Namn").fill("Ängen")
    signed_in.keyboard.press("Enter")
    expect(signed_in.get_by_role("heading", level=1)).to_have_text("Ängen")
    expect(rows).to_have_count(2)
    expect(count).to_have_text("Valda mätare: 0")
    groups = signed_in.get_by_role("navigation", name="Grupper")
    groups.get_by_role("link", name="Alla mätare").click()
    expect(rows).to_have_count(3)
    groups.get_by_role("link", name="Ängen 2").click()
    expect(rows).to_have_count(2)
    signed_in.get_by_text("Exportera").click()
    with signed_in.expect_download() as download:
        signed_in.get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text("utf-8-sig").splitlines()
    assert len(lines) == 3
    assert {first, second} == {line.split(";")[5] for line in lines[1:]}
    signed_in.get_by_role("checkbox", name="Välj alla på sidan").check()
    signed_in.get_by_role("button", name="Ta bort ur grupp").click()
    expect(signed_in.get_by_text("Det finns ingen mätare i den här gruppen.")).to_be_visible()


def test_points_ticked_on_two_pages_put_their_meters_into_a_group(signed_in, site, north):
    MeteringPoint.objects.bulk_create(
        MeteringPoint(utility=north.utility, facility_id=f"A{number:03}", address=f"Aallén {number}")
        for number in range(ROWS_PER_PAGE)
    )
    signed_in.goto(f"{site}/points/")
    count = signed_in.locator("[data-count]")
    expect(count).to_have_text("Valda mätpunkter: 0")
    signed_in.get_by_role("checkbox", name="Välj Aallén 3", exact=True).check()
    signed_in.get_by_role("link", name="Nästa sida").click()
    signed_in.get_by_role("checkbox", name=f"Välj {north.point}", exact=True).first.check()
    expect(count).to_have_text("Valda mätpunkter: 2")
    signed_in.get_by_text("Lägg i grupp").click()
    signed_in.get_by_role("button", name="Skapa en grupp av dem").click()
    expect(signed_in.get_by_text("1 vald mätare läggs i den.")).to_be_visible()
    signed_in.get_by_role("link", name="Avbryt").click()
    expect(signed_in.get_by_role("heading", level=1)).to_have_text("Mätpunkter")


def test_exchange_a_meter_step_by_step(signed_in, site, north):
    plan = Exchange.objects.get(utility=north.utility)
    Exchange.objects.filter(pk=plan.pk).update(at=datetime.now(UTC).replace(second=0, microsecond=0))
    signed_in.goto(f"{site}{reverse('meter', args=[north.meters[0].pk])}")
    signed_in.get_by_role("link", name="Byt", exact=True).click()
    signed_in.get_by_role("link", name="Fortsätt med det").click()
    title = signed_in.locator("#step-head")
    expect(title).to_have_text("Gamla mätarens sista avläsning")
    expect(signed_in.get_by_label("E1 Värmeenergi")).not_to_have_value("")  # proposed
    signed_in.get_by_role("button", name="Spara och fortsätt").click()
    expect(title).to_have_text("Nya mätaren")
    signed_in.get_by_text(str(north.meters[1])).click()
    signed_in.get_by_role("button", name="Ta den valda").click()
    expect(title).to_have_text("Nya mätarens första avläsning")
    signed_in.get_by_role("button", name="Spara och fortsätt").click()
    expect(title).to_have_text("Kontrollera och genomför")
    signed_in.get_by_role("button", name="Genomför bytet").click()
    expect(signed_in.get_by_text("Bytet är genomfört")).to_be_visible()
    assert Installation.objects.get(point=north.point, to_at=None).meter == north.meters[1]
    signed_in.get_by_label("Anledning").fill("Fel hus")
    signed_in.get_by_role("button", name="Ångra bytet").click()
    expect(signed_in.get_by_text("Bytet är ångrat")).to_be_visible()
    assert Installation.objects.get(point=north.point).meter == north.meters[0]


def test_adopt_what_is_heard_and_keep_the_choice_while_the_list_renews_itself(signed_in, site, north):
    stranger = MeterState.objects.get(utility=north.utility, meter=None)
    signed_in.goto(f"{site}/heard/")
    box = signed_in.get_by_role("checkbox", name=f"Välj {stranger.identification}")
    adopt = signed_in.get_by_role("button", name="Lägg till de valda")
    expect(adopt).to_be_disabled()
    box.check()
    expect(signed_in.get_by_text("1 vald")).to_be_visible()
    signed_in.mouse.move(5, 5)
    with signed_in.expect_response(
        lambda answer: "/heard/" in answer.url and "hx-request" in answer.request.headers
    ):
        pass
    expect(box).to_be_checked()
    adopt.click()
    expect(signed_in.get_by_text("1 mätare tillagd")).to_be_visible()
    assert Meter.objects.filter(utility=north.utility, serial=stranger.identification).exists()


def test_import_a_key_file(signed_in, site, north):
    waiting = north.meters[2]
    signed_in.goto(f"{site}{reverse('meter', args=[waiting.pk])}")
    expect(signed_in.get_by_text("Kan inte läsas: nyckel saknas.")).to_be_visible()
    signed_in.get_by_role("link", name="Importera en nyckelfil").click()
    data = kem_file([KemMeter.of(north.fleet[2])], "Rätt-2026")
    file = {"name": "nya.kem", "mimeType": "application/octet-stream", "buffer": data}
    signed_in.set_input_files("input[type=file]", file)
    signed_in.get_by_label("Lösenord").fill("fel")
    signed_in.get_by_role("button", name="Importera").click()
    expect(signed_in.locator(".error")).to_contain_text("Lösenordet är fel")


def test_import_a_key_file_with_its_password(signed_in, site, north):
    data = kem_file([KemMeter.of(north.fleet[2])], "Ratt-2026")
    signed_in.goto(f"{site}/keys/import/")
    file = {"name": "nya.kem", "mimeType": "application/octet-stream", "buffer": data}
    signed_in.set_input_files("input[type=file]", file)
    signed_in.get_by_label("Lösenord").fill("Ratt-2026")
    signed_in.get_by_role("button", name="Importera").click()
    expect(signed_in.get_by_role("heading", name="Filen är importerad")).to_be_visible()
    assert MeterState.objects.get(meter=north.meters[2]).state == State.READ
    signed_in.goto(f"{site}{reverse('meter', args=[north.meters[2].pk])}")
    expect(signed_in.get_by_text("Kan inte läsas")).to_have_count(0)


def test_pointing_at_an_explanation_lights_its_bytes(signed_in, site, north):
    signed_in.goto(f"{site}{reverse('meter', args=[north.meters[0].pk])}")
    signed_in.get_by_role("link", name="Alla sparade telegram").click()
    signed_in.locator("tbody a.main").first.click()
    row = signed_in.locator("tr[data-start='4']").first
    row.hover()
    assert signed_in.locator(".bytes i.lit").all_inner_texts() == row.locator(".hex").inner_text().split()
    signed_in.locator(".bytes i[data-at='0']").hover()
    expect(signed_in.locator("tr.lit")).to_have_attribute("data-start", "0")
    signed_in.locator("tr[data-start='0']").focus()
    signed_in.keyboard.press("ArrowDown")
    assert signed_in.evaluate("document.activeElement.dataset.start") == "1"
    expect(signed_in.locator(".bytes i.lit")).to_have_count(1)


def test_by_keyboard_alone(watched, site, north):
    watched.goto(f"{site}/meters/")
    expect(watched.locator("#id_login")).to_be_focused()  # from the start, once the page is drawn
    watched.keyboard.type(north.superuser.email)
    watched.keyboard.press("Tab")
    expect(watched.locator("#id_password")).to_be_focused()
    watched.keyboard.type(PASSWORD)
    watched.keyboard.press("Enter")
    expect(watched.get_by_role("heading", level=1)).to_have_text("Mätare")
    watched.keyboard.press("Tab")
    expect(watched.locator(":focus")).to_have_text("Till innehållet")
    expect(watched.locator(".skip")).to_be_in_viewport()
    watched.keyboard.press("Enter")
    for _ in range(40):
        watched.keyboard.press("Tab")
        if watched.evaluate("document.activeElement.matches('td a.main')"):
            break
    outline = watched.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # one sees where one is
    watched.keyboard.press("Enter")
    expect(watched.locator("#consumption")).to_be_visible()
    watched.locator("svg.chart.wide .bar[tabindex='0']").focus()
    expect(watched.locator(".tip")).to_be_visible()
    first = watched.locator(".tip").inner_text()
    watched.keyboard.press("ArrowLeft")
    assert watched.locator(".tip").inner_text() != first
    menu = watched.locator(".whoami details.menu")
    menu.locator("summary").focus()
    watched.keyboard.press("Enter")
    expect(menu).to_have_attribute("open", "")
    watched.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")


def test_a_schedule_is_chosen_by_keyboard_and_only_what_belongs_to_it_is_asked(signed_in, site, north):
    signed_in.goto(f"{site}{reverse('job', args=[north.job.pk])}")
    signed_in.get_by_role("link", name="Ändra").click()
    chosen = signed_in.get_by_role("radio", name="Vissa veckodagar")
    expect(chosen).to_be_checked()
    expect(signed_in.get_by_label("Minuter emellan")).to_be_hidden()
    chosen.focus()
    for _ in range(3):
        signed_in.keyboard.press("ArrowUp")
    expect(signed_in.get_by_role("radio", name="Med jämna mellanrum")).to_be_checked()
    expect(signed_in.get_by_role("checkbox", name="måndag")).to_be_hidden()
    signed_in.keyboard.press("Tab")
    signed_in.keyboard.press("ControlOrMeta+A")
    signed_in.keyboard.type("20")
    signed_in.keyboard.press("Enter")
    expect(signed_in.get_by_text("med 20 minuters mellanrum")).to_be_visible()
    signed_in.get_by_role("button", name="Kör nu").click()
    expect(signed_in.get_by_role("heading", level=1)).to_contain_text("Körning")
    expect(signed_in.get_by_text("väntar", exact=True)).to_be_visible()
    JobRun.objects.filter(job=north.job).update(status="done")  # the worker's part
    expect(signed_in.get_by_text("gick bra")).to_be_visible()  # without loading the page anew


def test_light_and_dark_by_the_switch_and_kept(signed_in, site):
    before = signed_in.evaluate("getComputedStyle(document.body).backgroundColor")
    signed_in.get_by_role("button", name="Växla mellan ljust och mörkt").click()
    after = signed_in.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after
    signed_in.goto(f"{site}/meters/")
    assert signed_in.evaluate("getComputedStyle(document.body).backgroundColor") == after


def test_without_scripts_everything_still_works(browser, site, north):
    context = browser.new_context(java_script_enabled=False, locale="sv-SE")
    page = context.new_page()
    page.goto(f"{site}/meters/")
    page.fill("#id_login", north.superuser.email)
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Logga in", exact=True).click()
    page.get_by_role("searchbox").fill("öberg")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator("#list tbody tr")).to_have_count(1)
    page.locator("td a.main").click()
    expect(page.locator("svg.chart.wide")).to_be_visible()
    stranger = MeterState.objects.get(utility=north.utility, meter=None)
    page.goto(f"{site}/meters/")
    page.get_by_role("checkbox", name=f"Välj {north.meters[0].serial}").check()
    page.get_by_text("Lägg i grupp").click()
    page.get_by_role("button", name="Nordby centrum").first.click()
    expect(page.get_by_text("1 mätare är lagd i gruppen Nordby centrum.")).to_be_visible()
    page.goto(f"{site}{reverse('job_edit', args=[north.job.pk])}")
    page.get_by_role("radio", name="Varje timme").check()
    page.get_by_label("Minuter över hel timme").fill("25")
    page.get_by_role("button", name="Spara").click()
    expect(page.get_by_text("varje timme, 25 minuter över")).to_be_visible()
    page.goto(f"{site}/heard/")
    page.get_by_role("button", name=f"Lägg till {stranger.identification}").click()
    expect(page.get_by_text("1 mätare tillagd")).to_be_visible()
    context.close()


@pytest.fixture
def on_the_map(north):
    """The first meter's metering point has a position."""
    north.point.latitude, north.point.longitude = 59.25, 16.5
    north.point.save()
    return north.meters[0]


def test_the_map_shows_a_meter_and_puts_it_into_a_group(signed_in, site, north, on_the_map):
    signed_in.goto(f"{site}/map/")
    signed_in.wait_for_selector("#map[data-ready]", timeout=60_000)
    expect(signed_in.locator("#in-view").get_by_role("link", name=north.point.address)).to_be_visible()
    box = signed_in.locator("#map").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    signed_in.mouse.click(*middle)
    expect(signed_in.locator(".maplibregl-popup").get_by_text(on_the_map.serial)).to_be_visible()
    signed_in.keyboard.press("Escape")
    signed_in.get_by_role("button", name="Välj genom att rita").click()
    signed_in.mouse.move(middle[0] - 80, middle[1] - 80)
    signed_in.mouse.down()
    for across, down in ((80, -80), (80, 80), (-80, 80), (-80, -80)):
        signed_in.mouse.move(middle[0] + across, middle[1] + down, steps=4)
    signed_in.mouse.up()
    expect(signed_in.get_by_text("Valda mätare: 1")).to_be_visible()
    signed_in.get_by_label("Den nya gruppens namn").fill("Kajen")
    signed_in.get_by_role("button", name="Lägg till", exact=True).click()
    expect(signed_in.get_by_text("1 mätare lades i Kajen.")).to_be_visible()
    expect(signed_in.get_by_label("Grupp", exact=True).locator("option:checked")).to_have_text("Kajen")


def test_a_browser_that_cannot_draw_says_so(signed_in, site, on_the_map):
    signed_in.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    signed_in.goto(f"{site}/map/")
    expect(signed_in.get_by_text("kan inte rita kartan")).to_be_visible()
    signed_in.get_by_role("link", name="Listan visar samma mätare.").click()
    expect(signed_in.get_by_role("heading", name="Mätare", exact=True)).to_be_visible()


def test_a_report_is_narrowed_by_its_menus_and_rows_go_into_a_new_group(signed_in, site, north):
    signed_in.goto(site + reverse("consumption_report"))
    signed_in.get_by_label("Period").select_option("last_month")  # the page asks again by itself
    arrived(signed_in, "period=last_month")
    signed_in.get_by_label("Jämförelse").select_option("unknown")
    arrived(signed_in, "test=unknown")
    signed_in.get_by_label(f"Välj {north.meters[0].serial}").check()
    signed_in.get_by_label("Ny grupp").fill("Utan värde")
    signed_in.get_by_role("button", name="Lägg till valda i gruppen").click()
    expect(signed_in.get_by_text("1 mätare lades till i Utan värde.")).to_be_visible()
    signed_in.wait_for_load_state("load")
    signed_in.locator("select[name=group]").select_option(label="Utan värde")
    expect(signed_in.get_by_role("row")).to_have_count(2)


def test_two_registers_of_a_meter_are_laid_side_by_side(signed_in, site, north):
    signed_in.goto(site + reverse("meter", args=[north.meters[0].pk]))
    signed_in.get_by_role("link", name="Jämför").click()
    arrived(signed_in, "/compare/")
    signed_in.get_by_label("Period").select_option("dates")
    arrived(signed_in, "period=dates")
    signed_in.get_by_label("Mätare", exact=True).fill(north.meters[0].serial)
    signed_in.get_by_label("Register").select_option("return_temperature_c")
    signed_in.get_by_role("button", name="Sök mätaren").click()
    signed_in.locator("form.found").get_by_role("button", name=north.meters[0].serial).click()
    expect(signed_in.get_by_role("button", name=re.compile("^Ta bort"))).to_have_count(2)
