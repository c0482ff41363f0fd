"""Checking: every spec and library file is clean, every mistake has its golden message, and the finer rules."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from checking import HEAD, body, codes, compiled
from ttscale.compiler.check import check
from ttscale.compiler.driver import compile_source
from ttscale.compiler.render import render
from ttscale.compiler.resolve import resolve
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader, load_source

ROOT = Path(__file__).resolve().parents[1]
ERRORS = ROOT / "tests" / "golden" / "errors"
SPECS = ROOT.parent / "shared" / "design" / "specs"
MISTAKES = sorted(ERRORS.glob("*.tts"))


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_what_is_said_about_a_mistake(path: Path, golden: Callable[[str, str], None]) -> None:
    source = SourceFile(path.name, path.read_text(encoding="utf-8"))
    checked = compile_source(source, FileLoader())
    assert checked.diagnostics, "a mistake that nobody notices"
    text = "\n".join(render(diagnostic, checked.sources) for diagnostic in checked.diagnostics)
    golden(f"errors/{path.stem}.err", text + "\n")


def test_no_message_without_its_mistake(no_leftovers: Callable[[str, str, str], None]) -> None:
    no_leftovers("errors", ".tts", ".err")


def test_messages_are_written_in_one_style() -> None:
    seen = 0
    for path in MISTAKES:
        checked = compile_source(SourceFile(path.name, path.read_text(encoding="utf-8")), FileLoader())
        for found in checked.diagnostics:
            seen += 1
            assert found.message[:1].islower() or found.message[:1] in "`[+" or found.message.startswith("Jinja")
            assert not found.message.endswith(".") and not found.hint.endswith(".")
            assert found.hint, f"{found.code} without a hint: {found.message}"
            assert found.primary is not None and found.primary.end > found.primary.start
    assert seen > 80


@pytest.mark.skipif(not SPECS.is_dir(), reason="the design's example programs are not beside this checkout")
def test_the_designs_programs_check() -> None:
    for path in sorted(SPECS.glob("*.tts")):
        checked = compile_source(load_source(path), FileLoader())
        assert [d for d in checked.diagnostics if d.severity == "error"] == [], path.name


@pytest.mark.parametrize("name", ["prompts", "stages"])
def test_the_standard_library_is_clean(name: str) -> None:
    source = load_source(ROOT / "library" / "std" / f"{name}.tts")
    linked, found = resolve(source, FileLoader())
    assert [*found, *check(linked)] == []


# --- facets --------------------------------------------------------------------------------------

SCORED = """
  param judge: Bool = true
  drafts = generate(p.solve_number(question), from: small, n: 4)
"""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("return drafts |> score(by: yes_no) when judge |> vote(weight: score) when judge |> vote()", []),
        ("return drafts |> score(by: yes_no) when judge |> vote(weight: score)", ["W0221"]),
        ("return drafts |> score(by: yes_no) when not judge |> vote(weight: score)", ["E0221"]),
        ("return drafts |> execute() when judge |> vote()", []),
        ("return drafts |> score(by: yes_no) |> filter(top: 2, by: score) |> vote(weight: score)", []),
        ("return drafts |> score(by: yes_no) |> critique() |> vote(weight: score)", []),
        ("return drafts |> score(by: yes_no) |> fuse(n: 3) |> vote(weight: score)", ["E0221"]),
        ("return (drafts |> score(by: yes_no)) + drafts |> vote(weight: score)", ["E0221"]),
        ("return (drafts |> score(by: yes_no)) + (drafts |> score(by: yes_no)) |> vote(weight: score)", []),
        ("return (drafts |> score(by: yes_no)) + (drafts |> score(by: likelihood)) |> vote(weight: score)", ["W0295"]),
        (
            "return (drafts |> score(by: yes_no)) + (drafts |> score(by: likelihood, as: yes_no)) |> "
            'vote(weight: score("yes_no"))',
            [],
        ),
        (
            "more = repeat 2 with xs = drafts |> score(by: yes_no) { yield xs |> score(by: length) }\n"
            'return more |> filter(top: 2, by: score("yes_no")) |> vote(weight: score("length"))',
            [],
        ),
        ('return drafts |> score(by: yes_no) |> fuse(n: 3) |> vote(weight: score("yes_no"))', ["E0221"]),
        ('x = drafts |> score(by: length) when judge\nreturn x |> vote(weight: score("length"))', ["W0221"]),
        (
            "return match judge {\n true => drafts |> score(by: yes_no) |> select(by: score)\n"
            " false => drafts |> vote(weight: score)\n }",
            ["E0221"],
        ),
        (
            "better = match judge {\n true => drafts |> score(by: yes_no)\n false => drafts\n }\n"
            "return better |> vote(weight: score)",
            ["W0221"],
        ),
        (
            "param how: Choice in {score, likelihood} = score\n"
            "better = match how {\n score => drafts |> score(by: yes_no)\n likelihood => drafts\n }\n"
            "return better |> vote(weight: how)",
            [],
        ),
    ],
)
def test_facets_follow_the_pool(lines: str, expected: list[str]) -> None:
    unused = ["L003"] if "judge" not in lines else []
    if lines.startswith("param"):
        text, _, lines = lines.partition("\n")
        assert body(f"  {text}{SCORED}{lines}") == [*unused, *expected]
    else:
        assert [c for c in body(SCORED + lines) if c != "L003" or c in unused] == [
            *(unused if not any(c[0] == "E" for c in expected) else []),
            *expected,
        ]


def test_facets_of_a_loop_are_those_of_every_round() -> None:
    lines = """
  drafts = generate(p.solve_number(question), from: small, n: 4) |> score(by: yes_no)
  last = repeat {rounds} with xs = drafts {{
    best = xs |> select(by: score)
    yield generate(p.solve_number(question), from: small, n: 4, more: best)
  }}
  return last |> vote()
"""
    assert body(lines.format(rounds=1)) == []
    assert body(lines.format(rounds=2)) == ["E0221"]


FOUR = "d = generate(p.solve_number(question), from: small, n: 4)\n"

# --- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("return generate(p.solve_number(question), from: small)", []),
        ("return generate(p.solve_number(question), from: small, n: 2)", ["E0220"]),
        ("return generate(p.solve_number(question), from: small, temperature: [0.1, 0.9])", ["E0220"]),
        ("return generate([p.solve_number(question), p.solve_number(question)], from: small)", ["E0220"]),
        ("return generate(p.solve_number(question), from: [small, small]) |> select(by: first)", []),
        ("return generate(p.solve_number(question), from: small, n: 4) |> rank(keep: 1)", []),
        ("return generate(p.solve_number(question), from: small, n: 4) |> rank(keep: 2)", ["E0220"]),
        ("return generate(p.solve_number(question), from: small, n: 4) |> fuse()", []),
        ("param n: Int in {1, 4} = 1\nreturn generate(p.solve_number(question), from: small, n: n)", ["W0220"]),
        ("param n: Int in {2, 4} = 2\nreturn generate(p.solve_number(question), from: small, n: n)", ["E0220"]),
        ("return generate(p.solve_number(question), from: small, n: 4)[0]", []),
        ("return generate(p.solve_number(question), from: small, n: up to 8, until: decided)", ["E0220"]),
        ("return generate(p.solve_number(question), from: small, n: 4) |> verify()", ["E0220"]),
        ("return generate(p.solve_number(question), from: small, n: 4) |> filter(unique: true)", ["E0220"]),
        (FOUR + "return d |> verify() |> filter(top: 1, by: likelihood)", []),
        (FOUR + "return d |> vote() when agreement(d) > 0.5", ["E0220"]),
        ("param v: Bool = true\n" + FOUR + "return d |> vote() when v", ["W0220"]),
    ],
)
def test_a_pool_of_at_most_one_is_its_value(lines: str, expected: list[str]) -> None:
    assert body(lines) == expected


def test_a_pool_is_its_texts_in_a_prompt() -> None:
    drafts = "  drafts = generate(p.solve_number(question), from: small, n: 3)\n"
    debate = "  return generate(p.debate_number(question, mine: drafts, theirs: drafts), from: small)"
    assert body(drafts + debate) == []


@pytest.mark.parametrize(("result", "expected"), [("[Number]", []), ("Answers[Number]", []), ("Number", ["E0220"])])
def test_what_a_pipeline_may_return(result: str, expected: list[str]) -> None:
    assert body("return generate(p.solve_number(question), from: small, n: 3)", result) == expected


# --- expressions, parameters, blocks -------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("param n: Int in {2, 4} = 2\nreturn generate(p.solve_number(question), from: small, n: n / 2)[0]", []),
        ("param n: Int in {3, 4} = 3\nreturn generate(p.solve_number(question), from: small, n: n / 2)", ["E0215"]),
        ("param n: Int in {2, 4} = 2\nm = n / 2\nreturn generate(p.solve_number(question), from: small, n: m)[0]", []),
        ("param t: Float in [0 .. 1] = 0\nreturn generate(p.solve_number(question), from: small, temperature: t)", []),
        ("param team: [Model] in subsets(small) = [small]\nreturn generate(p.solve_number(question), from: team)", []),
        ("param ask: Prompt in {p.solve_number} = p.solve_number\nreturn generate(ask(question), from: small)", []),
        ("param ask: Prompt in {p.solve_number, p.debate_number} = p.solve_number\nreturn 1", ["E0501"]),
        ("param judge: Model in {small} = small\nreturn generate(p.solve_number(question), from: judge)", []),
        ("param a: Int in [1 .. 9] step 2 = 4\nreturn a", ["E0504"]),
        ("param a: Int in [1 .. 4] step 9 = 1\nreturn a", ["E0503"]),
        ("param a: Int in {1, 1} = 1\nreturn a", ["E0502"]),
        ("param a: Chat = 1\nreturn 1", ["E0501"]),
        ("param a: Text in [1 .. 2] = 1\nreturn 1", ["E0501"]),
        ("param a: Int in [1 .. 4] = 2\nrequire 1 <= a <= 3\nreturn a", []),
        ("param a: Int in [1 .. 4] = 2\nrequire a\nreturn a", ["E0230"]),
        ("param a: Bool = true\nrequire a or not a\nreturn match a { true => 1  false => 2 }", []),
        ("budget { cost <= 0usd }\nreturn 1", []),
        ("budget { calls <= 0 }\nreturn 1", ["E0613"]),
        ("param most: Int in {8, 16} = 8\nbudget { calls <= most }\nreturn 1", []),
        ("xs = [1, 2, 3]\nreturn xs[0] + xs[1]", []),
        ("return [1, true][0]", ["E0215"]),
        ("return 1 and true", ["E0228"]),
        ("return -question", ["E0228"]),
        ("return match 3 { 1 => 1 }", ["E0231"]),
        ("param a: Int in {1, 2} = 1\nreturn match a { 1 => 1  2 => 2 }", []),
        ("param a: Int in {1, 2} = 1\nreturn match a { 1 => 1  2 => 2  3 => 3 }", ["E0233"]),
        ("param a: Bool = true\nreturn match a { true => 1  false => 2  _ => 3 }", ["E0233"]),
        ("x = repeat up to 3 with n = 1 { yield n + 1 }\nreturn x", ["E0248"]),
        ("x = repeat up to 3 with n = 1 until n > 2 { yield n + 1 }\nreturn x", []),
        ("x = repeat 2000 with n = 1 { yield n + 1 }\nreturn x", ["E0216"]),
        ("x = repeat 2 with n = 1 { n = 2  yield n }\nreturn x", ["E0208"]),
        ("xs = map x in [1, 2] { yield x + 1 }\nreturn xs[0]", []),
        ("return nothing", ["E0202"]),
        ("return generate", ["E0210"]),
        ("return likelihood()", ["E0209"]),
        ("return small()", ["E0209"]),
        ("return question()", ["E0209"]),
        ("return generate(p.solve_number(question), from: small, n: up to 8, until: agreement > 0.5) |> vote()", []),
        ("return generate(p.solve_number(question), from: small, thinking: off, retry: 2, or_else: small)", []),
        ("return generate(p.solve_number(question), from: small, thinking: of)", ["E0217"]),
        ("return generate(p.solve_number(question), from: small, top_k: up to 8)", ["E0246"]),
        ("return generate(p.solve_number(question), from: small, max_tokens: 60s)", ["E0215"]),
    ],
)
def test_expressions(lines: str, expected: list[str]) -> None:
    unused = {"L002", "L003", "L005", "L007"}
    assert [code for code in body(lines) if code not in unused] == expected


def test_rules_and_their_aliases() -> None:
    drafts = "  d = generate(p.solve_number(question), from: small, n: 4) |> score(by: p_true)\n"
    for rule in (
        "vote(weight: ppl)",
        'vote(weight: score("yes_no"))',
        "select(by: bom(score, share: 0.5))",
        "select(by: mob)",
        "filter(by: rpc) |> vote()",
        "select(by: weighted_best_of_n(likelihood(sum)))",
    ):
        assert body(f"{drafts}  return d |> {rule}") == [], rule
    for rule, code in (
        ("select(by: bom(score, shar: 0.5))", "E0211"),
        ("select(by: bom(score, share: 2))", "E0216"),
        ("select(by: bom(first))", "E0223"),
        ('vote(weight: "score")', "E0222"),
        ("vote(weight: 3)", "E0222"),
        ("vote(weight: steps(min))", "E0221"),
        ("vote(weight: likelihood(all))", "E0217"),
        ("score(by: length, using: p.step_ok) |> vote()", "E0211"),
        ("filter() |> vote()", "E0212"),
        ("score(by: yes_no(from: small)) |> vote()", "E0211"),
    ):
        assert body(f"{drafts}  return d |> {rule}") == [code], rule


def test_what_newcomers_call_the_arguments_of_explore() -> None:
    for written, meant in (
        ("n: 4", "width"),
        ("max_tokens: 9", "step_tokens"),
        ("depth: 3", "steps"),
        ("prm: x", "judge"),
    ):
        call = f"explore(p.solve_number(question), {written})"
        text = f"{HEAD}pipeline main(question: Text) -> Number {{\n  return {call} |> vote()\n}}\n"
        found = [d for d in compiled(text).diagnostics if d.code == "E0211"]
        assert [d.hint for d in found] == [f"here it is called `{meant}:`"], written


def test_rounds_that_nothing_ends() -> None:
    make = "return generate(p.solve_number(question), from: small, {}) |> vote()"
    assert body(make.format("n: up to 8")) == ["W0297"]
    assert body(make.format("n: up to 4, until: decided")) == ["W0297"]
    assert body(make.format("n: up to 8, start: 8, until: decided")) == ["W0297"]
    assert body(make.format("n: up to 8, start: 2, until: decided")) == []
    some = "param n: Int in {4, 8} = 8\n"
    assert body(some + make.format("n: up to n, until: decided")) == []


def test_rows_of_a_dataset_as_examples() -> None:
    text = f"""{HEAD}
dataset data = csv("data.csv", question: question, answer: number(answer))
pipeline main(question: Text) -> Number {{
  return generate(p.solve_number(question), from: small, examples: ROWS, shots: 2)
}}
"""
    for rows, expected in (
        ("data[0:20]", []),
        ("data |> shuffle(seed: 1)", []),
        ('data |> where(level == "hard" and length(question) < 200)', []),
        ("data.shuffle(seed: 1)[0:20]", []),
        ("data |> shuffle(sed: 1)", ["E0211"]),
        ("data |> where(strip(level) == 1)", ["E0210"]),
        ("question", ["E0215"]),
    ):
        assert [code for code in codes(text.replace("ROWS", rows)) if code[0] == "E"] == expected, rows


def test_a_function_of_a_python_file_that_was_not_read_is_anything() -> None:
    text = f"""{HEAD}
use python("./mine.py") {{ my_rule, my_stage }}
pipeline main(question: Text) -> Number {{
  return generate(p.solve_number(question), from: small, n: 4) |> CHOOSE
}}
"""
    for choose in ("select(by: my_rule)", "vote(weight: my_rule(2))", "my_stage()"):
        found = [code for code in codes(text.replace("CHOOSE", choose)) if code != "L005"]
        assert found == [], choose


def test_the_question_must_be_known_to_a_judge_that_wants_it() -> None:
    text = f"""{HEAD}
prompt extract(letter: Text) -> Number = "{{{{ letter }}}}"
prompt right(question: Text, answer: Number) -> Bool = "{{{{ question }}}} {{{{ answer }}}}"
pipeline main(letter: Text) -> Number {{
  drafts = generate(extract(letter), from: small, n: 4)
  return drafts |> verify(using: USING) |> vote()
}}
"""
    text = text.replace("use std/prompts@1 as p\n", "")
    assert codes(text.replace("USING", "right")) == ["E0225"]
    assert codes(text.replace("USING", "right(question: letter)")) == []


def test_calls_between_pipelines() -> None:
    text = f"""{HEAD}
pipeline inner(question: Text) -> Number {{
  param n: Int in {{1, 2, 4}} = 2
  return generate(p.solve_number(question), from: small, n: n) |> vote()
}}

pipeline main(question: Text) -> Number {{
  param wide: Int in {{2, 4}} = 4
  return CALL
}}
"""
    for call, expected in (
        ("inner(question, n: wide)", []),
        ("inner(question: question, n: 4)", []),
        ("inner(question, n: 3)", ["E0504"]),
        ("inner(question, m: 3)", ["E0211"]),
        ("inner()", ["E0212"]),
        ("inner(question, question)", ["E0213"]),
        ("inner(4)", ["E0215"]),
        ("inner(question, n: inner(question))", ["E0215"]),
        ("main(question)", ["E0237"]),
    ):
        found = [code for code in codes(text.replace("CALL", call)) if not code.startswith("L")]
        assert found == expected, call


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("gibbs", "explore(p.solve_number(question), from: small, policy: gibbs(iterations: 2))"),
        ("particle_gibbs", "explore(p.solve_number(question), from: small, policy: particle_gibbs(2))"),
        ("likelihood", "explore(p.solve_number(question), from: small, judge: likelihood(answer))"),
        ("contrastive", "generate(p.solve_number(question), from: small, combine: contrastive(amateur: large))"),
        ("deepen", "generate(p.solve_number(question), from: small, watch: [repetition, deepen(first: 8)])"),
        ("hint", 'generate(p.solve_number(question), from: small, watch: hint("Wait."))'),
    ],
)
def test_a_pipeline_may_have_the_name_of_a_rule_that_it_uses(name: str, stage: str) -> None:
    text = f"{HEAD}\npipeline {name}(question: Text) -> Number {{\n  return {stage} |> vote()\n}}\n"
    assert "E0237" not in codes(text)
    assert "E0237" in codes(text.replace(f"return {stage}", f"return {name}(question)").replace(" |> vote()", ""))


def test_a_choice_takes_bare_labels() -> None:
    lines = """
  param finish: Choice in {majority, best} = majority
  drafts = generate(p.solve_number(question), from: small, n: 4)
  better = drafts |> score(by: likelihood) when finish == best
  return better |> vote()
"""
    assert body(lines) == []
    assert body(lines.replace("== best", "== bset")) == ["E0232"]
    assert body(lines.replace("= majority", "= majorty")) == ["E0232"]


def test_a_model_of_a_test_is_replaced_by_name() -> None:
    text = f"""{HEAD}
pipeline main(question: Text) -> Number {{
  return generate(p.solve_number(question), from: small)
}}

test "it answers" {{
  given small = script("Answer: 42")
  expect main("6 * 7?") == 42
  expect trace.calls <= 4 and trace.seconds < 2s
}}
"""
    assert codes(text) == []
    assert codes(text.replace("main(", "vote(").replace("pipeline vote(", "pipeline main(")) == ["E0219"]
    assert "E0252" in codes(text.replace('  expect main("6 * 7?") == 42\n', ""))


def test_lints_wait_until_errors_are_gone() -> None:
    lines = (
        "  a = generate(p.solve_number(question), from: small)\n  return generate(p.solve_number(question), from: {})"
    )
    assert body(lines.format("small")) == ["L002"]
    assert body(lines.format("smal")) == ["E0202"]


def test_modules_are_checked_with_the_file_that_imports_them() -> None:
    judges = 'tts 1\nprompt numeric(question: Text) -> Number = "{{ qestion }}"\n'
    pipeline = "pipeline main(q: Text) -> Number {\n  return generate(numeric(q), from: m)\n}\n"
    text = f'tts 1\nuse ./judges {{ numeric }}\nmodel m = script("1")\n{pipeline}'
    checked = compiled(text, {"./judges": judges})
    assert [(d.code, d.primary.file if d.primary else "") for d in checked.diagnostics] == [("E0302", "judges.tts")]


def test_a_long_file_is_checked_without_trouble() -> None:
    one = '''
prompt ask_{i}(question: Text, notes: [Text]) -> Number = """
{{{{ question }}}}
{{% for note in notes %}}
- {{{{ note }}}}
{{% endfor %}}
"""

pipeline answer_{i}(question: Text) -> Number {{
  param n: Int in {{2, 4, 8}} = 4
  param judge: Bool = true
  drafts = generate(p.solve_number(question), from: small, n: n)
  more = generate(ask_{i}(question, notes: drafts), from: small, n: n)
  return drafts + more |> score(by: yes_no) when judge |> vote()
}}
'''
    text = HEAD + "".join(one.format(i=i) for i in range(60))
    assert text.count("\n") > 900
    assert codes(text) == []


@pytest.mark.parametrize(
    ("stages", "hint"),
    [
        ('select(by: likeness(small, to: "x"))', 'write `score(by: likeness(small, to: "x"))`'),
        ("score(by: composed(drafts, by: yes_no)) |> select(by: score)", "write `composed(…, by: score)`"),
        ("select(by: best_of_n(yes_no))", "write `best_of_n(score)`"),
    ],
)
def test_what_a_hint_tells_to_write_has_the_arguments(stages: str, hint: str) -> None:
    drafts = "drafts = generate(p.reply(question), from: small, n: 2)"
    text = f"{HEAD}\npipeline main(question: Text) -> Text {{\n  {drafts}\n  return drafts |> {stages}\n}}\n"
    found = compiled(text).diagnostics
    assert any(one.code == "E0223" and one.hint.startswith(hint) for one in found), [(d.code, d.hint) for d in found]


def test_the_name_of_what_earlier_items_gave_is_found_behind_the_items() -> None:
    text = f"{HEAD}\npipeline main(question: Text) -> Text {{\n  z = map x in [question], max: 2 with x {{ yield x }}\n"
    (found,) = [one for one in compiled(f"{text}  return z |> vote()\n}}\n").diagnostics if one.code == "E0208"]
    assert found.primary.start > found.labels[0].span.start
