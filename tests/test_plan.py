"""Plans: bounds on calls and tokens, prices, prefixes, and that no run costs more than its plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from programs import graph_of, main
from programs_at_random import programs
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.emit import emit
from ttscale.compiler.models import model_from_locator
from ttscale.compiler.plan import Plan, peak_context, peaks, plan_to_json, plan_to_text, prefixes
from ttscale.compiler.prompt_tokens import Amount, opening, text_of
from ttscale.runtime.program import load

GOLDEN = Path(__file__).parent / "golden" / "plan"
PROGRAMS = sorted(path.stem for path in GOLDEN.glob("*.tts"))


def plan_of(text: str, params: dict[str, object] | None = None, **tokens: int) -> Plan:
    return make_plan(graph_of(text, params), input_tokens=tokens)


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden_plan(name: str, golden: Callable[[str | Path, str], None]) -> None:
    plan = plan_of((GOLDEN / f"{name}.tts").read_text(encoding="utf-8"))
    golden(f"plan/{name}.plan", emit("plan", plan))
    assert json.loads(emit("plan", plan, as_json=True)) == json.loads(json.dumps(plan_to_json(plan)))


def test_no_golden_plan_is_left_over(no_leftovers: Callable[[str, str, str], None]) -> None:
    no_leftovers("plan", ".tts", ".plan")


# --- the tokens of a template --------------------------------------------------------------------


def tokens(template: str, **values: Amount) -> tuple[int, int]:
    amount = text_of(template, values)
    return amount.low, amount.high


def test_fixed_text_counts_words_at_least_and_bytes_at_most() -> None:
    assert tokens("Think twice.") == (2, 12)
    assert tokens("é 1") == (1, 4)
    assert tokens("{% if not closed %") == (3, 18)


def test_arguments_loops_and_branches() -> None:
    name = Amount(1, 10, 5)
    assert tokens("Hi {{ name }} {{ name }}", name=name) == (3, 24)
    part = Amount(0, 20, 10)
    several = Amount(0, 100, 50, 4, {"text": part, "index": Amount(0, 3, 1)})
    assert tokens("{% for a in answers %}{{ a.text }}{{ a.index }};{% endfor %}", answers=several) == (0, 4 * 24)
    assert tokens("{% for a in answers %}{{ a }}{% endfor %}", answers=several)[1] == 100
    assert tokens("{% if x %}abcd{% else %}ab{% endif %}", x=name) == (1, 4)
    assert tokens("{{ answers | join(', ') }}", answers=several) == (0, 108)
    assert tokens("{{ answers | length }}", answers=several)[1] < 100
    assert tokens("{% set y = name %}{{ y }}", name=name) == (1, 10)
    assert tokens("{{ name if flag else 'abc' }}", name=name, flag=name)[1] == 10
    assert tokens("{% for a in answers %}{% for b in answers %}x{% endfor %}{% endfor %}", answers=several)[1] == 16


def test_how_a_template_begins() -> None:
    assert opening("A {{ question }} B") == (("text", "A "), ("name", "question"), ("text", " B"))
    assert opening("A {% if x %}b{% endif %}") == (("text", "A "), ("end", ""))
    assert opening("{{ a.b }}") == (("end", ""),)


# --- bounds --------------------------------------------------------------------------------------


def test_calls_of_every_stage() -> None:
    plan = plan_of(
        main(
            "drafts = generate(solve(question), from: [small, large], n: 3, hedge: true)\n"
            "some = generate(solve(question), from: small, n: up to 16, start: 4, until: agreement > 0.9)\n"
            "kept = drafts |> critique(from: large) |> rank(from: large, keep: 4)\n"
            "new = kept |> fuse(from: large, n: 2) |> score(by: yes_no, from: small)\n"
            "pairs = new |> rank(from: large, method: pairwise)\n"
            "return pairs + some |> verify(from: large, retry: 1) |> vote()"
        )
    )
    calls = {path: (stage.minimum.calls, stage.maximum.calls) for path, stage in plan.stages.items()}
    assert calls == {
        "main/drafts": (7, 7),
        "main/some": (4, 16),
        "main/kept/critique": (7, 7),
        "main/kept": (1, 1),
        "main/new/fuse": (2, 2),
        "main/new": (4, 4),
        "main/pairs": (1, 2),
        "main/concat": (0, 0),
        "main/verify": (6, 72),
        "main/vote": (0, 0),
    }
    assert plan.maximum.calls == sum(most for _, most in calls.values())


def test_only_one_arm_counts() -> None:
    kind = 'prompt kind(question: Text) -> Choice(a, b) = "{{ question }}"'
    lines = "which = classify(kind(question), from: small)\nreturn match which {{ {} }} |> vote()"
    cheap, dear = (
        "a => generate(solve(question), from: small, n: 2)",
        "b => generate(solve(question), from: small, n: 9)",
    )
    both = plan_of(main(lines.format(f"{cheap} {dear}"), before=kind))
    alone = plan_of(main(lines.format(f"{dear} a => {dear[5:]}"), before=kind))
    assert both.maximum == alone.maximum
    assert both.maximum.calls == 2 + 9
    assert both.minimum.calls == 2


def test_what_may_not_run_counts_as_nothing_in_the_minimum() -> None:
    text = main(
        "a = generate(solve(question), from: small, n: 2)\n"
        "b = generate(solve(question), from: large, n: 2) when agreement(a) < 1\nreturn a + b |> vote()"
    )
    plan = plan_of(text)
    assert (plan.minimum.calls, plan.maximum.calls) == (2, 4)
    assert plan.minimum.usd == 0 < plan.maximum.usd


def test_money_follows_the_price() -> None:
    plan = plan_of(main("return generate(solve(question), from: large, max_tokens: 100)"), question=50)
    most = plan.maximum
    assert most.usd == pytest.approx(most.prompt_tokens * 0.5e-6 + 100 * 2e-6)
    assert plan_of(main("return generate(solve(question), from: small)")).maximum.usd == 0


def test_inputs_count_as_known_declared_or_assumed() -> None:
    text = main("return generate(solve(question), from: small)")
    assumed = plan_of(text)
    known = plan_of(text, question=100)
    declared = plan_of(text.replace("main(question: Text)", "main(question: Text(max: 2k))"))
    assert known.maximum.tokens < assumed.maximum.tokens < declared.maximum.tokens
    assert declared.maximum.tokens - assumed.maximum.tokens == 2000 - 512
    assert any("512 tokens" in sentence for sentence in assumed.assumptions)
    assert not any("512 tokens" in sentence for sentence in known.assumptions)
    assert "`question` has at most 2000 tokens, as its type says" in declared.assumptions


def test_the_longest_chain() -> None:
    plan = plan_of(
        main(
            "a = generate(solve(question), from: small, n: 8, max_tokens: 100)\n"
            "b = generate(solve(question), from: large, max_tokens: 300)\n"
            "c = a |> fuse(from: large, max_tokens: 50)\n"
            "d = generate(solve(question), from: small, n: up to 16, start: 4, until: agreement > 1, max_tokens: 10)\n"
            "return b + c + d |> vote()"
        )
    )
    assert plan.maximum.sequential_tokens == 300
    assert plan.stages["main/d"].maximum.sequential_tokens == 30


def test_shared_prompts() -> None:
    plan = plan_of(
        main(
            "a = generate(solve(question), from: small, n: 8)\n"
            "b = generate(solve(question), from: small, n: 2, series: 1)\n"
            "c = generate(solve(question), from: large, n: 2)\n"
            "return a + b + c |> vote()"
        )
    )
    shared = {path: (stage.prefix, stage.shared) for path, stage in plan.stages.items() if stage.models}
    assert shared == {"main/a": ("main/a", 8), "main/b": ("main/a", 2), "main/c": ("", 2)}


def test_the_largest_call_to_each_model_beside_what_it_holds() -> None:
    text = main(
        "a = generate(solve(question), from: small, n: 2, max_tokens: 100)\n"
        "b = generate(solve(question), from: large, n: 9, max_tokens: 20)\n"
        "return a + b |> fuse(from: large, max_tokens: 50) |> vote()",
    ).replace('"small.gguf"', '"small.gguf", ctx: 2048')
    plan = plan_of(text, question=40)
    small, large = peaks(plan)["small"], peaks(plan)["large"]
    assert (small.holds, large.holds) == (2048, None)
    assert peaks(plan, {"small": 1, "large": 900})["large"].holds == 900
    assert peaks(plan, {"small": 1})["small"].holds == 2048
    assert large.maximum > large.full > large.expected > large.minimum > 0
    assert peak_context(plan) == {"small": small.maximum, "large": large.maximum}
    assert "peak context   small " in plan_to_text(plan) and " of 2,048, likely " in plan_to_text(plan)
    assert json.loads(json.dumps(plan_to_json(plan)))["context"]["large"]["full"] == large.full


def test_stages_that_share_a_beginning_are_listed_together() -> None:
    text = main(
        "a = generate(solve(question), from: small, n: 8)\n"
        "b = generate(solve(question), from: small, n: 2, series: 1)\n"
        "return a + b |> vote()"
    )
    assert prefixes(plan_of(text)) == {"main/a": ["main/a", "main/b"]}
    assert plan_to_json(plan_of(text))["prefixes"] == {"main/a": ["main/a", "main/b"]}


def test_the_table_names_limits_that_may_be_reached() -> None:
    text = plan_to_text(
        plan_of(main("budget { tokens <= 1k }\nreturn generate(solve(question), from: small, n: 4) |> vote()"))
    )
    assert "limit 1,000 (may be reached" in text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_bounds_are_in_order(text: str) -> None:
    plan = plan_of(text)
    for figures in [plan, *plan.stages.values()]:
        least, likely, most = figures.minimum, figures.expected, figures.maximum
        for low, middle, high in (
            (least.calls, likely.calls, most.calls),
            (least.prompt_tokens, likely.prompt_tokens, most.prompt_tokens),
            (least.new_tokens, likely.new_tokens, most.new_tokens),
            (least.sequential_tokens, likely.sequential_tokens, most.sequential_tokens),
            (least.usd, likely.usd, most.usd),
        ):
            assert 0 <= low <= high
            assert 0 <= middle <= high
    assert "main" in plan_to_text(plan)
    assert all(stage.size_low <= stage.size_high for stage in plan.stages.values())


SCRIPT = 'script("Answer: 7", "I think 8. Answer: 8", "yes", "2, 1, 3", "Answer: 9 or so, with more words")'


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs())
def test_no_run_costs_more_than_its_plan(text: str) -> None:
    models = {name: model_from_locator(name, SCRIPT) for name in ("small", "large")}
    program = load(text, models=models)
    question = "How many legs have two spiders?"
    plan = make_plan(program.graph(), input_tokens={"question": len(question)})
    trace = program.run(question).trace
    least = make_plan(program.graph()).minimum  # a question may be empty
    assert least.calls <= trace.calls <= plan.maximum.calls
    assert least.tokens <= trace.tokens <= plan.maximum.tokens
    largest = {name: 0 for name in plan.graph.models}
    for event in trace.of("call_finished"):
        assert event.cost.tokens <= plan.stages[event.path].call_tokens
        for name in plan.stages[event.path].models:
            largest[name] = max(largest[name], event.cost.tokens)
    for name, peak in peaks(plan).items():
        assert peak.minimum <= peak.expected <= peak.maximum and peak.full <= peak.maximum
        assert largest[name] <= peak.maximum


def test_answers_that_cannot_be_read_teach_nothing() -> None:
    text = main(
        'first = generate(solve(question), from: small, n: 3)\ntaught = first |> remember(memory: "x", from: small)\n'
        "return taught |> vote()"
    )
    plan = make_plan(graph_of(text))
    assert (plan.minimum.calls, plan.maximum.calls) == (3, 6)
