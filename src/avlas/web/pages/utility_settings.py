"""The utility's own settings: its name and where its map's tiles come from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.system.models import Permission, Utility
from avlas.web.pages.access import PageRequest, page, record

if TYPE_CHECKING:
    from django.http import HttpResponse

_CONFIGURE = Permission.SYSTEM_CONFIGURATION
_TILES = re.compile(r"https?://[A-Za-z0-9{}.-]+(:\d{1,5})?/[^\s\"'<>;,]*")


class UtilityForm(forms.ModelForm):  # type: ignore[type-arg]
    """What people may change about their utility."""

    class Meta:
        model = Utility
        fields = ("name", "map_tiles", "map_credit")
        labels = {  # noqa: RUF012
            "map_tiles": gettext_lazy("Address of map tiles"),
            "map_credit": gettext_lazy("Who made the map"),
        }
        help_texts = {  # noqa: RUF012
            "map_tiles": gettext_lazy(
                "For example https://tiles.example.se/{z}/{x}/{y}.png. Empty: only the maps of this installation."
            ),
            "map_credit": gettext_lazy("Stands in the map's corner, as most licences want it."),
        }
        widgets = {  # noqa: RUF012
            "map_tiles": forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none"})
        }

    def clean_map_tiles(self) -> str:
        """An address with the places of a tile's numbers."""
        address: str = self.cleaned_data["map_tiles"].strip()
        if address and not (
            _TILES.fullmatch(address) and all(part in address for part in ("{z}", "{x}", "{y}"))
        ):
            raise forms.ValidationError(
                _(
                    "Write the address with {z}, {x} and {y} where a tile's numbers go, beginning with https://."
                )
            )
        return address


@page(view=_CONFIGURE, change=_CONFIGURE)
def utility_settings(request: PageRequest) -> HttpResponse:
    """Show and change the utility's settings."""
    before: dict[str, Any] = {name: getattr(request.utility, name) for name in UtilityForm.Meta.fields}
    form = UtilityForm(request.POST or None, instance=request.utility)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            changed = {name: [before[name], getattr(request.utility, name)] for name in form.changed_data}
            if changed:
                record(request, "utility.changed", target=request.utility.name, detail=changed)
        messages.success(request, _("The settings are saved."))
        return redirect("utility_settings")
    if form.errors:
        request.utility.refresh_from_db()
    return render(request, "pages/utility_settings.html", {"form": form}, status=422 if form.errors else 200)
