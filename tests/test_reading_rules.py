"""`score(by: reward(…))` and `score(by: likeness(…))`: candidates read by a model that writes nothing for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from programs import bound, main
from running import FakeEngine, answer, pipeline
from tiny_models import plain_model, reading_model
from ttscale.runtime.engines.base import Capabilities, ContextExceeded, Embedding
from ttscale.runtime.models import EngineHouse
from ttscale.runtime.result import RunError
from ttscale.runtime.stages.reading import mean_cosines

MODELS = 'model m = gguf("m.gguf")\nmodel reader = gguf("reader.gguf")'
POOL = """
drafts = generate(say(question), from: m, n: {}, max_tokens: 8)
return drafts |> score(by: {}) |> select(by: score)
"""


class Reader(FakeEngine):
    """Vectors by letter, rewards by length; texts with more than `most` letters do not fit."""

    most = 99

    async def embed(self, texts: Sequence[str]) -> list[Embedding]:
        vectors = {"a": (1.0, 0.0), "b": (0.0, 1.0), "c": (0.6, 0.8)}
        return [Embedding(vectors[text[0]], 1) for text in texts]

    async def rank(self, query: str, documents: Sequence[str]) -> list[float]:
        assert query == "6 * 7"
        if max(map(len, documents)) > self.most:
            raise ContextExceeded(100, 99)
        return [len(text) - 3.0 for text in documents]


def engines(texts: Sequence[str], **able: bool) -> dict[str, Any]:
    left = list(texts)
    can = Capabilities(context=64, **{"embeds": True, "ranks": True, **able})  # type: ignore[arg-type]
    return {"m": FakeEngine(lambda request, place: left.pop(0)), "reader": Reader(capabilities=can)}


async def scored(texts: Sequence[str], rule: str) -> tuple[object, list[float]]:
    """The answer that is chosen, and all scores in order."""
    found = await answer(pipeline(POOL.format(len(texts), rule), MODELS, "Text"), engines(texts))
    return found.answer, [next(iter(c.scores.values())) for c in found.pool]


def test_a_mean_of_cosines_is_over_all_others() -> None:
    assert mean_cosines([(1.0, 0.0)]) == [1.0]
    assert mean_cosines([(1.0, 0.0), (0.0, 1.0), (0.6, 0.8)]) == pytest.approx([0.3, 0.4, 0.7])
    assert mean_cosines([]) == []


async def test_likeness_to_all_others_and_to_a_text() -> None:
    assert await scored(["a", "b", "c"], "likeness(reader)") == ("c", pytest.approx([0.3, 0.4, 0.7]))
    assert await scored(["a", "c", "b"], 'likeness(reader, to: "b, as it was")') == ("b", pytest.approx([0, 0.8, 1]))


async def test_rewards_are_what_the_head_says() -> None:
    assert await scored(["a", "bcd", "cc"], "reward(reader)") == ("bcd", [-2.0, 0.0, -1.0])
    squashed = await scored(["a", "bb"], "reward(reader, sigmoid: true)")
    assert squashed == ("bb", pytest.approx([1 / (1 + math.e**2), 1 / (1 + math.e)]))


async def test_what_is_too_long_to_be_read_has_no_score() -> None:
    made = engines(["aaaa", "bb", "c"])
    made["reader"].most = 3
    found = await answer(pipeline(POOL.format(3, "reward(reader)"), MODELS, "Text"), made)
    assert found.answer == "bb"
    assert any("1 of 3 answers have no score" in note for note in found.notes)


@pytest.mark.parametrize(("rule", "able"), [("reward(reader)", "ranks"), ("likeness(reader)", "embeds")])
async def test_a_model_that_cannot_read_like_that_is_named(rule: str, able: str) -> None:
    with pytest.raises(RunError, match="the model `reader`"):
        await answer(pipeline(POOL.format(2, rule), MODELS, "Text"), engines(["a", "b"], **{able: False}))


def test_servers_and_scripts_are_refused_before_anything_runs() -> None:
    drafts = "drafts = generate(solve(question), from: small, n: 4)\n"
    for rule in ("reward(large)", "likeness(large)"):
        found = bound(main(f"{drafts}return drafts |> score(by: {rule}) |> select(by: score)"))[1]
        assert [d.code for d in found] == ["E0280"] and "`gguf(…)`" in found[0].hint
    with pytest.raises(AssertionError, match=r"write `reward\(model: …\)`.*name it in the rule: `reward\(small\)`"):
        bound(main(f"{drafts}return drafts |> score(by: reward, from: small) |> select(by: score)"))


@pytest.mark.model
async def test_real_heads_and_vectors(tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    plain_model(tmp_path / "m.gguf")
    reading_model(tmp_path / "ranker.gguf", ranks=True)
    models = "".join(f'model {name} = gguf("{name}.gguf", ctx: 256, threads: 1)\n' for name in ("m", "ranker"))
    body = (
        "drafts = generate(say(question), from: m, n: 4, max_tokens: 8)\n"
        "return drafts |> score(by: likeness(m)) |> score(by: reward(ranker)) |> select(by: score)"
    )
    house = EngineHouse(tmp_path)
    try:
        found = await answer(pipeline(body, models, "Text"), house.for_run())
    finally:
        await house.close()
    assert len(found.pool) == 4
    for one in found.pool:
        assert -1 <= one.scores["likeness"] <= 1.001 and math.isfinite(one.scores["reward"])
