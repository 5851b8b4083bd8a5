"""Django's entry to avlas.web."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The Django app avlas.web."""

    name = "avlas.web"
    label = "web"
