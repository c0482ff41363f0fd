"""Vectors of texts and scores of documents, beside llama.cpp's own pooling and on small models that only read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from engine_files import embedded_weights
from tiny_models import plain_model, reading_model
from ttscale.runtime.engines.base import ContextExceeded, EngineError, Foreseeing, Message, Reading, Request
from ttscale.runtime.engines.llama.engine import LlamaEngine

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.model

TEXTS = ("The cat is on the table.", "Ein Hund und noch ein Hund " * 12, "x")


def native(path: Path, text: str) -> list[float]:
    """The mean of the last layer's rows, as llama-cpp-python's own class pools it."""
    import llama_cpp

    model = llama_cpp.Llama(str(path), embedding=True, pooling_type=1, n_ctx=512, n_batch=512, verbose=False)
    found = model.embed(text, normalize=True)
    model.close()
    return list(found)


@pytest.mark.parametrize("weights", [lambda folder: plain_model(folder / "m.gguf"), lambda _: embedded_weights()])
async def test_vectors_of_a_model_that_writes_are_those_that_llama_cpp_pools(
    tmp_path: Path, weights: Callable[[Path], Path]
) -> None:
    path = weights(tmp_path)
    engine = LlamaEngine(path, threads=1, ctx=512)
    try:
        assert engine.capabilities.embeds and engine.capabilities.writes and isinstance(engine, Reading)
        ask = engine.generate(Request((Message("user", "hello"),), (1, 2), max_tokens=12))
        found, samples = await asyncio.gather(engine.embed(TEXTS), collected(ask))
        assert len(samples) == 2, "texts are read beside running samples"
        for text, one in zip(TEXTS, found, strict=True):
            assert np.linalg.norm(one.vector) == pytest.approx(1)
            assert np.dot(one.vector, native(path, text)) == pytest.approx(1, abs=2e-3)
        assert await engine.embed([]) == []
        with pytest.raises(EngineError, match="no head"):
            await engine.rank("a", ["b"])
    finally:
        await engine.close()


async def collected(stream: object) -> list[object]:
    return [one async for one in stream]  # type: ignore[attr-defined]


@pytest.mark.parametrize("pooling", [1, 2])
async def test_a_model_that_only_reads(tmp_path: Path, pooling: int) -> None:
    engine = LlamaEngine(reading_model(tmp_path / "bert.gguf", pooling=pooling), threads=1)
    able = engine.capabilities
    assert (able.writes, able.scoring, able.grammar, able.embeds, able.context) == (False, False, False, True, 64)
    assert engine.memory.cache == 0
    try:
        texts = ["the cat is blue", "the dog is wet", "the sea is big the sea is wet"]
        found = await engine.embed(texts)
        assert [one.tokens for one in found] == [6, 6, 10], "begin and end are there"
        for text, one in zip(texts, found, strict=True):
            (alone,) = await engine.embed([text])
            assert np.allclose(alone.vector, one.vector, atol=1e-5)
        assert not np.allclose(found[0].vector, found[1].vector, atol=1e-3)
        with pytest.raises(ContextExceeded, match="102 tokens"):
            await engine.embed(["the " * 100])
        with pytest.raises(EngineError, match="writes none"):
            await engine.score((Message("user", "x"),), ["a"])
        with pytest.raises(EngineError, match="writes none"):
            await collected(engine.generate(Request((Message("user", "x"),), (1,))))
    finally:
        await engine.close()


async def test_a_reranker_scores_pairs(tmp_path: Path) -> None:
    engine = LlamaEngine(reading_model(tmp_path / "rank.gguf", ranks=True), threads=1)
    try:
        assert engine.capabilities.ranks and not engine.capabilities.embeds
        documents = ["the sea is blue", "the dog", "s"]
        scores = await engine.rank("the cat", documents)
        alone = [(await engine.rank("the cat", [document]))[0] for document in documents]
        assert scores == pytest.approx(alone, abs=1e-5) and len(set(scores)) == 3
        assert await engine.rank("the sea", documents) != pytest.approx(scores, abs=1e-5)
        with pytest.raises(EngineError, match="no vectors"):
            await engine.embed(["a"])
    finally:
        await engine.close()


async def test_whole_distributions_agree_with_scores(tmp_path: Path) -> None:
    engine = LlamaEngine(plain_model(tmp_path / "m.gguf"), threads=1, ctx=256)
    ask = (Message("user", "hello"),)
    try:
        assert isinstance(engine, Foreseeing)
        (first,) = await engine.next_tokens(ask)
        assert np.exp(first).sum() == pytest.approx(1)
        (word,) = await engine.tokens("z")
        (scored,) = await engine.score(ask, ["zz"])
        (second,) = await engine.next_tokens(ask, (word,))
        assert (first[word], second[word]) == pytest.approx(scored.logprobs, abs=1e-4)
    finally:
        await engine.close()
