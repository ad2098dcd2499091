"""Django's settings, derived from ``arrivals.config``: the environment is read in that one place."""

from typing import Any
from urllib.parse import urlsplit

import dj_database_url

from arrivals import config

CONFIG = config.current()

SECRET_KEY = CONFIG.secret_keys[0]
SECRET_KEY_FALLBACKS = list(CONFIG.secret_keys[1:])
DEBUG = False
PUBLIC = urlsplit(CONFIG.public_url)
# The host header is used for nothing but links, and those are made from ARRIVALS_PUBLIC_URL.
ALLOWED_HOSTS = ["*"]
CSRF_TRUSTED_ORIGINS = [f"{PUBLIC.scheme}://{PUBLIC.netloc}"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_htmx",
    "ninja",
    "arrivals.accounts",
    "arrivals.collect",
    "arrivals.audience",
    "arrivals.watch",
    "arrivals.workflows",
    "arrivals.engine",
    "arrivals.apps",
    "arrivals.erasure",
    "arrivals.web",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "arrivals.accounts.viewer.middleware",
    "arrivals.web.security.headers",
]
ROOT_URLCONF = "arrivals.urls"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request", "arrivals.web.context.shell"]},
    }
]

DATABASES: dict[str, Any] = {"default": dict(dj_database_url.parse(CONFIG.database_url))}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # FULL, not NORMAL: an arrival or a step that was committed is still there after a power cut.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.Person"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/sign-in"
SESSION_COOKIE_NAME = "arrivals_session"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 30
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC.scheme == "https"
CSRF_COOKIE_NAME = "arrivals_csrf"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
NINJA_PAGINATION_PER_PAGE = 50
LOGGING_CONFIG = None
CSRF_FAILURE_VIEW = "arrivals.web.problems.csrf"
