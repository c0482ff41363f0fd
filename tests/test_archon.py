"""Archon's configurations: read with what is wrong with them, written as programs that compile, and back again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cli_runs import tts
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import checked
from ttscale.compiler import ir
from ttscale.compiler.bind import bind
from ttscale.compiler.bounds import make_plan
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.driver import compile_source
from ttscale.compiler.lint import lint
from ttscale.compiler.source import SourceFile
from ttscale.library.archon import broken_rules, export, read, write
from ttscale.library.loader import FileLoader
from ttscale.library.standard import stage_prompts

SERVICE = "Together_API"


def component(kind: str, model: str = "org/m", **more: object) -> dict[str, object]:
    """One component with the fields that all have."""
    fields: dict[str, object] = {"type": kind, "model": model, "model_type": SERVICE}
    return {**fields, "temperature": 0.7, "max_tokens": 2048, "samples": 1, **more}


def text_of(*layers: object, **more: object) -> str:
    return json.dumps({"name": "small", "layers": list(layers), **more}, indent=1)


def imported(*layers: object, answer: str = "Text") -> tuple[str, list[Diagnostic]]:
    """The program of some layers, which compiles, and everything said about them."""
    configuration, found = read(SourceFile("small.json", text_of(*layers)))
    assert configuration is not None, [one.message for one in found]
    found += broken_rules(configuration)
    written = write(configuration, answer=answer)
    compiled = compile_source(SourceFile("small.tts", written.text), FileLoader())
    assert compiled.ok, [(one.code, one.message) for one in compiled.diagnostics] + [written.text]
    return written.text, [*found, *written.diagnostics]


def graph_of(text: str) -> ir.Graph:
    graph, found = bind(checked(text), std=stage_prompts())
    assert graph is not None, found
    make_plan(graph)
    return graph


def said(found: list[Diagnostic]) -> list[str]:
    return [one.code for one in found]


# --- import ------------------------------------------------------------------------------------------


def test_a_configuration_with_every_component(golden: Any) -> None:
    text, found = imported(
        [component("generator", "org/a", samples=3), component("generator", "org/b", samples=3)],
        [component("critic", "org/a")],
        [component("ranker", "org/a", top_k=4, use_critiques=True)],
        [component("fuser", "org/b", length_control=True), component("fuser", "org/a", samples=2)],
        [component("unit_test_generator", "org/a", unit_test_cap=5)],
        [component("unit_test_evaluator", "org/a", top_k=2, remove_unit_tests_from_prompt=True)],
        [component("verifier", "org/b", first_k=1)],
    )
    golden("archon/every_component.tts", text)
    listed = "".join(f"{one.code} {one.message}\n" for one in found)
    golden("archon/every_component.txt", listed)
    assert tts("fmt", "--check", "-", stdin=text).code == 0


def test_generators_with_the_same_settings_are_one_call() -> None:
    text, _ = imported(
        [component("generator", "org/a"), component("generator", "org/b"), component("generator", "org/a")]
    )
    assert "generate(ask(question), from: [a, b, a], temperature: 0.7, max_tokens: 2048)" in text
    (stage, *_) = graph_of(text).stages
    assert stage.args["model_series"] == ir.Const((0, 0, 1)), "a model listed twice gives other samples"


def test_equal_generators_apart_are_other_samples() -> None:
    text, _ = imported([component("generator"), component("generator", temperature=1.5), component("generator")])
    series = [stage.args["series"] for stage in graph_of(text).stages if stage.op == "generate"]
    assert series == [ir.Const(0), ir.Const(0), ir.Const(1)]


def test_equal_fusers_are_other_samples() -> None:
    text, _ = imported(
        [component("generator", samples=2)], [component("fuser"), component("fuser")], [component("fuser")]
    )
    fusers = [stage for stage in graph_of(text).stages if stage.op == "fuse"]
    assert [stage.args["series"] for stage in fusers] == [ir.Const(0), ir.Const(1), ir.Const(0)]


def test_the_older_forms_of_a_layer() -> None:
    plain, nothing = imported([component("generator", samples=2)], [component("fuser")])
    models, found = imported({"branches": 1, "models": [component("generator", samples=2)]}, [component("fuser")])
    alone, more = imported(component("generator", samples=2), [component("fuser")])
    assert plain == models == alone
    assert said(nothing) == ["L103"] and said(found) == ["W0443", "L103"] and said(more) == ["W0444", "L103"]
    assert "`branches` of a layer" in found[0].message and "stands by itself" in more[0].message


def test_a_key_that_nothing_reads_is_told_with_the_one_that_was_meant() -> None:
    _, found = imported([component("generator", top_k=1, sample=4)], [component("fuser", length_contorl=True)])
    unread = [(one.message, one.hint) for one in found if one.code == "W0443"]
    assert unread == [
        ("Archon does not read `top_k` of a generator", "leave it out; it has no effect"),
        ("Archon does not read `sample` of a generator", "leave it out; it has no effect"),
        (
            "Archon does not read `length_contorl` of a fuser",
            "did you mean `length_control`? It has no effect as it is",
        ),
    ]
    assert all(one.primary is not None and one.primary.end > one.primary.start for one in found)


def test_unit_tests_before_generators_are_shown_to_them() -> None:
    text, found = imported(
        [component("unit_test_generator")],
        [component("generator", samples=3)],
        [component("unit_test_evaluator", first_pass=True, remove_unit_tests_from_prompt=True)],
    )
    assert "ask_with_tests(question, tests)" in text and 'select(by: score("passed"))' in text
    assert said(found)[:3] == ["L104", "L107", "L102"]
    compiled = compile_source(SourceFile("small.tts", text), FileLoader())
    assert "L107" in {one.code for one in lint(compiled, std=stage_prompts())}


def test_no_more_candidates_are_kept_than_there_are() -> None:
    text, _ = imported([component("generator", samples=3)], [component("ranker", top_k=10)], [component("fuser")])
    assert "keep: 3" in text and graph_of(text).stage("main/rank").size.high == 3


def test_of_several_candidates_the_first_is_the_answer() -> None:
    text, found = imported([component("generator", samples=3)], [component("ranker", top_k=2)])
    assert text.rstrip().endswith("|> select(by: first)\n}")
    assert "takes the first" in found[-1].message


def test_candidates_that_nobody_reads_are_left_out() -> None:
    text, found = imported([component("generator", "org/a")], [component("generator", "org/b")], [component("fuser")])
    assert "org/a" not in text
    assert any("read by nobody" in one.message for one in found)


def test_judges_before_any_candidate_are_left_out() -> None:
    text, found = imported([component("fuser"), component("generator")], [component("critic")], [component("fuser")])
    assert text.count("fuse(") == 1
    assert {"L101", "L105"} < set(said(found)) and any("before any candidate" in one.message for one in found)


def test_custom_components_and_services_are_holes() -> None:
    text, found = imported(
        [component("generator", model_type="My_API"), component("generator", "http://host:80", model_type="tgi")],
        [{"type": "fusr", "model": "x", "note": "two\nlines"}],
        [component("ranker", "llm-blender/PairRM", model_type="", top_k=1, ranker_batch_size=16)],
    )
    assert text.count("# hole: ") == 3 and '"http://host:80/v1", name: "tgi"' in text
    assert "method: pairwise" in text
    holes = [one for one in found if one.code == "W0445"]
    assert len(holes) == 3 and any(one.hint == "did you mean `fuser`?" for one in holes)


def test_a_component_of_ones_own_may_have_to_make_the_candidates() -> None:
    text, _ = imported([component("debaters", "org/a")], [component("fuser", "org/b")])
    assert "# hole: `debaters` belongs here" in text and "drafts = generate(ask(question), from: a)" in text


@pytest.mark.parametrize("answer", ["Number", "Choice(yes, no)", "Code(python)", "{vendor: Text, total: Number}"])
def test_answers_of_other_types(answer: str) -> None:
    text, _ = imported(
        [component("generator", samples=2)],
        [component("critic")],
        [component("fuser", length_control=True)],
        answer=answer,
    )
    assert f"pipeline main(question: Text) -> {answer} {{" in text and "{{ output_format }}" in text
    assert str(graph_of(text).returns) != "Text"


def test_names_of_models_are_names() -> None:
    text, _ = imported(
        [component("generator", name) for name in ("x/vote", "y/VOTE", "7B", "é", "", "when", "p", "ask")]
    )
    assert text.count("\nmodel ") == 8


# --- what is wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ('{"layers": [[{"type": "generator"x}]]}', "E0440", "a comma is missing"),
        ("", "E0440", "the file is empty"),
        ("[" * 100_000, "E0440", "brackets"),
        ("[]", "E0441", "a configuration is an object"),
        ("{}", "E0441", "has a list of `layers`"),
        ('{"layers": []}', "E0441", "has a list of `layers`"),
        ('{"layers": [[]]}', "E0441", "a layer is a list of components"),
        ('{"layers": [3]}', "E0441", "a layer is a list of components"),
        ('{"layers": [[3]]}', "E0441", "a component is an object"),
        ('{"layers": [[{"typ": "fuser"}]]}', "E0441", "a component has a `type`"),
        (text_of([component("generator", samples=0)]), "E0441", "`samples` is 1 or more"),
        (text_of([component("generator", samples="3")]), "E0441", "`samples` is a whole number"),
        (text_of([component("generator", samples=True)]), "E0441", "`samples` is a whole number"),
        (text_of([component("generator", temperature=9)]), "E0441", "`temperature` is from 0 to 5"),
        (text_of([component("generator", no_system="yes")]), "E0441", "`no_system` is true or false"),
        ('{"layers": [[{"type": "generator", "modle": "x"}]]}', "E0441", "has a `model`"),
    ],
)
def test_what_is_no_configuration(text: str, code: str, message: str) -> None:
    configuration, found = read(SourceFile("wrong.json", text))
    errors = [one for one in found if one.severity == "error"]
    assert configuration is None and errors[0].code == code and message in errors[0].message


def test_a_configuration_without_candidates() -> None:
    configuration, _ = read(SourceFile("wrong.json", text_of([component("critic")])))
    assert configuration is not None
    written = write(configuration)
    assert written.text == "" and written.diagnostics[-1].code == "E0441"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.floats(0, 2)
    | st.sampled_from(["generator", "fuser", "x/y", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "model", "models", "samples", "top_k", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(JSON, max_size=3))
def test_any_json_is_read_or_told(layers: list[object]) -> None:
    configuration, found = read(SourceFile("any.json", json.dumps({"layers": layers})))
    assert (configuration is None) == any(one.severity == "error" for one in found)
    if configuration is not None:
        text = write(configuration).text
        assert not text or compile_source(SourceFile("any.tts", text), FileLoader()).ok


# --- order rules -------------------------------------------------------------------------------------

GENERATOR, CRITIC, FUSER = component("generator"), component("critic"), component("fuser")
RANKER = component("ranker", top_k=1)
TESTS, EVALUATOR = component("unit_test_generator"), component("unit_test_evaluator")


@pytest.mark.parametrize(
    ("layers", "rules"),
    [
        ([[GENERATOR], [CRITIC], [RANKER], [FUSER]], []),
        ([[GENERATOR], [TESTS], [EVALUATOR]], []),
        ([[GENERATOR], [CRITIC], [FUSER, GENERATOR]], ["L101", "L102"]),
        ([[GENERATOR], [RANKER]], ["L103"]),
        ([[GENERATOR], [CRITIC], [FUSER], [FUSER]], ["L103"]),
        ([[GENERATOR], [CRITIC, CRITIC]], ["L104"]),
        ([[FUSER]], ["L105"]),
        ([[TESTS], [GENERATOR], [EVALUATOR]], ["L104", "L107", "L102"]),
        ([[GENERATOR], [TESTS]], ["L107"]),
    ],
)
def test_order_rules(layers: list[list[object]], rules: list[str]) -> None:
    configuration, _ = read(SourceFile("small.json", text_of(*layers)))
    assert configuration is not None and said(broken_rules(configuration)) == rules


# --- export ------------------------------------------------------------------------------------------

MODELS = st.sampled_from([("Together_API", "org/a"), ("OpenAI_API", "gpt"), ("vLLM", "org/v"), ("Groq_API", "org/g")])


@st.composite
def components(draw: st.DrawFn, kind: str, **more: object) -> dict[str, object]:
    """A component with all fields, as an export writes it."""
    service, model = draw(MODELS)
    heat = draw(st.sampled_from([0.0, 0.7, 1.25]))
    made = component(kind, model, model_type=service, temperature=heat, max_tokens=draw(st.sampled_from([64, 2048])))
    return {**made, **more}


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, object]:
    """A configuration that a program keeps in full, and that ends with one candidate."""
    layers: list[list[dict[str, object]]] = []
    plain = {"no_system": True} if draw(st.booleans()) else {}
    drafts = [draw(components("generator", **plain)) for _ in range(draw(st.integers(1, 4)))]
    for one in drafts:
        one["samples"] = draw(st.integers(1, 3))
    if draw(st.booleans()):
        layers.append([draw(components("unit_test_generator", unit_test_cap=draw(st.integers(1, 9))))])
    has_tests = bool(layers)
    layers.append(drafts)
    size, criticised = sum(int(str(one["samples"])) for one in drafts), False
    for kind in draw(st.lists(st.sampled_from(["critic", "ranker", "fuser", "verifier", "evaluator"]), max_size=5)):
        if kind == "critic":
            layers.append([draw(components("critic"))])
            criticised = True
        elif kind == "ranker":
            size = draw(st.integers(1, size))
            layers.append([draw(components("ranker", top_k=size))])
        elif kind == "verifier":
            layers.append([draw(components("verifier"))])
        elif kind == "evaluator" and has_tests and size > 1:
            size = draw(st.integers(1, size - 1))
            own = {"remove_unit_tests_from_prompt": True, "top_k": size}
            layers.append([draw(components("unit_test_evaluator", **own))])
        elif kind == "fuser":
            short = {"length_control": True} if criticised and draw(st.booleans()) else {}
            fused = [draw(components("fuser", **short)) for _ in range(draw(st.integers(1, 3)))]
            layers.append(fused)
            size, criticised = len(fused), False
    layers.append([draw(components("fuser"))])
    return {"name": "round", "layers": layers}


@settings(max_examples=60, deadline=None)
@given(configurations())
def test_what_is_imported_is_exported_again(configuration: dict[str, object]) -> None:
    read_one, found = read(SourceFile("round.json", json.dumps(configuration)))
    assert read_one is not None and not found
    text = write(read_one).text
    exported, lost = export(graph_of(text), "round")
    assert exported == configuration, text
    assert [one for one in lost if one.severity == "error"] == []
    again, _ = read(SourceFile("again.json", json.dumps(exported)))
    assert again is not None and write(again).text == text


HEAD = """tts 1
model a = openai("https://api.openai.com/v1", name: "gpt", key: env("OPENAI_API_KEY"))
model b = gguf("b.gguf")

prompt ask(question: Text) -> Text = "Think. {{ question }}"
prompt again(question: Text, earlier: [Text]) -> Text = "{{ question }} {{ earlier | join(' ') }}"

pipeline main(question: Text) -> Text {
"""


def exported(lines: str) -> tuple[dict[str, Any] | None, list[Diagnostic]]:
    made, found = export(graph_of(f"{HEAD}{lines}\n}}\n"))
    return made, found


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("return generate(ask(question), from: a, n: 3) |> vote()", "no component for `vote`"),
        ("return generate(ask(question), from: a, n: up to 8) |> fuse(from: a)", "Archon has no `until`|fixed number"),
        ("xs = generate(ask(question), from: a)\nreturn generate(again(question, xs), from: a)", "the question alone"),
        (
            "xs = generate(ask(question), from: a, n: 3)\n"
            "return xs |> critique(from: a) when agreement(xs) < 0.5 |> fuse(from: a)",
            "runs under a condition",
        ),
        ("return generate(ask(question), from: a, n: 3) |> filter(top: 1, by: length)", "for this `filter`"),
        ("return generate(ask(question), from: a, n: 4) |> fuse(from: a, group: 2)", "Archon has no `group`"),
        ("return generate(ask(question), from: a, n: 3) |> rank(from: a, method: pairwise, keep: 1)", "in one call"),
        ("return generate(ask(question), from: a, n: 3) |> score(by: yes_no, from: a) |> select(by: score)", "score"),
    ],
)
def test_what_does_not_fit(lines: str, message: str) -> None:
    made, found = exported(lines)
    assert made is None and found[0].code == "E0442" and found[0].severity == "error"
    assert re.search(message, found[0].message), found[0].message


def test_several_models_in_every_token_do_not_fit() -> None:
    head = re.sub(r"^model (\w+) = .*$", r'model \1 = gguf("\1.gguf")', HEAD, flags=re.MULTILINE)
    lines = "return generate(ask(question), from: a, combine: contrastive(amateur: b))\n}\n"
    made, (found, *_) = export(graph_of(head + lines))
    assert made is None and found.code == "E0442" and "Archon asks one at a time" in found.message


def test_what_means_less_there_is_told() -> None:
    lines = """param n: Int in {1, 2} = 2
budget { calls <= 40 }
xs = generate(ask(question), from: [a, b], n: n, top_p: 0.5)
return xs |> critique(from: a) |> verify(from: a, retry: 1) |> rank(from: a, keep: 1)"""
    made, found = exported(lines)
    assert made is not None and made["custom"] is True
    assert [[one["type"] for one in layer] for layer in made["layers"]] == [
        ["generator", "generator"],
        ["critic"],
        ["verifier"],
        ["ranker"],
    ]
    assert made["layers"][0][1]["model_type"] == "b"
    told = " ".join(one.message for one in found)
    for words in ("no budget", "n = 2", "`top_p`", "text of `ask`", "all candidates in one call", "argues", "`retry`"):
        assert words in told, words


# --- the command line --------------------------------------------------------------------------------


def test_the_commands(tmp_path: Path) -> None:
    good, broken = tmp_path / "good one.json", tmp_path / "broken.json"
    good.write_text(text_of([component("generator", samples=2)], [component("fuser", top_k=1)]), encoding="utf-8")
    broken.write_text('{"layers": [[{"type": "generator"tor"}]]}', encoding="utf-8")
    one = tts("import", "archon", good)
    assert one.code == 0 and one.out.startswith("tts 1\n") and "does not read `top_k` of a fuser" in one.err
    many = tts("import", "archon", good, broken, "--output", tmp_path / "programs")
    assert many.code == 1 and "1 program made of 2 files; 1 are no configurations" in many.err
    assert "a comma is missing" in many.err and "breaks R3 critic-before-judge" in many.err
    program = tmp_path / "programs" / "good_one.tts"
    assert program.read_text(encoding="utf-8") == one.out
    assert tts("plan", program).code == 0
    assert tts("import", "archon", good, "--output", program).code == 1, "a file that is there stays"
    assert tts("import", "archon", good, broken).code == 2, "several files need a folder"
    assert tts("import", "archon", good, "--answer", "Nummer").code == 2
    out = tmp_path / "again.json"
    assert tts("export", "archon", program, "--output", out, "--name", "x").code == 0
    assert json.loads(out.read_text(encoding="utf-8"))["layers"][1][0]["type"] == "fuser"
    data = tts("import", "archon", good, broken, "--json")
    assert data.code == 1 and [one["ok"] for one in data.json] == [True, False]
    missing = tts("import", "archon", tmp_path / "broke.json")
    assert missing.code == 1 and f"did you mean {broken}?" in missing.err
    assert tts("import", "archon", "-", stdin=good.read_text(encoding="utf-8")).out.startswith("tts 1\n")
