"""The events of the audit log in words. An event without words is shown by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import Promise

AREAS: Final[dict[str, Promise]] = {
    "access": _("Access"),
    "backup": _("Backup"),
    "data": _("Data taken out"),
    "groups": _("Groups"),
    "jobs": _("Jobs"),
    "keys": _("Keys"),
    "mail": _("Mail server"),
    "messages": _("Messages"),
    "meter": _("Meters"),
    "receivers": _("Receivers"),
    "telegrams": _("Telegrams"),
    "utility": _("Utility"),
    "webhooks": _("Webhooks"),
}

EVENTS: Final[dict[str, Promise]] = {
    "access.signed_in": _("Signed in"),
    "access.signed_out": _("Signed out"),
    "access.sign_in_failed": _("Sign-in failed"),
    "access.password_changed": _("Changed the own password"),
    "access.password_chosen": _("Chose a password by a link"),
    "access.password_link_asked_for": _("Asked for a new password by mail"),
    "access.password_link_made": _("Made a link for choosing a password"),
    "access.session_ended": _("Was signed out: too long"),
    "access.sessions_ended": _("Signed out on other devices"),
    "access.device_named": _("Named the device"),
    "access.second_factor_on": _("Turned the second factor on"),
    "access.second_factor_off": _("Turned the own second factor off"),
    "access.second_factor_reset": _("Reset somebody's second factor"),
    "access.second_factor_shown": _("Showed the second factor"),
    "access.second_factor_failed": _("Wrong second factor"),
    "access.recovery_codes_made": _("Made new recovery codes"),
    "access.recovery_code_used": _("Used a recovery code"),
    "access.own_settings_changed": _("Changed the own settings"),
    "access.utility_created": _("Made a utility"),
    "access.user_created": _("Made an account"),
    "access.user_changed": _("Changed an account"),
    "access.role_changed": _("Changed what a role may do"),
    "access.token_created": _("Made an API token"),
    "access.token_revoked": _("Revoked an API token"),
    "access.log_exported": _("Exported the audit log"),
    "backup.made": _("Backed up the database"),
    "backup.master_key_kept": _("Backed up the master key"),
    "backup.moved": _("Moved to PostgreSQL"),
    "backup.restored": _("Restored a backup"),
    "data.exported": _("Exported a list"),
    "groups.added": _("Made a group"),
    "groups.changed": _("Changed a group"),
    "groups.removed": _("Removed a group"),
    "groups.meters_added": _("Put meters into a group"),
    "groups.meters_removed": _("Took meters out of a group"),
    "jobs.added": _("Added a job"),
    "jobs.changed": _("Changed a job"),
    "jobs.paused": _("Paused a job"),
    "jobs.removed": _("Removed a job"),
    "jobs.resumed": _("Resumed a job"),
    "jobs.run_asked_for": _("Started a job by hand"),
    "keys.added": _("Entered a meter key"),
    "keys.imported": _("Imported meter keys"),
    "keys.removed": _("Removed a meter key"),
    "keys.rotated": _("Sealed all keys anew"),
    "mail.server_changed": _("Changed the mail server"),
    "messages.sent_again": _("Sent a message again"),
    "meter.adopt": _("Adopted meters"),
    "meter.address_contested": _("An address claimed twice was closed"),
    "meter.address_released": _("Let an address go"),
    "meter.let_in": _("Let telegrams in that were not trusted"),
    "meter.priority_begun": _("Made priority meters"),
    "meter.priority_ended": _("Ended the priority of meters"),
    "meter.address_settled": _("Settled whose an address is"),
    "receivers.added": _("Added a receiver"),
    "receivers.changed": _("Changed a receiver"),
    "receivers.removed": _("Removed a receiver"),
    "receivers.started": _("Started a receiver"),
    "receivers.stopped": _("Stopped a receiver"),
    "telegrams.imported": _("Imported telegrams"),
    "utility.changed": _("Changed the utility's settings"),
    "webhooks.added": _("Added a webhook"),
    "webhooks.changed": _("Changed a webhook"),
    "webhooks.removed": _("Removed a webhook"),
    "webhooks.secret_changed": _("Made a new webhook secret"),
    "webhooks.tested": _("Tested a webhook"),
}


def in_words(event: str) -> str:
    """What happened, in the reader's language."""
    words = EVENTS.get(event)
    return str(words) if words is not None else event
