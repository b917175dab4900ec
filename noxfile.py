"""What `make check` leaves out: the matrix of Pythons, Djangos and SDKs, real databases, faults, and real services."""

import nox

nox.options.default_venv_backend = "venv"
TESTS = ["hypothesis", "lameenc", "pytest", "pytest-django", "pytest-randomly", "pytest-xdist", "tinytag"]
OFFLINE = ["py-nanotts", "python-dotenv"]
HINT = "grpcio-status<1.72"  # else pip searches long for one that accepts google-generativeai's protobuf
API = "djangorestframework"
OWNERS = ["boto3", "openai<4", "google-generativeai", HINT, API, *OFFLINE]  # the packages that the owner named
NEWER = ["boto3", "openai<4", "google-genai", API, *OFFLINE]
OLDER = ["boto3==1.34.0", "openai==1.59.2", "google-generativeai==0.8.0", HINT, f"{API}==3.15.0", *OFFLINE]
READERS = ["feedparser", "lxml", "openapi-spec-validator", "podcastparser", "schemathesis"]  # of the feed and the API
S3 = ["moto[s3,server]", "django-storages[s3]", "django-cleanup"]
SERVICES = ["build", "celery[redis]", "gunicorn", "psycopg[binary]", "selenium", "twine", "uvicorn", *READERS, *S3]


@nox.session
@nox.parametrize(
    ("python", "django", "sdks"),
    [
        nox.param("3.11", "5.1.6", "older", id="3.11-first-host"),
        nox.param("3.11", "5.2", "none", id="3.11-no-sdk"),
        nox.param("3.12", "5.2", "newer", id="3.12-lts"),
        nox.param("3.13", "6.0", "owners", id="3.13-newest"),
    ],
)
def matrix(session: nox.Session, django: str, sdks: str) -> None:
    """The test suite over Djangos and SDKs; `none` has no SDK at all."""
    installed = {"older": OLDER, "owners": OWNERS, "newer": NEWER, "none": ["python-dotenv"]}[sdks]
    session.install(f"Django~={django}" if django.count(".") == 1 else f"Django=={django}", *TESTS, *installed)
    session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs)


@nox.session(python="3.11")
@nox.parametrize("database", ["postgresql", "mysql"])
def database(session: nox.Session, database: str) -> None:
    """The test suite on a real PostgreSQL or MariaDB; DATABASE_* in the environment say where it is."""
    driver = {"postgresql": "psycopg[binary]", "mysql": "mysqlclient"}[database]
    session.install("-r", "requirements-test.txt", HINT, driver)
    session.env["DATABASE_ENGINE"] = f"django.db.backends.{database}"
    session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs)
    session.run("python", "-m", "pytest", "-q", "-m", "reliability", "tests/reliability/test_clicks.py")


@nox.session(python="3.11")
def reliability(session: nox.Session) -> None:
    """Kills at every line, faults, many processes, full disks: no episode is lost, and nothing is paid for twice."""
    session.install("-r", "requirements-test.txt", HINT)
    session.run("python", "-m", "pytest", "-q", "-m", "reliability", "-p", "no:randomly", "-rA", *session.posargs)


@nox.session(python="3.11")
def services(session: nox.Session) -> None:
    """The demo and the package as people meet them: MP3 readers, Chromium, nginx, S3, PostgreSQL and Redis are real."""
    session.install("-r", "requirements-test.txt", HINT, *SERVICES)
    session.run("python", "-m", "pytest", "-q", "-m", "services", *session.posargs)
    session.run("python", "-m", "pytest", "-q", "tests/audio/test_s3.py", "tests/models/test_episode.py")
