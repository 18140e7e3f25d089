"""The settings of the servers beside which Purser is measured: its own, with bare views, and under another list of middleware.

`BENCH_MIDDLEWARE=none` is a Django that does nothing but call a view. `BENCH_MIDDLEWARE=frozen` is the list that Purser had before its path
of a request was made short (`tests.bench.frozen`): what comes after is compared with the same thing for ever.
"""

import os

from config.settings import *

# Nothing but the statement itself goes to the database.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
# A bare view has no answer for a wait that was in vain: on a busy machine it would break where Purser asks to come again.
REQUEST_LOCK_TIMEOUT_MS = STATEMENT_TIMEOUT_SECONDS * 1000
# Django does for each request what it always does: Purser leaves some of that out (config/apps.py), and is compared with the same thing as before.
INSTALLED_APPS = [each for each in INSTALLED_APPS if each != "config"]
ROOT_URLCONF = "tests.bench.bare"
MIDDLEWARE = {
    "none": [],
    "frozen": [
        "tests.bench.frozen.no_store",
        "tests.bench.frozen.request_id",
        "tests.bench.frozen.log",
        "tests.bench.frozen.content_security_policy",
        "tests.bench.frozen.api",
        "tests.bench.frozen.HostileAddresses",
        "tests.bench.frozen.addressed",
        "tests.bench.frozen.slow_logins",
        "django.middleware.security.SecurityMiddleware",
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "tests.bench.frozen.expire",
        "django_otp.middleware.OTPMiddleware",
        "tests.bench.frozen.Gate",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "axes.middleware.AxesMiddleware",
    ],
}[os.environ["BENCH_MIDDLEWARE"]]
