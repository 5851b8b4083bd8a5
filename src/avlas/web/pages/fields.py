"""Form fields as people here write things: numbers with a comma, moments on the reader's clock."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django import forms
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from avlas.web import formats

MOST_ADDRESSES: Final = 20


def needed(field: forms.Field) -> forms.Field:
    """Mark a field that is left empty in some cases only, so that nobody calls it optional."""
    field.needed = True  # type: ignore[attr-defined]  # read by parts/field.html
    return field


class NumberField(forms.Field):
    """A decimal number, written "1 234,5" or "1234.5"; gives a Decimal, or None when it is left empty."""

    def __init__(
        self, *, least: Decimal | float | None = None, most: Decimal | float | None = None, **kwargs: Any
    ) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off", "maxlength": "24"}
        super().__init__(widget=forms.TextInput(attrs=attrs), **kwargs)
        self.least, self.most = least, most

    def to_python(self, value: Any) -> Decimal | None:
        """Read what somebody wrote. Raises ValidationError with what is wrong."""
        text = re.sub(r"\s", "", str(value or "")).replace(",", ".").replace(formats.MINUS, "-")
        if not text:
            return None
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or not re.fullmatch(r"[+-]?\d*\.?\d*", text):
            raise forms.ValidationError(_("Write a number, for example 12.5."))
        if self.least is not None and number < self.least:
            raise forms.ValidationError(
                _("The smallest number is %(n)s.") % {"n": formats.number(Decimal(str(self.least)))}
            )
        if self.most is not None and number > self.most:
            raise forms.ValidationError(
                _("The largest number is %(n)s.") % {"n": formats.number(Decimal(str(self.most)))}
            )
        return number

    def prepare_value(self, value: Any) -> Any:
        """A stored number as people write it."""
        if isinstance(value, float):
            value = Decimal(repr(value))
        if isinstance(value, Decimal):
            return (f"{value.normalize():f}").replace(".", "," if formats.language() == "sv" else ".")
        return value


class FloatNumberField(NumberField):
    """The same for columns that hold floats."""

    def clean(self, value: Any) -> float | None:
        """As NumberField, but a float."""
        number = super().clean(value)
        return None if number is None else float(number)


def moment_field(**kwargs: Any) -> forms.DateTimeField:
    """Date and clock to the minute, where the reader is."""
    widget = forms.DateTimeInput(
        format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "max": "9999-12-31T23:59"}
    )
    return forms.DateTimeField(
        widget=widget, input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"], **kwargs
    )


def date_field(**kwargs: Any) -> forms.DateField:
    """A day."""
    widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "max": "9999-12-31"})
    return forms.DateField(widget=widget, input_formats=["%Y-%m-%d"], **kwargs)


def mail_addresses(text: str) -> list[str]:
    """The e-mail addresses somebody wrote, one a line or with signs between, each once. Raises ValidationError."""
    given = text.replace(",", " ").replace(";", " ").split()
    found = list(dict.fromkeys(address.lower() for address in given))
    for address in found:
        try:
            validate_email(address)
        except forms.ValidationError:
            raise forms.ValidationError(
                _("“%(text)s” is not an e-mail address.") % {"text": address}
            ) from None
    if len(found) > MOST_ADDRESSES:
        raise forms.ValidationError(_("At most %(n)d addresses.") % {"n": MOST_ADDRESSES})
    return found
