"""Who may look at and change what: the one declared table that ``test_matrix`` holds every address against.

A page that is new stands here before it is served: under the permission it takes to look at it (``LOOK``) and, when it
takes a POST, to change something (``CHANGE``). API routes stand in ``API`` with the scope each method asks for.
The permissions are those of the requirements' matrix: a user has data access; a superuser all but access control.
"""

from __future__ import annotations

from typing import Final

ANYBODY: Final = "anybody"  # also who has not signed in
SIGNED_IN: Final = "signed in"  # everybody with an account, whatever the role may do

LOOK: Final[dict[str, set[str]]] = {
    ANYBODY: {
        "account_login", "account_logout", "account_inactive", "account_forgotten", "account_second_factor",
        "passkey_begin", "passkey_sign_in", "single_sign_on", "single_sign_on_back",
        "choose_password", "signin_link", "set_language", "theme", "my_choices",
    },
    SIGNED_IN: {
        "account_change_password", "own_sessions", "second_factor", "second_factor_on", "second_factor_off",
        "second_factor_codes", "passkey_add", "passkey_edit", "passkey_remove", "settings", "help", "help_page",
    },
    "data_access": {
        "home", "live", "priority_meters", "meters", "meters_export", "meters_act", "meter_stock", "meter_stock_act", "meter_revisions", "meter", "meter_readings",
        "meter_telegrams", "meter_telegram", "meter_case", "map", "map_meters", "map_listed", "map_lines", "map_heard",
        "map_area", "groups", "exchanges", "exchange", "points", "points_act", "point", "customers", "customers_act", "customer", "info_codes",
        "info_codes_export", "performance", "performance_export", "heat_report", "heat_report_file", "heat_levels",
        "consumption_report", "consumption_report_file", "consumption_report_map", "consumption_report_map_meters", "compare", "compare_file", "water_loss", "water_loss_file",
        "saved_reports", "alerts", "alert", "notifications", "notification_add", "notification_edit", "notification_test",
        "notification_delete", "exports", "export_make", "meter_report", "point_report", "customer_report", "billing", "billing_file", "billing_trial", "billing_trial_file", "billing_corrections",
        "billing_corrections_file", "readings_in_doubt", "heard", "heard_one", "receivers", "receiver", "explain", "keys", "jobs", "job", "job_run",
    },
    "reading_management": {
        "export_add", "export_upload", "receipts", "receipt", "receipt_download", "receipt_send",
        "export_edit", "export_copy", "export_file", "export_delete",
        "meter_reading_add", "meter_reading_void", "import_file", "report_save", "report_edit",
    },
    "device_and_customer_management": {
        "meter_add", "revision_periods", "meter_edit", "meter_delete", "meter_use", "meter_install", "meter_take_down",
        "meter_let_in", "meter_exchange", "exchange_undo", "point_add", "point_edit", "point_move", "customer_add",
        "customer_edit", "imports", "import_add", "import_one", "import_columns", "import_take_in", "import_undo",
        "import_throw_away", "import_refused", "import_compare", "import_compare_file", "key_passwords", "password_remove", "mapping_remove", "meter_valve", "valve_list", "valve_request", "customer_link", "alert_add", "alerts_act", "meter_report_send", "point_report_send", "customer_report_send", "meter_photos",
        "point_photos", "exchange_photos", "photo", "photo_delete", "meter_inputs", "point_parts", "point_delete",
        "customer_delete", "info_codes_acknowledge", "heard_adopt", "key_import", "key_add", "key_test", "key_delete",
    },
    "group_management": {"map_group", "group_add", "group_edit", "group_delete"},
    "system_configuration": {
        "utility_settings", "valve_rules", "mqtt_out", "alert_limit", "sms_settings", "places", "place_add", "place", "place_edit", "place_test", "place_pin", "place_delete",
        "old_readings", "performance_level", "receiver_add", "receiver_find", "receiver_edit", "receiver_switch",
        "receiver_delete", "job_add", "job_edit", "job_run_now", "job_switch", "job_delete", "messages", "message",
        "message_send_again", "check_up", "mail_server", "webhooks", "webhook_add", "webhook_edit", "webhook_test",
        "webhook_new_secret", "webhook_delete",
    },
    "access_control": {
        "users", "user_add", "user_edit", "user_link", "user_second_factor", "roles", "api_tokens", "api_token_add",
        "api_token_revoke", "privacy", "privacy_customer", "privacy_export", "audit_log", "audit_export",
    },
}  # fmt: skip

CHANGE: Final[dict[str, set[str]]] = {
    ANYBODY: LOOK[ANYBODY] - {"account_inactive", "signin_link"},
    SIGNED_IN: LOOK[SIGNED_IN] - {"second_factor", "help", "help_page"},
    "data_access": {
        "meters_act",
        "meter_stock_act",
        "points_act",
        "customers_act",
        "explain",
        "export_make",
        "notification_add",
        "notification_edit",
        "notification_test",
        "notification_delete",
    },  # chooses meters; explains what is pasted
    "reading_management": (
        LOOK["reading_management"] | {"billing", "billing_corrections", "readings_in_doubt"}
    )
    - {"export_file", "receipts", "receipt"},
    "device_and_customer_management": (
        LOOK["device_and_customer_management"] | {"exchange", "meter_case", "alert"}
    )
    - {
        "photo",
        "valve_list",
        "imports",
        "import_one",
        "import_refused",
        "import_compare",
        "import_compare_file",
    },
    "group_management": LOOK["group_management"]
    | {"meter_revisions", "heat_report", "consumption_report", "water_loss"},  # rows into a group
    "system_configuration": (LOOK["system_configuration"] | {"heat_levels"})
    - {"old_readings", "places", "place", "receiver_find", "messages", "message", "check_up", "webhooks"},
    "access_control": LOOK["access_control"]
    - {"users", "api_tokens", "privacy", "privacy_export", "audit_log", "audit_export"},
}

OF_ONESELF: Final = {"passkey_edit", "passkey_remove"}
"""About a row of one's own: a colleague's is not there."""

OF_INSTALLATION: Final = {"check_up", "mail_server", "mqtt_out"}
"""For who runs the installation, besides the permission."""

API: Final[dict[str, dict[str, str]]] = {
    "/telegrams": {"POST": "telegrams:write"},
    "/meters": {"GET": "meters:read", "POST": "meters:write"},
    "/meters/{pk}": {"GET": "meters:read", "PATCH": "meters:write", "DELETE": "meters:write"},
    "/meters/{pk}/install": {"POST": "meters:write"},
    "/meters/{pk}/take-down": {"POST": "meters:write"},
    "/meters/{pk}/retire": {"POST": "meters:write"},
    "/meters/{pk}/restock": {"POST": "meters:write"},
    "/points": {"GET": "meters:read", "POST": "meters:write"},
    "/points/{pk}": {"GET": "meters:read", "PATCH": "meters:write"},
    "/points/{pk}/customers": {"GET": "customers:read"},
    "/points/{pk}/move": {"POST": "customers:write"},
    "/customers": {"GET": "customers:read", "POST": "customers:write"},
    "/customers/{pk}": {"GET": "customers:read", "PATCH": "customers:write"},
    "/customers/{pk}/points": {"GET": "customers:read"},
    "/groups": {"GET": "meters:read", "POST": "meters:write"},
    "/groups/{pk}": {"GET": "meters:read", "PATCH": "meters:write", "DELETE": "meters:write"},
    "/groups/{pk}/meters": {"POST": "meters:write"},
    "/keys": {"POST": "keys:write"},
    "/meters/{pk}/readings": {"GET": "readings:read", "POST": "readings:write"},
    "/meters/{pk}/readings/latest": {"GET": "readings:read"},
    "/readings/latest": {"GET": "readings:read"},
    "/meters/{pk}/consumption": {"GET": "readings:read"},
    "/points/{pk}/consumption": {"GET": "readings:read"},
    "/meters/{pk}/standings": {"GET": "readings:read"},
    "/meters/{pk}/readings/void": {"POST": "readings:write"},
    "/info-codes": {"GET": "readings:read"},
    "/meters/{pk}/info-codes": {"GET": "readings:read"},
    "/changes": {"GET": "readings:read"},
    "/exports": {"GET": "exports:make"},
    "/exports/{pk}/make": {"POST": "exports:make"},
    "/export-files": {"GET": "exports:make"},
    "/export-files/{pk}": {"GET": "exports:make"},
    "/exchanges": {"GET": "meters:read", "POST": "meters:write"},
    "/exchanges/{pk}": {"GET": "meters:read", "DELETE": "meters:write"},
    "/exchanges/{pk}/carry-out": {"POST": "meters:write"},
    "/exchanges/{pk}/undo": {"POST": "meters:write"},
    "/valve-requests": {"GET": "valves:ask", "POST": "valves:ask"},
    "/valve-requests/{pk}": {"GET": "valves:ask"},
    "/valve-requests/{pk}/cancel": {"POST": "valves:ask"},
    "/outdoor-temperature": {"PUT": "valves:ask"},
    "/collectors": {"GET": "meters:read"},
    "/performance": {"GET": "meters:read"},
    "/events": {"GET": "readings:read"},
}  # fmt: skip
"""Which scope each method of an API address asks for."""

API_OPEN: Final = ("openapi.json", "docs")
"""The API's own description, which anybody may read."""


def permission(table: dict[str, set[str]], name: str) -> str | None:
    """What ``name`` takes by ``table``; None when it is not there. AssertionError when it is there twice."""
    found = [one for one, names in table.items() if name in names]
    assert len(found) < 2, (name, found)
    return found[0] if found else None
