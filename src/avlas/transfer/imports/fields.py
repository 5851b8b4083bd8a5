"""What a column of a table of customers, metering points and meters can be, and what headings usually call it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from avlas.meters.key_text import N_
from avlas.transfer.imports.errors import Misfit
from avlas.transfer.imports.sheet import normal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CUSTOMER, POINT, METER, PLACED = "customer", "point", "meter", "placed"
PARTS: Final = {
    "reading": N_("Reading"), "unit": N_("Units"), "month": N_("Month"),
    CUSTOMER: N_("Customer"), POINT: N_("Metering point"), METER: N_("Meter"), PLACED: N_("What belongs together"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a column can be. ``words``: headings it is known by, as ``sheet.normal`` leaves them."""

    code: str
    part: str
    label: str
    words: frozenset[str]

    @property
    def name(self) -> str:
        """Its name in the part's own row: "customer.email" is "email"."""
        return self.code.partition(".")[2]


def field(code: str, label: str, words: str) -> Field:
    """A field whose heading words stand in ``words``, separated by blanks."""
    own = normal(label)
    return Field(code, code.partition(".")[0], label, frozenset({own, *words.split()}))


FIELDS: Final[tuple[Field, ...]] = (
    field("customer.number", N_("Customer number"),
          "kundnummer kundnr kund kundid customerno customer customerid abonnentnummer abonnent"),
    field("customer.name", N_("Name"),
          "namn kundnamn customername kundensnamn name fullname namnkund benämning"),
    field("customer.email", N_("E-mail"), "epost epostadress email mail mejl emailaddress kundepost"),
    field("customer.phone", N_("Phone"), "telefon telefonnummer tel mobil mobilnummer mobiltelefon phone phonenumber"),
    field("point.facility_id", N_("Facility id"),
          "anläggning anläggningsid anläggningsnummer anläggningsnr anlid anlnr anläggningid mätpunkt mätpunktsid "
          "mätpunktid gsrn facility facilityid meteringpoint meteringpointid installationid uttagspunkt"),
    field("point.address", N_("Address"),
          "adress gatuadress anläggningsadress address street streetaddress gata besöksadress mätpunktsadress"),
    field("point.postal_code", N_("Postal code"), "postnummer postnr postalcode zip zipcode postcode"),
    field("point.city", N_("City"), "ort postort stad city town"),
    field("point.district", N_("District"), "område stadsdel distrikt district area"),
    field("point.property_name", N_("Property name"),
          "fastighet fastighetsbeteckning beteckning property propertyname realestate"),
    field("point.north", N_("North (latitude)"),
          "latitud latitude lat nord north northing n sweref99n koordinatn nkoordinat gpslat gpslatitude"),
    field("point.east", N_("East (longitude)"),
          "longitud longitude long lon lng ost öst east easting e sweref99e koordinate ekoordinat gpslong "
          "gpslongitude"),
    field("point.door_code", N_("Door code"), "portkod dörrkod doorcode kod"),
    field("point.key_place", N_("Where the key is"), "nyckel nyckelplats nyckelskåp key keyplace nyckelplacering"),
    field("point.contact", N_("Contact on site"), "kontakt kontaktperson contact contactperson"),
    field("point.warning", N_("Warning"), "varning warning risk"),
    field("meter.serial", N_("Serial number"),
          "serienummer serienr mätarnummer mätarnr mätare mätarid serial serialno serialnr serialnumber meter meterno "
          "meternumber meterid tillverkningsnummer mätarenr mätarensnummer"),
    field("meter.manufacturer", N_("Maker"),
          "tillverkare fabrikat maker manufacturer make brand vendor tillverkarkod"),
    field("meter.identifier", N_("Number in radio telegrams"),
          "radionummer radioid radio radioadress mbusid mbusadress sekundäradress wmbusid identifier secondaryaddress"),
    field("meter.model", N_("Meter type"), "mätartyp mätarmodell modell typ model type metertype metermodel"),
    field("meter.medium", N_("Medium"), "medium media energislag energityp slag nyttighet utility service"),
    field("meter.qp_m3h", N_("Permanent flow qp (Q3), m³/h"), "qp q3 qn permanentflow storlek flöde dimension"),
    field("meter.mounted_in", N_("Flow sensor mounted in"),
          "placering monterad flödesgivarplacering ledning mountedin flowsensor mounting"),
    field("meter.litres_per_pulse", N_("Pulse value, litres per pulse"),
          "pulsvärde literperpuls pulsevalue litresperpulse lperpuls lpuls"),
    field("meter.accuracy_class", N_("Accuracy class"), "noggrannhetsklass klass accuracyclass class"),
    field("meter.manufactured_year", N_("Year of manufacture"),
          "tillverkningsår tillverkad år årsmodell year yearofmanufacture manufacturedyear"),
    field("meter.revision_due", N_("Revision due"),
          "revision revisionsdatum revisionsår nästarevision revisiondue duedate recalibration"),
    field("meter.seals", N_("Seal numbers"), "plombering plomb plombnummer plomber seal seals sealnumber sealnumbers"),
    field("meter.note", N_("Note"), "anteckning anmärkning notering kommentar note notes comment remark"),
    field("placed.role", N_("Role"), "roll role mätarroll"),
    field("placed.installed_at", N_("Installed since"),
          "installerad installationsdatum monteringsdatum uppsatt inmonterad installed installedat installedsince "
          "installationdate installdate installeddate"),
    field("placed.moved_in_at", N_("Customer since"),
          "inflyttad inflyttning inflyttningsdatum avtalsstart startdatum kundfrån movedin moveindate customersince "
          "contractstart"),
    field("placed.groups", N_("Groups"), "grupp grupper group groups gruppnamn avläsningsgrupp"),
)  # fmt: skip
READING: Final = "reading"
READING_FIELDS: Final[tuple[Field, ...]] = (
    field("reading.serial", N_("Serial number"),
          "serienummer serienr mätarnummer mätarnr mätare mätarid serial serialno serialnumber meter meterno "
          "meternumber meterid tillverkningsnummer"),
    field("reading.manufacturer", N_("Maker"), "tillverkare fabrikat maker manufacturer"),
    field("reading.facility_id", N_("Facility id"),
          "anläggning anläggningsid anläggningsnummer anläggningsnr anlid mätpunkt mätpunktsid facility facilityid"),
    field("reading.at", N_("Date and time"),
          "datum tidpunkt avläst avläsningstid avläsningsdatum avläsningstidpunkt tidsstämpel date datetime timestamp "
          "time readat readingdate readingtime"),
    field("reading.time", N_("Time of day"), "klockslag tid kl timeofday"),
    field("reading.energy_heat_kwh", N_("Heat energy (E1)"),
          "energi värmeenergi energy heatenergy e1 värme förbrukning energyheatkwh"),
    field("reading.energy_cooling_kwh", N_("Cooling energy (E3)"), "kylenergi coolingenergy e3 kyla energycoolingkwh"),
    field("reading.volume_m3", N_("Volume (V1)"), "volym volume v1 vattenvolym flöde volumem3"),
    field("reading.energy_flow_m3c", N_("m³ × flow temperature (E8)"), "e8 energyflow energyflowm3c"),
    field("reading.energy_return_m3c", N_("m³ × return temperature (E9)"), "e9 energyreturn energyreturnm3c"),
    field("reading.input_a", N_("Pulse input A"), "ina pulsa inputa pulsingånga"),
    field("reading.input_b", N_("Pulse input B"), "inb pulsb inputb pulsingångb"),
    field("reading.electricity_import_kwh", N_("Electricity import (A+)"),
          "el elenergi uttag electricity electricityimportkwh"),
    field("reading.electricity_export_kwh", N_("Electricity export (A-)"), "inmatning export electricityexportkwh"),
    field("reading.telegram", N_("M-Bus telegram (hex)"), "mbusraw mbustelegram telegram telegramhex"),
    field("reading.register", N_("Register"), "register registernamn storhet quantity"),
    field("reading.value", N_("Value"), "värde mätarställning ställning avläsning value reading figure"),
    field("reading.unit", N_("Unit"), "enhet unit"),
    field("reading.marks", N_("How known, marks"), "ursprung märkning marks hurkänd howknown"),
    field("reading.note", N_("Note"), "anteckning anmärkning notering kommentar note comment"),
    field("unit.energy_heat_kwh", N_("Unit of E1"), "energyheatkwhunit enhete1"),
    field("unit.energy_cooling_kwh", N_("Unit of E3"), "energycoolingkwhunit enhete3"),
    field("unit.volume_m3", N_("Unit of V1"), "volumem3unit enhetv1"),
    field("unit.energy_flow_m3c", N_("Unit of E8"), "energyflowm3cunit enhete8"),
    field("unit.energy_return_m3c", N_("Unit of E9"), "energyreturnm3cunit enhete9"),
    field("unit.input_a", N_("Unit of pulse input A"), "inputaunit enhetina"),
    field("unit.input_b", N_("Unit of pulse input B"), "inputbunit enhetinb"),
    field("unit.electricity_import_kwh", N_("Unit of electricity import"), "electricityimportkwhunit"),
    field("unit.electricity_export_kwh", N_("Unit of electricity export"), "electricityexportkwhunit"),
)  # fmt: skip
MONTH_FIELDS: Final[tuple[Field, ...]] = (
    field("month.serial", N_("Serial number"),
          "serienummer serienr mätarnummer mätarnr mätare mätarid serial serialno serialnumber meter meterno "
          "meternumber meterid tillverkningsnummer"),
    field("month.manufacturer", N_("Maker"), "tillverkare fabrikat maker manufacturer"),
    field("month.facility_id", N_("Facility id"),
          "anläggning anläggningsid anläggningsnummer anläggningsnr anlid mätpunkt mätpunktsid facility facilityid"),
    field("month.use", N_("Consumption of the month"),
          "förbrukning månadsförbrukning förbrukat periodförbrukning energi volym consumption use usage energy volume "
          "debiterat mängd kvantitet quantity amount"),
    field("month.reading", N_("Reading at the end of the month"),
          "mätarställning ställning utgåendeställning slutställning månadsställning avläsning värde reading "
          "meterreading endreading closingreading counter value figure"),
    field("month.at", N_("Month, or date and time of the reading"),
          "månad period datum tidpunkt avläst avläsningstid avläsningsdatum avläsningstidpunkt tidsstämpel month date "
          "datetime timestamp time readat readingdate readingtime"),
    field("month.register", N_("Register"), "register registernamn storhet"),
    field("month.unit", N_("Unit"), "enhet unit"),
)  # fmt: skip
OF_KIND: Final[dict[str, tuple[Field, ...]]] = {
    "register": FIELDS, "readings": READING_FIELDS, "month": MONTH_FIELDS,
}  # fmt: skip
"""By the kind of import."""
BY_CODE: Final = {one.code: one for one in (*FIELDS, *READING_FIELDS, *MONTH_FIELDS)}


def words(fields: Sequence[Field] = FIELDS) -> frozenset[str]:
    """All headings that are known."""
    return frozenset().union(*(one.words for one in fields))


def guess(headings: Sequence[str], fields: Sequence[Field] = FIELDS) -> list[str]:
    """For each heading the code of the field it most likely is, "" for none; no field comes twice."""
    found = [""] * len(headings)
    taken: set[str] = set()
    bare = [normal(heading) for heading in headings]
    for whole in (True, False):
        for place, heading in enumerate(bare):
            if found[place] or not heading:
                continue
            fitting = [
                one.code
                for one in fields
                if one.code not in taken
                and (
                    heading in one.words
                    if whole
                    else any(len(word) >= 6 and heading.startswith(word) for word in one.words)
                )
            ]
            if fitting:
                found[place] = fitting[0]
                taken.add(fitting[0])
    return found


def placed(headings: Sequence[str], mapping: Sequence[Sequence[str]]) -> dict[str, int]:
    """Where a saved mapping's fields ([heading, code] each) stand in a file with these headings: code -> column.

    Headings are found wherever they stand, also when only capitals, blanks or signs differ. Raises Misfit.
    """
    exact = {heading: place for place, heading in enumerate(headings)}
    bare: dict[str, int] = {}
    for place, heading in enumerate(headings):
        bare.setdefault(normal(heading), place)
    found: dict[str, int] = {}
    missing: list[str] = []
    for heading, code in mapping:
        column = exact.get(heading, bare.get(normal(heading)))
        if column is None:
            missing.append(heading)
        else:
            found[code] = column
    if missing:
        raise Misfit(
            N_(
                "The mapping no longer fits: the file has no column “%(missing)s”. Its columns are: %(found)s."
            ),
            missing="”, “".join(missing),
            found=", ".join(headings)[:600],
        )
    return found


def lacking(codes: Mapping[str, int] | set[str], *, maker_given: bool) -> list[str]:
    """What must be among the columns and isn't: sentences (English, marked for translation)."""
    parts = {code.partition(".")[0] for code in codes}
    if "reading" in parts:
        return _lacking_of_readings(set(codes))
    if "month" in parts:
        return _lacking_of_month(set(codes))
    said = []
    if not codes:
        said.append(N_("Say of at least one column what it is."))
    if CUSTOMER in parts and "customer.number" not in codes:
        said.append(N_("Which column holds the customer number? Customers are told apart by it."))
    if POINT in parts and "point.facility_id" not in codes:
        said.append(N_("Which column holds the facility id? Metering points are told apart by it."))
    if (METER in parts or (parts & {PLACED} and "placed.groups" in codes)) and "meter.serial" not in codes:
        said.append(N_("Which column holds the meter's serial number? Meters are told apart by it."))
    if "meter.serial" in codes and "meter.manufacturer" not in codes and not maker_given:
        said.append(N_("Which column holds the maker? Or give the maker of all meters below."))
    if ("point.north" in codes) != ("point.east" in codes):
        said.append(N_("Both coordinates are needed, or none."))
    if "placed.installed_at" in codes and not {"meter.serial", "point.facility_id"} <= set(codes):
        said.append(N_("“Installed since” needs both a meter and a metering point."))
    if "placed.role" in codes and not {"meter.serial", "point.facility_id"} <= set(codes):
        said.append(N_("“Role” needs both a meter and a metering point."))
    if "placed.moved_in_at" in codes and not {"customer.number", "point.facility_id"} <= set(codes):
        said.append(N_("“Customer since” needs both a customer and a metering point."))
    return said


def _lacking_of_readings(codes: set[str]) -> list[str]:
    said = []
    if not codes & {"reading.serial", "reading.facility_id", "reading.telegram"}:
        said.append(N_("Which column holds the meter's serial number, or the facility id?"))
    if "reading.at" not in codes:
        said.append(N_("Which column holds the time of the reading?"))
    of_registers = {code for code in codes if code.startswith("reading.")} - {
        f"reading.{name}" for name in _NO_FIGURES
    }
    if not of_registers and "reading.value" not in codes:
        said.append(N_("Which column holds the figures?"))
    if "reading.value" in codes and "reading.register" not in codes:
        said.append(
            N_("Which column says which register a value is of? Or take its column for that register.")
        )
    return said


def _lacking_of_month(codes: set[str]) -> list[str]:
    said = []
    if not codes & {"month.serial", "month.facility_id"}:
        said.append(N_("Which column holds the meter's serial number, or the facility id?"))
    if not codes & {"month.use", "month.reading"}:
        said.append(N_("Which column holds the figures?"))
    return said


_NO_FIGURES: Final = (
    "serial",
    "manufacturer",
    "facility_id",
    "at",
    "time",
    "register",
    "value",
    "unit",
    "marks",
    "note",
)
