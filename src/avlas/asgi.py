"""The web server's way in."""

import gc
import os
import warnings
from importlib import import_module

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avlas.settings")
# whitenoise hands static files over as ordinary iterators; they are small, and Django reads them in a thread
warnings.filterwarnings("ignore", "StreamingHttpResponse must consume synchronous iterators")
django.setup(set_prefix=False)
application = import_module("avlas.web.handler").Handler()
import_module(settings.ROOT_URLCONF)  # every page now: else the first visitor would wait for them
# What is there now stays: the garbage collector need not look through it again and again while pages are made.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 50)
