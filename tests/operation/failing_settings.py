"""The program's settings with an app whose second migration fails, after its first has done harm."""

from avlas.settings import *  # noqa: F403
from avlas.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "failing_app"]
