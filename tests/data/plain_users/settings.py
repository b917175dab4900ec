from tests.settings import *

INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "dailycast", "plain_users"]
AUTH_USER_MODEL = "plain_users.Person"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.AllowAllUsersModelBackend"]
ROOT_URLCONF = "plain_users.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": MEDIA_ROOT / "plain_users.sqlite3"}}
DAILYCAST_LEARNER_CONTEXT = "plain_users.records"
LOGIN_URL = "/login/"


