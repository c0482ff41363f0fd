"""What `gguf(…)` takes for llama.cpp: checked, read, part of the identity where it changes answers, and acted on."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engine_files import META, embedded_weights, write_adapter, write_gguf
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.gguf_options import GGUF_OPTIONS
from ttscale.compiler.ir import Model
from ttscale.compiler.models import OPTIONS, model_from_locator, option, weights_locator
from ttscale.runtime.engines.base import Completion, EngineError, Message, Request, Sampling
from ttscale.runtime.engines.llama import machine
from ttscale.runtime.engines.llama.gguf import describe_gguf
from ttscale.runtime.engines.llama.options import CACHE_TYPES, LOAD_OPTIONS, LoadOptions, options_of
from ttscale.runtime.engines.llama.runner import Runner, Settings
from ttscale.runtime.engines.llama.weights import Weights
from ttscale.runtime.models import EngineHouse, locate, open_engine

EXAMPLES: Mapping[str, tuple[str, str]] = {
    # what is right, and what is not
    "ctx": ("2048", "0"),
    "gpu_layers": ("-1", "-2"),
    "threads": ("2", "0"),
    "slots": ("8", '"8"'),
    "batch": ("512", "0"),
    "ubatch": ("256", "1.5"),
    "seed": ("7", "-7"),
    "lora": ('{"a.gguf": 0.5, "b.gguf": 1}', "3"),
    "chat_template": ('"{{ messages }}"', '""'),
    "flash_attention": ("auto", "sometimes"),
    "type_k": ("q8_0", "q9_0"),
    "type_v": ('"f16"', "16"),
    "kv_unified": ("false", "0"),
    "keep_prompts": ("true", "1"),
    "swa_full": ("false", '"no"'),
    "offload_kqv": ("true", "1"),
    "mmap": ("false", "1"),
    "mlock": ("true", '"yes"'),
    "split_mode": ("none", "columns"),
    "main_gpu": ("1", "-1"),
    "tensor_split": ("[3, 1]", "[0, 0]"),
    "rope_scaling": ("yarn", "cubic"),
    "rope_freq_base": ("1000000", "0"),
    "rope_freq_scale": ("0.5", '"half"'),
    "reproducible": ("true", "1"),
    "file": ('"x.gguf"', "7"),
    "sha256": (f'"{"0" * 64}"', '"abc"'),
}


def gguf(locator: str, **options: object) -> Model:
    return Model("small", "gguf", locator, tuple(options.items()))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "tiny.gguf")


def read(**given: object) -> LoadOptions:
    return options_of(given, Path, lambda name: f"read from {name}")[0]


# --- what is accepted ------------------------------------------------------------------------------------


def test_every_option_is_known_to_the_checker_and_acted_on(tiny: Path) -> None:
    assert set(EXAMPLES) == set(GGUF_OPTIONS) <= set(OPTIONS["gguf"])
    own = {"ctx", "gpu_layers", "threads", "slots", "file", "sha256"}
    assert own | set(LOAD_OPTIONS) == set(GGUF_OPTIONS)


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_values_are_checked_before_a_model_is_opened(name: str) -> None:
    right, wrong = EXAMPLES[name]
    model = model_from_locator("m", f'gguf("x.gguf", {name}: {right})')
    assert GGUF_OPTIONS[name][0](option(model, name))
    with pytest.raises(CompileError) as raised:
        model_from_locator("m", f'gguf("x.gguf", {name}: {wrong})')
    (found,) = raised.value.diagnostics
    assert found.code == "E0243" and f"`{name}` needs" in found.message and found.hint


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name in LOAD_OPTIONS])
def test_values_from_elsewhere_are_checked_too(name: str) -> None:
    with pytest.raises(EngineError, match=f"`{name}` cannot be") as raised:
        read(**{name: object()})
    assert raised.value.hint


def test_values_as_they_are_read() -> None:
    found = read(lora=("a.gguf", ("b.gguf", 0.5)), flash_attention=True, split_mode=None)
    assert found.lora == ((Path("a.gguf"), 1.0), (Path("b.gguf"), 0.5))
    assert (found.flash_attention, found.split_mode) == ("on", "none")
    assert read(tensor_split=(3, 1)).tensor_split == (3, 1)
    assert read(lora="a.gguf").lora == ((Path("a.gguf"), 1.0),)
    assert read(chat_template="{{ x }}").chat_template == "{{ x }}"
    assert read(chat_template="my.jinja").chat_template == "read from my.jinja"
    assert read(flash_attention=False).flash_attention == "off"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"batch": 128, "ubatch": 256}, "more than the batch of 128"),
        ({"ubatch": 1024}, "more than the batch of 512"),
        ({"keep_prompts": True, "reproducible": True}, "needs one cache"),
        ({"type_v": "q8_0", "flash_attention": "off"}, "only with flash attention"),
        ({"tensor_split": (1, 1), "split_mode": "none"}, "no use"),
    ],
)
def test_options_that_cannot_both_hold(given: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineError, match=words) as raised:
        read(**given)
    assert raised.value.hint


def test_a_file_of_a_package_or_repository_may_be_named_apart(tmp_path: Path, tiny: Path) -> None:
    assert weights_locator(gguf("hf:org/repo", file="q4.gguf")) == "hf:org/repo/q4.gguf"
    assert locate(gguf(str(tmp_path), file="tiny.gguf"), Path()) == tiny


# --- identity --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"chat_template": "{{ messages }}"},
        {"type_k": "q8_0"},
        {"rope_freq_scale": 0.5},
        {"rope_scaling": "yarn"},
        {"seed": 1},
        {"seed": 2},
        {"lora": "a.gguf"},
        {"lora": ("a.gguf", "b.gguf")},
        {"lora": (("a.gguf", 0.5),)},
    ],
)
def test_what_changes_answers_is_in_the_digest(given: dict[str, Any]) -> None:
    plain = LoadOptions().identity("sha256:weights", str)
    assert plain == "sha256:weights"
    changed = read(**given).identity("sha256:weights", str)
    assert changed.startswith("sha256:") and changed != plain
    assert changed == read(**given).identity("sha256:weights", str)
    assert changed != read(**given).identity("sha256:others", str)
    assert changed != read(**{"seed": 3, **given}, type_v="f32").identity("sha256:weights", str)


def test_reproducible_models_have_one_cache_mode() -> None:
    one = read(reproducible=True, kv_unified=True, flash_attention="auto", batch=2048)
    assert (one.kv_unified, one.flash_attention, one.batch, one.ubatch) == (False, "off", 512, 512)


def test_what_changes_speed_or_memory_is_not() -> None:
    fast = read(
        batch=64, ubatch=32, flash_attention="on", kv_unified=False, swa_full=False, mmap=False, mlock=True,
        offload_kqv=False, main_gpu=1, split_mode="layer", tensor_split=(1, 1), type_k="f16",
    )  # fmt: skip
    assert fast.identity("sha256:weights", str) == "sha256:weights"


def test_an_adapter_counts_by_what_is_in_it(tmp_path: Path, tiny: Path) -> None:
    def digest(scale: float) -> str:
        adapter = write_adapter(tmp_path / "a.gguf", small_adapter(scale))
        return open_engine(gguf(str(tiny), lora="a.gguf"), adapter.parent).digest

    assert len({digest(0.1), digest(0.2), open_engine(gguf(str(tiny)), tmp_path).digest}) == 3


async def test_models_that_are_loaded_alike_share_one_engine(tmp_path: Path, tiny: Path) -> None:
    house = EngineHouse(tmp_path)
    (tmp_path / "a.jinja").write_text("{{ messages }}", encoding="utf-8")
    same = [house._identity(gguf(str(tiny), chat_template=name)) for name in ("a.jinja", "./a.jinja", "{{ messages }}")]
    assert same[0] == same[1] == same[2] != house._identity(gguf(str(tiny)))
    assert house._identity(gguf(str(tiny), batch=64)) != house._identity(gguf(str(tiny), batch=128))


# --- files that they name --------------------------------------------------------------------------------


def small_adapter(
    scale: float = 0.1, inputs: int = 64, outputs: int = 64, rank: int = 4
) -> dict[str, list[list[float]]]:
    """An adapter of the first layer's queries, from a fixed dice."""
    dice = random.Random(1)
    return {
        "blk.0.attn_q.weight.lora_a": [[dice.gauss(0, scale) for _ in range(inputs)] for _ in range(rank)],
        "blk.0.attn_q.weight.lora_b": [[dice.gauss(0, scale) for _ in range(rank)] for _ in range(outputs)],
    }


def test_an_adapter_that_is_missing_broken_or_no_adapter(tmp_path: Path, tiny: Path) -> None:
    adapter = write_adapter(tmp_path / "a.gguf", small_adapter())
    assert describe_gguf(adapter).is_adapter and not describe_gguf(tiny).is_adapter
    with pytest.raises(EngineError, match=r"there is no model file .*b\.gguf") as raised:
        open_engine(gguf(str(tiny), lora="b.gguf"), tmp_path)
    assert "a.gguf" in raised.value.hint
    with pytest.raises(EngineError, match="is no LoRA adapter"):
        open_engine(gguf(str(tiny), lora=str(tiny)), tmp_path)
    adapter.write_bytes(adapter.read_bytes()[:-100])
    with pytest.raises(EngineError, match="not a usable GGUF file"):
        open_engine(gguf(str(tiny), lora="a.gguf"), tmp_path)


def test_a_template_that_cannot_be_read(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(EngineError, match=r"none\.jinja .*cannot be read") as raised:
        open_engine(gguf(str(tiny), chat_template="none.jinja"), tmp_path)
    assert "in quotes" in raised.value.hint


def test_a_template_replaces_that_of_the_file(tmp_path: Path) -> None:
    base = write_gguf(tmp_path / "base.gguf", {**META, "tokenizer.chat_template": ""})
    assert open_engine(gguf(str(base)), tmp_path).capabilities.chat_template is False
    assert open_engine(gguf(str(base), chat_template="{{ messages }}"), tmp_path).capabilities.chat_template is True


# --- memory ----------------------------------------------------------------------------------------------


def test_smaller_types_make_room_for_more_cells(tiny: Path) -> None:
    info, memory = describe_gguf(tiny), describe_gguf(tiny).kv_cell_bytes * 2048
    assert machine.plan_cache(info, None, memory)[1] == 2048
    assert machine.plan_cache(info, None, memory, share=read(type_k="q8_0", type_v="q8_0").cache_share)[1] > 3800
    assert read(type_k="f32", type_v="f32").cache_share == 2
    assert set(CACHE_TYPES) == {name for name in CACHE_TYPES if GGUF_OPTIONS["type_k"][0](name)}


def test_caches_of_their_own_hold_a_context_each_or_are_refused(tiny: Path) -> None:
    info = describe_gguf(tiny)
    assert machine.plan_cache(info, 1000, info.kv_cell_bytes * 20000, separate=16) == (1000, 16 * 1024)
    assert machine.plan_cache(info, None, info.kv_cell_bytes * 20000, separate=16) == (1024, 16 * 1024)
    with pytest.raises(EngineError, match="16 caches of 2,048 tokens each do not fit") as raised:
        machine.plan_cache(info, 2000, info.kv_cell_bytes * 20000, separate=16)
    assert "slots" in raised.value.hint


# --- what llama.cpp is told ------------------------------------------------------------------------------


def told(**given: object) -> tuple[Any, Any]:
    """The parameters of the model and of the context that a runner would hand over."""
    pytest.importorskip("llama_cpp")
    from ttscale.runtime.engines.llama.weights import native

    real, kept = native(), SimpleNamespace()

    class Recorder:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def llama_model_load_from_file(self, _: bytes, params: Any) -> int:
            kept.model = params
            return 1

        def llama_init_from_model(self, _: int, params: Any) -> int:
            kept.context = params
            return 1

    options = read(**given)
    weights: Any = Weights.__new__(Weights)
    weights.api, weights.path, weights.options, weights.gpu_layers = Recorder(), "m.gguf", options, None
    weights.model = weights._load_model()
    runner: Any = Runner.__new__(Runner)
    runner.api, runner.weights = weights.api, weights
    runner.settings = Settings("m.gguf", 512, 512, 8, 1, False, options=options)
    runner._make_context()
    return kept.model, kept.context


def test_options_reach_llama_cpp() -> None:
    model, context = told()
    assert (context.n_batch, context.n_ubatch, context.type_k, context.type_v) == (512, 256, 1, 1)
    assert (context.flash_attn_type, context.kv_unified, context.swa_full) == (0, True, True)
    plain = model.load_mode
    model, context = told(
        batch=128, ubatch=64, type_k="q8_0", type_v="q4_0", kv_unified=False, swa_full=False, offload_kqv=False,
        rope_scaling="linear", rope_freq_base=20000, rope_freq_scale=0.5, mmap=False, main_gpu=1, tensor_split=(3, 1),
        split_mode="row",
    )  # fmt: skip
    assert (context.n_batch, context.n_ubatch, context.type_k, context.type_v) == (128, 64, 8, 2)
    assert (context.flash_attn_type, context.kv_unified, context.swa_full) == (1, False, False), "values need it"
    assert (context.offload_kqv, context.rope_scaling_type) == (False, 1)
    assert (context.rope_freq_base, context.rope_freq_scale) == (20000.0, 0.5)
    assert (model.load_mode, model.main_gpu, model.split_mode) == (0, 1, 2) and plain == -1
    assert [model.tensor_split[place] for place in range(3)] == [3.0, 1.0, 0.0]
    assert told(mlock=True)[0].load_mode == 3 and told(mmap=True)[0].load_mode == 1
    assert told(mmap=False, mlock=True)[0].load_mode == 2
    assert [told(flash_attention=word)[1].flash_attn_type for word in ("auto", "off", "on")] == [-1, 0, 1]


def test_a_gpu_that_cannot_be_there() -> None:
    with pytest.raises(EngineError, match="cannot be there"):
        told(main_gpu=99)
    with pytest.raises(EngineError, match="cannot be there"):
        told(tensor_split=(1,) * 99)


# --- on real weights -------------------------------------------------------------------------------------

ASK = (Message("user", "What is the capital of France?"),)
GREEDY = Sampling(temperature=0)
THINKS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}"
)


async def ask(given: dict[str, object], **more: Any) -> tuple[list[Completion], Any]:
    """Samples of real weights that are loaded with some options, and the engine's counts."""
    engine = open_engine(gguf(str(embedded_weights()), threads=1, ctx=512, **given), Path())
    try:
        request = Request(more.pop("messages", ASK), more.pop("seeds", (1,)), **{"sampling": GREEDY, **more})
        found = [completion async for completion in engine.generate(request)]
        return sorted(found, key=lambda completion: completion.index), engine.stats()
    finally:
        await engine.close()


@pytest.mark.model
async def test_thoughts_are_ended_on_real_weights() -> None:
    request = {"max_tokens": 12, "seeds": (1, 2, 3), "sampling": Sampling(temperature=0.9)}
    found, stats = await ask({"chat_template": THINKS}, thinking="up to 100", **request)
    for one in found:
        assert 0 < one.thought_tokens <= 100 and one.new_tokens <= 112
        assert one.thoughts and one.text and one.new_tokens > one.thought_tokens
        assert one.new_tokens == len(one.token_ids) == len(one.logprobs)
        if one.thought_tokens > 90:
            assert "I have thought about this" in one.thoughts and 0.0 in one.logprobs
    assert any("I have thought about this" in one.thoughts for one in found)
    assert stats.prompt_computed == found[0].prompt_tokens, "the tokens put in are no prompt"
    unlimited, _ = await ask({"chat_template": THINKS}, thinking="on", **request)
    assert any(one.text == "" for one in unlimited), "without a limit the thoughts use up the answer's tokens"


@pytest.mark.model
@pytest.mark.parametrize(
    "given",
    [
        {"batch": 16},
        {"batch": 64, "ubatch": 32},
        {"flash_attention": "on"},
        {"mmap": False},
        {"type_k": "q8_0", "type_v": "q8_0"},
        {"kv_unified": False, "slots": 4},
        {"swa_full": False},
    ],
    ids=str,
)
async def test_loaded_otherwise_the_model_answers_the_same_question(given: dict[str, object]) -> None:
    prompt = (*ASK, Message("assistant", "The capital of France is"))
    found, _ = await ask(given, messages=prompt, seeds=(1, 2, 3, 4, 5, 6), max_tokens=4)
    assert len(found) == 6
    assert all(one.text.strip().startswith("Paris") for one in found)


@pytest.mark.model
async def test_an_adapter_changes_the_answer_by_its_scale(tmp_path: Path) -> None:
    adapter = str(write_adapter(tmp_path / "a.gguf", small_adapter(1.0, 576, 576)))
    plain, _ = await ask({}, max_tokens=16)
    adapted, _ = await ask({"lora": adapter}, max_tokens=16)
    silent, _ = await ask({"lora": ((adapter, 0.0),)}, max_tokens=16)
    assert adapted[0].token_ids != plain[0].token_ids
    assert silent[0].token_ids == plain[0].token_ids


@pytest.mark.model
async def test_an_adapter_of_other_weights_is_refused(tmp_path: Path) -> None:
    adapter = str(write_adapter(tmp_path / "a.gguf", small_adapter(1.0, 64, 64)))
    with pytest.raises(EngineError, match=r"as a LoRA adapter of .*gguf \(.*blk\.0\.attn_q") as raised:
        await ask({"lora": adapter}, max_tokens=4)
    assert "made for these very weights" in raised.value.hint


@pytest.mark.model
async def test_a_template_with_a_mistake_is_said_when_it_is_loaded() -> None:
    with pytest.raises(EngineError, match="not valid Jinja"):
        await ask({"chat_template": "{% for %}"}, max_tokens=4)


def test_the_documentation_tells_every_option() -> None:
    text = (Path(__file__).resolve().parent.parent / "docs" / "models.md").read_text(encoding="utf-8")
    table = text.partition("## How a model is loaded")[2].partition("\n## ")[0]
    assert [name for name in GGUF_OPTIONS if f"`{name}`" not in table.partition("| option")[2]] == []
