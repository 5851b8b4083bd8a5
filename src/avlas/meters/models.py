"""The tables of meters, where they sit, who reads them and what they say.

`reading` and `telegram` are made by hand-written SQL (see ddl.py): the models here only describe them, and
nothing has a foreign key to them. Times in those two and in info events are whole seconds UTC.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from avlas.decode.registers import CODES
from avlas.meters.reading_order import AddressInOrder, InOrder, Kept
from avlas.meters.search_text import SearchText
from avlas.meters.utc_seconds import UtcSecondsField
from avlas.system.models import User, Utility


class Kind(IntEnum):
    """Where a reading's moment comes from (DESIGN section 5)."""

    LIVE = 0  # heard now; slot_at is the start of the slot
    LOGGED = 1  # stored by the meter; slot_at is the meter's own stamp
    ENTERED = 2  # typed by a person or imported


class Source(IntEnum):
    """Which road brought a reading."""

    RADIO = 1
    WIRED = 2
    OPTICAL = 3
    NETWORK = 4
    TYPED = 5
    IMPORTED = 6
    EXCHANGE = 7
    SIMULATED = 8


class Quality(IntFlag):
    """What a person must know before trusting a reading. 0 means nothing speaks against it."""

    CONFLICT = 1  # the meter gave different values for the same stamp
    ROLLED_OVER = 2  # a register passed its highest figure since the reading before
    BACKWARDS = 4  # a counter is lower than before and it is no roll-over: a person must look
    IMPLAUSIBLE = 8  # energy, volume and temperatures contradict each other, or a jump is too large
    SENSOR_ERROR = 16  # a value is the meter's mark for a broken sensor
    CLOCK_WRONG = 32  # the meter's clock was off when it stamped this
    ESTIMATED = 64  # estimated and approved by a person
    VOIDED = 128  # taken out of use by a person, with a reason (VoidedReading)
    ACCEPTED = 256  # a person has looked at what was in doubt and finds it right (doubts)


class State(IntEnum):
    """What became of a telegram."""

    READ = 0
    NO_KEY = 1
    WRONG_KEY = 2
    DAMAGED = 3
    UNKNOWN_LAYOUT = 4
    UNSUPPORTED = 5
    DOWNGRADED = 6  # clear, weaker or replayed for a meter that has been read with a key
    CONTESTED = 7  # two utilities claim the address
    UNKNOWN_METER = 8  # nobody's meter (yet)


STATE_TEXTS = {
    State.READ: _("read"),
    State.NO_KEY: _("key missing"),
    State.WRONG_KEY: _("wrong key"),
    State.DAMAGED: _("damaged telegram"),
    State.UNKNOWN_LAYOUT: _("layout not learnt yet"),
    State.UNSUPPORTED: _("not supported yet"),
    State.DOWNGRADED: _("not trusted: clear or replayed"),
    State.CONTESTED: _("claimed by two utilities"),
    State.UNKNOWN_METER: _("not adopted"),
}


class Generation(models.Model):
    """Counts the changes of a utility's meters, addresses and keys, so that every process reloads in time."""

    utility = models.OneToOneField(Utility, models.CASCADE, primary_key=True)
    number = models.BigIntegerField(default=0)

    @classmethod
    def bump(cls, *utility_ids: int) -> None:
        """Tell every process that meters, addresses or keys of these utilities changed (same transaction)."""
        for utility_id in sorted(set(utility_ids)):
            if not cls.objects.filter(utility_id=utility_id).update(number=F("number") + 1):
                cls.objects.update_or_create(
                    utility_id=utility_id, defaults={"number": F("number") + 1}, create_defaults={"number": 1}
                )


class Customer(models.Model):
    """Somebody who has, or had, a metering point."""

    utility = models.ForeignKey(Utility, models.CASCADE)
    number = models.CharField(max_length=40)
    name = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=40, blank=True)
    name_order = models.GeneratedField(
        expression=InOrder("name"), output_field=models.TextField(), db_persist=True
    )
    search_text = models.GeneratedField(
        expression=SearchText("name", "number"), output_field=models.TextField(), db_persist=True
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "number"], name="customer_number")
        ]
        indexes: ClassVar = [models.Index("utility", Kept("name_order"), "id", name="customer_by_name")]

    def __str__(self) -> str:
        return f"{self.number} {self.name}".strip()


class MeteringPoint(models.Model):
    """A place where energy or water is delivered (mätpunkt, anläggning)."""

    utility = models.ForeignKey(Utility, models.CASCADE)
    facility_id = models.CharField(max_length=40)
    address = models.CharField(max_length=200, blank=True)
    postal_code = models.CharField(max_length=12, blank=True)
    city = models.CharField(max_length=80, blank=True)
    district = models.CharField(max_length=80, blank=True)
    latitude = models.FloatField(null=True, blank=True)  # WGS84, degrees
    longitude = models.FloatField(null=True, blank=True)
    property_name = models.CharField(max_length=120, blank=True)  # fastighetsbeteckning
    # for who goes there; shown only with the permission to manage devices and customers
    door_code = models.CharField(max_length=40, blank=True)
    key_place = models.CharField(max_length=120, blank=True)
    contact = models.CharField(max_length=200, blank=True)
    warning = models.CharField(max_length=300, blank=True)
    address_order = models.GeneratedField(
        expression=AddressInOrder("address"), output_field=models.TextField(), db_persist=True
    )
    city_order = models.GeneratedField(
        expression=InOrder("city"), output_field=models.TextField(), db_persist=True
    )
    district_order = models.GeneratedField(
        expression=InOrder("district"), output_field=models.TextField(), db_persist=True
    )
    search_text = models.GeneratedField(
        expression=SearchText("address", "postal_code", "city", "facility_id"),
        output_field=models.TextField(),
        db_persist=True,
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "facility_id"], name="point_facility")
        ]
        indexes: ClassVar = [
            models.Index("utility", Kept("address_order"), "id", name="point_by_address"),
            models.Index("utility", Kept("city_order"), Kept("address_order"), "id", name="point_by_city"),
            models.Index(
                "utility", Kept("district_order"), Kept("address_order"), "id", name="point_by_district"
            ),
            models.Index(fields=["utility", "postal_code"], name="point_by_postal_code"),
        ]

    def __str__(self) -> str:
        return self.address or self.facility_id


class Occupancy(models.Model):
    """Which customer has a point from when to when (UTC; ``to_at`` null: still there)."""

    point = models.ForeignKey(MeteringPoint, models.CASCADE, db_index=False, related_name="occupancies")
    customer = models.ForeignKey(Customer, models.CASCADE, db_index=False, related_name="occupancies")
    from_at = models.DateTimeField()
    to_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(to_at__isnull=True) | Q(to_at__gt=F("from_at")), name="occupancy_order"
            ),
            models.UniqueConstraint(
                fields=["point"], condition=Q(to_at__isnull=True), name="occupancy_one_now"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["point", "to_at", "customer"], name="occupancy_by_point"),
            models.Index(fields=["customer", "to_at", "point"], name="occupancy_by_customer"),
        ]


class Meter(models.Model):
    """A meter: maker and serial number, not its address on some road."""

    FLOW, RETURN = "flow", "return"
    PIPES: ClassVar = [(FLOW, _("flow pipe")), (RETURN, _("return pipe"))]

    utility = models.ForeignKey(Utility, models.CASCADE)
    manufacturer = models.CharField(max_length=3)
    serial = models.CharField(max_length=20)
    model = models.CharField(max_length=60, blank=True)
    family = models.CharField(max_length=40, blank=True)
    medium = models.CharField(max_length=30, blank=True)
    slot_seconds = models.IntegerField(default=3600)  # 300 for priority meters
    clock_offset_minutes = models.IntegerField(
        default=60
    )  # the meter's clock against UTC: Swedish standard time
    config = models.JSONField(
        default=dict, blank=True
    )  # from delivery lists: type number, configuration, qp ...
    qp_m3h = models.FloatField(null=True, blank=True)  # permanent flow (qp, Q3)
    mounted_in = models.CharField(max_length=10, choices=PIPES, blank=True)
    litres_per_pulse = models.FloatField(null=True, blank=True)
    accuracy_class = models.CharField(max_length=20, blank=True)
    manufactured_year = models.SmallIntegerField(null=True, blank=True)
    revision_due = models.DateField(null=True, blank=True)  # null: as the rule says, see revision.py
    seals = models.CharField(max_length=200, blank=True)
    note = models.TextField(max_length=2000, blank=True)
    retired_at = models.DateTimeField(
        null=True, blank=True
    )  # out of use for good: neither installed nor in stock
    created_at = models.DateTimeField(auto_now_add=True)
    search_text = models.GeneratedField(
        expression=SearchText("serial", "model", "manufacturer"),
        output_field=models.TextField(),
        db_persist=True,
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "manufacturer", "serial"], name="meter_serial")
        ]
        indexes: ClassVar = [
            models.Index(fields=["utility", "serial"], name="meter_by_serial"),
            models.Index(fields=["utility", "model"], name="meter_by_model"),
            models.Index(fields=["utility", "id"], condition=Q(slot_seconds__lt=1800), name="meter_priority"),
            models.Index(fields=["utility"], condition=Q(retired_at__isnull=False), name="meter_retired"),
        ]

    def __str__(self) -> str:
        return f"{self.manufacturer}{self.serial}"


class MeterAddress(models.Model):
    """How a meter is found on one road, from when to when.

    ``identifier`` on the roads "radio" and "wired" is maker and identification ("KAM12345678"); version and
    device type narrow it down when they are known. ``contested``: another utility claims the same address;
    until that is settled no telegram of it becomes a reading for either.
    """

    utility = models.ForeignKey(Utility, models.CASCADE)
    meter = models.ForeignKey(Meter, models.CASCADE, related_name="addresses")
    road = models.CharField(max_length=10)  # radio, wired, primary, deveui, imei
    identifier = models.CharField(max_length=40)
    version = models.SmallIntegerField(null=True, blank=True)
    device_type = models.SmallIntegerField(null=True, blank=True)
    from_at = models.DateTimeField(null=True, blank=True)
    to_at = models.DateTimeField(null=True, blank=True)
    contested = models.BooleanField(default=False)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["road", "identifier"], name="address_identifier")]


class Installation(models.Model):
    """Which meter sits at which point, in which role, from when to when; an exchange ends one and begins the next."""

    MAIN, SUB, CONTROL = "main", "sub", "control"
    ROLES: ClassVar = [(MAIN, _("main meter")), (SUB, _("sub-meter")), (CONTROL, _("control meter"))]

    point = models.ForeignKey(MeteringPoint, models.CASCADE, db_index=False, related_name="installations")
    meter = models.ForeignKey(Meter, models.CASCADE, db_index=False, related_name="installations")
    role = models.CharField(max_length=10, choices=ROLES, default=MAIN)
    from_at = models.DateTimeField()
    to_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True)  # why it ended

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(to_at__isnull=True) | Q(to_at__gt=F("from_at")), name="installation_order"
            ),
            models.UniqueConstraint(
                fields=["meter"], condition=Q(to_at__isnull=True), name="installation_one_now"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["point", "to_at", "meter"], name="installation_by_point"),
            models.Index(fields=["meter", "to_at", "point"], name="installation_by_meter"),
        ]


class Exchange(models.Model):
    """A meter exchange: prepared (a plan, filled in step by step), carried out, or undone again. See exchange.py.

    Figures are lists of [register, figure as the display shows it, unit, decimals].
    """

    PLANNED, DONE, UNDONE = "planned", "done", "undone"
    STATES: ClassVar = [(PLANNED, _("prepared")), (DONE, _("carried out")), (UNDONE, _("undone"))]

    utility = models.ForeignKey(Utility, models.CASCADE)
    old = models.ForeignKey(Installation, models.CASCADE, related_name="exchanges")  # the one that ends
    new_meter = models.ForeignKey(Meter, models.SET_NULL, null=True, blank=True, related_name="exchanges")
    new = models.ForeignKey(Installation, models.SET_NULL, null=True, blank=True, related_name="begun_by")
    state = models.CharField(max_length=10, choices=STATES, default=PLANNED)
    planned_for = models.DateField(null=True, blank=True)
    at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=200)
    note = models.TextField(max_length=2000, blank=True)
    old_unreadable = models.BooleanField(default=False)
    old_figures = models.JSONField(default=list, blank=True)
    new_figures = models.JSONField(default=list, blank=True)
    ended_addresses = models.JSONField(default=list, blank=True)  # ids, opened again when it is undone
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    undone_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["old"], condition=Q(state="planned"), name="exchange_one_plan_each"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["utility", "state"], name="exchange_by_state")]


class RevisionRule(models.Model):
    """After how many years a utility revises its meters of one kind; small and large ones apart."""

    utility = models.ForeignKey(Utility, models.CASCADE)
    kind = models.CharField(max_length=12)  # see revision.KINDS
    small_to_qp_m3h = models.FloatField()  # the largest permanent flow that counts as small
    years_small = models.SmallIntegerField()
    years_large = models.SmallIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "kind"], name="revision_rule_once")
        ]


class Group(models.Model):
    """A utility's own collection of meters: an area, a reading round, a list to keep an eye on."""

    utility = models.ForeignKey(Utility, models.CASCADE)
    name = models.CharField(max_length=80)
    note = models.CharField(max_length=300, blank=True)
    meters = models.ManyToManyField(Meter, through="GroupMember", related_name="groups")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["utility", "name"], name="group_name")]

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    """That a meter is in a group; it may be in any number of them."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="members")
    meter = models.ForeignKey(Meter, models.CASCADE, related_name="memberships")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["group", "meter"], name="group_member_once")]


class Key(models.Model):
    """A meter's AES key, encrypted at rest; it may arrive before its meter is known or heard."""

    utility = models.ForeignKey(Utility, models.CASCADE)
    manufacturer = models.CharField(max_length=3)
    identification = models.CharField(max_length=20)
    sealed = models.BinaryField()  # system.secrets; associated data: key_context()
    source = models.CharField(max_length=200, blank=True)  # file name or "by hand"
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["utility", "manufacturer", "identification"], name="key_meter")
        ]

    def context(self) -> bytes:
        """Give the associated data that ties the sealed bytes to this utility and meter."""
        return f"key/{self.utility_id}/{self.manufacturer}/{self.identification}".encode()


class Collector(models.Model):
    """Whatever brings telegrams: a receiver on a serial port, a file, the API, later concentrators."""

    utility = models.ForeignKey(Utility, models.CASCADE)
    name = models.CharField(max_length=80)
    spec = models.CharField(
        max_length=300
    )  # "im871a:/dev/ttyUSB0", "rtl_wmbus:tcp://host:port", "import", "api"
    link_mode = models.CharField(max_length=10, default="c1t1")
    active = models.BooleanField(default=True)
    latitude = models.FloatField(null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    status = models.CharField(max_length=20, default="stopped")  # stopped, starting, running, waiting, failed
    status_text = models.CharField(max_length=300, blank=True)
    status_at = models.DateTimeField(null=True, blank=True)
    last_heard_at = models.DateTimeField(null=True, blank=True)
    telegrams = models.BigIntegerField(default=0)
    damaged = models.BigIntegerField(default=0)
    device = models.JSONField(
        default=dict, blank=True
    )  # what the receiver says of itself: model, serial, ...

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["utility", "name"], name="collector_name")]

    def __str__(self) -> str:
        return self.name


class ReceiverHour(models.Model):
    """What one receiver heard in one hour; an hour without a row is one in which it was not listened to."""

    collector = models.ForeignKey(Collector, models.CASCADE, related_name="hours")
    hour_at = UtcSecondsField()  # the hour's start
    seconds = models.IntegerField(default=0)  # how long of it the line was open
    telegrams = models.IntegerField(default=0)
    damaged = models.IntegerField(default=0)
    meters = models.IntegerField(
        default=0
    )  # addresses heard; at least that many, if it was started within the hour
    signals = models.JSONField(default=dict)  # {"-71": 12}: telegrams by signal strength in whole dBm

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["collector", "hour_at"], name="receiver_hour_moment")
        ]


class MeterState(models.Model):
    """What was heard of one address, own meter or not: when, how strongly, how often, with what outcome.

    Rows without a meter are forgotten when nothing of theirs has come in for 24 hours.
    """

    utility = models.ForeignKey(Utility, models.CASCADE)
    address = models.CharField(max_length=16)  # the eight link address bytes, hex
    meter = models.ForeignKey(Meter, models.CASCADE, null=True, blank=True, related_name="states")
    manufacturer = models.CharField(max_length=3)
    identification = models.CharField(max_length=8)
    version = models.SmallIntegerField()
    device_type = models.SmallIntegerField()
    model = models.CharField(max_length=60, blank=True)
    medium = models.CharField(max_length=30, blank=True)
    security = models.CharField(max_length=20, blank=True)
    first_heard_at = UtcSecondsField()
    last_heard_at = UtcSecondsField()
    noted_at = UtcSecondsField(default=0)  # when a telegram of it last came in, however old that telegram was
    last_read_at = UtcSecondsField(null=True, blank=True)
    # Of what all collectors heard in the newest slot the strongest signal, and who heard it so.
    last_collector = models.ForeignKey(Collector, models.SET_NULL, null=True, blank=True, db_index=False)
    rssi_dbm = models.FloatField(null=True, blank=True)
    state = models.SmallIntegerField(default=State.UNKNOWN_METER)  # of the newest telegram looked into
    state_at = UtcSecondsField(null=True, blank=True)
    problem = models.CharField(max_length=300, blank=True)
    heard = models.BigIntegerField(default=0)
    read = models.BigIntegerField(default=0)
    surplus = models.BigIntegerField(default=0)
    no_key = models.BigIntegerField(default=0)
    wrong_key = models.BigIntegerField(default=0)
    damaged = models.BigIntegerField(default=0)
    unknown_layout = models.BigIntegerField(default=0)
    unsupported = models.BigIntegerField(default=0)
    downgraded = models.BigIntegerField(default=0)
    counter = models.BigIntegerField(null=True, blank=True)  # highest ELL session number or mode 7 counter
    counter_at = UtcSecondsField(null=True, blank=True)
    secured = models.SmallIntegerField(default=0)  # strongest security it was read with (see forgery.py)
    clock_error_seconds = models.IntegerField(null=True, blank=True)  # meter's clock minus ours
    info_code = models.BigIntegerField(null=True, blank=True)  # newest
    recent = models.JSONField(default=list, blank=True)  # meters that are not ours: the last three telegrams

    class Meta:
        # No index on what every batch changes: it would cost ingest more than it saves the pages (see migration 0005).
        constraints: ClassVar = [models.UniqueConstraint(fields=["utility", "address"], name="state_address")]


class Format(models.Model):
    """Units and decimals as a layout sends them, so that the figure on the display comes back exactly.

    ``spec`` is sorted JSON: {"energy_heat_kwh": ["GJ", 3], ...}.
    """

    spec = models.TextField(unique=True)


class LearntLayout(models.Model):
    """A compact-frame layout learnt from whole telegrams (see decode.types.Layout)."""

    manufacturer = models.CharField(max_length=3)
    version = models.SmallIntegerField()
    device_type = models.SmallIntegerField()
    signature = models.IntegerField()
    headers = models.TextField()  # DIF/VIF bytes, hex, separated by blanks
    source = models.CharField(max_length=20)
    seen = models.IntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["manufacturer", "version", "device_type", "signature"], name="layout_signature"
            )
        ]


class InfoEvent(models.Model):
    """The moments at which a meter's info code changed: the code of this reading differs from the one before."""

    meter = models.ForeignKey(Meter, models.CASCADE, related_name="info_events")
    at = UtcSecondsField()  # slot_at of the reading that shows it
    code_before = models.BigIntegerField(null=True, blank=True)
    code = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["meter", "at"], name="info_event_moment")]
        indexes: ClassVar = [models.Index(fields=["at"], name="info_event_at")]


class Case(models.Model):
    """What people do about the info codes of a metering point, or of a meter that is at none.

    There is one at most, for good; its entries tell everything that was done. Codes that began before
    ``acknowledged_at`` are acknowledged; until ``snoozed_until`` those that began before ``snoozed_at`` are left out
    of the list.
    """

    utility = models.ForeignKey(Utility, models.CASCADE)
    point = models.OneToOneField(MeteringPoint, models.CASCADE, null=True, blank=True, related_name="case")
    meter = models.OneToOneField(Meter, models.CASCADE, null=True, blank=True, related_name="case")
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    snoozed_at = models.DateTimeField(null=True, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    assigned_to = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="cases")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(point=None) ^ Q(meter=None), name="case_of_point_or_meter")
        ]


class CaseEntry(models.Model):
    """One thing that was done about a case."""

    ACKNOWLEDGED, SNOOZED, WOKEN, ASSIGNED, UNASSIGNED, NOTED = (
        "acknowledged", "snoozed", "woken", "assigned", "unassigned", "noted",
    )  # fmt: skip

    case = models.ForeignKey(Case, models.CASCADE, related_name="entries")
    at = models.DateTimeField()
    by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    what = models.CharField(max_length=12)
    until = models.DateTimeField(null=True, blank=True)  # snoozed
    to = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")  # assigned
    meter = models.ForeignKey(Meter, models.SET_NULL, null=True, related_name="+")  # whose codes it was about
    info_code = models.BigIntegerField(null=True, blank=True)  # as it was then
    note = models.TextField(blank=True)


class ReadingConflict(models.Model):
    """A value that differs from the one kept for the same meter, moment and kind: shown, never lost."""

    meter = models.ForeignKey(Meter, models.CASCADE)
    slot_at = UtcSecondsField()
    kind = models.SmallIntegerField()
    heard_at = UtcSecondsField()
    register = models.CharField(max_length=30)
    value = models.FloatField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["meter", "slot_at", "kind", "register", "value"], name="conflict_value"
            )
        ]


class VoidedReading(models.Model):
    """A reading taken out of use, whole, with the reason; its place may hold a corrected one."""

    meter = models.ForeignKey(Meter, models.CASCADE)
    slot_at = UtcSecondsField()
    kind = models.SmallIntegerField()
    row = models.JSONField()
    reason = models.CharField(max_length=300)
    voided_at = models.DateTimeField(auto_now_add=True)
    voided_by = models.ForeignKey(User, models.SET_NULL, null=True)


class Fence(models.Model):
    """A span of a meter (strictly between two moments) whose readings were erased and must never come back."""

    meter = models.ForeignKey(Meter, models.CASCADE, related_name="fences")
    from_at = models.DateTimeField()
    to_at = models.DateTimeField()
    made_at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(to_at__gt=F("from_at")), name="fence_order"),
            models.UniqueConstraint(fields=["meter", "from_at", "to_at"], name="fence_once"),
        ]


class ReadingSet(models.QuerySet["Reading"]):
    """Readings, which a person may have taken out of use."""

    def in_use(self) -> Self:
        """Those that nobody has taken out of use."""
        return self.alias(out=F("quality").bitand(int(Quality.VOIDED))).filter(out=0)


class Reading(models.Model):
    """A meter's register values at one time: one wide row. Made and written by hand-written SQL."""

    meter = models.ForeignKey(Meter, models.DO_NOTHING, db_constraint=False, related_name="readings")
    slot_at = UtcSecondsField()
    kind = models.SmallIntegerField()
    heard_at = UtcSecondsField()
    source = models.SmallIntegerField()
    quality = models.IntegerField(default=0)
    format = models.ForeignKey(Format, models.DO_NOTHING, db_constraint=False)
    other = models.JSONField(null=True)
    pk = models.CompositePrimaryKey("meter_id", "slot_at", "kind")

    objects = ReadingSet.as_manager()

    class Meta:
        managed = False
        db_table = "reading"


for _code in CODES:
    _field: models.Field[Any, Any] = (
        models.BigIntegerField(null=True) if _code == "info_code" else models.FloatField(null=True)
    )
    _field.contribute_to_class(Reading, _code)


class Telegram(models.Model):
    """A raw telegram: behind a reading, or waiting for its key or layout. One per meter, slot and class."""

    meter = models.ForeignKey(Meter, models.DO_NOTHING, db_constraint=False, related_name="telegrams")
    slot_at = UtcSecondsField()
    class_code = models.IntegerField()  # wired << 24 | C << 16 | CI << 8 | L
    heard_at = UtcSecondsField()
    collector = models.ForeignKey(Collector, models.DO_NOTHING, db_constraint=False)
    rssi_dbm = models.FloatField(null=True)
    state = models.SmallIntegerField()
    frame = models.BinaryField()
    pk = models.CompositePrimaryKey("meter_id", "slot_at", "class_code")

    class Meta:
        managed = False
        db_table = "telegram"


# tables that have modules of their own, known to Django from here
from avlas.meters.billed import BilledAmount as BilledAmount  # noqa: E402, PLC0414
from avlas.meters.billed import BillingMonth as BillingMonth  # noqa: E402, PLC0414
from avlas.meters.journal import Journal as Journal  # noqa: E402, PLC0414
from avlas.meters.photo import Photo as Photo  # noqa: E402, PLC0414
from avlas.meters.point_part import PointPart as PointPart  # noqa: E402, PLC0414
from avlas.meters.pulse_input import PulseInput as PulseInput  # noqa: E402, PLC0414
from avlas.meters.sent_reports import SentReport as SentReport  # noqa: E402, PLC0414
from avlas.meters.thinned import ThinnedMonth as ThinnedMonth  # noqa: E402, PLC0414
from avlas.meters.valve import ValveRequest as ValveRequest  # noqa: E402, PLC0414
from avlas.meters.valve import ValveRules as ValveRules  # noqa: E402, PLC0414
from avlas.meters.waiting_surplus import WaitingSurplus as WaitingSurplus  # noqa: E402, PLC0414
