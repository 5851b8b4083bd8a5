"""Values are kept: meters, where they sit, their keys and readings."""

from django.apps import AppConfig


class MetersConfig(AppConfig):
    """The Django app that keeps values."""

    name = "avlas.meters"
    label = "meters"
