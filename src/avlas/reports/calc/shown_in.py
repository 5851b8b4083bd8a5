"""In which unit and with how many decimals amounts are shown: kWh, MWh, GJ, and what a converted figure deserves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, overload

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

SWITCH_KWH: Final = 10_000
"""From this many kWh on, amounts are shown in MWh."""
_LARGE_DECIMALS: Final = 3  # MWh down to one kWh; GJ as finely as meters count them
_FEWEST, _MOST = 2, 3  # decimals of an amount that was converted by a factor that is no power of ten


@dataclass(frozen=True, slots=True)
class ShownIn:
    """A unit for people: amounts times ``factor`` divided by ``divisor``, shown with ``decimals``."""

    unit: str
    decimals: int
    divisor: int = 1
    factor: int = 1

    @overload
    def figure(self, amount: float) -> float: ...
    @overload
    def figure(self, amount: Decimal | float | None) -> Decimal | float | None: ...
    def figure(self, amount: Decimal | float | None) -> Decimal | float | None:
        """Give ``amount``, in the canonical unit, in this one; None stays None."""
        return amount if amount is None or self.divisor == 1 else amount * self.factor / self.divisor


_MWH: Final = ShownIn("MWh", _LARGE_DECIMALS, 1000)
_GJ: Final = ShownIn("GJ", _LARGE_DECIMALS, 2500, 9)  # 1 kWh = 0.0036 GJ
_ALWAYS: Final = {"mwh": _MWH, "gj": _GJ}


def shown_in(
    unit: str, decimals: int, amounts: Iterable[Decimal | float | None], energy: str = "kwh"
) -> ShownIn:
    """Choose one unit for ``amounts``, the rows of a table or chart or a total alone.

    ``unit`` is their canonical unit, ``decimals`` what they deserve in it. ``energy``: in which unit people want
    energy. "mwh" and "gj" are those always; "kwh" is kWh until one of the amounts, as it would be written, reaches
    SWITCH_KWH, and then MWh, to the kWh. Every other unit stays.
    """
    if unit == "kWh" and energy in _ALWAYS:
        return _ALWAYS[energy]
    half = 0.5 * 10**-decimals
    if unit == "kWh" and any(
        amount is not None and abs(float(amount)) + half >= SWITCH_KWH for amount in amounts
    ):
        return _MWH
    return ShownIn(unit, decimals)


def converted_decimals(sent: int, factor: Decimal) -> int:
    """Give the decimals that an amount deserves in the canonical unit.

    ``sent``: decimals as the meter sends them, in a unit of ``factor`` canonical ones. A power of ten moves the
    decimal sign and adds nothing (12,345 MWh = 12345 kWh). Other factors make endless fractions: two decimals at
    least (18,5 GJ = 5138,89 kWh; 2,8 GJ = 777,78 kWh), three at most (1488,982 GJ = 413606,111 kWh).
    """
    plain = factor.normalize().as_tuple()
    if plain.digits == (1,) and isinstance(plain.exponent, int):
        return max(0, sent - plain.exponent)
    return min(max(sent, _FEWEST), _MOST)
