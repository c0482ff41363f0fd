"""Keys and rows of the bank: what is one sample and what is another, and how a shorter limit reads a longer row."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace

from banks import ASK, SeededEngine, draw_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ttscale.runtime.bank.keys import Draw, Spot, differences, digest_of, messages_of, messages_text
from ttscale.runtime.bank.rows import (
    Row,
    Want,
    best,
    figures,
    numbers,
    pack_figures,
    pack_numbers,
    pack_pieces,
    packed,
    unpack_pieces,
)
from ttscale.runtime.engines.base import Completion, Message, Request, Sampling
from ttscale.runtime.engines.script import ScriptEngine
from ttscale.runtime.seeds import messages_digest

UNTIMED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SAMPLINGS = st.builds(
    Sampling,
    temperature=st.floats(0, 2),
    top_p=st.floats(0.1, 1),
    top_k=st.integers(0, 100),
    min_p=st.floats(0, 0.5),
    repeat_penalty=st.floats(1, 2),
)
DRAWS = st.builds(
    Draw,
    model=TEXT,
    prompt=TEXT,
    sampling=SAMPLINGS,
    stop=st.lists(TEXT, max_size=3).map(tuple),
    grammar=TEXT,
    thinking=st.sampled_from(["auto", "off", "on", "up to 64"]),
    run_seed=st.integers(0, 2**63),
)


def row_of(completion: Completion) -> Row:
    ids, logprobs, sizes, raw = packed(completion)
    return Row(
        0,
        0,
        0,
        0,
        completion.finish,
        completion.text,
        completion.thoughts,
        completion.thought_tokens,
        completion.prompt_tokens,
        completion.new_tokens,
        ids,
        logprobs,
        sizes,
        raw,
        completion.seconds,
        completion.error,
    )


# --- keys --------------------------------------------------------------------------------------------------


@UNTIMED
@given(DRAWS, DRAWS)
def test_keys_are_equal_exactly_where_all_fields_are(first: Draw, second: Draw) -> None:
    assert (first.digest == second.digest) == (first.fields() == second.fields())
    assert (first.digest == second.digest) == (not differences(first.fields(), second.fields()))


@UNTIMED
@given(DRAWS, st.data())
def test_every_field_is_in_the_key(draw: Draw, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["model", "prompt", "grammar", "thinking", "run_seed", "stop", "temperature"]))
    if name == "temperature":
        other = replace(draw, sampling=replace(draw.sampling, temperature=draw.sampling.temperature + 0.5))
        name = "sampling.temperature"
    elif name == "run_seed":
        other = replace(draw, run_seed=draw.run_seed + 1)
    elif name == "stop":
        other = replace(draw, stop=(*draw.stop, "x"))
    else:
        other = replace(draw, **{name: getattr(draw, name) + "x"})
    assert other.digest != draw.digest
    assert [found[0] for found in differences(draw.fields(), other.fields())] == [name]


def test_a_key_is_the_same_on_every_machine() -> None:
    draw = Draw("sha256:aa", "bb", Sampling(0.7, 0.9, 40, 0.05, 1.1), ("\n",), "", "off", 3)
    assert draw.digest.hex() == digest_of(draw.fields()).hex()
    assert draw.digest.hex() == "5fdf80a727616cf7359760afb77a8fed06aa8272098a90f2d9fc924f29c71f86"


def test_whole_and_broken_numbers_are_one_setting() -> None:
    assert draw_of(sampling=Sampling(temperature=1)).digest == draw_of(sampling=Sampling(temperature=1.0)).digest
    assert asdict(Sampling(temperature=1))["temperature"] == 1


@UNTIMED
@given(st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), TEXT), max_size=4))
def test_a_prompts_text_is_what_its_digest_stands_for(messages: list[Message]) -> None:
    from hashlib import sha256

    text = messages_text(messages)
    assert sha256(text.encode()).hexdigest() == messages_digest(messages)
    assert list(messages_of(text)) == messages


# --- packing -----------------------------------------------------------------------------------------------


@UNTIMED
@given(st.lists(st.integers(0, 2**31 - 1)), st.lists(st.floats(max_value=0, allow_nan=False)))
def test_numbers_come_back_exactly(ids: list[int], logprobs: list[float]) -> None:
    assert list(numbers(pack_numbers(ids))) == ids
    assert list(figures(pack_figures(logprobs))) == logprobs


@UNTIMED
@given(st.lists(st.binary(max_size=300)))
def test_pieces_come_back_or_are_none_where_one_is_long(pieces: list[bytes]) -> None:
    sizes, data = pack_pieces(pieces)
    assert list(unpack_pieces(sizes, data)) == ([] if any(len(piece) > 255 for piece in pieces) else pieces)


# --- views -------------------------------------------------------------------------------------------------


async def generated(seed: int, limit: int, **settings: object) -> Completion:
    engine = SeededEngine(**settings)  # type: ignore[arg-type]
    (made,) = [c async for c in engine.generate(Request(ASK, (seed,), max_tokens=limit))]
    return made


@UNTIMED
@given(st.integers(0, 2**40), st.integers(1, 80), st.integers(1, 80))
def test_a_shorter_limit_reads_what_the_engine_would_have_made(seed: int, long: int, short: int) -> None:
    whole = asyncio.run(generated(seed, max(long, short)))
    wanted = asyncio.run(generated(seed, min(long, short)))
    row, want = row_of(whole), Want(Spot(), min(long, short))
    assert row.serves(want, 4096)
    view = row.completion(5, want)
    unsaid = {"seconds": 0, "beyond": None}  # what was drawn past the text is known here, and not to this engine
    assert replace(view, index=0, **unsaid) == replace(wanted, **unsaid)  # type: ignore[arg-type]
    assert view.index == 5


@UNTIMED
@given(st.lists(st.sampled_from(["so", "sum,", "is", "42.", "é", "\n", " "]), min_size=1, max_size=30), st.data())
def test_views_of_scripted_samples_too(words: list[str], data: st.DataObject) -> None:
    reply = " ".join(words)
    limit = data.draw(st.integers(1, 40))

    async def made(most: int) -> Completion:
        (found,) = [c async for c in ScriptEngine([reply]).generate(Request(ASK, (0,), max_tokens=most))]
        return found

    whole, wanted = asyncio.run(made(1000)), asyncio.run(made(limit))
    row = row_of(whole)
    assert row.serves(Want(Spot(), limit), None)
    view = row.completion(0, Want(Spot(), limit))
    assert (view.text, view.finish, view.new_tokens) == (wanted.text, wanted.finish, wanted.new_tokens)


def test_a_row_that_ended_at_its_limit_serves_no_longer_one() -> None:
    row = row_of(asyncio.run(generated(3, 4)))
    assert row.finish == "length"
    assert row.serves(Want(Spot(), 4), 4096) and not row.serves(Want(Spot(), 5), 4096)


def test_a_row_that_filled_the_context_serves_until_the_context_is_larger() -> None:
    completion = asyncio.run(generated(3, 50, context=10))
    assert completion.finish == "length" and completion.error
    row = row_of(completion)
    assert row.serves(Want(Spot(), 50), 10) and not row.serves(Want(Spot(), 50), 20)


def test_thoughts_are_cut_by_an_engine_only() -> None:
    completion = Completion(0, "42", "stop", 5, 6, "hm", 4, (1,) * 6, (-1.0,) * 6, pieces=(b"x",) * 6)
    row = row_of(completion)
    assert row.serves(Want(Spot(), 6), None) and not row.serves(Want(Spot(), 5), None)
    assert row.serves(Want(Spot(), 2, answer_only=True), None)
    assert not row.serves(Want(Spot(), 1, answer_only=True), None)
    assert row.completion(0, Want(Spot(), 6)).thoughts == "hm"


def test_the_oldest_row_that_can_answers() -> None:
    short, long = row_of(asyncio.run(generated(3, 4))), row_of(asyncio.run(generated(3, 6)))
    assert best([short, long._replace(version=1)], Want(Spot(), 4), None) is short
    found = best([short, long._replace(version=1)], Want(Spot(), 5), None)
    assert found is not None and found.version == 1
    assert best([short], Want(Spot(), 6), None) is None
