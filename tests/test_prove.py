"""Formulas as models write them, what follows from them, and the stage in pipelines."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from checking import HEAD, body, compiled
from hypothesis import given
from hypothesis import strategies as st
from running import answer, pipeline
from ttscale.runtime.logic import FormulaError, formulas_in, parse, reformat, to_ascii
from ttscale.runtime.proving import proof, prove

VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors" / "linc.json"
FOLIO = Path(__file__).resolve().parents[2] / "shared" / "data" / "folio" / "folio-validation.jsonl"


@pytest.mark.skipif(not VECTORS.is_file(), reason="the reference vectors are not beside the project")
def test_formulas_are_tidied_as_linc_does() -> None:
    for case in json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]:
        if "fol_unicode" in case["input"]:
            assert to_ascii(case["input"]["fol_unicode"]) == case["expected"]
        elif "fol" in case["input"]:
            assert reformat(case["input"]["fol"]) == case["expected_reformat"]


def test_signs_bind_as_logicians_expect() -> None:
    assert parse("A & B | C -> D <-> E") == parse("(((A ∧ B) ∨ C) → D) ↔ E")
    assert parse("A -> B -> C") == parse("A → (B → C)")
    assert parse("-A & B") == parse("(¬A) ∧ B")
    assert parse("all x. (P(x) -> Q(x))") == parse("∀x (P(x) → Q(x))") == parse("forall x. P(x) -> Q(x)")
    assert parse("all x. (P(x)) -> Q(x)") == parse("all x. (P(x) -> Q(x))")  # the variable occurs behind the brackets
    assert parse("∀x (P(x)) → Q(a)") == parse("(all x. P(x)) -> Q(a)")
    assert parse("∀x ∀y (R(x, y) ⊕ x ≠ y)") == parse("all x. all y. (R(x,y) ^ -(x = y))")
    assert parse("all x y. R(x, y)") == parse("∀x ∀y R(x, y)") == parse("all x. all y. R(x, y)")
    for wrong in (
        "P(x",
        "ForAll(x, P(x))",
        "And(P(a), Q(a))",
        "all . P",
        "P(x))",
        "",
        "∀x",
        "P(x) & ",
        "P(x) Q(x)",
        "§",
        "(" * 300 + "A",
    ):
        with pytest.raises(FormulaError):
            parse(wrong)


def test_what_models_write_for_signs_is_read() -> None:
    wanted = parse("∀x (P(x) ∧ ¬Q(x) → R(x) ∨ S(x))")
    for text in (
        r"$\forall x (P(x) \land \neg Q(x) \rightarrow R(x) \lor S(x))$",
        "Forall x (P(x) AND NOT Q(x) IMPLIES R(x) OR S(x)).",
        "∀x (P(x) && ∼Q(x) ⟹ R(x) || S(x));",
    ):
        assert parse(text) == wanted
    assert parse("Not(P(a))") == parse("-P(a)"), "no predicate of this name"
    assert parse("P(a) ⊻ Q(a)") == parse("P(a) ^ Q(a)") and parse("P ⟺ Q") == parse("P <-> Q")


@given(st.text(alphabet="PQx∀∃∧∨→¬().,=- &|<>'", max_size=40))
def test_any_text_is_a_formula_or_none(text: str) -> None:
    try:
        parse(text)
    except FormulaError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("premises", "conclusion", "outcome"),
    [
        (["all x. (Dog(x) -> Animal(x))", "Dog(rex)"], "Animal(rex)", "True"),
        (["all x. (Dog(x) -> Animal(x))", "-Animal(rex)"], "Dog(rex)", "False"),
        (["all x. (Dog(x) -> Animal(x))"], "Dog(rex)", "Uncertain"),
        (["P & -P"], "Q", "True"),
        (["a = b", "P(a)"], "P(b)", "True"),
        (["exists x. (P(x) & Q(x))"], "exists x. P(x)", "True"),
        (["∀x (Likes(mother(x), x))"], "Likes(mother(bob), bob)", "True"),
        ([], "P | -P", "True"),
        ([" & ".join(["P"] * 999)], "P", "True"),
        ([" <-> ".join(["P"] * 601)], "P", "True"),
    ],
)
def test_what_follows(premises: list[str], conclusion: str, outcome: str) -> None:
    pytest.importorskip("z3")
    assert prove([parse(one) for one in premises], parse(conclusion), 5.0) == outcome


@pytest.mark.skipif(not FOLIO.is_file(), reason="the data is not beside the project")
def test_the_annotations_of_folio_have_their_labels() -> None:
    pytest.importorskip("z3")
    found: Counter[str] = Counter()
    for line in FOLIO.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        try:
            premises = [parse(text) for text in row["premises-FOL"]]
            outcome = prove(premises, parse(row["conclusion-FOL"]), 2.0)
        except FormulaError:
            found["unreadable"] += 1
        else:
            found["same" if outcome == row["label"] else "other"] += 1
    # The annotations that cannot be read have brackets too many; those that differ are known mistakes of the data.
    assert found["unreadable"] <= 8 and found["same"] >= 0.95 * (found["same"] + found["other"])


def test_formulas_are_found_in_replies() -> None:
    assert formulas_in("TEXT: dogs\nFOL: P(a)\n- FOL: Q(a) \nSo it is.") == ["P(a)", "Q(a)"]
    assert formulas_in("```\nP(a)\nall x. Q(x)\n```\nwords only") == ["P(a)", "all x. Q(x)"]
    assert formulas_in("1. FOL: P(a)\n2) **FOL:** `-Q(a)`\n(3) FOL: ¬(R(a))") == ["P(a)", "-Q(a)", "¬(R(a))"]
    assert formulas_in("nothing") == []
    assert formulas_in("Premise 1 FOL: P(a)\nConclusion FOL: Q(a)  # as asked") == ["P(a)", "Q(a)"]
    assert formulas_in("1. P(a)\n- Q(a) ::: a is q\nConclusion: R(a)") == ["P(a)", "Q(a)", "R(a)"]


GOOD = r"FOL: Dog(rex)\nFOL: all x. (Dog(x) -> Loud(x))\nFOL: Loud(rex)"


async def test_readable_translations_vote() -> None:
    pytest.importorskip("z3")
    text = pipeline(
        "return generate(say(question), from: m, n: 4) |> prove() |> vote()",
        f'model m = script("FOL: Loud(", "{GOOD}", "{GOOD}", "FOL: Dog(rex)\\nFOL: Loud(rex)")',
        'Choice("True", "False", "Uncertain")',
    )
    result = await answer(text)
    assert result.answer == "True"
    assert any("could not read the formulas of 1 of 4" in note for note in result.notes)
    proved = result.stages["main/prove"]
    assert [c.answer for c in proved] == [None, "True", "True", "Uncertain"]  # type: ignore[attr-defined]
    assert [c.verified for c in proved] == [None, True, True, False]  # type: ignore[attr-defined]
    none = await answer(text.replace(GOOD, "x").replace("FOL: Dog(rex)", "").replace("FOL: Loud(rex)", "y"))
    assert none.answer is None


async def test_what_the_prover_cannot_settle_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    z3 = pytest.importorskip("z3")
    asked: list[object] = []
    monkeypatch.setattr(z3.Solver, "check", lambda self, *_: asked.append(self) or z3.unknown)
    text = pipeline(
        "return generate(say(question), from: m, n: 3) |> prove(timeout: 2s) |> vote()",
        f'model m = script("{GOOD}", "{GOOD}", "FOL: Loud(rex)")',
        'Choice("True", "False", "Uncertain")',
    )
    result = await answer(text)
    assert result.answer == "Uncertain" and len(asked) == 4, "equal translations are proved once"
    assert any("no end within 2 s for 3 of 3" in note for note in result.notes)
    assert not proof([parse("P")], parse("Q"), 1.0).is_settled


def test_a_proof_is_a_choice() -> None:
    assert body("return generate(p.reply(question), from: small, n: 3) |> prove() |> vote()", "Number") == ["E0238"]


def test_a_wrong_result_after_a_proof_is_not_blamed_on_the_prompt() -> None:
    drafts = "  drafts = generate(p.reply(question), from: small, n: 3) |> prove()\n"
    found = compiled(f"{HEAD}\npipeline main(question: Text) -> Number {{\n{drafts}  return drafts |> vote()\n}}\n")
    (hint,) = [one.hint for one in found.diagnostics if one.code == "E0238"]
    assert "declare the prompt" not in hint
    assert hint.endswith("declare the pipeline `-> Choice(True, False, Uncertain)`")
    result = "Choice(True, False, Uncertain)"
    fixed = compiled(f"{HEAD}\npipeline main(question: Text) -> {result} {{\n{drafts}  return drafts |> vote()\n}}\n")
    assert not fixed.diagnostics
