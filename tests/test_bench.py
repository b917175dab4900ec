"""The benchmarks say what they lack."""

import pytest

from bench import project, serving, stalled


@pytest.mark.parametrize(
    ("benchmark", "lacks"),
    [
        (serving, ["pip install gunicorn", "apt-get install nginx"]),
        (stalled, ["pip install uvicorn", "apt-get install nginx"]),
    ],
)
def test_a_benchmark_says_which_packages_it_lacks(
    monkeypatch: pytest.MonkeyPatch, benchmark: object, lacks: list[str]
) -> None:
    monkeypatch.setattr(project, "find_spec", lambda name: None)
    monkeypatch.setattr(project, "program", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        benchmark.main()  # type: ignore[attr-defined]
    assert [what in str(ended.value) for what in lacks] == [True, True]
    assert str(ended.value).startswith("This benchmark lacks:")


def test_nothing_is_said_when_nothing_is_missing() -> None:
    project.require("django", programs=("sh",))
