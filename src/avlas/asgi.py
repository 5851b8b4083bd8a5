"""The web server's way in."""

import os
import warnings

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "avlas.settings")
# whitenoise hands static files over as ordinary iterators; they are small, and Django reads them in a thread
warnings.filterwarnings("ignore", "StreamingHttpResponse must consume synchronous iterators")
application = get_asgi_application()
