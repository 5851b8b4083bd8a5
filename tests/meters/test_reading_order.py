"""What lists are ordered by is the same on both databases and in Python, and is the order of a Swedish register."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlas.meters.models import Customer, MeteringPoint
from avlas.meters.reading_order import Kept, address_key, key
from avlas.system.models import Utility

pytestmark = pytest.mark.django_db

ADDRESSES = (
    "Backen 2", "backen 10", "Backen 10 A", "Backen 10B", "Backen 1234567", "Backen 12 AB", "Bäcken 1", "Båten 1",
    "Zon 1", "Åsen 3", "ÅSEN 20", "Ängen 1", "Ön", "Östra Ängen 7 c", "Idé 4", "IDÉ 3", "Idun 2", "Über 1", "Ybb 2",
    "0012", "7", "", "B 0007", "Ñandu 4", "a'b \\ % _ 3",
)  # fmt: skip


def test_in_order():
    utility = Utility.objects.create(name="Ort", slug="ort")
    for number, address in enumerate(ADDRESSES):
        MeteringPoint.objects.create(utility=utility, facility_id=f"{number}", address=address, city=address)
        Customer.objects.create(utility=utility, number=f"{number}", name=address)
    for point in MeteringPoint.objects.all():
        assert point.address_order == address_key(point.address)
        assert point.city_order == key(point.city)
    for customer in Customer.objects.all():
        assert customer.name_order == key(customer.name)
    there = MeteringPoint.objects.order_by(Kept("address_order"), "pk").values_list("address", flat=True)
    assert list(there) == sorted(ADDRESSES, key=address_key)
    some = ("Backen 2", "backen 10", "Backen 10 A", "Båten 1", "Bäcken 1", "IDÉ 3", "Idé 4", "Idun 2", "Ybb 2", "Zon 1",
            "Åsen 3", "ÅSEN 20", "Ängen 1", "Ön", "Östra Ängen 7 c")  # fmt: skip
    assert [one for one in there if one in some] == list(some)


@given(st.lists(st.text(st.sampled_from("aBzåÄö 019é"), max_size=12), max_size=8))
def test_capitals_and_leading_noughts_make_no_difference(texts):
    for text in texts:
        assert address_key(text) == address_key(text.swapcase())
        assert address_key(f"Backen {text}1") <= address_key(f"Backen {text}2")
