"""Next tokens of several models made into one: the rules on numbers, and on small models side by side."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from tiny_models import plain_model, sliding_window_model
from ttscale.runtime.engines.base import EngineError, Message, Request, Sampling
from ttscale.runtime.engines.llama.combining import Combination, Floats, combined, log_softmax, route
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.watch import Watch, WatchingEngine
from ttscale.runtime.watch.follower import Watching
from ttscale.runtime.watch.watchers import Deepen

VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors" / "collaborative_decoding.json"
ASK = (Message("user", "hello there"),)


def row(*numbers: float) -> Floats:
    return np.asarray(numbers, np.float32)


FIRST, SECOND, THIRD = row(2, 1, 0, -3), row(0, 1, 2, -3), row(1, 0, 1, 0)


def chances(logits: Floats) -> list[float]:
    return np.exp(log_softmax(logits)).tolist()  # type: ignore[no-any-return]


def test_tuning_adds_what_it_changed_in_a_small_model() -> None:
    found = combined([FIRST, SECOND, THIRD], Combination("tuning", weight=0.5))
    assert chances(found) == pytest.approx(chances(FIRST + 0.5 * (SECOND - THIRD)), abs=1e-6)


def test_contrast_keeps_to_what_the_expert_finds_plausible() -> None:
    found = chances(combined([FIRST, SECOND], Combination("contrast", weight=1.0, floor=0.2)))
    assert found[2] < 1e-12 and found[3] < 1e-12, "exp(-2) is less than a fifth"
    expert, amateur = log_softmax(FIRST), log_softmax(SECOND)
    assert math.log(found[0] / found[1]) == pytest.approx(2 * (expert[0] - expert[1]) - (amateur[0] - amateur[1]))


def test_mixtures_and_products_go_by_shares() -> None:
    shares = (3.0, 1.0)
    mixed = [0.75 * one + 0.25 * other for one, other in zip(chances(FIRST), chances(SECOND), strict=True)]
    assert chances(combined([FIRST, SECOND], Combination("mixture", shares=shares))) == pytest.approx(mixed, abs=1e-6)
    together = chances(combined([FIRST, SECOND], Combination("product", shares=shares)))
    assert together == pytest.approx(chances(0.75 * FIRST + 0.25 * SECOND), abs=1e-6)


def test_a_route_asks_the_next_where_the_first_is_not_sure() -> None:
    sure, unsure = Combination("route", floor=0.6), Combination("route", floor=0.9)
    assert chances(combined([FIRST, THIRD], sure)) == pytest.approx(chances(FIRST), abs=1e-6)
    assert chances(combined([FIRST, THIRD], unsure)) == pytest.approx(chances(THIRD), abs=1e-6)
    most, second = sorted(chances(FIRST))[:-3:-1]
    for floor, place in ((most - second - 0.01, 0), (most - second + 0.01, 1)):
        assert route([FIRST, THIRD], Combination("route", floor=floor, doubt="margin")) == place


@pytest.mark.skipif(not VECTORS.exists(), reason="the reference vectors are not beside the project")
def test_reference_logits_of_published_combinations() -> None:
    """Derived from FS-GEN's formulas and emulated fine-tuning; rows are compared as the distributions they mean."""
    for case in json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]:
        given, wanted = case["input"], case["expected"]
        large, small, tuned = (
            row(*given[f"{name}_logits"]) for name in ("large_base", "small_base", "small_finetuned")
        )
        upscaled = log_softmax(combined([large, tuned, small], Combination("tuning")))
        assert upscaled == pytest.approx(wanted["eft_upscaled_logprobs(beta=1)"], abs=1e-5)
        assert int(upscaled.argmax()) == wanted["eft_argmax"]
        assert chances(row(*wanted["proxy_ft_logits(alpha=1)=big+ft-sm"])) == pytest.approx(np.exp(upscaled), abs=1e-6)
        for beta in (0.5, 1.5):  # FS-GEN writes small + β (large - small), which is ours with a weight of β - 1
            mixed = combined([large, small], Combination("contrast", weight=beta - 1, floor=0.1))
            assert int(mixed.argmax()) == wanted[f"contrastive_argmax_beta{beta}"]
        theirs = row(*map(float, wanted["contrastive_logits(alpha=0.1,beta=0.5)_FS-GEN"]))
        ours = combined([large, small], Combination("contrast", weight=-0.5, floor=0.1))
        assert chances(ours) == pytest.approx(chances(theirs), abs=1e-6)
        sure = wanted["threshold_router_small_maxprob"]
        for floor, answers in ((sure - 0.01, small), (sure + 0.01, large)):
            assert chances(combined([small, large], Combination("route", floor=floor))) == pytest.approx(
                chances(answers)
            )
        delta = wanted["delta_router_(p1-p2)/2"]  # half of our margin
        for floor, place in ((2 * delta - 0.01, 0), (2 * delta + 0.01, 1)):
            assert route([small, large], Combination("route", floor=floor, doubt="margin")) == place


@pytest.mark.parametrize(
    ("how", "models", "words"),
    [
        (Combination("tuning"), 2, "takes 3 models"),
        (Combination("mixture"), 1, "takes 2 to 3"),
        (Combination("product", shares=(1.0,)), 2, "2 numbers"),
        (Combination("route", floor=2.0), 2, "probability"),
        (Combination("vote"), 2, "no rule 'vote'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_combined(how: Combination, models: int, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        how.check(models)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    pytest.importorskip("llama_cpp")
    return [plain_model(tmp_path / f"{seed}.gguf", seed=seed) for seed in (7, 8, 9)]


def engine(paths: list[Path], how: Combination | None) -> LlamaEngine:
    return LlamaEngine(paths[0], ctx=256, threads=1, max_sequences=8, others=paths[1:], combination=how)


@pytest.mark.model
async def test_samples_are_drawn_from_the_combined_distribution(paths: list[Path]) -> None:
    how = Combination("tuning", weight=1.5)
    together = engine(paths, how)
    alone = [LlamaEngine(path, ctx=256, threads=1, max_sequences=8) for path in paths]
    try:
        assert together.capabilities.models == 3
        assert together.digest not in {one.digest for one in alone}
        request = Request(ASK, (1, 2, 3), max_tokens=20, sampling=Sampling(0.0))
        greedy = [one async for one in together.generate(request)]
        tokens = greedy[0].token_ids
        for place in (0, 7, 19):
            raw = await together.next_tokens(ASK, tokens[:place])
            own = [(await one.next_tokens(ASK, tokens[:place]))[0] for one in alone]
            assert all(np.allclose(one, other, atol=1e-3) for one, other in zip(raw, own, strict=True))
            found = log_softmax(combined([row(*one) for one in own], how))
            assert tokens[place] == int(found.argmax())
            assert greedy[0].logprobs[place] == pytest.approx(found[tokens[place]], abs=1e-3)
    finally:
        for one in (together, *alone):
            await one.close()


@pytest.mark.model
async def test_a_watched_sample_goes_on_in_all_models(paths: list[Path]) -> None:
    how = Combination("tuning", weight=1.5)
    together = engine(paths, how)
    deepen = Watching("deepen", Deepen("again", 5, 2.0, 2), "inject", most=2)
    try:
        await together.start()
        said, before = await together.tokens("again"), together.stats()
        request = Request(ASK, (1,), max_tokens=32, sampling=Sampling(0.0))
        (one,) = [one async for one in WatchingEngine(together, Watch((deepen,), "again")).generate(request)]
        after = together.stats()
        assert [one.token_ids[event.at : event.at + event.tokens] for event in one.watched] == [said, said]
        assert after.recomputed == before.recomputed
        inside = {event.at + place for event in one.watched for place in range(event.tokens)}
        drawn = [place for place in range(one.new_tokens) if place not in inside]
        assert max(drawn) > one.watched[-1].at
        for place in drawn:
            raw = await together.next_tokens(ASK, one.token_ids[:place])
            found = combined([row(*each) for each in raw], how)
            assert one.token_ids[place] == int(found.argmax())
    finally:
        await together.close()


@pytest.mark.model
async def test_routed_tokens_are_counted_in_all_parts_of_a_watched_sample(paths: list[Path]) -> None:
    together = engine(paths[:2], Combination("route", floor=1.0))
    deepen = Watching("deepen", Deepen("again", 5, 1.0, 2), "inject", most=2)
    watching = WatchingEngine(together, Watch((deepen,), "again"))
    try:
        await watching.start()
        request = Request(ASK, (1, 2), max_tokens=40, sampling=Sampling(1.0))
        for one in [one async for one in watching.generate(request)]:
            assert len(one.watched) == 2
            assert one.routed_tokens == one.new_tokens - sum(event.tokens for event in one.watched)
    finally:
        await together.close()


@pytest.mark.model
async def test_without_a_rule_the_first_model_answers(paths: list[Path]) -> None:
    together, alone = engine(paths[:2], None), LlamaEngine(paths[0], ctx=256, threads=1, max_sequences=8)
    try:
        assert together.digest == alone.digest
        request = Request(ASK, (1,), max_tokens=12)
        texts = [[one.token_ids async for one in each.generate(request)] for each in (together, alone)]
        assert texts[0] == texts[1] and len(await together.next_tokens(ASK)) == 2
    finally:
        await together.close()
        await alone.close()


@pytest.mark.model
async def test_other_vocabularies_are_refused_with_the_first_difference(paths: list[Path], tmp_path: Path) -> None:
    other = sliding_window_model(tmp_path / "other.gguf", ["<a>"])
    for order, words in (
        ([paths[0], other], "'<a>' here and '' there"),
        ([other, paths[0]], "'' here and '<a>' there"),
    ):
        made = engine(order, Combination("contrast"))
        with pytest.raises(EngineError, match=f"another vocabulary.*token 258 is {words}"):
            await made.start()
        await made.close()
    with pytest.raises(EngineError, match="4 models"):
        engine([*paths, other], None)
