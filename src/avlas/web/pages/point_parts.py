"""What a virtual metering point is made of: other points added and subtracted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters import virtual_points
from avlas.meters.models import MeteringPoint
from avlas.web.pages.access import PageRequest, find, page, rows
from avlas.web.pages.meter_edit import MANAGE, who

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.utils.functional import Promise

_WHY_NOT: Final[dict[str, Promise]] = {
    "other_utility": gettext_lazy("There is no metering point with this facility id."),
    "there": gettext_lazy("This metering point is a part already."),
    "cycle": gettext_lazy(
        "This metering point is made of the one you are changing; that would go round in circles."
    ),
    "has_meters": gettext_lazy(
        "This metering point has, or has had, meters of its own. Make a new metering point for the sum."
    ),
}
"""virtual_points.Impossible in words."""


class PartForm(forms.Form):
    """A point to add or subtract."""

    sign = forms.TypedChoiceField(
        label=gettext_lazy("How it counts"),
        choices=[("1", gettext_lazy("added (+)")), ("-1", gettext_lazy("subtracted (−)"))],
        coerce=int,
        initial="1",
        widget=forms.RadioSelect,
    )
    facility_id = forms.CharField(
        label=gettext_lazy("Facility id"),
        max_length=40,
        help_text=gettext_lazy("Of a metering point with a meter, or of another virtual one."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, request: PageRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request
        self.part: MeteringPoint | None = None

    def clean_facility_id(self) -> str:
        """One of the own utility's points, kept as ``part``."""
        name: str = self.cleaned_data["facility_id"].strip()
        self.part = rows(self._request, MeteringPoint).filter(facility_id=name).first()
        if self.part is None:
            raise forms.ValidationError(str(_WHY_NOT["other_utility"]))
        return name


@page(view=MANAGE, change=MANAGE)
def parts(request: PageRequest, pk: int) -> HttpResponse:
    """Show, add and remove what the point is made of."""
    own = find(request, MeteringPoint, pk)
    if request.method == "POST" and request.POST.get("remove"):
        number = request.POST["remove"]
        one = get_object_or_404(own.parts, pk=int(number[:18]) if number.isdecimal() else 0)
        virtual_points.remove(one, who(request))
        return redirect("point_parts", own.pk)
    form = PartForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        part = form.part
        assert part is not None
        try:
            virtual_points.add(own, part, form.cleaned_data["sign"], who(request))
        except virtual_points.Impossible as problem:
            form.add_error("facility_id", str(_WHY_NOT[problem.code]))
        else:
            messages.success(request, _("%(point)s is a part now.") % {"point": part})
            return redirect("point_parts", own.pk)
    context = {
        "point": own,
        "parts": list(own.parts.select_related("part").order_by("-sign", "pk")),
        "form": form,
        "metered": own.installations.exists(),
    }
    return render(request, "pages/point_parts.html", context, status=422 if form.errors else 200)
