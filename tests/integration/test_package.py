"""What is published: the sdist (CI runs the matrix from it), and the wheel in an empty Django project."""

import re
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from dailycast import __version__
from tests.integration.shell import checkout_files, run
from tests.test_docs import blocks, page

pytestmark = pytest.mark.services
GENERATED = r"PKG-INFO|setup\.cfg|dailycast\.egg-info/.+"
STATIC = ("dailycast/player.js", "dailycast/player.css", "dailycast/admin.js", "dailycast/admin.css")
VISIT = """
from django.contrib.auth.models import User
from django.test import Client
client = Client(headers={"host": "localhost", "accept-language": "ja"})
client.force_login(User.objects.get())
for path in ("/dailycast/", "/dailycast/archive/", "/admin/dailycast/dailypodcast/generate/", "/dailycast/cover/"):
    answer = client.get(path)
    print(answer.status_code, "今すぐエピソードを作る" in answer.content.decode(errors="replace"), path)
"""


def sdist_files(published: Path) -> set[str]:
    with tarfile.open(published / f"dailycast-{__version__}.tar.gz") as sdist:
        return {member.name.partition("/")[2] for member in sdist if member.isfile()}


def wheel(published: Path) -> Path:
    return published / f"dailycast-{__version__}-py3-none-any.whl"


def test_the_sdist_holds_the_checkout_and_nothing_else(published: Path) -> None:
    assert {name for name in sdist_files(published) if not re.fullmatch(GENERATED, name)} == checkout_files()


def test_the_wheel_holds_the_app_and_nothing_else(published: Path) -> None:
    names = ZipFile(wheel(published)).namelist()
    assert {name for name in names if f"{__version__}.dist-info/" not in name} == checkout_files("dailycast")


def test_an_index_would_take_both(published: Path) -> None:
    run(published, sys.executable, "-m", "twine", "check", "--strict", *map(str, published.iterdir()))


@pytest.fixture(scope="module")
def project(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty Django project after steps 1 to 4 of the README; its environment holds the wheel and what that needs."""
    folder = tmp_path_factory.mktemp("project")
    run(folder, sys.executable, "-m", "venv", "venv")
    run(folder, f"{folder}/venv/bin/python", "-m", "pip", "install", "--quiet", str(wheel(published)))
    run(folder, f"{folder}/venv/bin/django-admin", "startproject", "school", ".")
    with (folder / "school" / "settings.py").open("a") as settings:
        settings.write(readme_block("INSTALLED_APPS").replace("INSTALLED_APPS =", "INSTALLED_APPS +="))
        settings.write('MEDIA_ROOT, MEDIA_URL = BASE_DIR / "media", "/media/"\n')
        settings.write('MIDDLEWARE.insert(2, "django.middleware.locale.LocaleMiddleware")\n')
    (folder / "school" / "urls.py").write_text(readme_block("urlpatterns"))
    manage(folder, "migrate")
    manage(folder, "createsuperuser", "--noinput", "--username", "alex", "--email", "alex@example.com")
    return folder


def readme_block(word: str) -> str:
    (block,) = (block for block in blocks(page("README.md"), "python") if word in block)
    return block


def manage(project: Path, *arguments: str) -> str:
    return run(project, f"{project}/venv/bin/python", "manage.py", *arguments, DJANGO_SUPERUSER_PASSWORD="pw")


def test_an_empty_project_has_the_app_of_the_wheel(project: Path) -> None:
    code = "import dailycast; print(dailycast.__version__, dailycast.__file__)"
    version, file = manage(project, "shell", "-v", "0", "-c", code).split()
    assert (version, Path(file).is_relative_to(project / "venv")) == (__version__, True)


def test_an_empty_project_passes_its_checks(project: Path) -> None:
    assert "System check identified" in manage(project, "check")
    assert "No changes detected" in manage(project, "makemigrations", "--check", "--dry-run")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_an_empty_project_makes_a_script(project: Path, language: str) -> None:
    last = manage(project, "generate_test_podcast", "--language", language).splitlines()[-1]
    assert re.fullmatch(r"Podcast generated successfully \(id=\d+\) for user alex", last, re.IGNORECASE)


def test_an_empty_project_shows_the_pages_in_japanese(project: Path) -> None:
    seen = manage(project, "shell", "-v", "0", "-c", VISIT).splitlines()[-4:]
    assert [line.split()[0] for line in seen] == ["200"] * 4
    assert seen[0].split()[1] == "True"


@pytest.mark.parametrize("name", STATIC)
def test_an_empty_project_finds_the_static_files(project: Path, name: str) -> None:
    last = manage(project, "findstatic", "-v", "0", "--first", name).splitlines()[-1]
    assert (Path(last).is_relative_to(project / "venv"), last.endswith(name)) == (True, True)
