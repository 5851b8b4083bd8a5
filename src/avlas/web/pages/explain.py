"""Explain a telegram: paste its bytes, see what every one of them says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django import forms
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from avlas.meters.key_text import KeyFileError, parse_key
from avlas.meters.keys import explain as key_problem
from avlas.system.models import Permission
from avlas.web.explained import explained
from avlas.web.pages.access import PageRequest, page

if TYPE_CHECKING:
    from django.http import HttpResponse

_LONGEST: Final = 1024  # bytes; no frame of the standard is longer than 290


class ExplainForm(forms.Form):
    """A telegram in hexadecimal and, if it is encrypted, its key."""

    telegram = forms.CharField(
        label=gettext_lazy("Telegram"),
        max_length=8000,
        widget=forms.Textarea(
            attrs={"class": "mono", "rows": 5, "spellcheck": "false", "autocomplete": "off"}
        ),
        help_text=gettext_lazy("Hexadecimal digits; blanks, line ends and other separators do not matter."),
    )
    key = forms.CharField(
        label=gettext_lazy("Key"),
        required=False,
        max_length=80,
        widget=forms.TextInput(attrs={"class": "mono", "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("Without one, the key kept for the meter is used if there is one."),
    )
    form = forms.ChoiceField(
        label=gettext_lazy("Frame"),
        required=False,
        choices=[
            ("auto", gettext_lazy("Find out")),
            ("a", gettext_lazy("Radio, without checksums")),
            ("a-crc", gettext_lazy("Radio, format A with checksums")),
            ("b-crc", gettext_lazy("Radio, format B with checksums")),
            ("wired", gettext_lazy("Wired M-Bus")),
            ("kmp", "Kamstrup KMP"),
        ],
    )

    def clean_telegram(self) -> bytes:
        """The bytes."""
        text = "".join(self.cleaned_data["telegram"].replace("0x", " ").replace("0X", " ").split())
        text = text.translate(str.maketrans("", "", ":;,-_|"))
        try:
            data = bytes.fromhex(text)
        except ValueError as problem:
            bad = next((sign for sign in text if sign not in "0123456789abcdefABCDEF"), "")
            raise forms.ValidationError(
                _("%(sign)s is no hexadecimal digit.") % {"sign": bad}
                if bad
                else _("There is an odd number of digits; half a byte is missing.")
            ) from problem
        if not 0 < len(data) <= _LONGEST:
            raise forms.ValidationError(_("A telegram has at most %(n)d bytes.") % {"n": _LONGEST})
        return data

    def clean_key(self) -> bytes | None:
        """The key's bytes, None when none is given."""
        text: str = self.cleaned_data["key"].strip()
        if not text:
            return None
        try:
            return parse_key(text)
        except KeyFileError as problem:
            raise forms.ValidationError(key_problem(problem)) from problem


@page(change=Permission.DATA_ACCESS)
def explain(request: PageRequest) -> HttpResponse:
    """The form and, below it, the explanation. Nothing is kept; POST keeps keys out of addresses and logs."""
    form = ExplainForm(request.POST or None, initial={"form": "auto"})
    shown = None
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        shown = explained(
            request.utility.pk, data["telegram"], key=data["key"], form=data["form"] or "auto", by_hand=True
        )
    return render(
        request, "pages/explain.html", {"form": form, "shown": shown}, status=422 if form.errors else 200
    )
