"""Few-shot examples: rows as turns before the question, how they are chosen, what they cost, and leaks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from checking import HEAD, codes
from hypothesis import given
from hypothesis import strategies as st
from running import FakeEngine
from ttscale.compiler import ir
from ttscale.compiler import types as t
from ttscale.compiler.types import Choice, ListOf, Optional
from ttscale.runtime import answers
from ttscale.runtime.engines.base import Capabilities, Embedding, Message
from ttscale.runtime.executor import execute
from ttscale.runtime.fewshot import Example, RowStore, chosen, spelled
from ttscale.runtime.program import Program, load
from ttscale.runtime.result import Result, RunError

PROGRAM = """tts 1

model small = script("Answer: 7")

prompt solve(question: Text, style: Text = "short") -> Number {
  system "Be brief."
  user "{{ question }} ({{ style }})"
}

dataset sums = jsonl("sums.jsonl", question: question, answer: after(answer, "####"))

pipeline main(question: Text) -> Number {
  param shots: Int in {0, 2, 3, 20} = 2
  param choose: Choice in {first, random, balanced, similar} = first
  return generate(solve(question), from: small, n: 2, examples: sums[0:8], shots: shots, choose: choose) |> vote()
}
"""
ROWS = [
    ("one cat and one dog", 2),
    ("two cats and one dog", 3),
    ("one horse and one cow", 2),
    ("three cats and one dog", 4),
    ("two rivers and one sea", 3),
    ("one hill and three lakes", 4),
    ("one star and one moon", 2),
    ("five ships and one boat", 6),
    ("nine ships and one boat", 10),
]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    lines = (json.dumps({"question": question, "answer": f"so\n#### {answer}"}) for question, answer in ROWS)
    (tmp_path / "sums.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "main.tts").write_text(PROGRAM, encoding="utf-8")
    return load(tmp_path / "main.tts")


async def shown(program: Program, question: str, seed: int = 0, **params: object) -> tuple[Message, ...]:
    """The turns that the model is asked with."""
    engine = FakeEngine(lambda request, place: "Answer: 7")
    plan = program.plan(params=params)
    await execute(plan.graph, plan, {"question": question}, {"small": engine}, run_seed=seed, rows=program.rows)
    return engine.requests[0].messages


async def test_rows_stand_as_turns_before_the_question(program: Program) -> None:
    assert await shown(program, "how many?") == (
        Message("system", "Be brief."),
        Message("user", "one cat and one dog (short)"),
        Message("assistant", "Answer: 2"),
        Message("user", "two cats and one dog (short)"),
        Message("assistant", "Answer: 3"),
        Message("user", "how many? (short)"),
    )
    assert await shown(program, "how many?", shots=0) == (
        Message("system", "Be brief."),
        Message("user", "how many? (short)"),
    )


async def test_rows_may_be_chosen_by_a_condition(program: Program, tmp_path: Path) -> None:
    text = PROGRAM.replace("sums[0:8]", 'sums |> where(contains(question, "boat"))')
    (tmp_path / "boats.tts").write_text(text, encoding="utf-8")
    boats = load(tmp_path / "boats.tts")
    sent = await shown(boats, "how many?")
    assert [m.content for m in sent if m.role == "user"][:2] == [
        "five ships and one boat (short)",
        "nine ships and one boat (short)",
    ]


async def test_what_is_alike_stands_last(program: Program) -> None:
    messages = await shown(program, "four cats and a dog", shots=3, choose="similar")
    texts = [m.content for m in messages if m.role == "user"][:-1]
    assert {"two cats and one dog (short)", "three cats and one dog (short)"} <= set(texts)
    assert texts[-1] in ("two cats and one dog (short)", "three cats and one dog (short)")


class Embedder(FakeEngine):
    """Vectors that only know how many there are of what: one, two or more."""

    async def embed(self, texts: Sequence[str]) -> list[Embedding]:
        places = [next((n for n, word in enumerate(("two", "three", "five")) if word in text), 3) for text in texts]
        return [Embedding(tuple(float(place == at) for at in range(4)), 1) for place in places]

    async def rank(self, query: str, documents: Sequence[str]) -> list[float]:
        return [0.0 for _ in documents]


async def test_what_is_alike_may_be_said_by_vectors(program: Program, tmp_path: Path) -> None:
    text = PROGRAM.replace("choose: choose", "choose: choose, embedder: vectors")
    text = text.replace("\n\nprompt", '\nmodel vectors = gguf("vectors.gguf")\n\nprompt', 1)
    (tmp_path / "near.tts").write_text(text, encoding="utf-8")
    near = load(tmp_path / "near.tts")
    engines = {"small": FakeEngine(lambda request, place: "Answer: 7"), "vectors": Embedder(digest="sha256:vectors")}
    for embeds in (True, False):
        engines["vectors"].capabilities = Capabilities(context=64, embeds=embeds)
        plan = near.plan(params={"shots": 3, "choose": "similar"})
        run = execute(plan.graph, plan, {"question": "three what?"}, engines, rows=near.rows)
        if not embeds:
            with pytest.raises(RunError, match="`vectors` makes no vectors"):
                await run
            continue
        await run
        asked = [m.content for m in engines["small"].requests[0].messages if m.role == "user"][:-1]
        assert asked[1:] == ["one hill and three lakes (short)", "three cats and one dog (short)"]


def test_an_embedder_is_about_examples_that_are_alike() -> None:
    rows = 'model other = gguf("o.gguf")\ndataset d = jsonl("d.jsonl", question: q, answer: a)\n'
    lines = "return generate(p.solve_number(question), from: small, examples: d[0:9], shots: 2{}, embedder: other)"
    made = f"{HEAD}{rows}pipeline main(question: Text) -> Number {{\n{lines}\n}}\n"
    assert "E0212" in codes(made.replace("{}", "")) and "E0212" not in codes(made.replace("{}", ", choose: similar"))


async def test_balanced_takes_the_classes_of_answers_in_turn(program: Program) -> None:
    messages = await shown(program, "how many?", shots=20, choose="balanced")
    given = [m.content for m in messages if m.role == "assistant"]
    assert given == [f"Answer: {n}" for n in (2, 3, 4, 6, 2, 3, 4, 2)]


async def test_random_depends_on_the_seed_and_the_question_alone(program: Program) -> None:
    first = await shown(program, "how many?", choose="random")
    assert first == await shown(program, "how many?", choose="random")
    others = [await shown(program, f"how many {i}?", choose="random") for i in range(4)]
    seeds = [await shown(program, "how many?", seed, choose="random") for seed in range(1, 5)]
    assert any(one[1:-1] != first[1:-1] for one in others) and any(one[1:-1] != first[1:-1] for one in seeds)


async def test_fewer_rows_than_shots_are_said(program: Program) -> None:
    with program:
        result: Result = await program.arun("how many?", params={"shots": 20})
    assert result.answer == 7 and "`shots: 20` shows 8, all there are" in result.notes


@pytest.mark.parametrize("choose", ["first", "random", "balanced", "similar"])
async def test_a_question_is_never_its_own_example(program: Program, choose: str) -> None:
    with pytest.raises(RunError) as failure:
        await shown(program, "five  ships and one boat", choose=choose)
    assert failure.value.diagnostic.code == "R0712"
    assert "sums-8" in str(failure.value) and "sums.jsonl:8" in str(failure.value)
    assert await shown(program, "five ships and one boat", shots=0)
    assert await shown(program, "nine ships and one boat")  # not among the rows 0 to 7


def test_the_plan_counts_the_rows(program: Program) -> None:
    none, two, three = (program.plan(params={"shots": shots}) for shots in (0, 2, 3))
    assert none.maximum.prompt_tokens < two.maximum.prompt_tokens < three.maximum.prompt_tokens
    longest = max(len(f"{question} (short)Answer: {answer}") for question, answer in ROWS[:8])
    added = (two.maximum.prompt_tokens - none.maximum.prompt_tokens) // 2
    assert added <= 2 * (longest + 2 * 16)
    assert any("longest that its rows have" in sentence for sentence in two.assumptions)
    assert not any("examples" in sentence for sentence in none.assumptions)


def test_the_plan_guesses_where_rows_cannot_be_read(program: Program, tmp_path: Path) -> None:
    counted = program.plan().maximum.prompt_tokens
    (tmp_path / "sums.jsonl").unlink()
    blind = load(tmp_path / "main.tts")
    assert any("a guess, since no row was read" in sentence for sentence in blind.plan().assumptions)
    assert blind.plan().maximum.prompt_tokens > counted
    with pytest.raises(RunError) as failure:
        blind.run("how many?")
    assert failure.value.diagnostic.code == "R0711"


async def test_a_budget_counts_what_examples_have(program: Program, tmp_path: Path) -> None:
    text = PROGRAM.replace("  return", "  budget { tokens <= 190 }\n  return").replace("n: 2,", "n: 1, max_tokens: 40,")
    (tmp_path / "main.tts").write_text(text, encoding="utf-8")
    limited = load(tmp_path / "main.tts")
    engine = FakeEngine(lambda request, place: "Answer: 7")
    for shots, calls in ((2, 1), (20, 0)):
        plan = limited.plan(params={"shots": shots})
        engine.requests.clear()
        try:
            await execute(plan.graph, plan, {"question": "how many?"}, {"small": engine}, rows=limited.rows)
        except RunError:
            assert not calls
        assert len(engine.requests) == calls


async def test_a_gold_that_cannot_be_read_is_an_error(program: Program, tmp_path: Path) -> None:
    (tmp_path / "sums.jsonl").write_text('{"question": "q", "answer": "#### many"}\n', encoding="utf-8")
    with pytest.raises(RunError) as failure:
        await shown(program, "how many?")
    assert failure.value.diagnostic.code == "R0713" and "sums-1" in str(failure.value)


def test_a_test_of_the_language_shows_examples(program: Program, tmp_path: Path) -> None:
    text = (
        PROGRAM
        + """
test "examples are shown" {
  given small = script({"how many": ["Answer: 1"]})
  expect main("how many?") == 1
}
"""
    )
    (tmp_path / "main.tts").write_text(text, encoding="utf-8")
    report = load(tmp_path / "main.tts").test()
    assert report.ok, report.tests


async def test_a_prefill_begins_the_answers_of_examples_too(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("problem,answer\nis 2 even,yes\nis 3 even,no\n", encoding="utf-8")
    (tmp_path / "main.tts").write_text(
        """tts 1
model small = script("yes")
prompt judge(question: Text) -> Choice(yes, no) {
  user "{{ question }}?"
  assistant "Verdict:"
}
dataset rows = csv("rows.csv", problem: problem, answer: answer)
pipeline main(problem: Text) -> Choice(yes, no) {
  return generate(judge(problem), from: small, examples: rows, shots: 2)
}
""",
        encoding="utf-8",
    )
    program = load(tmp_path / "main.tts")
    engine = FakeEngine(lambda request, place: "yes")
    plan = program.plan()
    await execute(plan.graph, plan, {"problem": "is 4 even"}, {"small": engine})
    assert [message.content for message in engine.requests[0].messages] == [
        "is 2 even?",
        "Verdict: yes",
        "is 3 even?",
        "Verdict: no",
        "is 4 even?",
        "Verdict:",
    ]


# --- pure parts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "gold"),
    [
        (t.NUMBER, 1042.5),
        (t.INT, -3),
        (t.BOOL, True),
        (Choice(("A", "B")), "B"),
        (Choice(("not sure", "sure")), "not sure"),
        (t.TEXT, "Paris"),
        (t.Code("python"), "print(1)"),
        (ListOf(t.INT), (1, 2)),
        (ListOf(t.TEXT), ("a b", "c")),
        (Optional(t.NUMBER), None),
        (t.Record("R", (t.Field("a", t.TEXT), t.Field("b", t.NUMBER))), {"a": "x", "b": 2}),
    ],
)
def test_an_example_is_read_as_what_it_says(type_: t.Type, gold: object) -> None:
    value, key = answers.coerce(type_, gold)
    text = spelled(type_, value)
    assert answers.read(type_, text)[1] == key, text
    for prefill in ("Verdict:", "I think", "Answer:"):
        assert spelled(type_, value, prefill).startswith(prefill)


@given(
    st.lists(st.tuples(st.text("abc ", max_size=12), st.integers(0, 3)), max_size=12),
    st.integers(0, 14),
    st.sampled_from(["first", "random", "balanced", "similar"]),
    st.integers(0, 5),
)
def test_every_way_chooses_distinct_rows_and_always_the_same(
    rows: list[tuple[str, int]], shots: int, choose: str, seed: int
) -> None:
    known = [Example(f"r{i}", "", text, str(gold), str(gold)) for i, (text, gold) in enumerate(rows)]
    found = chosen(known, shots, choose, "a b c", t.INT, seed)
    assert len(found) == min(shots, len(known)) == len({one.row for one in found})
    assert found == chosen(known, shots, choose, "a b c", t.INT, seed)


def test_rows_are_read_once(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program.plan()
    rows = next(stage.args["examples"] for stage in program.graph().stages if stage.op == "generate")
    assert isinstance(rows, ir.Rows)
    store: RowStore = program.rows
    assert store.rows(rows) is store.rows(rows)


# --- leaks that the file shows -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown_rows", "measured", "leaks"),
    [
        ("gsm[0:50]", "gsm[50:]", False),
        ("gsm[0:50]", "gsm[49:]", True),
        ("gsm[10:60][0:5]", "gsm[15:]", False),
        ("gsm[10:60][0:6]", "gsm[15:]", True),
        ("gsm", "gsm[3:4]", True),
        ("gsm[3:4]", "gsm[3]", True),
        ("gsm |> shuffle(seed: 1)", "gsm[3:9]", True),
        ("gsm |> shuffle(seed: 1)", "gsm", True),
        ("gsm.shuffle(seed: 1)[0:5]", "gsm.shuffle(seed: 1)[5:]", False),
        ("gsm.shuffle(seed: 1)[0:5]", "gsm.shuffle(seed: 1)[4:]", True),
        ("gsm.shuffle(seed: 1)[0:5]", "gsm.shuffle(seed: 2)[5:]", False),
        ('gsm |> where(level == "a")', 'gsm |> where(level == "b")', False),
        ("other[0:50]", "gsm", False),
    ],
)
def test_overlap_that_the_file_shows_is_an_error(shown_rows: str, measured: str, leaks: bool) -> None:
    text = f"""{HEAD}
dataset gsm = jsonl("gsm.jsonl", question: question, answer: answer)
dataset other = jsonl("other.jsonl", question: question, answer: answer)
pipeline inner(question: Text) -> Number {{
  return generate(p.solve_number(question), from: small, examples: {shown_rows}, shots: 2)
}}
pipeline main(question: Text) -> Number {{
  param again: Bool = true
  return inner(question) when again
}}
"""
    for block in (
        f"eval main on {measured} {{ }}",
        f"search tune over main {{ maximize accuracy on {measured} }}",
        f"search tune over main {{ maximize accuracy on other[60:] holdout {measured} }}",
    ):
        found = [code for code in codes(f"{text}\n{block}\n") if code.startswith("E")]
        assert found == (["E0276"] if leaks else []), block
