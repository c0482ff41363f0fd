"""The parts of a search: spaces, racing, the book, prices, finals, samplers, and what is said about wrong ones."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from checking import compiled
from cli_runs import tts
from hypothesis import given, settings
from hypothesis import strategies as st
from searching import SEARCH, TEXT, write
from ttscale.compiler import ast
from ttscale.compiler.evidence import evidence_of, evidence_text
from ttscale.compiler.searches import searches, study_key
from ttscale.runtime.ledger import NOTHING, Amount
from ttscale.runtime.program import load
from ttscale.runtime.search.diagnosis import Signs, diagnose
from ttscale.runtime.search.finals import Entry, cross_validated, holdout
from ttscale.runtime.search.history import Tried, front
from ttscale.runtime.search.pages import as_html, as_markdown, as_text, headline
from ttscale.runtime.search.prices import Prices, reuse
from ttscale.runtime.search.racing import Race, Rival, looks_at, p_worse
from ttscale.runtime.search.report import explained
from ttscale.runtime.search.space import SearchSpace

CONDITIONAL = """
pipeline main(question: Text) -> Number {
  param n: Int in {1, 2, 4, 8} = 4
  param more: Bool = true
  param extra: Int in {1, 2, 3} = 2
  param heat: Float in [0.2 .. 1.0] step 0.2 = 0.6
  param team: [Model] in subsets(small, big) = [small]
  require n <= 4 or not more
  drafts = generate(solve(question), from: team, n: n, temperature: heat)
  second = generate(solve(question), from: small, n: extra, series: 1) when more
  return drafts + second |> vote()
}
"""
HEAD = TEXT.partition("dataset")[0] + 'model big = openai("http://localhost:9/v1", name: "big")\n'


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace(load(HEAD + CONDITIONAL), "main")


# --- the space -----------------------------------------------------------------------------------


def test_conditions_and_rules_shape_the_space(space: SearchSpace) -> None:
    assert space.combinations == 4 * 2 * 3 * 5 * 3
    # With `more` n is at most 4 and extra counts; without it every n, and no extra.
    assert space.size() == ((3 * 3 + 4) * 5 * 3, True)
    assert space.conditional == {"n": False, "more": False, "extra": True, "heat": False, "team": False}
    assert space.order[-1] == "extra"
    off = space.canonical({**space.default, "more": False, "extra": 3})
    assert "extra" not in off and off == space.canonical({**space.default, "more": False, "extra": 1})
    assert "n <= 4 or not more" in space.why_not({**space.default, "n": 8})
    assert space.why_not({**space.default, "n": 8, "more": False}) == ""


def test_every_pipeline_is_listed_once_and_draws_are_among_them(space: SearchSpace) -> None:
    listed = [tuple(own.items()) for own in space.all()]
    assert len(listed) == len(set(listed))
    source = random.Random(1)
    assert all(tuple(space.draw(source).items()) in set(listed) for _ in range(200))


def test_a_pipeline_that_cannot_keep_to_its_own_budget_is_left_out() -> None:
    text = HEAD + CONDITIONAL.replace("require n <= 4 or not more", "budget { calls <= 6 }")
    space = SearchSpace(load(text), "main")
    assert space.why_not({**space.default, "more": False, "n": 8}).startswith("E0601")
    assert space.why_not({**space.default, "n": 4}) == ""


def test_samples_are_shared_up_to_the_most_that_were_drawn(space: SearchSpace) -> None:
    base = {**space.default, "more": False}
    prices = Prices()
    alone, new = prices.of(space.plan(base))
    assert alone == new > 0
    prices.add(space.plan({**base, "n": 4}))
    assert prices.of(space.plan({**base, "n": 2}))[1] == 0
    assert prices.of(space.plan({**base, "n": 8}))[1] == pytest.approx(prices.of(space.plan({**base, "n": 8}))[0] / 2)
    assert prices.of(space.plan({**base, "heat": 0.2}))[1] == alone
    both = {**base, "team": ("small", "big")}
    assert prices.of(space.plan(both))[1] == pytest.approx(prices.of(space.plan(both))[0] / 2)
    assert reuse([space.plan({**base, "n": n}) for n in (1, 2, 4, 8)]) == pytest.approx(15 / 8, abs=0.01)


# --- racing --------------------------------------------------------------------------------------


def test_looks_double_from_twenty_five_and_end_with_all() -> None:
    assert looks_at(200) == (25, 50, 100, 200)
    assert looks_at(230) == (25, 50, 100, 200, 230)
    assert looks_at(20) == (20,) and looks_at(200, racing=False) == (200,)


def test_nothing_is_dropped_below_twenty_five_or_where_it_is_cheaper() -> None:
    race = Race({"accuracy": True, "tokens": False}, looks_at(100))
    bad = {"accuracy": [0.0] * 100, "tokens": [5.0] * 100}
    good = Rival("good", {"accuracy": [1.0] * 100, "tokens": [5.0] * 100})
    assert race.drops(24, bad, [good]) == ""
    assert race.drops(25, bad, [good]) == "good"
    assert race.drops(25, {**bad, "tokens": [4.0] * 100}, [good]) == ""


def test_an_equal_pipeline_is_seldom_dropped_over_all_looks() -> None:
    source = random.Random(3)
    race = Race({"accuracy": True}, looks_at(200))
    dropped = 0
    for _ in range(400):
        mine = [float(source.random() < 0.5) for _ in range(200)]
        theirs = [float(source.random() < 0.5) for _ in range(200)]
        dropped += any(race.drops(n, {"accuracy": mine}, [Rival("r", {"accuracy": theirs})]) for n in (25, 50, 100))
    assert dropped / 400 <= 0.05


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=60))
@settings(max_examples=50, deadline=None)
def test_only_one_of_two_can_be_worse(pairs: list[tuple[int, int]]) -> None:
    a, b = [float(x) for x, _ in pairs], [float(y) for _, y in pairs]
    assert min(p_worse(a, b), p_worse(b, a)) <= 1.0 and max(p_worse(a, b), p_worse(b, a)) == 1.0


# --- the front, the book, the finals --------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30))
@settings(max_examples=60, deadline=None)
def test_the_front_is_what_nothing_beats(values: list[tuple[int, int]]) -> None:
    tried = [Tried(i, {"n": i}, "done", (float(a), float(b))) for i, (a, b) in enumerate(values)]
    kept = {t.number for t in front(tried, (True, False))}
    for own in tried:
        beaten = any(
            o.values[0] >= own.values[0] and o.values[1] <= own.values[1] and o.values != own.values  # type: ignore[index]
            for o in tried
        )
        same_before = any(o.values == own.values and o.number < own.number for o in tried)
        assert (own.number in kept) == (not beaten and not same_before)


def test_no_set_of_workers_passes_a_limit(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    from ttscale.runtime.search.book import Book, Limits

    url = f"sqlite:///{tmp_path / 'book.sqlite'}"
    books = [Book(url, "s", Limits(calls=100, tokens=1_000, trials=3)) for _ in range(3)]
    source = random.Random(5)
    held: list[tuple[int, Amount]] = []
    for _ in range(200):
        place = source.randrange(3)
        wanted = Amount(source.randrange(1, 12), source.randrange(1, 120))
        if books[place].take(wanted):
            held.append((place, wanted))
        if held and source.random() < 0.5:
            owner, amount = held.pop(source.randrange(len(held)))
            books[owner].settle(amount, Amount(amount.calls // 2, amount.tokens // 2))
        spent = books[0].spent()
        assert spent.calls <= 100 and spent.tokens <= 1_000
    assert [books[i % 3].take_trial() for i in range(4)] == [True, True, True, False]
    # What a worker leaves behind counts as spent, and is held no more.
    before = books[0].spent()
    for book in books:
        book.close()
    after = Book(url, "s", Limits())
    assert after.spent() == before
    after.settle(NOTHING, NOTHING)
    after.close()


def entries(best: float, seed: int = 0) -> list[Entry]:
    source = random.Random(seed)

    def values(chance: float) -> dict[str, list[float]]:
        return {"accuracy": [float(source.random() < chance) for _ in range(150)]}

    return [
        *(Entry(f"n = {i}", False, values(best if i == 3 else 0.4), {"n": i}) for i in range(1, 8)),
        Entry("single sample", True, values(0.4)),
        Entry("majority of 8", True, values(0.42)),
    ]


def test_a_finalist_wins_only_if_it_clears_the_best_baseline() -> None:
    clear = holdout([entries(0.8)[i] for i in (2, 0, 7, 8)], "accuracy", True)
    assert clear.winner == "n = 3" and not clear.is_baseline and clear.compared == 2
    close = holdout([entries(0.42)[i] for i in (2, 0, 7, 8)], "accuracy", True)
    assert close.is_baseline and close.winner in ("single sample", "majority of 8")


def test_the_choice_is_cross_validated() -> None:
    clear = cross_validated(entries(0.8), "accuracy", True)
    assert clear.winner == "n = 3" and clear.compared == 7
    # Among equals the best figure is luck, and the cross-validated one says so.
    equal = cross_validated(entries(0.4, seed=4), "accuracy", True)
    assert equal.is_baseline
    best = max(sum(e.values["accuracy"]) for e in entries(0.4, seed=4) if not e.is_baseline) / 150
    (own,) = [s for s in equal.standings if not s.is_baseline]
    assert own.mean < best


def test_importance_is_what_values_explain_beyond_chance() -> None:
    assert explained([(i % 2, float(i % 2)) for i in range(20)]) == pytest.approx(1.0, abs=0.01)
    source = random.Random(2)
    assert explained([(i % 4, source.random()) for i in range(200)]) == pytest.approx(0.0, abs=0.05)
    assert explained([(i, float(i)) for i in range(5)]) is None


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"accuracy": 0.97}, {"nothing to gain"}),
        ({"unreadable": 0.4}, {"format"}),
        ({"coverage": 0.8}, {"choice"}),
        ({"coverage": 0.45, "accuracy": 0.42}, {"knowledge"}),
        ({"sure_and_wrong": 0.4}, {"systematic"}),
        ({}, {"none"}),
    ],
)
def test_each_sign_has_its_diagnosis_with_a_command(change: dict[str, float], names: set[str]) -> None:
    signs = replace(Signs(100, 0.6, 0.65, 0.7, 0.1, 0.0, None), **change)
    found = diagnose(signs, "math.tts", "tune")
    assert {own.name for own in found} == names
    assert all(own.command.startswith("ttscale ") and "math.tts" in own.command for own in found)


# --- in the language and on the command line -------------------------------------------------------


def declared(text: str) -> ast.SearchDecl:
    linked = compiled(text).linked
    return next(d for d in linked.main.tree.declarations if isinstance(d, ast.SearchDecl))


def key(text: str) -> str:
    linked = compiled(text).linked
    return study_key(declared(text), linked)


def test_a_study_is_known_by_what_the_search_reaches() -> None:
    text = TEXT + SEARCH.format(rows=60, more="trials 6")
    same = (
        text.replace("trials 6", "trials 9 budget { tokens <= 1k }")
        + '\n# more\nprompt other(a: Text) -> Text = """{{ a }}"""\n'
    )
    assert key(text) == key(same)
    for old, new in (("{1, 2, 4, 8}", "{1, 2, 4}"), ("[0:60]", "[0:61]"), ("{{ question }}", "{{ question }}!")):
        assert key(text) != key(text.replace(old, new))


def test_clauses_reach_the_search() -> None:
    text = TEXT + SEARCH.format(
        rows=60,
        more="minimize tokens holdout sums[60:] budget { tokens <= 2M seconds <= 30min } sampler gp seed 7 fix n = 2",
    )
    (search,) = searches(compiled(text).linked)
    assert [(goal.name, goal.maximize) for goal in search.goals] == [("accuracy", True), ("tokens", False)]
    assert (search.budget.tokens, search.budget.seconds) == (2_000_000, 1_800)
    assert (search.sampler, search.seed, search.fixed, search.trials) == ("gp", 7, (("n", 2),), None)


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ("maximise f1", "E0135", ""),
        ("minimize tokns", "E0562", "`tokns` is not something to measure"),
        ("maximize tokens", "E0562", "`tokens` is a cost, which nobody wants large"),
        ("sampler bayes", "E0562", "there is no sampler `bayes`"),
        ("seeds 3", "E0562", "a `search` has no `seeds`"),
        ("trials 6 trials 7", "E0118", "a second `trials`"),
        ("budget { rounds <= 3 }", "E0562", "a search's budget cannot limit `rounds`"),
        ("fix m = 3", "E0564", "`main` has no parameter `m`"),
        ("minimize tokens on sums[60:]", "E0561", "this goal has rows of its own"),
        ("holdout sums[50:]", "W0565", "the holdout has rows that the search has seen"),
    ],
)
def test_wrong_clauses_are_told(more: str, code: str, message: str) -> None:
    found = compiled(TEXT + SEARCH.format(rows=60, more=more)).diagnostics
    assert code in {d.code for d in found}
    assert not message or message in {d.message for d in found}


def test_evidence_can_be_read_back() -> None:
    said = {"program": "sha256:ab", "accuracy": "0.5 [0.4, 0.6] on gsm[0:9]"}
    assert evidence_of(evidence_text(said) + "\ntts 1\n") == said
    assert evidence_of("tts 1\n") is None


def test_a_dry_run_shows_the_space_and_asks_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "minimize tokens budget { tokens <= 300k } trials 12", rows=40)
    shown = tts("search", str(path), "--dry-run", "--no-bank")
    assert shown.code == 0, shown.err
    assert "24 pipelines" in shown.out and "with a shared bank" in shown.out and "tokens <= 300,000" in shown.out
    data = json.loads(tts("search", str(path), "--dry-run", "--no-bank", "--json").out)
    assert data["pipelines"] == 24 and data["buys"]["shared"] > data["buys"]["alone"]
    assert not (tmp_path / "searches").exists()


def test_a_search_that_there_is_not_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    shown = tts("search", str(write(tmp_path)), "tun", "--no-bank")
    assert shown.code == 1 and "there is no search `tun`" in shown.err and "did you mean `tune`?" in shown.err


def test_reports_have_everything_in_every_form() -> None:
    trial = {
        "number": 0,
        "params": {"team": ["a", "b"], "n": 2},
        "outcome": "done",
        "values": {"accuracy": 0.5, "tokens": 9.0},
    }
    trial |= {"questions": 30, "new_tokens": 270, "why": ""}
    worse = {**trial, "number": 1, "outcome": "pruned", "questions": 25, "why": "worse than <b>"}
    standing = {"label": "n = 2", "is_baseline": False, "mean": 0.5, "interval": [0.4, 0.6], "means": {"tokens": 9.0}}
    document = {
        "search": "tune", "pipeline": "main", "study": "s", "storage": "f", "sampler": "gp", "seed": 0,
        "ended": "stopped", "held_out": 100, "held_out_asked": 30,
        "goals": {"accuracy": "maximize", "tokens": "minimize"}, "front": [0],
        "trials": [trial, {**trial, "number": 2}, worse], "skipped": [{"label": "x", "why": "y"}],
        "baselines": [{"label": "greedy", "tokens": 5.0, "means": {"accuracy": 0.4, "tokens": 5.0}}],
        "verdict": {"how": "holdout", "winner": "n = 2", "is_baseline": False, "text": "it is better",
                    "standings": [{**standing, "against": None}]},
        "ablation": [{"without": "main/vote", "mean": 0.3, "worth": 0.2, "tokens": 9.0}], "planned": ["more helps"],
        "parameters": [{"name": "n", "values": 3, "importance": 0.4, "reuse": 2.0, "conditional": False}],
        "as_if_alone": {"tokens": 900.0, "calls": 9.0}, "diagnosis": [{"text": "a & b", "command": "ttscale eval f"}],
        "spent": {"tokens": 300, "calls": 3, "seconds": 1.0, "usd": 0.0}, "limits": {"tokens": 500},
    }  # fmt: skip
    page = as_html(document)
    assert page.count("<svg") == 3 and "worse than &lt;b&gt;" in page and "a &amp; b" in page
    assert "| 0* | team = [a, b], n = 2 |" in as_markdown(document)
    told = as_text(document)
    assert "3.0 times as many" in told and "300 of 500 tokens" in told and "main/vote" in told


@pytest.mark.parametrize(
    ("ended", "on"),
    [("the budget is spent", "give it more"), ("the time is spent", "give it more"), ("stopped", "run it")],
)
def test_what_to_do_where_nothing_was_chosen(ended: str, on: str) -> None:
    (line,) = headline({"verdict": None, "ended": ended})
    assert ended in line and on in line
