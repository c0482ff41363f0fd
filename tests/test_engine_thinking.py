"""Blocks of thoughts: the marks of three kinds of templates, and the limit of `up to N`, on scripted tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from running import answer, pipeline, plan_of
from ttscale.compiler import ir
from ttscale.runtime.engines.base import Completion, Given, Message, Request, thoughts_limit
from ttscale.runtime.engines.llama.jobs import Board
from ttscale.runtime.engines.llama.loop import prompt_tokens
from ttscale.runtime.engines.llama.messages import Ask, Report
from ttscale.runtime.engines.llama.samples import Samples, Thoughts
from ttscale.runtime.engines.llama.scheduler import Scheduler
from ttscale.runtime.engines.llama.template import ChatTemplate
from ttscale.runtime.engines.llama.text import Answer, Parts
from ttscale.runtime.engines.llama.thinking import BRACKETS, ENOUGH, HARMONY, THINK, Budget, Tags, tags_of
from ttscale.runtime.engines.llama.work import Limits

# The shapes of the templates that matter here, in few words.
TURNS = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
QWEN3 = (
    TURNS + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{% endif %}"
)
R1 = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '<|User|>' + m.content }}{% else %}"
    "{{ '<|Assistant|>' + m.content.split('</think>')[-1] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif %}"
)
# Closes the block unless it is told to think, as a distillation's template of llama.cpp does.
SWITCHED = (
    "{% for m in messages %}{{ '<|User|>' + m.content }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}"
    "{% if not enable_thinking %}{{ '</think>' }}{% endif %}{% endif %}"
)
GPT_OSS = (
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + '<|end|>' }}"
    "{% else %}{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{% endif %}{% endfor %}"
    "{# what a model thought before is <|channel|>analysis #}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
USER = Message("user", "6 * 7?")


# --- templates -------------------------------------------------------------------------------------------


def test_marks_are_found_in_the_template() -> None:
    assert (tags_of(QWEN3), tags_of(R1), tags_of(GPT_OSS)) == (THINK, THINK, HARMONY)
    assert tags_of("") == tags_of(TURNS) == THINK
    assert tags_of("{{ '[THINK]' + m.thoughts + '[/THINK]' }}") == BRACKETS
    assert tags_of("{{ '</think>\\n' + content }}").after == "\n", "the template's own line breaks"


@pytest.mark.parametrize(
    ("source", "setting", "end", "is_open"),
    [
        (QWEN3, "auto", "assistant\n", False),
        (QWEN3, "up to 50", "assistant\n", False),
        (QWEN3, "off", "assistant\n<think>\n\n</think>\n\n", False),
        (R1, "auto", "<|Assistant|><think>\n", True),
        (R1, "up to 50", "<|Assistant|><think>\n", True),
        (R1, "off", "<|Assistant|><think>\n\n</think>\n\n", False),
        (GPT_OSS, "on", "<|start|>assistant", False),
        (GPT_OSS, "off", "<|start|>assistant<|channel|>final<|message|>", False),
    ],
)
def test_where_a_prompt_ends(source: str, setting: str, end: str, is_open: bool) -> None:
    rendered = ChatTemplate(source, bos="<s>").render((USER,), thinking=setting)
    assert rendered.text.endswith(end)
    assert rendered.thinking is is_open


@pytest.mark.parametrize("source", [QWEN3, R1, SWITCHED, GPT_OSS])
def test_a_prefill_comes_after_the_thoughts(source: str) -> None:
    template = ChatTemplate(source)
    begun = template.render((USER, Message("assistant", "It is")))
    assert begun.text == template.render((USER,), thinking="off").text + "It is"
    assert not begun.thinking


def test_a_prefill_that_begins_with_thoughts_opens_the_block_once() -> None:
    for source in (QWEN3, R1, SWITCHED):
        for setting in ("auto", "off"):
            begun = ChatTemplate(source).render((USER, Message("assistant", "<think>\nSix")), thinking=setting)
            assert begun.text.endswith("<think>\nSix") and begun.text.count("<think>") == 1 and begun.thinking
    closed = ChatTemplate(R1).render((USER, Message("assistant", "<think>\nSix</think>\n\n42")))
    assert not closed.thinking and closed.text.count("<think>") == 1


def test_only_settings_that_change_the_prompt_are_counted() -> None:
    assert set(ChatTemplate(QWEN3).variants) == {"off", "auto"}
    assert set(ChatTemplate(R1).variants) == {"off", "auto"}
    assert ChatTemplate(TURNS).variants == ("auto",)
    assert ChatTemplate("").variants == ("auto",)


# --- taking samples apart --------------------------------------------------------------------------------


def parts(text: str, size: int, tags: Tags = THINK, *, thinking: bool = False) -> Parts:
    answer, data = Answer((), thinking=thinking, tags=tags), text.encode()
    for at in range(0, len(data), size):
        if answer.push(data[at : at + size]):
            break
    return answer.parts()


ANALYSIS, FINAL = "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"


@pytest.mark.parametrize("size", [1, 2, 5, 200])
@pytest.mark.parametrize(
    ("text", "tags", "thoughts", "answer"),
    [
        ("<think>a <think>b</think> c</think>d", THINK, "a <think>b</think> c", "d"),
        ("<think>a</think>\n<think>b</think>\n\n4", THINK, "a\n\nb", "4"),
        ("<think></think>4", THINK, "", "4"),
        ("</think>\n\n4", THINK, "", "4"),
        ("It is 4. <think> is a tag", THINK, "", "It is 4. <think> is a tag"),
        ("<thin ice", THINK, "", "<thin ice"),
        ("[THINK]so[/THINK]4", BRACKETS, "so", "4"),
        (f"{ANALYSIS}6 * 7<|end|><|start|>assistant{FINAL}42", HARMONY, "6 * 7", "42"),
        (f"{ANALYSIS}6 * 7<|end|><|start|>assistant{FINAL}42<|end|>", HARMONY, "6 * 7", "42"),
        (f"{FINAL}42", HARMONY, "", "42"),
        (f"{ANALYSIS}on and on", HARMONY, "on and on", ""),
    ],
)
def test_thoughts_and_answer(text: str, tags: Tags, thoughts: str, answer: str, size: int) -> None:
    found = parts(text, size, tags)
    assert (found.thoughts, found.text.replace("<|end|>", "")) == (thoughts, answer)


def test_stops_wait_for_the_answer_behind_line_breaks() -> None:
    answer = Answer(("\n\n",))
    assert not any(answer.push(piece) for piece in (b"<think>", b"a\n\nb", b"</think>", b"\n\n", b"4"))
    assert answer.push(b"\n\nmore")
    assert answer.parts().text == "4"


# --- the limit -------------------------------------------------------------------------------------------


def test_the_setting_and_what_a_request_may_make() -> None:
    assert [thoughts_limit(word) for word in ("auto", "off", "on", "up to 40")] == [None, None, None, 40]
    assert Request((USER,), (1, 2), max_tokens=10, thinking="up to 40").most == (50, 50)
    assert Request((USER,), (1,), max_tokens=10, thinking="on").most == (10,)
    assert Request((USER,), (1,), max_tokens=10, thinking="up to 40", limits=(7,)).most == (7,)


def test_a_budget_ends_a_block_within_its_limit() -> None:
    budget = Budget(40, 10, long=range(8), short=range(3))
    assert [budget.ending(drawn) for drawn in (0, 31)] == [(), ()]
    assert budget.ending(32) == range(8)
    assert budget.ending(40) == range(3), "a second block gets no sentence"
    assert Budget(20, 10, range(8), range(3)).ending(17) == range(3), "no room for a sentence"
    assert Budget(40, 10, range(8), range(3)).ending(2, at_once=True) == range(8)


END = 256


class Bytes:
    """A vocabulary in which every token is one byte, and one more that ends a sample."""

    def is_end(self, token: int) -> bool:
        return token == END

    def piece(self, token: int) -> bytes:
        return b"" if token == END else bytes([token])


class Scripted:
    """A source of tokens: the script's, then the letters of an endless word."""

    def __init__(self, script: Sequence[int]) -> None:
        self.tokens = list(script)
        self.drawn = 0

    def draw(self, _: float) -> int:
        self.drawn += 1
        return self.tokens[self.drawn - 1] if self.drawn <= len(self.tokens) else ord("z")

    def log_probability(self, _: int) -> float:
        return -1.0


def sample(script: str, *, ends: bool = True, opened: bool = False, tags: Tags = THINK, **more: Any) -> Completion:
    """The one sample of a request, drawn from a script; with `ends` the script ends the sample."""
    usual = tuple((text + tags.ending).encode() for text in (ENOUGH, ""))
    endings: Any = tuple(list(ending) for ending in more.pop("endings", usual))
    words: Any = Bytes()
    board = Board(Scheduler(Limits(cells=8192, sequences=8)), words, more.pop("context", 5000))
    board.out = more.pop("out", [])
    nothing: Any = None
    samples = Samples(board, nothing, Thoughts(tags, endings), nothing)
    request = Request((USER,), (1,), **more)
    samples.submit(Ask(1, "generate", request.messages, request), request, list(range(10)), opened)
    source: Any = Scripted([*script.encode(), *([END] if ends else [])])
    if board.jobs:
        job = board.jobs[1]
        job.group.ready = True
        board.scheduler.plan()
        member = job.group.members[0]
        board.scheduler.start()
        while not member.over:
            samples.draw(job, request, member, source)
    (found,) = [report.value for report in board.out if isinstance(report, Report) and report.last]
    assert isinstance(found, Completion)
    assert len(found.token_ids) == len(found.logprobs) == found.new_tokens == board.new + len(given_tokens(request))
    return found


def test_running_samples_are_reported_without_a_gap() -> None:
    loop_out: list[Any] = []
    whole = sample(
        "<think>" + "hm " * 400, ends=False, max_tokens=20, thinking=f"up to {N}", report_every=16, out=loop_out
    )
    running = [report.value for report in loop_out if not report.last]
    tokens = [token for one in running for token in one.token_ids]
    assert tuple(tokens) == whole.token_ids[: len(tokens)] and len(tokens) > N


def test_an_end_that_is_read_otherwise_ends_the_block_all_the_same() -> None:
    text = "<think>" + "hm " * 400
    found = sample(text, ends=False, max_tokens=20, thinking=f"up to {N}", endings=(b"Enough! </ think>", b"</ think>"))
    assert found.thoughts.endswith("</ think>") and bytes(found.token_ids).count(b"</ think>") == 1
    assert found.text and found.thought_tokens <= N and found.new_tokens == found.thought_tokens + 20


def given_tokens(request: Request) -> tuple[int, ...]:
    return request.given[0].token_ids if request.given and request.given[0] else ()


N = 600  # of thoughts, in tokens of one byte


def test_a_block_that_goes_on_is_ended_and_the_answer_has_its_own_limit() -> None:
    found = sample("<think>" + "hm " * 400, ends=False, max_tokens=20, thinking=f"up to {N}")
    assert found.thoughts.startswith("hm hm") and found.thoughts.endswith(ENOUGH.strip())
    closed = bytes(found.token_ids).index(b"</think>") + len(b"</think>")
    assert found.thought_tokens == closed <= N
    assert found.finish == "length" and found.text
    assert closed + 20 == found.new_tokens, "the answer's limit counts from the end of the thoughts"
    forced = (ENOUGH + THINK.ending).encode()
    at = bytes(found.token_ids).index(forced)
    assert set(found.logprobs[at : at + len(forced)]) == {0.0}
    assert {*found.logprobs[:at], *found.logprobs[at + len(forced) :]} == {-1.0}


def test_a_block_that_the_template_opened_is_ended_too() -> None:
    found = sample("hm " * 400, ends=False, opened=True, max_tokens=20, thinking=f"up to {N}")
    assert found.thoughts.startswith("hm hm") and found.thought_tokens <= N
    assert set(found.text) <= set("hm ") and found.new_tokens <= N + 20


def test_a_block_that_closes_by_itself_is_left_alone() -> None:
    found = sample("<think>short</think>\n\nIt is 42.", max_tokens=50, thinking=f"up to {N}")
    assert (found.thoughts, found.text, found.finish) == ("short", "It is 42.", "stop")
    assert 0.0 not in found.logprobs


def test_without_a_limit_nothing_is_put_in() -> None:
    found = sample("<think>" + "hm " * 400, ends=False, max_tokens=200, thinking="on")
    assert (found.text, found.new_tokens, found.finish) == ("", 200, "length")
    assert found.thought_tokens == 200


def test_a_sample_that_ends_inside_its_block_goes_on_to_an_answer() -> None:
    found = sample("<think>so", max_tokens=20, thinking=f"up to {N}")
    assert found.thoughts == f"so\n\n{ENOUGH.strip()}"
    assert found.text == "z" * (20 - len("\n\n")), "the limit counts the line breaks behind the tag"
    assert END not in found.token_ids
    assert sample("<think>so", max_tokens=20, thinking="on").text == ""


def test_a_model_that_does_not_think_has_the_answers_limit_alone() -> None:
    found = sample("It is 42, " * 50, max_tokens=20, thinking=f"up to {N}")
    assert (found.new_tokens, found.thought_tokens, found.finish) == (20, 0, "length")


def test_thinking_again_after_the_end_is_ended_at_once() -> None:
    text = "<think>" + "a" * (N - len(ENOUGH + THINK.ending) - len("<think>")) + "<think>more"
    found = sample(text, ends=False, max_tokens=60, thinking=f"up to {N}")
    assert bytes(found.token_ids).count(b"</think>") == 2
    assert found.text.startswith("more") and "<think>" not in found.text
    assert found.new_tokens <= N + 60


def test_nested_tags_do_not_end_a_block_early() -> None:
    found = sample("<think>a <think>b</think> c</think>d", max_tokens=50, thinking=f"up to {N}")
    assert (found.text, found.thoughts) == ("d", "a <think>b</think> c")


def test_channels_of_gpt_oss_are_ended_with_their_own_marks() -> None:
    found = sample(ANALYSIS + "hm " * 400, ends=False, tags=HARMONY, max_tokens=20, thinking=f"up to {N}")
    assert found.thoughts.endswith(ENOUGH.strip()) and found.text
    assert f"<|end|><|start|>assistant{FINAL}".encode() in bytes(found.token_ids)
    assert found.thought_tokens <= N and found.new_tokens <= N + 20


@pytest.mark.parametrize("limit", [1, 5, 30, 100, 500, 540, 590, 599, 600, 610])
def test_a_smaller_limit_cuts_the_same_sample(limit: int) -> None:
    whole = sample("<think>" + "hm " * 400, ends=False, max_tokens=20, thinking=f"up to {N}")
    cut = sample("<think>" + "hm " * 400, ends=False, max_tokens=20, thinking=f"up to {N}", limits=(limit,))
    assert cut.new_tokens == limit and cut.finish == "length"
    assert cut.token_ids == whole.token_ids[:limit]


def test_a_context_that_is_full_of_thoughts_says_so() -> None:
    found = sample("<think>" + "hm " * 400, ends=False, context=200, max_tokens=20, thinking=f"up to {N}")
    assert found.new_tokens == 190 and "`ctx:`" in found.error


@pytest.mark.parametrize("most", [1, 3, 12, 20])
def test_small_limits_never_pass_the_sum(most: int) -> None:
    found = sample("<think>" + "hm " * 400, ends=False, max_tokens=30, thinking=f"up to {most}")
    assert found.new_tokens <= most + 30


def test_going_on_from_given_tokens_keeps_the_limits() -> None:
    begun = tuple(b"<think>" + b"hm " * 50)
    given = (Given(begun, (-1.0,) * len(begun)),)
    found = sample("hm " * 400, ends=False, max_tokens=20, thinking=f"up to {N}", given=given)
    assert found.thought_tokens <= N and found.text and found.new_tokens <= N + 20


def test_the_length_of_a_prompt_is_that_of_the_longest_setting() -> None:
    encode: Callable[[str], list[str]] = list
    letters: Any = type("Letters", (), {"encode": staticmethod(encode), "shield": staticmethod(str)})
    length = prompt_tokens(ChatTemplate(QWEN3), letters, (USER,))
    assert length == len(ChatTemplate(QWEN3).render((USER,), thinking="off").text)


# --- in a run --------------------------------------------------------------------------------------------

THINKER = 'model m = script("<think>' + "so " * 200 + "</think>" + "Answer: 42 " * 30 + '")'
STAGE = "return generate(ask(question), from: m, n: 3, thinking: up to 100, max_tokens: 10) |> vote()"


async def test_plan_and_ledger_count_thoughts_beside_the_answer() -> None:
    text = pipeline(STAGE, models=THINKER)
    most = plan_of(text).maximum
    result = await answer(text)
    candidates = result.pool.candidates
    assert [one.tokens for one in candidates] == [110] * 3
    assert all(one.thoughts.split() == ["so"] * 100 and one.text.startswith("Answer: 42") for one in candidates)
    assert 330 <= result.cost.new_tokens <= most.new_tokens


@pytest.mark.parametrize("tokens", [150, 240, 400])
async def test_a_budget_holds_for_thoughts(tokens: int) -> None:
    result = await answer(pipeline(STAGE, models=THINKER), budget=ir.Budget(tokens=tokens))
    assert result.cost.prompt_tokens + result.cost.new_tokens <= tokens
