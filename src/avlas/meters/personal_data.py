"""Which stored fields tell of a person, judged one by one; what pages export and pseudonymise goes by this list.

A test walks all models: a new field that holds text, JSON, bytes or a position must be judged here before it is used.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Personal(Enum):
    """Whose data a field holds."""

    CUSTOMER = "customer"  # says who a customer is or how to reach them: exported, pseudonymised
    PLACE = "place"  # where a customer lives; stays with the place when the customer has moved
    ACCESS = "access"  # how to get in where a customer lives: told to nobody who has left
    METERED = "metered"  # what was metered at a customer's: exported, erased with a fence
    WRITTEN = "written"  # free text by the staff that may speak of a customer
    STAFF = "staff"  # of somebody who works with Avläs
    AUDIT = "audit"  # who did what: kept by law and never changed


JUDGED: Final[dict[str, Personal]] = {
    "meters.Customer.number": Personal.CUSTOMER,
    "meters.Customer.name": Personal.CUSTOMER,
    "meters.Customer.email": Personal.CUSTOMER,
    "meters.Customer.phone": Personal.CUSTOMER,
    "meters.MeteringPoint.facility_id": Personal.PLACE,
    "meters.MeteringPoint.address": Personal.PLACE,
    "meters.MeteringPoint.postal_code": Personal.PLACE,
    "meters.MeteringPoint.city": Personal.PLACE,
    "meters.MeteringPoint.property_name": Personal.PLACE,
    "meters.MeteringPoint.door_code": Personal.ACCESS,
    "meters.MeteringPoint.key_place": Personal.ACCESS,
    "meters.MeteringPoint.contact": Personal.WRITTEN,
    "meters.MeteringPoint.warning": Personal.WRITTEN,
    "meters.MeteringPoint.latitude": Personal.PLACE,
    "meters.MeteringPoint.longitude": Personal.PLACE,
    "meters.Photo.content": Personal.PLACE,
    "meters.Photo.small": Personal.PLACE,
    "meters.Photo.note": Personal.WRITTEN,
    "meters.Reading.other": Personal.METERED,
    "meters.Telegram.frame": Personal.METERED,
    "meters.VoidedReading.row": Personal.METERED,
    "meters.VoidedReading.reason": Personal.WRITTEN,
    "meters.Installation.reason": Personal.WRITTEN,
    "meters.Meter.note": Personal.WRITTEN,
    "meters.CaseEntry.note": Personal.WRITTEN,
    "meters.Exchange.old_figures": Personal.METERED,
    "meters.Exchange.new_figures": Personal.METERED,
    "meters.Exchange.reason": Personal.WRITTEN,
    "meters.Exchange.undone_reason": Personal.WRITTEN,
    "meters.Exchange.note": Personal.WRITTEN,
    "meters.BilledAmount.parts": Personal.METERED,
    "meters.ValveRequest.reason": Personal.WRITTEN,  # that somebody does not pay
    "meters.ValveRequest.explanation": Personal.WRITTEN,
    "meters.ValveRequest.steps": Personal.WRITTEN,
    "meters.ValveRequest.note": Personal.WRITTEN,
    "system.ApiAnswer.body": Personal.WRITTEN,  # kept for a day
    # files and rows on their way into the register: with the customers' own data, and gone soon after
    "transfer.ImportFile.packed": Personal.WRITTEN,
    "transfer.ImportRow.record": Personal.WRITTEN,
    "transfer.ImportRow.faults": Personal.WRITTEN,
    "transfer.ImportDeed.done": Personal.WRITTEN,
    "transfer.ImportDeed.kept": Personal.WRITTEN,
    "system.User.email": Personal.STAFF,
    "system.User.first_name": Personal.STAFF,
    "system.User.last_name": Personal.STAFF,
    "system.User.password": Personal.STAFF,
    "system.OutsideIdentity.subject": Personal.STAFF,
    "system.Delivery.destination": Personal.STAFF,
    "system.Attachment.content": Personal.METERED,
    "system.Delivery.body": Personal.WRITTEN,
    "system.Delivery.subject": Personal.WRITTEN,
    "system.Job.tell": Personal.STAFF,
    "notify.Notification.address": Personal.STAFF,
    "system.AuditEvent.user_name": Personal.AUDIT,
    "system.AuditEvent.computer": Personal.AUDIT,
    "system.AuditEvent.target": Personal.AUDIT,
    "system.AuditEvent.detail": Personal.AUDIT,
    "transfer.Place.to": Personal.STAFF,
    "transfer.ReceiptPart.content": Personal.METERED,  # kept for seven years by the bookkeeping act
}

IMPERSONAL: Final[frozenset[str]] = frozenset(
    f"{model}.{name}"
    for model, names in {
        "meters.BilledAmount": "register",
        "meters.BillingMonth": "borders",
        "meters.CaseEntry": "what",
        "meters.Collector": "name spec link_mode status status_text device latitude longitude",
        "meters.Exchange": "state ended_addresses",
        "meters.Format": "spec",
        "meters.Group": "name note",
        "meters.Installation": "role",
        "meters.Key": "manufacturer identification sealed source",
        "meters.Journal": "body",  # numbers of meters and moments, no values
        "meters.LearntLayout": "manufacturer headers source",
        "meters.Meter": "manufacturer serial model family medium config mounted_in accuracy_class seals",
        "meters.MeterAddress": "road identifier",
        "meters.MeteringPoint": "district",
        "meters.MeterState": "address manufacturer identification model medium security problem recent",
        "meters.PulseInput": "channel",
        "meters.ReadingConflict": "register",
        "meters.ReceiverHour": "signals",
        "meters.RevisionRule": "kind",
        "reports.KeptPerformance": "expected received",
        "meters.SentReport": "language",
        "meters.WaitingSurplus": "body",  # addresses and moments
        "notify.Alert": "register period",
        "notify.ConsumerChoice": "language refused",
        "notify.Notice": "what detail",
        "notify.Notification": "who road language subject group codes time_zone",
        "notify.SentSms": "reference said",
        "notify.Watch": "name",
        "reports.SavedReport": "kind name note settings",
        "system.Attachment": "name media_type",
        "meters.ValveRequest": "wish state program",
        "meters.ValveRules": "frost_months",
        "system.ApiAnswer": "key request headers",
        "system.ApiToken": "name prefix hash scopes",
        "system.AuditEvent": "event",
        "system.Delivery": "key event road status worker told",
        "system.Job": "kind name parameters cron time_zone",
        "system.JobLine": "text values",
        "system.JobRun": "status worker told",
        "system.KeptSecret": "sealed",
        "system.MailServer": "host security user password sender site_address",
        "system.OutsideIdentity": "issuer",
        "system.MqttOut": "host ca user password topic_prefix discovery place worker told",
        "system.RolePermission": "role permission",
        "system.SecretCheck": "key_id check_value",
        "system.SmsGateway": "driver sender user password url headers body taken_when country_code",
        "system.User": "role language time_zone",
        "system.Utility": "name slug map_credit map_tiles new_language new_time_zone energy_unit second_factor "
        "day_borders",
        "system.Webhook": "name url secret",
        "transfer.Import": "kind name sha256 settings status counts told",
        "transfer.ImportMapping": "kind name settings",
        "transfer.ImportRow": "effects",
        "transfer.KeyFilePassword": "name",
        "transfer.KeyFileSeen": "name sha256 told",
        "transfer.ExportTemplate": "name note layout",
        "transfer.Receipt": "key template_name borders state file_name sha256 tally place_name went_to told",
        "transfer.Place": "name kind host user pinned folder archive url method token_header tested",
        "system.WebhookFeed": "types place worker told",
    }.items()
    for name in names.split()
)


def fields(model: str, kind: Personal) -> list[str]:
    """The names of a model's fields ("meters.Customer") judged as ``kind``."""
    return [
        name.rpartition(".")[2]
        for name, judged in JUDGED.items()
        if judged is kind and name.startswith(f"{model}.")
    ]
