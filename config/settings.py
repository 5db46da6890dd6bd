"""The one settings file. Everything comes from the environment; a missing or absurd value stops the start.

`config/embedded.py` supplies the environment of the embedded default; docs/operations.md lists every variable.
"""

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import environ
import structlog
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config.celery import HARD_SECONDS, transport_options

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent

# --- Mode ------------------------------------------------------------------------------------------------------------
MODE = env.str("CANDOUR_MODE", default="production")
if MODE not in {"production", "demo", "test"}:
    raise ImproperlyConfigured(f"CANDOUR_MODE is {MODE!r}; it must be production, demo or test.")
DEMO = MODE == "demo"
PRODUCTION = MODE == "production"
DEBUG = False

CANDOUR_HOME = Path(env.str("CANDOUR_HOME", default=str(BASE_DIR / "var"))).resolve()
# A place to try things out: the same code on a database of its own, with a clock that can be moved forward.
SANDBOX = env.bool("CANDOUR_SANDBOX", default=False)
SANDBOX_CLOCK = CANDOUR_HOME / "clock"
SITE_URL = env.str("CANDOUR_URL").rstrip("/")
_site = urlsplit(SITE_URL)
if _site.scheme not in {"http", "https"} or not _site.hostname:
    raise ImproperlyConfigured("CANDOUR_URL must be the full address of the site, such as https://candour.example.")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


ALLOWED_HOSTS = [_site.hostname, *env.list("CANDOUR_EXTRA_HOSTS", default=[])]
if DEMO:
    if not all(_is_loopback(host) for host in ALLOWED_HOSTS):
        raise ImproperlyConfigured(
            "Demo mode lets people in with a known password: it starts on a loopback address only. "
            "Set CANDOUR_MODE=production."
        )
    ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
if PRODUCTION and SANDBOX:
    raise ImproperlyConfigured(
        "In the sandbox every program may move the clock on which deadlines hang: CANDOUR_SANDBOX does not go with "
        "CANDOUR_MODE=production."
    )
if PRODUCTION and _site.scheme != "https":
    raise ImproperlyConfigured("In production CANDOUR_URL must begin with https://.")

SECRET_KEY = env.str("CANDOUR_SECRET_KEY")
if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("CANDOUR_SECRET_KEY must have at least 50 characters.")

# --- Rooms -----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "config",
    "cases",
    "monitoring",
    "disclosures",
    "evidence",
    "notifications",
    "accounts",
    "ledger",
    "web",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "crispy_forms",
    "csp",
    "django_filters",
    "django_structlog",
    "drf_spectacular",
    "oauth2_provider",
    "rest_framework",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "web.middleware.headers",
    "web.middleware.compressed",
    "web.middleware.utc",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "accounts.middleware.shut_out",
    "accounts.middleware.second_factor",
    "accounts.middleware.rate",
    "web.middleware.problems",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.site",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"
CRISPY_ALLOWED_TEMPLATE_PACKS = ["govuk"]
CRISPY_TEMPLATE_PACK = "govuk"
CRISPY_FAIL_SILENTLY = False

# --- Database: the `app` role; migrations run as `owner` (manage.py) -------------------------------------------------
_role = env.str("CANDOUR_DB_ROLE", default="app")
if _role not in {"app", "owner"}:
    raise ImproperlyConfigured("CANDOUR_DB_ROLE must be app or owner.")
_database = env.db_url_config(env.str("DATABASE_URL" if _role == "app" else "DATABASE_OWNER_URL"))
if not _database["ENGINE"].endswith("postgresql"):
    raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database: there is one SQL dialect here.")
_options = _database.get("OPTIONS", {})
_database["HOST"] = _options.pop("host", _database["HOST"])  # ?host=/folder names a Unix socket, as libpq has it
_pool = env.int("CANDOUR_DB_POOL", default=8)
if not 0 <= _pool <= 200:
    raise ImproperlyConfigured("CANDOUR_DB_POOL must lie between 0 (no pool) and 200 connections.")
if _pool and _role == "app":
    _options["pool"] = {"min_size": 0, "max_size": _pool, "timeout": 20}
_database["OPTIONS"] = _options
_database["ATOMIC_REQUESTS"] = False
_database["CONN_MAX_AGE"] = 0
DATABASES = {"default": _database}

CACHES = {
    # It holds counters of what was tried. Kept small, it would forget them as soon as somebody fills it.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

# --- Files -----------------------------------------------------------------------------------------------------------
EVIDENCE_STORAGE_URL = env.str("EVIDENCE_STORAGE_URL", default="")
if EVIDENCE_STORAGE_URL:
    _s3 = urlsplit(EVIDENCE_STORAGE_URL)
    if _s3.scheme != "s3" or not _s3.hostname:
        raise ImproperlyConfigured("EVIDENCE_STORAGE_URL must read s3://BUCKET or s3://BUCKET?endpoint=https://HOST.")
    _evidence_storage = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": _s3.hostname,
            "endpoint_url": dict(p.split("=", 1) for p in _s3.query.split("&") if p).get("endpoint"),
            "default_acl": "private",
            "file_overwrite": False,
            "querystring_auth": True,
        },
    }
else:
    _evidence_storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": str(CANDOUR_HOME / "evidence"),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
            # No web address leads to evidence: every byte goes out through a view that asks who is there.
            "base_url": None,
        },
    }
STORAGES = {
    "default": _evidence_storage,
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if MODE == "test"
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
EVIDENCE_MAX_BYTES = env.int("EVIDENCE_MAX_BYTES", default=200 * 1024 * 1024)
if not 1024 <= EVIDENCE_MAX_BYTES <= 50 * 1024**3:
    raise ImproperlyConfigured("EVIDENCE_MAX_BYTES must lie between 1 KiB and 50 GiB.")
# --- Analyses of usage logs: DuckDB in the worker's own process, or a ClickHouse server ---------------------------------
ANALYTICS_URL = env.str("ANALYTICS_URL", default="")
if ANALYTICS_URL:
    from monitoring.clickhouse import problem_of  # only who uses it loads it

    if _problem := problem_of(ANALYTICS_URL):
        raise ImproperlyConfigured(f"ANALYTICS_URL {_problem}.")
    _secure = ("secure", "true") in parse_qsl(urlsplit(ANALYTICS_URL).query)
    if PRODUCTION and not _secure and not _is_loopback(urlsplit(ANALYTICS_URL).hostname or ""):
        raise ImproperlyConfigured("In production ANALYTICS_URL says ?secure=true: evidence goes there.")
# --- Feeds of usage rows ---------------------------------------------------------------------------------------------
FEED_BATCH_ROWS = env.int("CANDOUR_FEED_BATCH_ROWS", default=200_000)
FEED_BATCH_BYTES = env.int("CANDOUR_FEED_BATCH_BYTES", default=128 * 1024 * 1024)
FEED_EXPECTED_MINUTES = env.int("CANDOUR_FEED_EXPECTED_MINUTES", default=60)
FEED_EVALUATION_MINUTES = env.int("CANDOUR_FEED_EVALUATION_MINUTES", default=15)
FEED_WINDOW_DAYS = env.int("CANDOUR_FEED_WINDOW_DAYS", default=7)
FEED_WINDOW_ROWS = env.int("CANDOUR_FEED_WINDOW_ROWS", default=20_000_000)
ALERT_QUIET_HOURS = env.int("CANDOUR_ALERT_QUIET_HOURS", default=24)
for _name, _least, _most in (
    ("FEED_BATCH_ROWS", 100, 5_000_000),
    ("FEED_BATCH_BYTES", 64 * 1024, 1024**3),
    ("FEED_EXPECTED_MINUTES", 1, 44_640),
    ("FEED_EVALUATION_MINUTES", 0, 1440),
    ("FEED_WINDOW_DAYS", 1, 90),
    ("FEED_WINDOW_ROWS", 1000, 1_000_000_000),
    ("ALERT_QUIET_HOURS", 0, 8760),
):
    if not _least <= globals()[_name] <= _most:
        raise ImproperlyConfigured(f"CANDOUR_{_name} must lie between {_least} and {_most}.")
FILE_UPLOAD_HANDLERS = ["evidence.intake.HashingUploadHandler"]
FILE_UPLOAD_TEMP_DIR = str(CANDOUR_HOME / "tmp")
Path(FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True, mode=0o700)
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024  # a thousand filings in one request of the API; no form comes near
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 20

STATIC_URL = "/static/"
STATIC_ROOT = CANDOUR_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]

# --- Who -------------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
if MODE == "test":
    # Slow hashing is the point of a password hash, and of nothing that a test looks at.
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "notifications.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # an account begins with a link sent to the address: it is verified by then
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a changed password or second factor is told to its owner
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Candour"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not PRODUCTION
SECOND_FACTOR_REQUIRED = not DEMO and env.bool("CANDOUR_SECOND_FACTOR", default=True)
if PRODUCTION and not SECOND_FACTOR_REQUIRED:
    raise ImproperlyConfigured("CANDOUR_SECOND_FACTOR cannot be turned off in production.")

SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "web.problems.csrf_failure"
if PRODUCTION:
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds())
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    if env.bool("CANDOUR_BEHIND_PROXY", default=False):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # data: for the picture of the TOTP code
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

# --- The clock's defaults (the scheme's own terms are rows: disclosures.Scheme) --------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "Europe/London"
USE_I18N = False
USE_TZ = True

# --- Celery ----------------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL")
# A message that a dead worker took is delivered again after this time; it must exceed the longest task.
_visibility = env.int("CANDOUR_TASK_VISIBILITY", default=600)
if not HARD_SECONDS < _visibility <= 3600 and MODE != "test":
    raise ImproperlyConfigured(f"CANDOUR_TASK_VISIBILITY must lie between {HARD_SECONDS + 1} and 3600 seconds.")
try:
    CELERY_BROKER_TRANSPORT_OPTIONS = transport_options(CELERY_BROKER_URL, _visibility)
except ValueError as error:
    raise ImproperlyConfigured(str(error)) from error
# A worker that hears nothing for so long, with beat speaking every 15 s, stops and is started again.
WORKER_SILENCE_SECONDS = env.int("CANDOUR_WORKER_SILENCE", default=120)
if not 60 <= WORKER_SILENCE_SECONDS <= 3600 and MODE != "test":
    raise ImproperlyConfigured("CANDOUR_WORKER_SILENCE must lie between 60 and 3600 seconds.")
CELERY_BEAT_SCHEDULE_FILENAME = str(CANDOUR_HOME / "beat-schedule")

# --- Mail ------------------------------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = env.str("CANDOUR_FROM", default="Candour <no-reply@candour.example>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
if MODE == "test":
    EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
elif DEMO:
    # Demo mode sends nothing: the sent copy is on record and is shown at /demo/mail/.
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
else:
    _mail = env.email_url("EMAIL_URL")
    EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
    EMAIL_HOST = _mail.get("EMAIL_HOST")
    EMAIL_PORT = _mail.get("EMAIL_PORT")
    EMAIL_HOST_USER = _mail.get("EMAIL_HOST_USER")
    EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_PASSWORD")
    EMAIL_USE_TLS = _mail.get("EMAIL_USE_TLS", False)
    EMAIL_USE_SSL = _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 20

# --- Webhooks: to public HTTPS addresses only. What loosens that is for tests and demonstrations on one machine. -------
WEBHOOK_TRUSTED_ADDRESSES = env.list("CANDOUR_WEBHOOK_TRUSTED", default=[])
WEBHOOK_PORTS = env.list("CANDOUR_WEBHOOK_PORTS", cast=int, default=[443])
WEBHOOK_CA_FILE = env.str("CANDOUR_WEBHOOK_CA", default="")
WEBHOOK_RESOLVER = "notifications.outbound.system_resolver"
if PRODUCTION and (WEBHOOK_TRUSTED_ADDRESSES or WEBHOOK_PORTS != [443] or WEBHOOK_CA_FILE):
    raise ImproperlyConfigured(
        "CANDOUR_WEBHOOK_TRUSTED, CANDOUR_WEBHOOK_PORTS and CANDOUR_WEBHOOK_CA let webhooks reach this machine's own "
        "network: production starts without them only."
    )

# --- API (its rooms come with the partner API; what is not opened stays shut) ----------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.clients.ClientAuthentication",
        # Somebody signed in to the pages may read what the API says, for its documentation; CSRF holds.
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.clients.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["web.api.StrictJSON"],
    "DEFAULT_PAGINATION_CLASS": "web.api.Pages",
    "DEFAULT_FILTER_BACKENDS": ["web.api.Filters"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["accounts.api.clients.PerClient"],
    "DEFAULT_THROTTLE_RATES": {"client": "600/min"},
    # What a caller says of the addresses before its own counts for nothing, but for what our own proxy adds.
    "NUM_PROXIES": 1 if env.bool("CANDOUR_BEHIND_PROXY", default=False) else 0,
    "EXCEPTION_HANDLER": "web.api.exception_handler",
}

# --- OAuth 2 for machines: client credentials alone; tokens of an hour, of which only a hash is kept (RFC 9700) ----------
TOKENS_A_MINUTE = 60
OAUTH2_PROVIDER_APPLICATION_MODEL = "oauth2_provider.Application"
OAUTH2_PROVIDER = {
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    # No refresh token is ever given; the checks of RFC 9700 ask for this all the same.
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "SCOPES_BACKEND_CLASS": "accounts.api.clients.ClientScopes",
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    **{
        f"COMPLIANT_BCP_RFC9700_{name}": True
        for name in (
            "IMPLICIT_GRANT",
            "PASSWORD_GRANT",
            "PKCE_METHOD",
            "ACCESS_TOKEN_TRANSPORT",
            "AUTHZ_RESPONSE_ISS",
            "TOKEN_STORAGE",
            "REFRESH_TOKEN",
            "REDIRECT_URI_SCHEME",
            "REDIRECT_URI_MATCHING",
            "PKCE_REQUIRED",
        )
    },
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Candour",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": "Disclosures, cases and referrals for machines. Every verb is one POST; every error says what to do.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "web.api.document_refusals",
    ],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "AlertState": "monitoring.models.Alert.State",
        "AuthorisationState": "disclosures.models.Authorisation.State",
        "CaseState": "cases.models.Case.State",
        "CaseOutcome": "cases.models.case.Outcome",
        "ComparisonState": "monitoring.models.Comparison.State",
        "EvidenceKind": "evidence.models.EvidenceItem.Kind",
        "ExtensionState": "cases.models.ExtensionRequest.State",
        "FilingState": "disclosures.models.Filing.State",
        "NoticeKind": "cases.models.Notice.Kind",
        "NoticeState": "cases.models.Notice.State",
        "OrganisationKind": "accounts.models.Organisation.Kind",
        "OrganisationState": "accounts.models.Organisation.State",
        "ReferralState": "cases.models.Referral.State",
    },
}

# --- Logs: one JSON object a line ------------------------------------------------------------------------------------
_processors: list[structlog.types.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.ExtraAdder(),
]
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_processors,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
            "foreign_pre_chain": _processors,
        }
    },
    "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["out"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        "django_structlog": {"level": "WARNING"},
        "fontTools": {"level": "WARNING"},
    },
}
