"""The pages' addresses."""

from allauth.account import views as allauth_views
from django.urls import include, path

from avlas.web.pages import (
    account,
    explain,
    heard,
    home,
    import_file,
    keys,
    meter,
    meter_list,
    receiver,
    receiver_find,
    receivers,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("meters/", meter_list.meters, name="meters"),
    path("meters/export/", meter_list.export, name="meters_export"),
    path("meters/<int:pk>/", meter.meter, name="meter"),
    path("meters/<int:pk>/telegrams/", meter.telegrams, name="meter_telegrams"),
    path("meters/<int:pk>/telegrams/<int:slot>/<int:code>/", meter.telegram, name="meter_telegram"),
    path("heard/", heard.heard, name="heard"),
    path("heard/adopt/", heard.adopt, name="heard_adopt"),
    path("heard/<int:pk>/", heard.heard_one, name="heard_one"),
    path("receivers/", receivers.receivers, name="receivers"),
    path("receivers/add/", receivers.add, name="receiver_add"),
    path("receivers/find/", receiver_find.receiver_find, name="receiver_find"),
    path("receivers/<int:pk>/", receiver.receiver, name="receiver"),
    path("receivers/<int:pk>/edit/", receivers.edit, name="receiver_edit"),
    path("receivers/<int:pk>/switch/", receivers.switch, name="receiver_switch"),
    path("receivers/<int:pk>/delete/", receivers.delete, name="receiver_delete"),
    path("import/", import_file.import_file, name="import_file"),
    path("explain/", explain.explain, name="explain"),
    path("keys/", keys.keys, name="keys"),
    path("keys/import/", keys.import_file, name="key_import"),
    path("keys/add/", keys.add, name="key_add"),
    path("keys/<int:pk>/test/", keys.test, name="key_test"),
    path("keys/<int:pk>/delete/", keys.delete, name="key_delete"),
    path("account/sign-in/", account.SignIn.as_view(), name="account_login"),
    path("account/sign-out/", allauth_views.logout, name="account_logout"),
    path("account/password/", allauth_views.password_change, name="account_change_password"),
    path("account/inactive/", allauth_views.account_inactive, name="account_inactive"),
    path("signin/<str:token>/", account.follow_signin_link, name="signin_link"),
    path("settings/", account.my_settings, name="settings"),
    path("theme/", account.theme, name="theme"),
    path("language/", include("django.conf.urls.i18n")),
]
