"""Whether prompts fit the models that read them: errors, warnings with their values, and the bounds behind them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import bound, checked, graph_of
from programs_at_random import programs
from ttscale.compiler.assignments import check_assignments
from ttscale.compiler.capabilities import Abilities
from ttscale.compiler.context_fit import tight_fits
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.library.standard import stage_prompts

HEAD = """tts 1
model small = gguf("small.gguf"{ctx})
prompt solve(question: Text) -> Number = "{{{{ question }}}} Think, then answer."
"""


def program(lines: str, ctx: int | None = 4096) -> str:
    head = HEAD.format(ctx="" if ctx is None else f", ctx: {ctx}")
    return f"{head}\npipeline main(question: Text) -> Number {{\n{lines}\n}}\n"


def told(lines: str, ctx: int = 4096) -> list[Diagnostic]:
    """What checking says of all assignments."""
    return check_assignments(checked(program(lines, ctx)).linked, std=stage_prompts())


FUSED = "param n: Int in {{4, 8, 16}} = {}\nparam long: Int in {{200, 1000}} = {}\n"
FUSED += "drafts = generate(solve(question), n: n, max_tokens: long)\nreturn drafts |> fuse() |> vote()"


def test_a_fusion_that_may_not_fit_names_the_values_that_break_it() -> None:
    (found,) = told(FUSED.format(4, 200), ctx=8192)
    assert (found.code, found.severity) == ("W0602", "warning")
    assert found.message == "`fuse` may need 17,653 tokens with n = 16 and long = 1000, and `small` holds 8,192"
    assert found.label == "shows 16 answers of up to 1,000 tokens and writes up to 512"
    assert found.labels[0].text == "`small` holds 8,192 tokens"
    assert found.hint == (
        "add `require long <= 200`, show at most 6 with `|> filter(top: 6, by: likelihood)`, lower `max_tokens:`, or "
        "write `ctx: 18432` for `small`; it happens with n = 8, long = 1000; n = 16, long = 1000"
    )


def test_the_hints_of_the_message_end_it() -> None:
    lines = FUSED.format(4, 200)
    with_rule = lines.replace("drafts =", "require long <= 200\ndrafts =")
    assert told(with_rule, ctx=8192) == []
    assert told(lines, ctx=18432) == []
    assert told(lines, ctx=17408) != []
    assert told(lines.replace("drafts |> fuse", "drafts |> filter(top: 4, by: likelihood) |> fuse"), ctx=8192) == []


def test_a_limit_on_the_number_of_answers_is_suggested_where_that_alone_decides() -> None:
    (found,) = told(FUSED.format(4, 200).replace("{200, 1000}", "{190, 200}"), ctx=4096)
    assert found.hint.startswith("add `require n <= 8`, show at most ")
    assert "it happens with" not in found.hint
    assert "with n = 16, and" in found.message


def test_a_warning_holds_for_all_values_or_at_the_defaults_too() -> None:
    (found,) = told(FUSED.format(16, 1000), ctx=8192)
    assert found.code == "W0602" and "require" not in found.hint
    for found in told(FUSED.format(4, 200), ctx=600):
        assert found.code == "W0602" and "with n" not in found.message and "it happens" not in found.hint


def test_what_cannot_fit_even_with_answers_of_a_word_is_an_error() -> None:
    many = "drafts = generate(solve(question), n: {}, max_tokens: 8)\nreturn drafts |> {}() |> vote()"
    for stage in ("fuse", "rank"):
        (found,) = told(many.format(1000, stage), ctx=2048)
        assert (found.code, found.severity) == ("E0602", "error")
        assert found.message.startswith(f"`{stage}` needs at least ")
        graph, said = bound(program(many.format(1000, stage), ctx=2048))
        assert graph is None and [d.code for d in said] == ["E0602"]
    assert told(many.format(4, "fuse"), ctx=2048) == []


def test_a_critique_is_shown_and_counted_with_its_answer() -> None:
    lines = "drafts = generate(solve(question), n: 8, max_tokens: 200)\nreturn drafts |> {}fuse() |> vote()"
    plain, noted = (tight_fits(graph_of(program(lines.format(part), 512))) for part in ("", "critique() |> "))
    before, after = plain[-1], noted[-1]
    assert (before.op, after.op) == ("fuse", "fuse")
    assert after.each - before.each == 256
    assert after.full - before.full >= 8 * 256


def test_no_context_is_known_unless_somebody_says_it() -> None:
    graph = graph_of(program(FUSED.format(16, 1000), None))
    assert tight_fits(graph) == []
    (found,) = tight_fits(graph, {"small": Abilities(context=8192)})
    assert (found.op, found.holds) == ("fuse", 8192)


def test_parts_of_a_list_may_be_fewer_than_all() -> None:
    words = "candidate " * 20
    prompt = 'prompt few(question: Text, answers: Answers[Text]) -> Number = """{% for a in answers[:2] %}'
    prompt += words + '{{ a.text }} {% endfor %}"""\n'
    lines = "drafts = generate(solve(question), n: 60, max_tokens: 8)\nreturn drafts |> fuse(using: few) |> vote()"
    text = program(lines, 700).replace("\npipeline", f"{prompt}\npipeline")
    assert [fit.never for fit in tight_fits(graph_of(text))] == [False]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs(), st.integers(64, 4000))
def test_amounts_are_in_order_and_a_larger_context_is_never_worse(text: str, ctx: int) -> None:
    graph = graph_of(text)
    known = {name: Abilities(context=ctx) for name in graph.models}
    fits = tight_fits(graph, known)
    assert all(0 <= fit.least <= fit.full and fit.full > ctx for fit in fits)
    wider = tight_fits(graph, {name: replace(one, context=ctx * 2) for name, one in known.items()})
    places = {(fit.span, fit.model.name) for fit in fits}
    assert {(fit.span, fit.model.name) for fit in wider} <= places
    assert {(f.span, f.model.name) for f in wider if f.never} <= {(f.span, f.model.name) for f in fits if f.never}
