"""The way of the data: the modules that one call of `create_podcast_for_user` enters, and which module calls which.

    python bench/call_path.py                       all three modes, each in its own process
    python bench/call_path.py script                the built-in writer and no voice
    python bench/call_path.py audio                 the built-in writer and voice
    python bench/call_path.py vendors               OpenAI and Polly, answered by the stand-in on loopback
    python bench/call_path.py audio --arrows        lists every arrow as well

How it counts:

- The profiled call is the first one of its process, so all caches are empty. Code that runs because a module is being
  imported does not count.
- A module is a file below `dailycast/`; an `__init__.py` counts as its package. A module is entered when a Python
  frame of its code starts: a function, a method, a lambda, a comprehension, a generator that is resumed. Generated
  methods, such as the `__init__` of a dataclass, belong to no file and do not count.
- An arrow is a pair of two different modules: the caller's and the callee's. The caller is the frame that called
  directly. A C function, such as a `functools.partial`, has no frame and is looked through.
- An arrow climbs when the callee's layer is above the caller's. A module is in the layer of the deepest listed package
  that contains it. The layers are those of the import contract in pyproject.toml, or of the file that `--layers` names:
  one layer a line, from low to high, with blanks between the modules.
- Three lines widen the view. The first counts the calling thread alone. The second adds the threads that the call
  starts; the first caller there is `threading`. The third also counts a call that reaches us through Django, contextlib
  or any other package, from the nearest of our frames further down the stack.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, get_type_hints

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
if TYPE_CHECKING:
    from dailycast.models import DailyPodcast

from bench.stand_in import vendors  # noqa: E402

MODES = {  # the writer and the voice
    "script": ("template", "polly"),  # without keys Polly is not configured
    "audio": ("template", "pico"),
    "vendors": ("openai", "polly"),
}
Arrow = tuple[str, str]
Layers = dict[str, int]  # name of a module or package -> its height


class Call(NamedTuple):
    """One call into a module of ours. A caller is empty when there is none of ours."""

    callee: str
    direct_caller: str
    nearest_caller: str
    in_calling_thread: bool


# The profile


@cache
def module_of(file: str) -> str:
    """The dotted name of a module of ours; empty for any other file."""
    path = Path(file)
    if not path.is_relative_to(ROOT / "dailycast"):
        return ""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules_on_stack(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    """Module and function of `frame`, then of each frame below it."""
    while frame:
        yield module_of(frame.f_code.co_filename), frame.f_code.co_name
        frame = frame.f_back


def record(calls: dict[Call, None], in_calling_thread: bool, frame: FrameType, event: str, _argument: object) -> None:
    """The profile function: adds each call into a module of ours to `calls` once."""
    if event != "call" or not module_of(frame.f_code.co_filename):
        return
    stack = list(modules_on_stack(frame))
    callee, *callers = (module for module, _ in stack)
    is_import = any(module and function == "<module>" for module, function in stack)
    if not is_import:
        nearest_caller = next(filter(None, callers), "")
        calls.setdefault(Call(callee, callers[0], nearest_caller, in_calling_thread))


def profile() -> tuple["DailyPodcast", list[Call]]:
    """The episode of one call, and the different calls in the order in which each came first."""
    from django.contrib.auth import get_user_model

    from dailycast.services import create_podcast_for_user

    alex, calls = get_user_model()._default_manager.get(username="alex"), dict[Call, None]()
    threading.setprofile(partial(record, calls, False))
    sys.setprofile(partial(record, calls, True))
    try:
        podcast = create_podcast_for_user(alex, "en")
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return podcast, list(calls)


def prepare(folder: str) -> None:
    """A project of its own: an empty database and media folder in `folder`, the academy's learners in it."""
    os.environ.update(
        DJANGO_SETTINGS_MODULE="config.settings", DATABASE_NAME=f"{folder}/db.sqlite3", DOTENV_PATH=os.devnull
    )
    import django
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    settings.MEDIA_ROOT = f"{folder}/media"
    call_command("migrate", verbosity=0)
    call_command("load_academy", verbosity=0, stdout=StringIO())


def set_providers(mode: str) -> None:
    """Chooses the writer and the voice; no other setting of the app is left in the environment."""
    from dailycast.conf import Conf

    for name in get_type_hints(Conf):
        os.environ.pop(name, None)
    os.environ["DAILYCAST_LLM_PROVIDERS"], os.environ["DAILYCAST_TTS_PROVIDERS"] = MODES[mode]


# The layers


def layers_of_contract() -> list[list[str]]:
    """The layers of the import contract, from low to high. Exits when pyproject.toml has none."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"].get("importlinter", {}).get("contracts", [])
    for contract in contracts:
        if contract["type"] == "layers":
            names = (re.findall(r"[\w.]+", layer) for layer in reversed(contract["layers"]))
            package = ".".join(contract.get("containers", []))
            return [[f"{package}.{name}".strip(".") for name in layer] for layer in names]
    sys.exit("pyproject.toml has no contract of layers: name a file with --layers")


def layers_of_file(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def heights(layers: list[list[str]]) -> Layers:
    return {name: height for height, names in enumerate(layers) for name in names}


def place(module: str, layers: Layers) -> str:
    """The deepest listed package that contains `module`; empty when there is none."""
    while module and module not in layers:
        module = module.rpartition(".")[0]
    return module


def climbs(arrow: Arrow, layers: Layers) -> bool:
    caller, callee = (layers.get(place(module, layers)) for module in arrow)
    return caller is not None and callee is not None and caller < callee


# The report


def arrows_of(pairs: Iterable[Arrow]) -> set[Arrow]:
    """Those of `pairs` that lead from one module of ours to another."""
    return {(caller, callee) for caller, callee in pairs if caller not in ("", callee)}


def short(module: str) -> str:
    return module.removeprefix("dailycast.")


def print_arrows(arrows: Iterable[Arrow]) -> None:
    for caller, callee in sorted(arrows):
        print(f"        {short(caller)} -> {short(callee)}")


def print_places(title: str, modules: Iterable[str]) -> None:
    print(f"    {title}: {', '.join(short(module) for module in dict.fromkeys(modules)) or 'none'}")


def report(calls: list[Call], layers: Layers, with_arrows: bool) -> None:
    """Prints the three views; each view lists the climbing arrows that the one before does not have."""
    own = [call for call in calls if call.in_calling_thread]
    views = [
        ("calling thread", own, arrows_of((call.direct_caller, call.callee) for call in own)),
        ("every thread", calls, arrows_of((call.direct_caller, call.callee) for call in calls)),
        ("through other packages too", calls, arrows_of((call.nearest_caller, call.callee) for call in calls)),
    ]
    listed = set[Arrow]()
    for title, seen, arrows in views:
        climbing = {arrow for arrow in arrows if climbs(arrow, layers)}
        modules = {call.callee for call in seen}
        print(f"    {title}: {len(modules)} modules, {len(arrows)} arrows, {len(climbing)} that climb")
        print_arrows(climbing - listed)
        listed |= climbing
    print_places("layers in the order of entry", (place(call.callee, layers) or call.callee for call in calls))
    print_places("in no layer", (call.callee for call in calls if not place(call.callee, layers)))
    if with_arrows:
        print("    all arrows:")
        print_arrows(views[-1][2])


def measure(mode: str, layers: Layers, with_arrows: bool) -> None:
    set_providers(mode)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if mode == "vendors":
            stack.enter_context(vendors())
        prepare(folder)
        podcast, calls = profile()
        assert podcast.has_audio == (mode != "script"), podcast.error_message
        print(f"{mode}: {podcast.status}, by {podcast.llm_provider} and {podcast.tts_provider}")
        report(calls, layers, with_arrows)


def measure_all(options: list[str]) -> None:
    """Each mode in a process of its own: the call that is profiled is the first one of its process."""
    for mode in MODES:
        subprocess.run([sys.executable, __file__, mode, *options], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=[*MODES, "all"], nargs="?", default="all")
    parser.add_argument("--layers", type=Path, help="one layer a line, from low to high; default: pyproject.toml")
    parser.add_argument("--arrows", action="store_true", help="list every arrow")
    options = parser.parse_args()
    layers = layers_of_file(options.layers) if options.layers else layers_of_contract()
    if options.mode == "all":
        measure_all([argument for argument in sys.argv[1:] if argument != "all"])
    else:
        measure(options.mode, heights(layers), options.arrows)


if __name__ == "__main__":
    main()
