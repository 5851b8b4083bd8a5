"""Links that are secrets, followed in a real browser: their forms arrive, and the address goes to nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from avlas.meters.models import Customer
from avlas.notify import consumer_link
from avlas.notify.models import ConsumerChoice, Notification
from avlas.system import people
from avlas.system.models import User

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.one_database
CHOSEN = "Sju-gröna-vågor-i-hamnen"


def test_who_is_invited_chooses_a_password_and_signs_in(page: Page, live_server, north):
    invited = User.objects.create_user("kalle@nordby.example", utility=north.utility, language="sv")
    link = reverse("choose_password", args=people.password_link(invited, by=north.administrator))
    page.goto(f"{live_server.url}{link}")
    for field in page.locator("input[type=password]").all():
        field.fill(CHOSEN)
    page.get_by_role("button", name="Spara lösenordet").click()
    expect(page.get_by_text("Ditt lösenord är valt. Logga in med det.")).to_be_visible()
    page.fill("#id_login", invited.email)
    page.fill("#id_password", CHOSEN)
    page.get_by_role("button", name="Logga in", exact=True).click()
    expect(page.get_by_role("heading", name="Nordby Energi")).to_be_visible()


def test_a_customer_saves_the_own_choices(page: Page, live_server, north):
    Customer.objects.filter(pk=north.customer.pk).update(email="anna@nordby.example")
    Notification.objects.create(utility=north.utility, who="consumer", road="mail", severity=1, alerts=True)
    north.customer.refresh_from_db()
    page.goto(f"{live_server.url}{reverse('my_choices', args=[consumer_link.token(north.customer)])}")
    page.locator("[name=told]").first.uncheck()
    page.get_by_role("button", name="Spara").click()
    expect(page.get_by_text("Ditt val är sparat.")).to_be_visible()
    assert ConsumerChoice.objects.get(customer=north.customer).refused
