"""Our lexer and trees are Lark's own: the same tokens, nodes, places and mistakes, for right texts and broken ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from random import Random

import lark
import pytest
from fuzzing import PIECES, SEEDS, WHOLE, mutate
from lark import Lark
from lark.exceptions import UnexpectedToken
from ttscale.compiler.parser import Unexpected, load_parser
from ttscale.compiler.parser_tables import plain_parser
from ttscale.compiler.trees import Token, Tree

HERE = Path(__file__).resolve().parent
PROGRAMS = [path.read_text(encoding="utf-8") for path in sorted((HERE.parent / "examples").rglob("*.tts"))]


@cache
def plain() -> Lark:
    """Lark's own parser, built once."""
    return plain_parser()


def shape(node: Tree | Token) -> Iterator[object]:
    """Every node of our tree with its place, the outermost first."""
    if isinstance(node, Token):
        yield node.type, str(node), node.start_pos, node.end_pos
        return
    yield node.data, len(node.children), *([] if node.start_pos < 0 else [node.start_pos, node.end_pos])
    for child in node.children:
        yield from shape(child)


def shape_of_lark(node: lark.Tree[lark.Token] | lark.Token) -> Iterator[object]:
    """The same of one of Lark's."""
    if isinstance(node, lark.Token):
        yield node.type, str(node), node.start_pos, node.end_pos
        return
    yield str(node.data), len(node.children), *([] if node.meta.empty else [node.meta.start_pos, node.meta.end_pos])
    for child in node.children:
        yield from shape_of_lark(child)


def mistake(token: Token | lark.Token, accepts: Iterable[str]) -> list[object]:
    """What is known about a token that does not fit."""
    found = [] if token.type == "$END" else [str(token), token.start_pos, token.end_pos]
    return ["mistake", token.type, *found, sorted(accepts)]


def ours(text: str) -> list[object]:
    """What our parser makes of a text: its tree, or the mistake in it."""
    try:
        return list(shape(load_parser().parse(text)))
    except Unexpected as error:
        return mistake(error.token, error.accepts)


def theirs(text: str) -> list[object]:
    """What Lark makes of it."""
    try:
        return list(shape_of_lark(plain().parse(text)))
    except UnexpectedToken as error:
        return mistake(error.token, error.accepts or ())


@pytest.mark.parametrize("text", [*WHOLE, *PROGRAMS], ids=range(len(WHOLE) + len(PROGRAMS)))
def test_a_right_text_makes_the_same_tree(text: str) -> None:
    assert ours(text) == theirs(text)


@pytest.mark.parametrize("seed", range(5))
def test_a_broken_text_makes_the_same_mistake(seed: int) -> None:
    random = Random(seed)
    for _ in range(60):
        text = mutate(random.choice(SEEDS), random)
        assert ours(text) == theirs(text), text


@pytest.mark.parametrize("seed", range(3))
def test_noise_makes_the_same_mistake(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        text = "".join(random.choice(PIECES) + random.choice(["", " ", "\n"]) for _ in range(random.randint(1, 12)))
        assert ours(text) == theirs(text), text


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
    assert ours(text) == theirs(text)


def test_a_tree_is_shown_as_lark_shows_it() -> None:
    for text in PROGRAMS:
        assert load_parser().parse(text).pretty() == plain().parse(text).pretty()
