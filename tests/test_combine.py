"""`combine:`: several models of one vocabulary as the one that a stage asks, from the text to the tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from checking import compiled
from running import answer, pipeline, plan_of
from tiny_models import plain_model, sliding_window_model, three_models
from ttscale.compiler.assignments import check_assignments
from ttscale.compiler.combination_signatures import COMBINATION_ALIASES, COMBINATIONS
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.ir import Graph, Model
from ttscale.compiler.models import prices
from ttscale.runtime.bank.asking import label_of
from ttscale.runtime.engines.base import EngineError, Message, Request, Sampling
from ttscale.runtime.engines.llama.combining import Combination
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.model_files import answers_digest, files_of
from ttscale.runtime.models import EngineHouse, combination_of, open_engine

THREE = "".join(f'model {name} = gguf("{name}.gguf", ctx: 256, threads: 1)\n' for name in ("large", "small", "tuned"))


def graph_of(combine: str, source: str = "large", models: str = THREE, **params: object) -> Graph:
    body = f"return generate(ask(question), from: {source}, n: 2, max_tokens: 8, combine: {combine}) |> vote()"
    return plan_of(pipeline(body, models), **params).graph


def the_model(graph: Graph) -> Model:
    (model,) = graph.models.values()
    return model


@pytest.mark.parametrize(
    ("written", "name", "wanted"),
    [
        ("contrastive(small)", "contrastive(large, small)", Combination("contrast", weight=0.5, floor=0.1)),
        (
            "contrastive(amateur: small, alpha: 0.2, beta: 1)",
            "contrastive(large, small, alpha: 0.2, beta: 1.0)",
            Combination("contrast", weight=1.0, floor=0.2),
        ),
        (
            "proxy_tuning(tuned: tuned, base: small)",
            "emulated_tuning(large, tuned, small)",
            Combination("tuning", weight=1.0),
        ),
        ("routing(tuned, below: 0.7)", "routing(large, tuned, below: 0.7)", Combination("route", floor=0.7)),
        (
            "token_routing(tuned, by: margin)",
            "routing(large, tuned, by: margin)",
            Combination("route", floor=0.5, doubt="margin"),
        ),
        (
            "mixture(small, share: 0.25)",
            "mixture(large, small, share: 0.25)",
            Combination("mixture", shares=(0.75, 0.25)),
        ),
        ("product(small)", "product(large, small)", Combination("product", shares=(0.5, 0.5))),
    ],
)
def test_the_words_are_what_the_engine_is_told(written: str, name: str, wanted: Combination) -> None:
    graph = graph_of(written)
    model = the_model(graph)
    assert model.name == name and combination_of(model) == wanted
    assert (model.kind, model.locator) == ("gguf", "large.gguf")
    assert combination_of(replace(model, combine=None)) is None


def test_every_combination_and_every_other_name_of_it_is_known() -> None:
    for name in (*COMBINATIONS, *COMBINATION_ALIASES):
        signature = COMBINATIONS[COMBINATION_ALIASES.get(name, name)]
        needed = [one.name for one in signature.parameters if one.required]
        given = ", ".join(f"{arg}: {model}" for arg, model in zip(needed, ("tuned", "small"), strict=False))
        model = the_model(graph_of(f"{name}({given})"))
        assert combination_of(model) is not None and len(model.beside) == len(needed)


def test_parameters_set_models_and_numbers() -> None:
    body = "return generate(ask(question), from: large, combine: contrastive(amateur: weak, alpha: a)) |> vote()"
    head = "param weak: Model in {small, tuned} = small\nparam a: Float in {0.1, 0.3} = 0.1"
    text = pipeline(body, THREE, head=head)
    assert the_model(plan_of(text).graph).name == "contrastive(large, small)"
    assert the_model(plan_of(text, weak="tuned", a=0.3).graph).name == "contrastive(large, tuned, alpha: 0.3)"
    whole = compiled('tts 1\nprompt ask(question: Text) -> Number = """{{ question }}"""\n' + text)
    assert [d.code for d in check_assignments(whole.linked) if d.severity == "error"] == []


@pytest.mark.parametrize(
    ("combine", "source", "code", "words"),
    [
        ("contrastiv(amateur: small)", "large", "E0278", "contrastive"),
        ('"contrastive"', "large", "E0278", "takes a combination"),
        ("contrastive", "large", "E0212", "amateur"),
        ("contrastive(alpha: 0.1)", "large", "E0212", "amateur"),
        ("contrastive(amateur: small, alfa: 0.1)", "large", "E0211", "alpha"),
        ("contrastive(amateur: small, alpha: 2)", "large", "E0216", "alpha"),
        ("contrastive(amateur: 3)", "large", "E0215", "amateur"),
        ("routing(tuned, by: doubt)", "small", "E0217", "margin"),
    ],
)
def test_a_mistake_is_told_with_what_to_write(combine: str, source: str, code: str, words: str) -> None:
    lines = f"return generate(ask(question), from: {source}, combine: {combine}) |> vote()"
    text = 'tts 1\nprompt ask(question: Text) -> Number = """{{ question }}"""\n' + pipeline(lines, THREE)
    found = compiled(text).diagnostics
    assert any(code == one.code and words in one.message + one.hint for one in found), [
        (d.code, d.message, d.hint) for d in found
    ]


def test_the_hint_names_other_weights_of_the_file() -> None:
    head = 'prompt ask(question: Text) -> Number = """{{ question }}"""\n'
    server = f'{THREE}\nmodel server = openai("http://h/v1", name: "q")\n'
    text = f"tts 1\n{head}" + pipeline("return generate(ask(question), from: tuned, combine: contrastive)", server)
    (found,) = [one for one in compiled(text).diagnostics if one.code == "E0212"]
    assert found.hint in ("write `contrastive(amateur: small)`", "write `contrastive(amateur: large)`")


@pytest.mark.parametrize(
    ("models", "source", "words"),
    [
        ('model large = gguf("large.gguf")\nmodel small = openai("http://h/v1", name: "q")', "large", "does not show"),
        ('model large = openai("http://h/v1", name: "q")\nmodel small = gguf("small.gguf")', "large", "does not show"),
        ('model large = gguf("l.gguf", reproducible: true)\nmodel small = gguf("s.gguf")', "large", "reproducible"),
        ('model large = gguf("large.gguf")\nmodel small = gguf("small.gguf")', "small", "itself"),
    ],
)
def test_models_that_cannot_be_combined(models: str, source: str, words: str) -> None:
    with pytest.raises(CompileError, match=words):
        graph_of("contrastive(amateur: small)", source, models)


async def test_a_scripted_model_answers_alone() -> None:
    models = 'model large = script("Answer: 7")\nmodel small = script("Answer: 8")'
    body = "return generate(ask(question), from: large, combine: contrastive(amateur: small)) |> vote()"
    assert (await answer(pipeline(body, models))).answer == 7


def test_the_plan_says_that_all_models_compute() -> None:
    body = "return generate(ask(question), from: large, combine: emulated_tuning(tuned: tuned, base: small)) |> vote()"
    plan = plan_of(pipeline(body, THREE))
    assert plan.stages["main/generate"].models == ("emulated_tuning(large, tuned, small)",)
    assert any("computed by 3 models, and counts for each" in line for line in plan.assumptions)
    alone = plan_of(pipeline("return generate(ask(question), from: large) |> vote()", THREE))
    for mine, one in ((plan.minimum, alone.minimum), (plan.maximum, alone.maximum), (plan.expected, alone.expected)):
        assert (mine.calls, mine.tokens, mine.new_tokens) == (one.calls, 3 * one.tokens, 3 * one.new_tokens)
        assert mine.sequential_tokens == one.sequential_tokens
    model = the_model(plan.graph)
    priced = replace(model, options=(*model.options, ("price", 2.0)))
    assert prices(priced) == (2e-6, 2e-6)
    assert label_of(model) == "emulated_tuning of large.gguf, tuned.gguf, small.gguf"


def test_the_plan_of_a_route_promises_all_and_takes_for_granted_the_small_model_alone() -> None:
    plan, alone = (
        plan_of(pipeline(f"return generate(ask(question), from: large{combine}) |> vote()", THREE))
        for combine in (", combine: routing(small)", "")
    )
    assert any("counts for 2 models, though not each" in line for line in plan.assumptions)
    assert plan.minimum.tokens == alone.minimum.tokens
    assert plan.maximum.tokens == 2 * alone.maximum.tokens


# --- on small models ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("llama_cpp")
    return three_models(tmp_path)


@pytest.mark.model
async def test_a_run_has_the_samples_of_the_engine(folder: Path) -> None:
    body = (
        "return generate(say(question), from: large, temperature: 0, max_tokens: 12,"
        " combine: emulated_tuning(tuned: tuned, base: small, beta: 1.5)) |> select(by: likelihood)"
    )
    house = EngineHouse(folder)
    try:
        result = await answer(pipeline(body, THREE, "Text"), house.for_run())
    finally:
        await house.close()
    paths = [folder / f"{name}.gguf" for name in ("large", "tuned", "small")]
    engine = LlamaEngine(paths[0], ctx=256, threads=1, others=paths[1:], combination=Combination("tuning", weight=1.5))
    try:
        request = Request((Message("user", "Say 6 * 7"),), (1,), 12, Sampling(0.0))
        (sample,) = [one async for one in engine.generate(request)]
    finally:
        await engine.close()
    assert result.answer == sample.text.strip()


@pytest.mark.model
@pytest.mark.parametrize(("below", "share"), [(0.0, 0.0), (1.0, 1.0)])
async def test_the_trace_tells_the_share_of_tokens_that_were_routed(folder: Path, below: float, share: float) -> None:
    body = (
        "return generate(say(question), from: small, n: 3, max_tokens: 10,"
        f" combine: routing(large, below: {below})) |> select(by: likelihood)"
    )
    house = EngineHouse(folder)
    try:
        result = await answer(pipeline(body, THREE, "Text"), house.for_run())
    finally:
        await house.close()
    done = result.trace.of("call_finished")
    assert len(done) == 3
    for event in done:
        assert event.data["routed_tokens"] == share * event.cost.sequential_tokens
        own, larger = event.data["tokens_by_model"]  # type: ignore[misc]
        assert larger == share * own and own + larger == event.cost.tokens
        assert event.cost.new_tokens == (1 + share) * 10
    assert result.trace.tokens == sum(event.cost.tokens for event in done)
    assert any(f"({share:.0%}) of routing(small, large" in note for note in result.notes)


@pytest.mark.model
async def test_combined_models_can_be_watched(folder: Path) -> None:
    body = (
        "return generate(say(question), from: small, n: 2, max_tokens: 40, combine: routing(large, below: 1.0),"
        ' watch: deepen(first: 5, factor: 1, times: 2, say: " again ")) |> select(by: likelihood)'
    )
    house = EngineHouse(folder)
    try:
        result = await answer(pipeline(body, THREE, "Text"), house.for_run())
    finally:
        await house.close()
    done, seen = result.trace.of("call_finished"), result.trace.of("watched")
    assert [event.data["watcher"] for event in seen] == ["deepen"] * 4 and len(done) == 2
    assert all(" again " in str(event.data["said"]) for event in seen)
    put_in = sum(int(str(event.data["tokens"])) for event in seen)
    routed = sum(int(str(event.data["routed_tokens"])) for event in done)
    assert routed == sum(candidate.tokens for candidate in result.samples) - put_in


@pytest.mark.model
async def test_who_answers_is_all_weights_and_settings(folder: Path) -> None:
    def model(combine: str) -> Model:
        return the_model(graph_of(combine))

    first = model("contrastive(amateur: small)")
    models = [first, model("contrastive(amateur: tuned)"), model("contrastive(amateur: small, alpha: 0.2)")]
    digests = [open_engine(one, folder).digest for one in (*models, replace(first, combine=None))]
    assert len(set(digests)) == 4
    assert [answers_digest(one, folder) for one in models] == digests[:3]
    assert [path.name for _, path in files_of(first, folder)] == ["large.gguf", "small.gguf"]
    plain_model(folder / "small.gguf", seed=30)
    assert open_engine(first, folder).digest not in digests


@pytest.mark.model
async def test_models_of_different_vocabularies_are_refused_with_numbers(folder: Path) -> None:
    sliding_window_model(folder / "small.gguf", ["<a>"])
    engine = open_engine(the_model(graph_of("contrastive(amateur: small)")), folder)
    with pytest.raises(EngineError, match=r"another vocabulary.*\(259 tokens and 258\): token 258"):
        await engine.start()
    await engine.close()
