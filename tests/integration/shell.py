"""Commands as a person types them: in a folder of their own, in a shell that has no key and no setting of ours."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
VENV = Path(sys.executable).parents[1]


def environment(**more: str) -> dict[str, str]:
    """What a shell has anyway, and `more`."""
    plain = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME") or name.startswith("PIP_")}
    return {**plain, **more}


def run(folder: Path, *command: str, **more: str) -> str:
    """What `command` prints in `folder`; `more` is added to the environment."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def make(folder: Path, target: str, **more: str) -> str:
    """What `make` prints in `folder`, in place of its own .venv with the one that runs the tests."""
    return run(folder, *make_command(target), **more)


def make_command(target: str, *variables: str) -> list[str]:
    for stamp in (".demo", ".test"):  # this venv is installed already
        (VENV / stamp).touch()
    return ["make", target, f"VENV={VENV}", *variables]


def manage(folder: Path, *arguments: str) -> str:
    return run(folder, f"{VENV}/bin/python", "manage.py", *arguments)


def checkout_files(under: str = ".") -> set[str]:
    """What git knows of the checkout, and what is new and not ignored."""
    listed = run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard", "--", under)
    return set(listed.splitlines())
