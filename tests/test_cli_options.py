"""Reading options, install lines, figures: the parts of the command line without a program."""

from __future__ import annotations

import platform
import shutil

import pytest
from ttscale.cli import install
from ttscale.cli.console import duration, plural, table
from ttscale.cli.faults import Failure
from ttscale.cli.options import assignments, parameters, replacements
from ttscale.cli.score import Marks, Tally


def test_parameters_are_named_and_given_once() -> None:
    assert parameters(["n=8", "finish=best", "note=a=b"]) == {"n": "8", "finish": "best", "note": "a=b"}
    for wrong in (["8"], ["=8"], ["n=1", "n=2"], ["n m=1"]):
        with pytest.raises(Failure) as caught:
            parameters(wrong)
        assert caught.value.code == 2


def test_a_model_may_come_without_a_name() -> None:
    assert replacements(["x.gguf"]) == {"": "x.gguf"}
    assert replacements(["http://h/v1?a=b#m"]) == {"": "http://h/v1?a=b#m"}
    assert replacements(["a=x.gguf", "b=pypi:p"]) == {"a": "x.gguf", "b": "pypi:p"}


@pytest.mark.parametrize("wrong", [["a=x.gguf", "a=y.gguf"], ["x.gguf", "y.gguf"], ["a="], [""]])
def test_a_model_is_replaced_once_by_something(wrong: list[str]) -> None:
    with pytest.raises(Failure) as caught:
        replacements(wrong)
    assert caught.value.code == 2


def test_an_option_text_may_not_be_empty_of_a_name() -> None:
    with pytest.raises(Failure):
        assignments(["  =x"], "--set")


def test_a_tally_tells_single_samples_from_the_pipeline() -> None:
    tally = Tally()
    tally.add(Marks(True, 3, 4))
    tally.add(Marks(False, 1, 4))
    tally.add_row({"correct": "false", "sampled": "0/4"})
    tally.add_row({"correct": None})
    found = tally.to_json()
    assert found["questions"] == 3 and found["right"] == 1
    assert found["single_sample"] == pytest.approx(1 / 3)
    assert found["any_right"] == pytest.approx(2 / 3)
    assert "accuracy 33.3% (1 of 3" in tally.sentence()


@pytest.mark.parametrize(
    ("system", "tools", "says"),
    [
        ("Linux", {"g++"}, ["ttscale[local]"]),
        ("Linux", {"apt-get"}, ["apt-get install -y g++", "ttscale[local]"]),
        ("Linux", {"dnf"}, ["dnf install -y gcc-c++", "ttscale[local]"]),
        ("Darwin", set(), ["xcode-select --install", "ttscale[local]"]),
        ("Windows", set(), ["--extra-index-url"]),
    ],
)
def test_the_install_lines_fit_the_system(monkeypatch, system: str, tools: set[str], says: list[str]) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in tools else None)
    lines = install.install_lines()
    assert len(lines) == len(says)
    assert all(part in line for part, line in zip(says, lines, strict=True))
    assert '"ttscale[local]"' in lines[-1] if system == "Windows" else "'ttscale[local]'" in lines[-1]


def test_figures_for_people() -> None:
    assert [plural(1, "error"), plural(2, "error"), plural(1200, "row")] == ["1 error", "2 errors", "1,200 rows"]
    assert [duration(0.84), duration(125), duration(3780)] == ["0.8 s", "2 min 5 s", "1 h 3 min"]
    assert table([("stage", "calls"), ("main", "8")], frozenset({1})) == ["stage  calls", "main       8"]
