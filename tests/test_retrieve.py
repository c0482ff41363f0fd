"""Looking up passages: scores, files, passages of a length, and the stage in pipelines."""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from checking import HEAD, body, compiled
from hypothesis import given
from hypothesis import strategies as st
from running import FakeEngine, answer, pipeline
from ttscale.runtime.documents import DocumentError, Index, index_of, passages, words
from ttscale.runtime.engines.base import Capabilities, Embedding
from ttscale.runtime.evaluate.arms import graph_digest
from ttscale.runtime.program import load
from ttscale.runtime.result import RunError

NOTES = ["The pond is deep and cold.", "The mill was built in 1871 by the river.", "A mill grinds corn.", "Ducks swim."]


def test_questions_that_look_up_side_by_side_wait_for_the_index() -> None:
    dice = random.Random(1)
    index = Index(tuple(" ".join(dice.choices(["mill", "pond", *map(str, range(400))], k=60)) for _ in range(800)))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: index.best("mill", 3), range(8)))
    assert found == [found[0]] * 8 and len(found[0]) == 3


def test_the_passage_with_the_rarest_words_comes_first() -> None:
    index = Index(tuple(NOTES))
    assert [number for number, _ in index.best("When was the MILL built?", 3)] == [1, 2, 0]
    assert index.best("zebra", 3) == []
    assert Index(()).best("x", 3) == []


def test_scores_are_those_of_lucenes_formula() -> None:
    draw = random.Random(3)
    texts = [words(" ".join(draw.choices("abcdefghijkl", k=draw.randint(3, 30)))) for _ in range(40)]
    index = Index(tuple(" ".join(text) for text in texts))
    mean = sum(map(len, texts)) / len(texts)

    def score(query: str, text: list[str]) -> float:
        total = 0.0
        for word in words(query):
            having = sum(word in other for other in texts)
            idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
            count = text.count(word)
            total += idf * count / (count + 1.5 * (1 - 0.75 + 0.75 * len(text) / mean))
        return total

    for query in ("a b", "c", "k l a d", "a a b", "zebra a"):
        ours = index.scores(query)
        wanted = [score(query, text) for text in texts]
        assert [ours.get(number, 0.0) for number in range(40)] == pytest.approx(wanted, rel=1e-4)


def test_queries_and_passages_without_words_find_nothing() -> None:
    assert Index(("a b", "...")).best("?!", 3) == []
    assert Index(("...", "!")).best("a", 3) == []
    assert [place for place, _ in Index(("...", "a", "a")).best("a", 3)] == [1, 2], "ties go to the first"


def test_without_the_package_a_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(DocumentError, match="needs the package bm25s") as failed:
        Index(("a",)).best("a", 1)
    assert "ttscale[retrieve]" in failed.value.hint


@dataclass
class Reader(FakeEngine):
    """Vectors by what a text is about: animals, stone, or both."""

    capabilities: Capabilities = field(default_factory=lambda: Capabilities(context=4096, embeds=True))
    embedded: list[str] = field(default_factory=list)

    async def embed(self, texts: Sequence[str]) -> list[Embedding]:
        self.embedded += texts
        return [Embedding((1.0, 0.0) if "duck" in t.lower() or "bird" in t else (0.6, 0.8), 3) for t in texts]

    async def rank(self, query: str, documents: Sequence[str]) -> list[float]:
        return [0.0] * len(documents)


async def test_passages_are_found_by_their_meaning_or_by_both() -> None:
    reader = Reader(digest="sha256:meaning")
    text = pipeline(
        "found = generate(say(question), from: m, n: 3)\n"
        "return retrieve(question, among: found, by: embedding, from: v, k: 2)",
        f'model m = script({", ".join(json.dumps(note) for note in NOTES[1:])})\nmodel v = gguf("v.gguf")',
        "Answers[Text]",
    )
    engines = {"m": FakeEngine(lambda request, place: NOTES[1:][place]), "v": reader}
    result = await answer(text, engines, question="a bird at the mill")
    assert [c.text for c in result.pool] == [NOTES[1], NOTES[3]], "the nearest last, ties to the first"
    assert [round(c.scores["cosine"], 3) for c in result.pool] == [0.6, 1.0]
    both = await answer(text.replace("by: embedding", "by: both"), engines, question="a bird at the mill")
    assert [round(1000 * c.scores["fused"], 2) for c in both.pool] == [32.26, 32.27], "1/62 + 1/62, and 1/61 + 1/63"
    assert [c.text for c in both.pool] == [NOTES[1], NOTES[2]]
    assert len(reader.embedded) == 4, "vectors are made once"
    with pytest.raises(RunError, match="makes no vectors"):
        await answer(text, {"m": engines["m"], "v": FakeEngine()}, question="x")


def test_a_model_for_vectors_is_named_where_they_are_made() -> None:
    assert body('return retrieve(question, files: "a.md", by: both) |> select(by: score)', "Text") == ["E0212"]
    assert body('return retrieve(question, files: "a.md", from: small) |> select(by: score)', "Text") == ["E0213"]
    right = 'return retrieve(question, files: "a.md", by: both, from: small) |> select(by: score)'
    assert body(right, "Text") == ["L005"], "`p` is not used"


@given(st.text(alphabet="ab é\n", max_size=200), st.integers(16, 40))
def test_passages_keep_all_words_and_their_length(text: str, length: int) -> None:
    found = passages(text, length)
    assert all(0 < len(passage.encode()) <= length for passage in found)
    assert "".join("".join(found).split()) == "".join(text.split())


def test_files_are_read_in_all_forms(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("One.\n\nTwo two.\n\nThree three three.", encoding="utf-8")
    rows = [{"title": "Mill", "text": NOTES[1]}, {"text": NOTES[0]}]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "c.json").write_text(json.dumps([{"body": NOTES[3]}]), encoding="utf-8")
    assert index_of([tmp_path / "*.md"], "text", 16).passages == ("One.\n\nTwo two.", "Three three", "three.")
    assert index_of([tmp_path / "b.jsonl"], "text", 90).passages == (f"Mill: {NOTES[1]}", NOTES[0])
    assert index_of([tmp_path / "c.json"], "body", 90).passages == (NOTES[3],)
    with pytest.raises(DocumentError, match="no text `text`") as failed:
        index_of([tmp_path / "c.json"], "text", 90)
    assert "body" in failed.value.hint
    with pytest.raises(DocumentError, match="there is no file"):
        index_of([tmp_path / "d.md"], "text", 90)
    with pytest.raises(DocumentError, match="no file fits"):
        index_of([tmp_path / "*.txt"], "text", 90)
    (tmp_path / "b.jsonl").write_text("{", encoding="utf-8")
    with pytest.raises(DocumentError, match="no JSON"):
        index_of([tmp_path / "b.jsonl"], "text", 90)


def test_odd_files_are_read_or_told_apart(tmp_path: Path) -> None:
    def read(name: str, data: bytes, length: int = 90) -> tuple[str, ...]:
        (tmp_path / name).write_bytes(data)
        return index_of([tmp_path / name], "text", length).passages

    row = json.dumps({"text": "One\u2028two\u0085three"}, ensure_ascii=False).encode()
    assert read("a.jsonl", b"\xef\xbb\xbf" + row + b"\r\n\r\n" + row) == ("One\u2028two\u0085three",) * 2
    assert read("b.JSONL", b'{"text": "x"}') == ("x",), "however the ending is written"
    assert read("c.txt", "pond\r\n\r\nmill".encode("utf-16"), 4) == ("pond", "mill")
    assert read("d.jsonl", b'{"text": "half \\ud800 of one"}', 16) == ("half \ud800 of one",)
    for name, data, said in (
        ("e.txt", "café".encode("latin-1"), r"no text in UTF-8 \(byte 4\)"),
        ("f.jsonl", b'{"text": "x"}\n{"text": ' + b"[" * 90_000 + b"}", "line 2 of .* nested too deeply"),
        ("g.jsonl", b'{"n": ' + b"1" * 5000 + b"}", "line 1 of .* no JSON"),
        ("h.json", b'{"text": "x"}', "no list of rows"),
    ):
        with pytest.raises(DocumentError, match=said):
            read(name, data)
    with pytest.raises(DocumentError, match="is a folder") as failed:
        index_of([tmp_path], "text", 90)
    assert "/*.md" in failed.value.hint
    assert read("i.txt", b"") == ()


def test_words_of_all_scripts_are_found() -> None:
    assert [place for place, _ in Index(("東京は大きい。", "京都の寺院は美しい。")).best("京都の寺", 1)] == [1]
    assert [place for place, _ in Index(("the", "cafe\u0301 noir")).best("CAFÉ", 1)] == [1]
    assert words("snake_case x2 ﬁne") == ["snake_case", "x2", "fine"]


def test_a_text_without_a_gap_is_cut_in_one_go() -> None:
    found = passages("é" * 200_001 + " end", 1200)
    assert "".join("".join(found).split()) == "é" * 200_001 + "end" and len(found) == 334
    assert passages("ab " * 8, 16) == ["ab ab ab ab ab", "ab ab ab"]


async def test_documents_without_text_are_told() -> None:
    text = pipeline("return retrieve(question, among: [], k: 2)", returns="Answers[Text]")
    result = await answer(text)
    assert not list(result.pool) and any("nothing to look in" in note for note in result.notes)


LOOK = 'prompt look(question: Text, notes: [Text]) -> Text = """{% for n in notes %}[{{ n }}]{% endfor %}"""\n'


async def test_the_best_passage_stands_last_in_a_prompt(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text("\n".join(json.dumps({"text": n}) for n in NOTES), encoding="utf-8")
    program = tmp_path / "main.tts"
    text = LOOK + pipeline(
        'notes = retrieve(question, files: "notes.jsonl", k: 2)\nreturn generate(look(question, notes), from: m)',
        f'model m = script({{ "[{NOTES[2]}][{NOTES[1]}]": ["last"], "[{NOTES[1]}][{NOTES[2]}]": ["first"] }})',
        "Text",
    )
    program.write_text(f"tts 1\n{text}", encoding="utf-8")
    asked = "When was the mill built in?"
    assert (await load(program).arun(asked)).answer == "last"
    program.write_text(f"tts 1\n{text}".replace("k: 2", "k: 2, order: ranked"), encoding="utf-8")
    result = await load(program).arun(asked)
    assert result.answer == "first"
    found = result.stages["main/notes"]
    assert [c.rank for c in found] == [1, 2] and found.candidates[0].scores["bm25"] > 0  # type: ignore[attr-defined]
    (tmp_path / "notes.jsonl").unlink()
    with pytest.raises(RunError) as failed:
        await load(program).arun(asked)
    assert failed.value.diagnostic.code == "R0716"


def test_other_documents_make_another_evaluation(tmp_path: Path) -> None:
    (tmp_path / "main.tts").write_text(
        f'tts 1\nmodel m = script("a")\n{LOOK}pipeline main(question: Text) -> Text {{\n'
        '  return generate(look(question, retrieve(question, files: "notes/*.md")), from: m)\n}\n',
        encoding="utf-8",
    )
    (tmp_path / "notes").mkdir()

    def digest(name: str, text: str) -> str:
        (tmp_path / "notes" / name).write_text(text, encoding="utf-8")
        with load(tmp_path / "main.tts") as program:
            return graph_digest(program.plan().graph, program.folder)

    first, second, third = digest("a.md", "The mill."), digest("b.md", "The pond."), digest("b.md", "The lake.")
    assert len({first, second, third}) == 3
    assert digest("b.md", "The pond.") == second
    (tmp_path / "notes" / "a.md").unlink()
    (tmp_path / "notes" / "b.md").unlink()
    with load(tmp_path / "main.tts") as program:
        assert graph_digest(program.plan().graph, program.folder) not in (first, second, third)


async def test_texts_of_the_run_are_looked_through() -> None:
    text = pipeline(
        'found = generate(say(question), from: m, n: 3)\nreturn retrieve("built mill", among: found, k: 2)',
        f"model m = script({', '.join(json.dumps(note) for note in NOTES[:3])})",
        "Answers[Text]",
    )
    result = await answer(text)
    assert [c.text for c in result.pool] == [NOTES[2], NOTES[1]]
    nothing = await answer(text.replace("built mill", "zebra").replace("Answers[Text]", "Answers[Text]"))
    assert any("found 0 of 2" in note for note in nothing.notes)


def test_where_to_look_is_said_once() -> None:
    assert body("return retrieve(question, k: 2) |> select(by: score)", "Text") == ["E0212"]
    both = 'return retrieve(question, files: "a.md", among: [question]) |> select(by: score)'
    assert body(both, "Text") == ["E0213"]
    assert body('return retrieve(files: "a.md") |> select(by: score)', "Text") == ["E0212"]
    assert body('return retrieve(3, files: "a.md") |> select(by: score)', "Text") == ["E0215"]


def test_passages_are_texts_and_a_wrong_result_says_so() -> None:
    returned = '  return retrieve(question, files: "a.md") |> select(by: first)\n'
    found = compiled(f"{HEAD}\npipeline main(question: Text) -> Number {{\n{returned}}}\n")
    assert [(one.code, one.hint) for one in found.diagnostics if one.severity == "error"] == [
        (
            "E0238",
            "`retrieve` gives texts: ask a model about them, `return generate(…)`; or declare the pipeline `-> Text`",
        )
    ]
