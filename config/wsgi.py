"""The door that gunicorn opens."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
# All addresses now, not at the first request; and what is loaded by then stays for good: the collector of cycles need
# not walk through it again and again, which took a tenth of a second each time, in the middle of somebody's request.
_ = get_resolver().url_patterns
gc.collect()
gc.freeze()
