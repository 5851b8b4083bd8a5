"""The formats that Avläs comes with, those that importers in the field know and one for Excel; copied, then changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

from avlas.meters.entered import ENTERABLE
from avlas.transfer.exports.layout import EXCEL, FIXED, STANDARD, Column, Layout

if TYPE_CHECKING:
    from django.utils.functional import Promise


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """A format with its name and what it is for."""

    code: str
    name: Promise
    purpose: Promise
    layout: Layout


_WHO: Final = (
    Column("facility_id", "Anläggning"),
    Column("customer_number", "Kundnummer"),
    Column("serial", "Mätarnummer"),
)

READY_MADE: Final = {
    one.code: one
    for one in (
        ReadyMade(
            "billing",
            _("Billing, month change"),
            _("One row a meter with the figures at both ends of the month; semicolon, decimal comma, ISO 8859-1."),
            Layout(
                columns=(
                    *_WHO,
                    Column("row.from", "Från"),
                    Column("row.to", "Till"),
                    Column("energy_heat_kwh.start", "Ingående energi"),
                    Column("energy_heat_kwh.end", "Utgående energi"),
                    Column("energy_heat_kwh.use", "Förbrukning energi"),
                    Column("energy_heat_kwh.unit", "Enhet"),
                    Column("energy_heat_kwh.how", "Ursprung"),
                    Column("volume_m3.start", "Ingående volym"),
                    Column("volume_m3.end", "Utgående volym"),
                    Column("volume_m3.use", "Förbrukning volym"),
                    Column("row.ends", "Avslutas med"),
                    Column("row.marks", "Märkning"),
                ),
                encoding="iso8859-1",
                guard=False,
                file_name="debitering_{month}.csv",
            ),
        ),
        ReadyMade(
            "readings",
            _("Meter readings at the month change"),
            _("Short: meter, moment, figure, unit; what most billing systems read in."),
            Layout(
                columns=(
                    Column("serial", "Mätarnummer"),
                    Column("facility_id", "Anläggning"),
                    Column("row.to", "Tidpunkt"),
                    Column("energy_heat_kwh.end", "Energi MWh", unit="MWh"),
                    Column("volume_m3.end", "Volym m3", unit="m³"),
                    Column("energy_heat_kwh.how", "Ursprung"),
                ),
                guard=False,
                file_name="avlasning_{to}.csv",
            ),
        ),
        ReadyMade(
            "hours",
            _("Hourly values"),
            _("One row an hour and meter: figure, use and mean temperatures, flow and power, for analysis."),
            Layout(
                columns=(
                    Column("serial", "Mätarnummer"),
                    Column("facility_id", "Anläggning"),
                    Column("row.from", "Från"),
                    Column("row.to", "Till"),
                    Column("energy_heat_kwh.end", "Energi kWh", unit=STANDARD),
                    Column("energy_heat_kwh.use", "Förbrukning kWh", unit=STANDARD),
                    Column("volume_m3.use", "Volym m3", unit=STANDARD),
                    Column("flow_temperature_c.mean", "t1 medel"),
                    Column("return_temperature_c.mean", "t2 medel"),
                    Column("volume_flow_m3h.mean", "Flöde medel"),
                    Column("power_kw.mean", "Effekt medel"),
                    Column("row.marks", "Märkning"),
                ),
                interval="hour",
                guard=False,
                file_name="timvarden_{from}_{to}.csv",
            ),
        ),
        ReadyMade(
            "avlas",
            _("For another Avläs"),
            _("Every day's counters, each with its unit; the readings' import takes the file in as it is."),
            Layout(
                columns=(
                    Column("serial", "serial"),
                    Column("manufacturer", "manufacturer"),
                    Column("facility_id", "facility_id"),
                    Column("row.to", "read_at"),
                    *(
                        column
                        for code in ENTERABLE
                        for column in (Column(f"{code}.end", code), Column(f"{code}.unit", f"{code}_unit"))
                    ),
                    Column("row.marks", "marks"),
                ),
                only_installed=False,
                interval="day",
                interpolate=False,
                decimal=".",
                date="yyyy-MM-dd HH:mmXXX",
                file_name="avlas_{from}_{to}.csv",
            ),
        ),
        ReadyMade(
            "fixed",
            _("Fixed widths"),
            _("For older systems: every column as wide as it says, figures filled with zeros, no headings."),
            Layout(
                kind=FIXED,
                columns=(
                    Column("facility_id", width=18),
                    Column("serial", width=12),
                    Column("row.to", width=16),
                    Column("energy_heat_kwh.end", unit="kWh", decimals=0, width=10, side="right", fill="0"),
                    Column("volume_m3.end", unit="m³", decimals=2, width=12, side="right", fill="0"),
                ),
                encoding="iso8859-1",
                header=False,
                guard=False,
                date="yyyy-MM-dd HH:mm",
                file_name="avlasning_{to}.txt",
            ),
        ),
        ReadyMade(
            "excel",
            _("Excel, month"),
            _("For people: who and where, figures, use and marks, as a workbook."),
            Layout(
                kind=EXCEL,
                columns=tuple(
                    Column(code)
                    for code in (
                        "customer", "customer_number", "facility_id", "address", "city", "type", "serial", "medium",
                        "row.from", "row.to", "energy_heat_kwh.start", "energy_heat_kwh.end", "energy_heat_kwh.use",
                        "energy_heat_kwh.unit", "volume_m3.use", "energy_heat_kwh.how", "info", "row.marks",
                    )
                ),
                only_installed=False,
                date="yyyy-MM-dd HH:mm",
                file_name="{name}_{month}.xlsx",
            ),
        ),
    )
}  # fmt: skip
