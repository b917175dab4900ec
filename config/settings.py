"""The demo project around the app. The only module that reads the environment; an empty variable counts as unset."""

import os
from pathlib import Path
from typing import Any

import django
from django.core.exceptions import ImproperlyConfigured
from dotenv import load_dotenv

from dailycast.conf import from_environment

BASE_DIR = Path(__file__).resolve().parent.parent
load_dotenv(os.environ.get("DOTENV_PATH") or BASE_DIR / ".env")
globals().update(from_environment(os.environ))


def env(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


DEBUG = env("DJANGO_DEBUG", "true").lower() in ("1", "true", "yes", "on")
SECRET_KEY = env("DJANGO_SECRET_KEY", "django-insecure-for-development-on-loopback-only" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("Set DJANGO_SECRET_KEY: with DJANGO_DEBUG=false there is no default.")
ALLOWED_HOSTS = [host.strip() for host in env("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "examples.academy",  # before dailycast, so that the host's templates can override ours
    "dailycast",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": env("DATABASE_ENGINE", "django.db.backends.sqlite3"),
        "NAME": env("DATABASE_NAME", str(BASE_DIR / "db.sqlite3")),
        "USER": env("DATABASE_USER"),
        "PASSWORD": env("DATABASE_PASSWORD"),
        "HOST": env("DATABASE_HOST"),
        "PORT": env("DATABASE_PORT"),
    }
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Writers wait for each other instead of failing; readers do not wait at all.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = env("DJANGO_TIME_ZONE", "UTC")
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ja", "日本語")]

SITE_URL = env("SITE_URL", "http://127.0.0.1:8000")  # how links in mails begin
if django.VERSION < (6, 1):
    EMAIL_BACKEND = env("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
else:
    MAILERS = {"default": {"BACKEND": env("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")}}
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", "academy@example.com")

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "static_root"
MEDIA_URL = "/media/"
MEDIA_ROOT = BASE_DIR / "media"

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

DAILYCAST_LEARNER_CONTEXT = env("DAILYCAST_LEARNER_CONTEXT", "examples.academy.adapter.learner_context")
