"""The site's own settings, with the yardstick's endpoint beside the API, and without the limit on requests."""

from config.settings import *  # noqa: F403
from config.settings import REST_FRAMEWORK

ROOT_URLCONF = "bench.urls"
TOKENS_A_MINUTE = 1_000_000
REST_FRAMEWORK = {**REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
