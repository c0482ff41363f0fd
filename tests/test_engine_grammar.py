"""Constrained answers: every sample fits its grammar, the others stay as they were, and so do probabilities."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from engine_files import embedded_weights
from ttscale.compiler import types as t
from ttscale.runtime.answers import read_reply
from ttscale.runtime.answers.schema import problems
from ttscale.runtime.engines.base import Completion, Constraint, EngineError, Given, Message, Request, Sampling
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.engines.llama.grammar import Constrained, Grammar
from ttscale.runtime.engines.llama.text import Answer
from ttscale.runtime.engines.llama.thinking import HARMONY, THINK
from ttscale.runtime.engines.llama.vocabulary import Vocabulary
from ttscale.runtime.engines.llama.weights import native, quiet
from ttscale.runtime.grammars import constraint_for, is_structured

ASKED = (Message("user", "Make up a bill of a small shop, with a few lines."),)
LINE = t.Record("", (t.Field("count", t.INT), t.Field("note", t.Optional(t.Text()))))
BILL = t.Record(
    "Bill",
    (
        t.Field("shop", t.Text()),
        t.Field("paid", t.BOOL),
        t.Field("kind", t.Choice(("cash", "card"))),
        t.Field("lines", t.ListOf(LINE)),
    ),
)
SCHEMA = {
    "$defs": {"line": {"properties": {"kind": {"enum": ["x", "y", 3]}}, "required": ["kind"], "type": "object"}},
    "properties": {
        "first": {"maxLength": 12, "type": "string"},
        "lines": {"items": {"$ref": "#/$defs/line"}, "maxItems": 3, "minItems": 1, "type": "array"},
        "more": {"type": ["integer", "null"]},
    },
    "required": ["lines"],
    "type": "object",
}
JSON = t.Json("bill.schema.json", json.dumps(SCHEMA, sort_keys=True))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[LlamaEngine]:
    made = LlamaEngine(embedded_weights(), ctx=1024, threads=1)
    yield made
    await made.close()


async def sampled(
    engine: LlamaEngine, constraint: Constraint | None, count: int = 3, **settings: object
) -> list[Completion]:
    given = {"max_tokens": 110, "sampling": Sampling(1.0, top_p=0.9), **settings}
    request = Request(ASKED, tuple(range(count)), constraint=constraint, **given)  # type: ignore[arg-type]
    return sorted([one async for one in engine.generate(request)], key=lambda one: one.index)


@pytest.mark.model
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "type_",
    [BILL, JSON, t.Choice(("red", "green", "dark blue")), t.BOOL, t.INT, t.NUMBER, t.Optional(BILL)],
    ids=lambda type_: str(type_).split("(")[0],
)
async def test_every_answer_that_is_not_cut_can_be_read(engine: LlamaEngine, type_: t.Type) -> None:
    constraint = constraint_for(type_)
    assert constraint is not None
    found = await sampled(engine, constraint)
    whole = [one for one in found if one.finish == "stop"]
    assert len(whole) >= 1, [one.error for one in found]
    for one in whole:
        _, key = read_reply(type_, "", one.text)
        assert key is not None, one.text
        if type_ is JSON:
            assert problems(json.loads(one.text), SCHEMA, SCHEMA) == []
    assert all(len(one.logprobs) == one.new_tokens and max(one.logprobs) <= 0 for one in found)


@pytest.mark.model
@pytest.mark.asyncio(loop_scope="module")
async def test_probabilities_are_those_of_the_model_alone(engine: LlamaEngine) -> None:
    (one,) = await sampled(engine, Constraint('root ::= "yes"'), 1, sampling=Sampling(0))
    assert one.text == "yes"
    (scored,) = await engine.score(ASKED, [one.pieces[0].decode()])
    assert len(scored.logprobs) == 1
    assert one.logprobs[0] == pytest.approx(scored.logprobs[0], abs=0.1)


@pytest.mark.model
@pytest.mark.asyncio(loop_scope="module")
async def test_a_constrained_answer_goes_on_from_its_beginning(engine: LlamaEngine) -> None:
    constraint = constraint_for(BILL)
    (whole,) = await sampled(engine, constraint, 1)
    given = Given(whole.token_ids[:9], whole.logprobs[:9])
    (again,) = await sampled(engine, constraint, 1, given=(given,))
    assert again.token_ids[:9] == whole.token_ids[:9]
    assert again.finish == "length" or read_reply(BILL, "", again.text)[1] is not None


@pytest.mark.model
@pytest.mark.asyncio(loop_scope="module")
async def test_a_grammar_that_cannot_be_read_fails_its_request_alone(engine: LlamaEngine) -> None:
    with pytest.raises(EngineError, match="cannot read the grammar"):
        await sampled(engine, Constraint("root ::= ((("), 1)
    assert await sampled(engine, None, 1, max_tokens=2)


@pytest.fixture(scope="module")
def vocabulary() -> Iterator[tuple[Any, Vocabulary]]:
    """The native interface and the vocabulary of the embedded model, without its weights."""
    path = embedded_weights()
    quiet()
    api = native()
    parameters = api.llama_model_default_params()
    parameters.vocab_only = True
    model = api.llama_model_load_from_file(str(path).encode(), parameters)
    vocab = api.llama_model_get_vocab(model)
    made = Vocabulary(api, vocab)
    made.native = vocab  # type: ignore[attr-defined]
    yield api, made
    api.llama_model_free(model)


def grammar_of(vocabulary: tuple[Any, Vocabulary], text: str) -> Grammar:
    api, known = vocabulary
    return Grammar.parsed(api, known.native, known.size, Constraint(text))  # type: ignore[attr-defined]


@pytest.mark.model
def test_a_grammar_follows_tokens_and_ends_where_it_is_complete(vocabulary: tuple[Any, Vocabulary]) -> None:
    known = vocabulary[1]
    (yes,), (no,), (n,) = (known.encode_plain(word) for word in ("yes", "no", "n"))
    ends = [token for token in range(known.size) if known.is_end(token)]
    grammar = grammar_of(vocabulary, 'root ::= "yes" | "no"')
    assert grammar.allows(yes) and grammar.allows(n) and not grammar.allows(ends[0])
    assert not grammar.allows(known.encode_plain("maybe")[0])
    other = grammar.copy()
    grammar.accept(yes)
    assert not grammar.allows(yes) and other.allows(no), "a copy has a state of its own"
    likely = np.zeros(known.size, np.float32)
    likely[[yes, no]] = 9
    assert sorted(grammar.fitting(likely)) == sorted(ends), "those that fit are far down"
    everything = grammar_of(vocabulary, r"root ::= [^\x00]*").among(np.arange(known.size))
    assert len(everything) > 0.95 * known.size


class Letters:
    """A grammar for one token, 7, as often as it likes."""

    def __init__(self) -> None:
        self.accepted: list[int] = []

    def allows(self, token: int) -> bool:
        return token == 7

    def accept(self, token: int) -> None:
        self.accepted.append(token)

    def fitting(self, row: object) -> np.ndarray[Any, Any]:
        return np.array([7])


PIECES = dict(zip((1, 2, 3, 7), (b"<think>", b"</think>", b"hm", b"a"), strict=True))
PIECES |= {11: b"<|channel|>", 12: b"analysis", 13: b"final", 14: b"<|message|>"}


def walked(tokens: Sequence[int], answer: Answer, marks: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """The tokens that were refused, and those that the grammar was given."""
    letters = Letters()
    sample = Constrained(letters, answer, marks)  # type: ignore[arg-type]
    refused = []
    for token in tokens:
        if not sample.allows(token):
            refused.append(token)
            continue
        sample.follow(token)
        answer.push(PIECES[token])
    return refused, letters.accepted


def test_a_grammar_begins_after_the_thoughts() -> None:
    marks = ([1], [2])
    assert walked([1, 3, 3, 2, 3, 7, 1], Answer((), tags=THINK), marks) == ([3, 1], [7])
    assert walked([3, 2, 3, 7], Answer((), thinking=True, tags=THINK), marks) == ([3], [7]), "opened by the prompt"
    assert walked([3, 7, 7, 2], Answer((), tags=THINK), marks) == ([3, 2], [7, 7]), "no thoughts at all"
    assert walked([1, 7], Answer((), tags=THINK), ()) == ([1], [7]), "thoughts are off"


def test_marks_of_several_tokens_are_written_to_their_end() -> None:
    marks = ([11, 12, 14], [11, 13, 14])
    assert walked([11, 7, 13, 14, 3, 7], Answer((), tags=HARMONY), marks) == ([7, 3], [7])
    assert walked([11, 12, 14, 3, 11, 13, 14, 7], Answer((), tags=HARMONY), marks) == ([], [7])


def test_json_is_constrained_by_itself_and_the_rest_where_it_is_wished() -> None:
    assert [str(one) for one in (BILL, JSON, t.ListOf(BILL), t.Optional(JSON)) if not is_structured(one)] == []
    plain = (t.Text(), t.INT, t.BOOL, t.MATH, t.Choice(("a",)), t.Code("python"), t.ListOf(t.Text()), t.ListOf(t.INT))
    assert not any(map(is_structured, plain))
    assert [constraint_for(one) for one in (t.Text(), t.MATH, t.Code("python"))] == [None] * 3


def test_schemas_that_contain_themselves_become_rules() -> None:
    tree = {"$defs": {"node": {"properties": {"kids": {"items": {"$ref": "#/$defs/node"}, "type": "array"}}}}}
    schema = {**tree, "$ref": "#/$defs/node"}
    found = constraint_for(t.Json("tree.json", json.dumps(schema)))
    assert found is not None and json.loads(found.schema) == schema
    assert "part-0 ::=" in found.grammar and "(item-1" in found.grammar
