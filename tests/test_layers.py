"""The order of the tree: imports point down, one broad except, no access to the environment, SDKs load late."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dailycast

APP = Path(dailycast.__file__).parent
ENVIRONMENT = re.compile(r"os\.(environ|getenv)")
SDKS = ["openai", "google.generativeai", "google.genai", "boto3", "botocore", "py_nanotts", "lameenc"]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def modules() -> list[str]:
    """Every module of the app by its path, say `audio/mp3.py`."""
    paths = (path.relative_to(APP) for path in APP.rglob("*.py"))
    return sorted(path.as_posix() for path in paths if path.parts[0] != "migrations")


def source(module: str) -> str:
    return (APP / module).read_text(encoding="utf-8")


def lint_imports(folder: Path, module: str = "conf.py", line: str = "") -> tuple[int, str]:
    """Status and report of the contract on a copy of the app in which `module` has one more line."""
    shutil.copytree(APP, folder / "dailycast", ignore=shutil.ignore_patterns("__pycache__", "static", "locale"))
    shutil.copy(APP.parent / "pyproject.toml", folder)
    with (folder / "dailycast" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("audio/mp3.py", "from ..jobs.queue import submit", "dailycast.audio is not allowed to import dailycast.jobs"),
        ("tts/base.py", "from ..llm.base import Prompt", "dailycast.tts is not allowed to import dailycast.llm"),
        ("jobs/job.py", "from .queue import submit", "No circles inside a folder BROKEN"),
        ("newcomer.py", "", "dailycast.newcomer"),
    ],
)
def test_an_import_that_points_up_and_a_circle_are_refused(tmp_path: Path, module: str, line: str, broken: str) -> None:
    pytest.importorskip("importlinter")
    status, report = lint_imports(tmp_path, module, line)
    assert status == 1
    assert broken in " ".join(report.split())


def test_the_tree_keeps_the_contract(tmp_path: Path) -> None:
    pytest.importorskip("importlinter")
    status, report = lint_imports(tmp_path)
    assert status == 0, report


def is_broad(node: ast.AST) -> bool:
    return isinstance(node, ast.ExceptHandler) and (
        node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
    )


def test_only_the_job_boundary_catches_everything() -> None:
    broad = [module for module in modules() for node in ast.walk(ast.parse(source(module))) if is_broad(node)]
    assert broad == ["services.py"]


def test_no_module_reads_the_environment() -> None:
    assert [name for name in modules() if "import os" in source(name) and ENVIRONMENT.search(source(name))] == []


def test_setup_and_check_load_no_sdk() -> None:
    code = (
        "import django, sys; django.setup(); from django.core.management import call_command; call_command('check');"
        f"print([name for name in {SDKS!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings"},
        cwd=APP.parent,
    )
    assert done.stdout.splitlines()[-1] == "[]"
