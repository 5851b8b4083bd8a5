"""Photos of a meter, a metering point or an exchange; shown only to who may manage meters and customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from avlas.meters import photos as meter_photos
from avlas.meters.models import Exchange, Meter, MeteringPoint, Photo
from avlas.meters.pictures import BadPicture
from avlas.web.pages.access import PageRequest, find, page, rows
from avlas.web.pages.meter_edit import MANAGE, who

if TYPE_CHECKING:
    from typing import Any

    from django.utils.functional import Promise

_KINDS: Final[dict[str, type[Meter | MeteringPoint | Exchange]]] = {
    "meter": Meter,
    "point": MeteringPoint,
    "exchange": Exchange,
}
_WHY_NOT: Final[dict[str, Promise]] = {
    "too_large": gettext_lazy("The picture is too large: at most 25 MB and 60 million pixels."),
    "no_picture": gettext_lazy("This is no picture that can be read. JPEG, PNG and WebP can."),
}
SHOWN: Final = 6
"""How many of the newest stand on the page of what they are of."""


class PhotoForm(forms.Form):
    """A picture and what it shows."""

    picture = forms.FileField(
        label=gettext_lazy("Picture"),
        widget=forms.ClearableFileInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
        help_text=gettext_lazy("A phone offers its camera. Place and time in the file are not kept."),
    )
    note = forms.CharField(
        label=gettext_lazy("What it shows"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


def newest(request: PageRequest, **of: Any) -> list[Photo]:
    """The newest photos for a page; [] for who may not see them."""
    if MANAGE not in request.allowed:
        return []
    return list(rows(request, Photo).filter(**of).defer("content", "small").order_by("-at")[:SHOWN])


@page(view=MANAGE, change=MANAGE)
def photos(request: PageRequest, kind: str, pk: int) -> HttpResponse:
    """All photos of one thing, and adding one."""
    own = find(request, _KINDS[kind], pk)
    there = rows(request, Photo).filter(**{kind: own})
    form = PhotoForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            if there.count() >= meter_photos.MOST_EACH:
                form.add_error(
                    "picture",
                    ngettext(
                        "There is %(n)d photo already. Remove one first.",
                        "There are %(n)d photos already. Remove one first.",
                        meter_photos.MOST_EACH,
                    )
                    % {"n": meter_photos.MOST_EACH},
                )
            else:
                data = form.cleaned_data["picture"].read()
                meter_photos.keep(own, data, form.cleaned_data["note"], who(request))
                messages.success(request, _("The photo is kept."))
                return redirect(f"{kind}_photos", own.pk)
        except BadPicture as problem:
            form.add_error("picture", str(_WHY_NOT[problem.code]))
    context = {
        "kind": kind,
        "own": own,
        "title": str(own.old.point) if isinstance(own, Exchange) else str(own),
        "photos": list(there.select_related("by").defer("content", "small").order_by("-at")),
        "form": form,
    }
    return render(request, "pages/photos.html", context, status=422 if form.errors else 200)


@page(view=MANAGE)
def photo(request: PageRequest, pk: int) -> HttpResponse:
    """The picture itself, or (``?small=1``) the small one."""
    own = find(request, Photo, pk)
    content = bytes(own.small if request.GET.get("small") else own.content)
    response = HttpResponse(content, content_type="image/jpeg")
    response["Cache-Control"] = "private, max-age=300"
    response["Content-Disposition"] = f'inline; filename="{_("photo")}-{own.pk}.jpg"'
    return response


@page(view=MANAGE, change=MANAGE)
def delete(request: PageRequest, pk: int) -> HttpResponse:
    """Remove a photo (POST)."""
    own = find(request, Photo, pk)
    kind = next((name for name in ("exchange", "meter", "point") if getattr(own, f"{name}_id")), "point")
    if request.POST.get("from") in _KINDS and getattr(own, f"{request.POST['from']}_id"):
        kind = request.POST["from"]
    number = getattr(own, f"{kind}_id")
    if request.method == "POST":
        meter_photos.remove(own, who(request))
        messages.success(request, _("The photo is removed."))
    return redirect(f"{kind}_photos", number)
