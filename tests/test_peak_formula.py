"""Formulas of a plan's amounts in the parameters of a pipeline."""

from __future__ import annotations

from pathlib import Path

from cli_runs import tts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ttscale.compiler.peak_formula import formula

AT = {"n": 4, "long": 100, "k": 2}
OTHERS = {"n": (8, 16), "long": (200, 300), "k": (3, 5)}


def test_a_sum_of_products_is_found() -> None:
    assert formula(lambda a: a["n"] * a["long"] + 26 * a["n"] + 1041, AT, OTHERS) == "n x long + 26 n + 1,041"
    assert formula(lambda a: 3 * a["k"], AT, OTHERS) == "3 k"
    assert formula(lambda a: 500 - 2 * a["n"], AT, OTHERS) == "-2 n + 500"
    assert formula(lambda a: 12, AT, OTHERS) == ""


def test_there_is_none_where_another_call_becomes_the_largest() -> None:
    assert formula(lambda a: max(500, 100 * a["n"]), AT, OTHERS) == ""
    assert formula(lambda a: a["n"] ** 2, AT, OTHERS) == ""


def test_values_that_are_not_allowed_are_left_out() -> None:
    assert formula(lambda a: None if a["n"] > 8 else 5 * a["n"], AT, OTHERS) == "5 n"
    assert formula(lambda a: None if a["n"] > 4 else 5 * a["n"], AT, OTHERS) == ""
    assert formula(lambda a: None, AT, OTHERS) == ""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 40), min_size=4, max_size=4), st.integers(1, 30), st.integers(1, 30))
def test_a_formula_is_exact_where_it_was_made(factors: list[int], n: int, m: int) -> None:
    one, two, both, rest = factors

    def amount(a: dict[str, int]) -> int:
        return one * a["n"] + two * a["m"] + both * a["n"] * a["m"] + rest

    text = formula(amount, {"n": n, "m": m}, {"n": (n + 1, n + 3), "m": (m + 2, m + 5)})  # type: ignore[arg-type]
    if text:
        value = 0
        for part in text.split(" + "):
            number, _, names = part.partition(" ") if part[0].isdigit() else ("1", "", part)
            product = int(number.replace(",", ""))
            for name in names.split(" x ") if names else ():
                product *= {"n": n, "m": m}[name]
            value += product
        assert value == amount({"n": n, "m": m})
    else:
        assert one + two + both == 0


PROGRAM = """tts 1
model small = script("Answer: 4", ctx: 8Ki)
prompt solve(question: Text) -> Number = "{{ question }} Answer:"
pipeline main(question: Text) -> Number {
  param n: Int in {2, 4, 16} = 4
  param long: Int in {100, 500, 1000} = 100
  require n * long <= 9000
  return generate(solve(question), n: n, max_tokens: long) |> fuse() |> vote()
}
"""


def test_plan_says_how_the_largest_prompt_grows(tmp_path: Path) -> None:
    path = tmp_path / "main.tts"
    path.write_text(PROGRAM, encoding="utf-8")
    said = tts("plan", path, "--json").json["context"]["small"]
    left, _, rest = said["formula"].partition(" + ")
    assert left == "n x long"
    growth, _, fixed = rest.partition(" n + ")
    assert 4 * 100 + int(growth) * 4 + int(fixed.replace(",", "")) == said["full"]
    shown = tts("plan", path).out
    assert f"with the longest answers (n x long + {growth} n + {fixed})" in shown
