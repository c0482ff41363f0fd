"""Concept memory: what is kept and recalled, what one run sees, several processes, and the command line."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checking import body, compiled
from click.testing import CliRunner
from running import FakeEngine, answer, pipeline, plan_of
from ttscale.cli.app import cli
from ttscale.cli.memory import read_concepts
from ttscale.compiler.diagnostics import CompileError
from ttscale.library.loader import FileLoader
from ttscale.runtime.memory import Concept, Memories, MemoryFault, Place, concepts_in, forget, names_in
from ttscale.runtime.program import Program, load
from ttscale.runtime.result import RunError

SUMS = Place("sums")
LEARNS = '''tts 1
model m = script({"Which idea": ["%s"], "Carry": ["Answer: 2"], "": ["Answer: 1"]})
prompt solve(question: Text, notes: [Text]) -> Number = """{%% for n in notes %%}{{ n }}{%% endfor %%}{{ question }}"""
pipeline main(question: Text) -> Number {
  notes = recall(question, memory: "%s", k: 3%s)
  return generate(solve(question, notes), from: m) |> remember(memory: "%s"%s)
}
'''


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own store, in a folder of the test."""
    path = tmp_path / "store" / "memory.sqlite"
    monkeypatch.setenv("TTSCALE_MEMORY", str(path))
    return path


def learns(idea: str = "Carry the ten.", memory: str = "sums", recall: str = "", remember: str = "") -> str:
    return LEARNS % (idea, memory, recall, memory, remember)


# --- the store ------------------------------------------------------------------------------------


def test_what_is_kept_is_there_for_the_next_run_and_not_for_this_one(store: Path) -> None:
    memories = Memories()
    view = memories.view()
    assert view.read(SUMS) == []
    assert not store.exists()
    learned = [Concept("Carry the ten.", question="17 + 25", score=0.5), Concept("carry  the ten", question="1 + 9")]
    assert view.write(SUMS, learned) == 1
    assert view.read(SUMS) == []
    assert [one.text for one in view.read(SUMS, now=True)] == ["Carry the ten."]
    (kept,) = memories.view().read(SUMS)
    assert (kept.times, kept.question, kept.score) == (2, "17 + 25", 0.5)
    assert kept.accepted > 1e9 and kept.id == 1
    assert memories.view().read(Place("other")) == []


def test_memories_of_a_test_end_with_it(store: Path, tmp_path: Path) -> None:
    passing, file = Memories(kept=False), Place("main", tmp_path / "own.sqlite")
    passing.view().write(SUMS, [Concept("a")])
    passing.view().write(file, [Concept("b")])
    assert [one.text for one in passing.view().read(SUMS)] == ["a"]
    assert [one.text for one in passing.view().read(file)] == ["b"]
    assert not store.exists() and not (tmp_path / "own.sqlite").exists()


def test_no_memory_is_used_where_the_user_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSCALE_MEMORY", "off")
    view = Memories().view()
    assert view.is_off(SUMS)
    assert view.write(SUMS, [Concept("a")]) == 0
    assert view.read(SUMS) == []


def test_concepts_are_forgotten_and_their_numbers_are_not_used_again(store: Path) -> None:
    memories = Memories()
    memories.view().write(SUMS, [Concept("a"), Concept("b"), Concept("c")])
    assert forget(store, "sums", [3, 9]) == 1
    memories.view().write(SUMS, [Concept("d")])
    assert [(one.id, one.text) for one in concepts_in(store, "sums")] == [(1, "a"), (2, "b"), (4, "d")]
    assert names_in(store) == [("sums", 3)]
    assert forget(store, "sums") == 3


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    other, text, later = tmp_path / "other.sqlite", tmp_path / "text.sqlite", tmp_path / "later.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (a)")
    text.write_text("no database at all, and long enough to be one" * 40, encoding="utf-8")
    Memories().write(Place("main", later), [Concept("a")])
    with sqlite3.connect(later) as connection:
        connection.execute("PRAGMA user_version = 9")
    for path, why in ((other, "another SQLite file"), (text, "no memory of ttscale"), (later, "version 9")):
        with pytest.raises(MemoryFault, match=why):
            Memories().read(Place("main", path))
    with pytest.raises(MemoryFault, match="there is no memory"):
        names_in(tmp_path / "none.sqlite")


WRITER = """
import sys
from ttscale.runtime.memory import Concept, Memories, Place
view = Memories().view()
for number in range(int(sys.argv[2])):
    view.write(Place("shared"), [Concept(f"{sys.argv[1]} wrote {number}"), Concept("all wrote this")])
"""


def test_several_processes_write_at_once(store: Path) -> None:
    each, writers = 12, 3
    command = [sys.executable, "-c", WRITER]
    running = [subprocess.Popen([*command, str(name), str(each)], env=os.environ.copy()) for name in range(writers)]
    assert [process.wait(timeout=120) for process in running] == [0] * writers
    kept = concepts_in(store, "shared")
    assert len(kept) == each * writers + 1
    assert next(one.times for one in kept if one.text == "all wrote this") == each * writers


def test_a_writer_that_is_killed_leaves_whole_concepts(store: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, "first", "100000"], env=os.environ.copy()) as writer:
        while not (store.exists() and store.stat().st_size > 20_000):
            assert writer.poll() is None
            time.sleep(0.01)
        writer.kill()
    assert writer.returncode == -9
    kept = concepts_in(store, "shared")
    alone = [one.text for one in kept if one.text != "all wrote this"]
    assert alone == [f"first wrote {number}" for number in range(len(alone))] and alone
    (both,) = [one for one in kept if one.text == "all wrote this"]
    assert both.times == len(alone), "what is kept together is kept or lost together"
    assert Memories().view().write(Place("shared"), [Concept("and on")]) == 1


def test_half_a_character_is_kept_as_a_sign_for_it() -> None:
    memories = Memories()
    assert memories.view().write(SUMS, [Concept("half \ud83d", question="\udc00?"), Concept("half \ud83e")]) == 1
    (kept,) = memories.view().read(SUMS)
    assert (kept.text, kept.question, kept.times) == ("half ?", "??", 2)


# --- the stages -----------------------------------------------------------------------------------


def program(text: str) -> Program:
    return load(text)


def test_a_run_learns_and_the_next_one_recalls(store: Path) -> None:
    with program(learns()) as first:
        assert first.run("17 + 25").answer == 1
        assert first.run("17 + 26").answer == 2, "every run of a program sees what earlier ones kept"
    (kept,) = concepts_in(store, "sums")
    assert (kept.text, kept.question, kept.answer, kept.model) == ("Carry the ten.", "17 + 25", "1", "m")
    assert (kept.prompt, kept.pipeline, kept.score) == ("solve", "main", None)


async def test_the_order_of_questions_does_not_change_what_they_recall() -> None:
    questions = ["17 + 25", "17 + 26", "17 + 27"]
    with program(learns()) as learner:
        once = {row.inputs["question"]: row.result.answer async for row in learner.run_many(questions) if row.result}
    assert set(once.values()) == {1}
    with program(learns()) as learner:
        again = [row.result.answer async for row in learner.run_many(questions[::-1], concurrency=1) if row.result]
    assert again == [2, 2, 1], "what a question taught itself is left out"
    with program(learns(recall=", as_of: now, own: true", memory="live")) as learner:
        live = [row.result.answer async for row in learner.run_many(questions, concurrency=1) if row.result]
    assert live == [1, 2, 2]


async def test_an_evaluation_sees_what_was_there_when_it_began(store: Path) -> None:
    rows = [{"question": f"17 + {number}", "answer": 1} for number in range(4)]
    with program(learns()) as learner:
        records = learner.evaluate(rows, concurrency=1).records["main"]
        assert [record["answer"] for record in records] == ["1"] * 4
        assert learner.run("17 + 99").answer == 2


async def test_what_a_judge_refused_or_scored_low_teaches_nothing() -> None:
    models = 'model m = script("Answer: 1", "Answer: 2", "nothing to read", once: true)\nmodel j = script("yes", "no")'
    memories = Memories(kept=False)
    text = pipeline(
        "a = generate(ask(question), from: m, n: 3) |> score(by: length) |> verify(from: j, otherwise: all)\n"
        'return a |> remember(memory: "x", what: text, min_score: 2) |> vote()',
        models,
    )
    await answer(text, memories=memories.view())
    assert [(one.text, one.score) for one in memories.view().read(Place("x"))] == [("Answer: 1", 3.0)]


async def test_a_prompt_that_lists_writes_several_concepts_and_none_is_no_concept() -> None:
    head = 'prompt ideas(question: Text, answer: Text) -> [Text] = """List {{ question }} {{ answer }}"""\n'
    models = (
        'model m = script({"List": ["- One idea\\n- none\\n- Two ideas"], "Which idea": ["None."], "": ["Answer: 1"]})'
    )
    memories = Memories(kept=False)
    drafts = "drafts = generate(ask(question), from: m)\n"
    listing = head + pipeline(drafts + 'return drafts |> remember(memory: "x", using: ideas) |> vote()', models)
    result = await answer(listing, memories=memories.view())
    assert [one.text for one in memories.view().read(Place("x"))] == ["One idea", "Two ideas"]
    assert any(event.kind == "note" and "of which 2 new" in event.cause for event in result.trace)
    await answer(
        pipeline(drafts + 'return drafts |> remember(memory: "y") |> vote()', models), memories=memories.view()
    )
    assert memories.view().read(Place("y")) == []


async def test_what_nothing_reads_is_remembered_all_the_same() -> None:
    memories = Memories(kept=False)
    text = pipeline(
        "drafts = generate(ask(question), from: m)\n"
        'lesson = drafts |> remember(memory: "x", what: text)\nreturn drafts |> vote()'
    )
    await answer(text, memories=memories.view())
    assert len(memories.view().read(Place("x"))) == 1


async def test_concepts_come_by_words_by_age_or_by_score_and_the_best_last() -> None:
    memories = Memories(kept=False)
    kept = [Concept("mill stones grind", score=0.1), Concept("the mill pond mill", score=0.9), Concept("x " * 400)]
    memories.view().write(Place("x"), kept)
    models = 'model m = script("a")'

    async def found(arguments: str, question: str = "mill pond") -> list[str]:
        text = pipeline(f'return recall(question, memory: "x", {arguments})', models, "Answers[Text]")
        result = await answer(text, question=question, memories=memories.view())
        return [candidate.text[:6] for candidate in result.pool]

    assert await found("k: 2") == ["mill s", "the mi"]
    assert await found("k: 2, order: ranked") == ["the mi", "mill s"]
    assert await found("k: 2, by: latest") == ["the mi", "x x x "]
    assert await found("k: 1, by: score") == ["the mi"]
    assert await found("k: 3", question="zebra") == []
    text = pipeline('return recall(question, memory: "x", k: 1, by: latest, length: 16)', models, "Answers[Text]")
    assert [len(c.text) for c in (await answer(text, memories=memories.view())).pool] == [15]


async def test_a_note_of_the_run_is_kept_instead() -> None:
    memories = Memories(kept=False)
    text = pipeline(
        "drafts = generate(ask(question), from: m, n: 3)\n"
        'note = "Question: " + question + " Answer: 1"\n'
        'shown = drafts |> remember(memory: "x", note: note) when agreement(drafts) > 0\n'
        "return shown |> vote()"
    )
    result = await answer(text, question="6 - 5", memories=memories.view())
    (kept,) = memories.view().read(Place("x"))
    assert (kept.text, kept.question, kept.model) == ("Question: 6 - 5 Answer: 1", "6 - 5", "m")
    assert result.answer == 1 and plan_of(text).maximum.calls == 3, "no model is asked for it"
    drafts = "d = generate(p.reply(question), from: small, n: 2)\n"
    for more in ("what: text", "from: small"):
        assert "E0213" in body(f'{drafts}return d |> remember(memory: "x", note: question, {more}) |> vote()', "Text")


async def test_a_question_that_is_no_text_does_not_see_its_own_lesson() -> None:
    memories = Memories(kept=False)
    text = """
prompt solve(question: Number, notes: [Text]) -> Text = "{{ question }}: {% for n in notes %}{{ n }}{% endfor %}"
model m = script({": lesson": ["seen"], "": ["lesson"]})
pipeline main(question: Number) -> Text {
  notes = recall("sums", memory: "s", by: latest)
  return generate(solve(question, notes), from: m) |> remember(memory: "s", what: text)
}
"""
    found = [(await answer(text, question=one, memories=memories.view())).answer for one in (17, 17, 18)]
    assert found == ["lesson", "lesson", "seen"]


async def test_a_memory_that_cannot_be_used_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "bad.sqlite"
    path.write_text("no database at all, and long enough to be one" * 40, encoding="utf-8")
    (tmp_path / "main.tts").write_text(learns(memory="bad.sqlite"), encoding="utf-8")
    with load(tmp_path / "main.tts") as learner, pytest.raises(RunError) as failed:
        learner.run("1 + 1")
    assert failed.value.diagnostic.code == "R0722"


def test_a_file_lies_beside_the_program(tmp_path: Path) -> None:
    (tmp_path / "main.tts").write_text(learns(memory="own.sqlite"), encoding="utf-8")
    with load(tmp_path / "main.tts") as learner:
        learner.run("17 + 25")
    assert [one.text for one in concepts_in(tmp_path / "own.sqlite", "main")] == ["Carry the ten."]


def test_tests_of_a_file_keep_nothing(store: Path, tmp_path: Path) -> None:
    test = 'test "learns" {\n  expect main("17 + 25") == 1\n  expect main("17 + 26") == 2\n}\n'
    with program(learns() + test) as learner:
        report = learner.test()
    assert report.ok, report
    assert not store.exists()


# --- checks ---------------------------------------------------------------------------------------


def test_a_memory_must_be_named_by_what_can_be_a_name() -> None:
    drafts = "drafts = generate(p.solve_number(question), from: small)\n"
    assert body(f"{drafts}return drafts |> remember() |> vote()") == ["E0212"]
    assert body(f'{drafts}return drafts |> remember(memory: "../x") |> vote()') == ["E0217"]
    assert body(f'{drafts}return drafts |> remember(memory: "../x.sqlite") |> vote()') == []
    assert body("return recall(question) |> select(by: score)", "Text") == ["E0212"]
    assert body(f'{drafts}return drafts |> remember(memory: "x", min_score: 0.5) |> vote()') == ["E0221"]
    both = f'{drafts}return drafts |> remember(memory: "x", what: text, from: small) |> vote()'
    assert body(both) == ["E0213"]
    assert body('return recall(question, memory: "x", by: embedding) |> select(by: score)', "Text") == ["E0212"]
    assert body('return recall(question, memory: "x", from: small) |> select(by: score)', "Text") == ["E0213"]


def test_the_name_of_a_parameter_is_looked_at_when_it_is_bound() -> None:
    text = (
        'tts 1\nmodel m = script("Answer: 1")\nprompt ask(question: Text) -> Number = """{{ question }}"""\n'
        'pipeline main(question: Text) -> Number {\n  param where: Text = "../x"\n'
        "  return generate(ask(question), from: m) |> remember(memory: where, what: text) |> vote()\n}\n"
    )
    assert "E0217" in [one.code for one in compiled(text).diagnostics]


def test_a_recipe_is_granted_its_memory_and_has_one_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ttscale.compiler.check_trust import needs
    from ttscale.compiler.driver import compile_source
    from ttscale.compiler.source import SourceFile

    linked = compile_source(SourceFile("main.tts", learns()), FileLoader()).linked
    tree = next(iter(linked.modules.values())).tree
    assert {need.capability for need in needs(tree)} == {"memory"}


# --- the command line -----------------------------------------------------------------------------


def ttscale(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    return result.output


def test_memories_are_shown_exported_imported_and_cleared(store: Path, tmp_path: Path) -> None:
    assert "0 memories" in ttscale("memory", "show")
    Memories().view().write(SUMS, [Concept("Carry the ten.", score=0.75, model="m"), Concept("Borrow.")])
    assert "sums" in ttscale("memory", "show")
    shown = ttscale("memory", "show", "sums")
    assert "2 concepts" in shown and "0.75" in shown and "Carry the ten." in shown
    assert json.loads(ttscale("memory", "show", "sums", "--json"))["concepts"][1]["text"] == "Borrow."
    file = tmp_path / "out.jsonl"
    ttscale("memory", "export", "sums", "--output", str(file))
    assert "2 concepts added" in ttscale("memory", "import", str(tmp_path / "own.sqlite"), str(file))
    assert "0 concepts added, 2 known already" in ttscale("memory", "import", str(tmp_path / "own.sqlite"), str(file))
    assert "1 concept forgotten" in ttscale("memory", "clear", "sums", "1")
    assert "1 concept forgotten" in ttscale("memory", "clear", "sums", "--yes")


@pytest.mark.parametrize("line", ["{", "[]", '{"question": "x"}', '{"text": " "}', '{"text": "a", "times": "often"}'])
def test_lines_that_are_no_concepts_are_told_by_their_place(line: str, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "a", "score": 1}\n' + line, encoding="utf-8")
    with pytest.raises(Exception, match=r"in\.jsonl:2"):
        read_concepts(tmp_path / "in.jsonl")


def test_a_program_with_wrong_memory_does_not_load() -> None:
    with pytest.raises(CompileError):
        load(learns(memory="a b"))


LOOP = """
all = repeat 3 with seen = first {
  lessons = recall(question, memory: "x", as_of: now, own: true, by: latest, k: 9)
  new = generate(solve(question, lessons), from: m) |> remember(memory: "x", what: text)
  yield seen + new
}
"""
SOLVE = 'prompt solve(question: Text, notes: [Text]) -> Text = "{{ notes | length }} {{ question }}"\n'


async def test_a_round_recalls_what_the_rounds_before_it_kept() -> None:
    first = 'first = generate(say("start"), from: m)\n'
    text = SOLVE + pipeline(first + LOOP + "return all", 'model m = gguf("m.gguf")', "Answers[Text]")
    engine = FakeEngine(lambda request, place: f"idea behind {request.messages[-1].content}")
    memories = Memories(kept=False)
    result = await answer(text, {"m": engine}, memories=memories.view())
    assert [one.split()[2] for one in result.answer[1:]] == ["0", "1", "2"]


async def test_what_is_recalled_first_does_not_see_what_is_kept_later() -> None:
    lines = """
    told = generate(say(question), from: m) |> remember(memory: "x", what: text)
    early = recall(question, memory: "x", as_of: now, own: true, by: latest)
    more = generate(say("more"), from: m) |> remember(memory: "x", what: text)
    late = recall(question, memory: "x", as_of: now, own: true, by: latest)
    return early + late
    """
    text = pipeline(lines, 'model m = gguf("m.gguf")', "Answers[Text]")
    engine = FakeEngine(lambda request, place: f"idea behind {request.messages[-1].content}")
    result = await answer(text, {"m": engine}, memories=Memories(kept=False).view())
    assert len(result.answer) == 3
    once = await answer(text.replace(", as_of: now", ""), {"m": engine}, memories=Memories(kept=False).view())
    assert once.answer == [], "a run sees what was there when it began"


async def test_what_is_left_out_holds_nobody_up() -> None:
    lines = """
    drafts = generate(say(question), from: m, n: 2)
    kept = drafts |> remember(memory: "x", what: text) when size(drafts) > 5
    lessons = recall(question, memory: "x", as_of: now, own: true, by: latest)
    return lessons + drafts
    """
    text = pipeline(lines, 'model m = gguf("m.gguf")', "Answers[Text]")
    engine = FakeEngine(lambda request, place: "idea")
    assert len((await answer(text, {"m": engine}, memories=Memories(kept=False).view())).answer) == 2


def test_recalls_are_one_stage_where_nothing_was_kept_between_them() -> None:
    lines = 'a = recall(question, memory: "x", as_of: now)\nb = recall(question, memory: "x", as_of: now)\n'
    text = pipeline(lines + "return a + b", 'model m = gguf("m.gguf")', "Answers[Text]")
    assert [stage.op for stage in plan_of(text).graph.stages] == ["recall", "concat"]
