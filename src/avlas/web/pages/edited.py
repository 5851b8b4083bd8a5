"""A form that notices when somebody else changed the same row meanwhile, and shows what.

What the form showed at first goes with it, signed, in a hidden field. When the row is something else by the time the
form is saved, nothing is written: fields that only the other changed take over the new value, those that both changed
keep what the reader wrote, and the form says which are which. Saved again, it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.core import signing
from django.utils.translation import gettext as _

from avlas.web import formats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import QueryDict


@dataclass(frozen=True, slots=True)
class News:
    """What somebody else changed while the form was open."""

    label: str
    before: str
    now: str
    both: bool  # the reader changed it too, to something else


class EditForm(forms.Form):
    """The form of a row that others may be editing too. ``current``: the row as it is now."""

    def __init__(
        self, data: QueryDict | None = None, *, current: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        self._given = data.copy() if data is not None else None
        super().__init__(self._given, initial=dict(current or {}), **kwargs)
        self.current = current
        self.news: list[News] = []
        if current is not None:
            self.fields["seen"] = forms.CharField(
                required=False, widget=forms.HiddenInput, initial=self._sign(current)
            )

    def clean(self) -> dict[str, Any]:
        """Refuse to save over what somebody else has written meanwhile."""
        values = super().clean() or {}
        if self.current is None or self._given is None:
            return values
        try:
            seen: dict[str, str] = signing.loads(str(self._given.get("seen", "")), salt="seen")
        except signing.BadSignature:
            seen = {}
        for name, was in seen.items():
            now = _plain(self.current.get(name))
            if now == was or name not in self.fields or _plain(values.get(name)) == now:
                continue
            both = name in self.errors or _plain(values.get(name)) != was
            self.news.append(
                News(str(self.fields[name].label), self._words(name, was), self._words(name, now), both)
            )
            if not both:
                self._given[name] = self[name].field.prepare_value(self.current[name]) or ""
        if self.news:
            self._given["seen"] = self._sign(self.current)
            raise forms.ValidationError(
                _("Somebody else has changed this meanwhile. Look at what is new, then save again.")
            )
        return values

    @property
    def values(self) -> dict[str, Any]:
        """What the valid form says, without the form's own."""
        return {name: value for name, value in self.cleaned_data.items() if name != "seen"}

    @staticmethod
    def _sign(current: Mapping[str, Any]) -> str:
        return signing.dumps(
            {name: _plain(value) for name, value in current.items()}, salt="seen", compress=True
        )

    def _words(self, name: str, value: str) -> str:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            return str(dict(self[name].field.widget.choices).get(value, value)) or formats.MISSING
        return value or formats.MISSING


def _plain(value: Any) -> str:
    return "" if value is None else str(value)
