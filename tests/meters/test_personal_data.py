"""Every field that could tell of a person is judged; handing out and making nameless go by that."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import models, transaction
from django.utils import timezone
from tests.meters.conftest import START

from avlas.meters import about_customer
from avlas.meters.keys import Who
from avlas.meters.models import Customer, Installation, Meter, MeteringPoint, Occupancy, Reading
from avlas.meters.personal_data import IMPERSONAL, JUDGED, Personal, fields
from avlas.system import outbox
from avlas.system.models import AuditEvent, Delivery, Utility

TELLING = (models.CharField, models.TextField, models.JSONField, models.BinaryField, models.GenericIPAddressField,
           models.FileField)  # fmt: skip
POSITIONS = {"latitude", "longitude"}


def test_every_field_that_could_tell_of_a_person_is_judged():
    found = set()
    for model in apps.get_models():
        options = model._meta
        if not options.app_config.name.startswith("avlas."):
            continue
        found |= {
            f"{options.app_label}.{options.object_name}.{field.name}"
            for field in options.concrete_fields
            if isinstance(field, TELLING) or field.name in POSITIONS
        }
    judged = set(JUDGED) | IMPERSONAL
    assert not found - judged, "judge these in meters/personal_data.py"
    assert not judged - found, "these are no fields any more"
    assert not set(JUDGED) & IMPERSONAL


@pytest.fixture
def home(desk, hear):
    """Anna lived at a place for ten hours, then Bo came; the meter was heard all the time."""
    heard = hear(each=30)
    desk.own(heard)
    desk.take_in(heard)
    meter = Meter.objects.get()
    point = MeteringPoint.objects.create(utility=desk.utility, facility_id="7", address="Ängsvägen 3")
    Installation.objects.create(meter=meter, point=point, from_at=START - timedelta(days=9))
    anna, bo = (
        Customer.objects.create(utility=desk.utility, number=f"K-{name}", name=name, email=f"{name}@example.org",
                                phone="070")
        for name in ("Anna", "Bo")
    )  # fmt: skip
    moved = START + timedelta(hours=10)
    Occupancy.objects.create(point=point, customer=anna, from_at=START, to_at=moved)
    Occupancy.objects.create(point=point, customer=bo, from_at=moved)
    return anna, bo, meter


def test_all_that_is_stored_about_one(home):
    anna, bo, meter = home
    said = json.loads(json.dumps(about_customer.everything(anna)))
    assert set(said["customer"]) == set(fields("meters.Customer", Personal.CUSTOMER))
    (place,) = said["occupancies"]
    assert place["metering_point"]["address"] == "Ängsvägen 3"
    (metered,) = place["meters"]
    assert metered["serial"] == meter.serial
    assert len(metered["readings"]) == 10  # not Bo's
    assert metered["readings"][0]["energy_heat_kwh"] is not None
    assert "Bo" not in json.dumps(said)
    MeteringPoint.objects.update(door_code="4711", contact="Bos granne Eva")
    assert "4711" not in json.dumps(about_customer.everything(anna))  # she has left
    (place,) = about_customer.everything(bo)["occupancies"]
    assert (place["metering_point"]["door_code"], place["metering_point"]["contact"]) == (
        "4711",
        "Bos granne Eva",
    )


def test_made_nameless(home):
    anna, bo, _meter = home
    about_customer.pseudonymise(anna, Who())
    for field in Customer._meta.concrete_fields:
        name = f"meters.Customer.{field.name}"
        if JUDGED.get(name) is Personal.CUSTOMER and field.name != "number":
            assert not getattr(anna, field.name), name
    assert anna.number.startswith("P-")
    assert about_customer.is_nameless(anna)
    assert not about_customer.is_nameless(bo)
    assert Reading.objects.filter(kind=0).count() == 30
    event = AuditEvent.objects.get(event="privacy.pseudonymised")
    assert event.target == anna.number
    assert "Anna" not in f"{event.target}{event.detail}"
    other = Customer.objects.create(
        utility=Utility.objects.create(name="B", slug="b"), number="K-Anna", name="Anna"
    )
    MeteringPoint.objects.update(door_code="4711", contact="Bos granne Eva")
    about_customer.pseudonymise(anna, Who())
    assert MeteringPoint.objects.get().contact  # it isn't about her
    about_customer.pseudonymise(bo, Who())
    assert (MeteringPoint.objects.get().contact, MeteringPoint.objects.get().door_code) == ("", "4711")
    other.refresh_from_db()
    assert other.name == "Anna"
    assert Customer.objects.filter(number__startswith="P-").count() == 2


def test_only_a_former_home_is_erased_and_only_its_own_time(home):
    anna, bo, meter = home
    (former,), (still,) = anna.occupancies.all(), bo.occupancies.all()
    with pytest.raises(ValueError, match="still lives"):
        about_customer.erase_occupancy(still, START, START + timedelta(hours=1), Who())
    for begin, end in ((-1, 5), (5, 11), (5, 5)):
        with pytest.raises(ValueError, match="within"):
            about_customer.erase_occupancy(
                former, START + timedelta(hours=begin), START + timedelta(hours=end), Who()
            )
    assert about_customer.erase_occupancy(former, former.from_at, former.to_at, Who()) == 9
    assert Reading.objects.filter(meter=meter, kind=0, slot_at__gte=former.to_at).count() == 20
    assert timezone.now() > former.to_at


def test_messages_to_a_customer_are_handed_out_and_deleted(home):
    anna, bo, _meter = home
    Customer.objects.filter(pk=anna.pk).update(phone="070-123 45 67")
    anna.refresh_from_db()
    with transaction.atomic():
        for to in (anna.email.upper(), bo.email):
            outbox.mail(to, "Leak", "x", utility=anna.utility, event="test", key=to)
        outbox.text_message("+46701234567", "Läcka", utility=anna.utility, event="test", key="sms")
    told = about_customer.everything(anna)["messages"]
    assert [one["text"] for one in told] == ["x", "Läcka"]
    about_customer.pseudonymise(anna, Who())
    assert list(Delivery.objects.values_list("destination", flat=True)) == [bo.email]
    assert about_customer.everything(anna)["messages"] == []
