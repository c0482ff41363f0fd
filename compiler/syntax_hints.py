"""Words and signs of other languages that people write by habit, and what this language has instead."""

from __future__ import annotations

_MATCH = "choose with `match x { a => ...  _ => ... }`, or run a stage only sometimes: `stage(...) when condition`"
_LOOP = "do it for each item with `map q in items { ... yield e }`, or N times with `repeat N with x = init { ... }`"
_NAME = "names need no keyword: write `name = value`"

FOREIGN_WORDS = {
    "if": _MATCH,
    "elif": _MATCH,
    "else": _MATCH,
    "switch": _MATCH,
    "case": _MATCH,
    "unless": _MATCH,
    "for": _LOOP,
    "foreach": _LOOP,
    "while": "write `repeat up to N with x = init until condition { ... }`: every loop has a bound",
    "loop": _LOOP,
    "let": _NAME,
    "var": _NAME,
    "val": _NAME,
    "const": _NAME,
    "set": _NAME,
    "def": "a function is a `pipeline NAME(input: Text) -> Text { ... }` at the top of the file",
    "fn": "a function is a `pipeline NAME(input: Text) -> Text { ... }` at the top of the file",
    "func": "a function is a `pipeline NAME(input: Text) -> Text { ... }` at the top of the file",
    "function": "a function is a `pipeline NAME(input: Text) -> Text { ... }` at the top of the file",
    "lambda": "there are no functions in place; name a prompt or a pipeline",
    "print": "`ttscale show` and the trace show every step",
    "assert": "write `require` for parameters, `expect` in a test",
    "await": "calls run side by side without it; remove it",
    "async": "calls run side by side without it; remove it",
    "try": "a call can say `retry: 2`, `timeout: 60s` and `or_else: other_model`",
    "break": "a loop ends with `until`: `repeat up to N with x = init until condition { ... }`",
    "continue": "leave items out with `filter(...)` or `where(...)`",
}
"""Words that no place of the language knows."""

TOP_WORDS = {
    "import": "write `use ./file { name }` or `use std/prompts@1 as p`",
    "from": "write `use ./file { name }` or `use std/prompts@1 as p`",
    "include": "write `use ./file { name }`",
    "def": FOREIGN_WORDS["def"],
    "fn": FOREIGN_WORDS["def"],
    "func": FOREIGN_WORDS["def"],
    "function": FOREIGN_WORDS["def"],
    "class": "a record is `record NAME { field: Text }`; what DSPy calls a signature is a "
    "`prompt ask(question: Text) -> Text = ...`, and a module a `pipeline`",
    "signature": "what DSPy calls a signature is a prompt with its result type: "
    "`prompt ask(question: Text) -> Text = ...`; several outputs are the fields of a `record`",
    "module": "what DSPy calls a module is a `pipeline NAME(question: Text) -> Text { ... }`",
    **dict.fromkeys(("lm", "llm"), 'a model is declared by `model NAME = gguf("...")` or `openai("...", name: "...")`'),
    **dict.fromkeys(("layer", "layers", "archon"), "layers are the steps of a `pipeline`, joined by `|>`"),
    "struct": "write `record NAME { field: Text }`",
    "type": "write `record NAME { field: Text }`",
    "let": "at the top, name a `model`, `prompt`, `dataset`, `metric` or `pipeline`",
    "const": "at the top, name a `model`, `prompt`, `dataset`, `metric` or `pipeline`",
    "template": 'write `prompt NAME(question: Text) -> Text = """..."""`',
}
"""Words that people begin a declaration with."""

_QUOTES = ("E0126", 'texts stand between straight double quotes `"`', 'replace it by `"`')
_DASH = ("E0107", "this is not the minus sign `-`", "replace it by `-`")

SIGNS: dict[str, tuple[str, str, str]] = {
    "'": ("E0126", 'texts stand between double quotes `"`', "replace `'` by `\"`"),
    "`": ("E0126", 'texts stand between double quotes `"`', 'replace the backtick by `"`'),
    "“": _QUOTES,
    "”": _QUOTES,
    "„": _QUOTES,
    "‘": _QUOTES,
    "’": _QUOTES,
    "«": _QUOTES,
    "»": _QUOTES,
    "–": _DASH,
    "—": _DASH,
    "−": _DASH,
    "→": ("E0107", "the arrow is written `->`", "replace it by `->`"),
    "⇒": ("E0107", "the arrow is written `=>`", "replace it by `=>`"),
    "≤": ("E0107", "this sign is written `<=`", "replace it by `<=`"),
    "≥": ("E0107", "this sign is written `>=`", "replace it by `>=`"),
    "≠": ("E0107", "this sign is written `!=`", "replace it by `!=`"),
    "×": ("E0107", "this sign is written `*`", "replace it by `*`"),
    "…": ("E0107", "this sign is written `..`", "replace it by `..`"),
    ";": ("E0107", "statements end without `;`", "remove it"),
    "\\": ("E0107", "a line needs no `\\` to go on", "remove it; line breaks are white space"),
    "&&": ("E0129", "both conditions are joined by `and`", "replace `&&` by `and`"),
    "||": ("E0129", "either condition is joined by `or`", "replace `||` by `or`"),
    "&": ("E0129", "conditions are joined by `and`", "replace `&` by `and`"),
    "!": ("E0129", "a condition is turned around by `not`", "replace `!` by `not`"),
    "**": ("E0129", "there is no power operator", "multiply: `x * x`"),
    "^": ("E0129", "there is no power operator", "multiply: `x * x`"),
    "=>": ("E0129", "`=>` stands only in the arms of a `match`", "write `>=` to compare, `=` to name a value"),
    "|": ("E0129", "values are piped into a stage with `|>`", "replace `|` by `|>`"),
    "?": ("E0129", "`?` stands only behind a type", "choose with `match x { true => a  false => b }`"),
    "$": ("E0107", "names are written without `$`", "remove it; in a prompt's text, write `{{ name }}`"),
    "@": ("E0107", "`@` stands only before a module's version", "write `use std/prompts@1 as p`"),
}
"""Signs that have no place where they stand: code, message and hint."""
