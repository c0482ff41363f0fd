"""Our lexer and trees are Lark's own: the same tokens, nodes, places and mistakes, for right texts and broken ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

import pytest
from fuzzing import PIECES, SEEDS, WHOLE, mutate
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedToken
from ttscale.compiler.parser_tables import load_parser, plain_parser

HERE = Path(__file__).resolve().parent
PROGRAMS = [path.read_text(encoding="utf-8") for path in sorted((HERE.parent / "examples").rglob("*.tts"))]


@cache
def plain() -> Lark:
    """Lark's own parser, built once."""
    return plain_parser()


def shape(node: Tree[Token] | Token) -> Iterator[object]:
    """Every node of a tree with its place, the outermost first."""
    if isinstance(node, Token):
        yield node.type, str(node), node.start_pos, node.end_pos
        return
    yield str(node.data), len(node.children), *([] if node.meta.empty else [node.meta.start_pos, node.meta.end_pos])
    for child in node.children:
        yield from shape(child)


def outcome(parser: Lark, text: str) -> list[object]:
    """The tree of a text, or the mistake in it."""
    try:
        return list(shape(parser.parse(text)))
    except UnexpectedToken as error:
        token = error.token
        found = [] if token.type == "$END" else [str(token), token.start_pos, token.end_pos]
        return ["mistake", token.type, *found, sorted(error.accepts or ())]


@pytest.mark.parametrize("text", [*WHOLE, *PROGRAMS], ids=range(len(WHOLE) + len(PROGRAMS)))
def test_a_right_text_makes_the_same_tree(text: str) -> None:
    assert outcome(load_parser().lark, text) == outcome(plain(), text)


@pytest.mark.parametrize("seed", range(5))
def test_a_broken_text_makes_the_same_mistake(seed: int) -> None:
    random = Random(seed)
    for _ in range(60):
        text = mutate(random.choice(SEEDS), random)
        assert outcome(load_parser().lark, text) == outcome(plain(), text), text


@pytest.mark.parametrize("seed", range(3))
def test_noise_makes_the_same_mistake(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        text = "".join(random.choice(PIECES) + random.choice(["", " ", "\n"]) for _ in range(random.randint(1, 12)))
        assert outcome(load_parser().lark, text) == outcome(plain(), text), text


@pytest.mark.parametrize(
    "text",
    [
        "use python.tts",
        "use python (1)",
        'use python("a")',
        "use tts@1 as as",
        "use model @>=1.0 <2 { use as model, as }",
        "use 1",
        "use true { x }",
        "model model = model(model: model)",
        "model m = up to 3",
        "model m = f(up to 3, up: to, up  to: 1)",
        "model m = f(n: up\tto 4 * 2)",
        "model m = f(n: up\nto 4)",
        "pipeline p() -> T {\n  param log: Int in [1 .. 4] log = 2\n  param x: Int in [1 .. 4] log # c\n  step = 1\n}",
        "pipeline p() -> T {\n  step # c\n  = 1\n  return f\n(1)\n}",
        "\n(1)",
        "(1)",
        "# c\n[1]",
        "model m = a [1]\n[2]",
        'model m = """\n""" [1]',
        "model trueé = matché",
        "search s over m { seed <= 3 }",
        "",
        "\ufeff",
    ],
)
def test_words_that_are_keywords_only_somewhere(text: str) -> None:
    assert outcome(load_parser().lark, text) == outcome(plain(), text)
