"""What a user is told when a model has no chat template or its context is full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_runs import tts, write
from engine_files import META, write_gguf
from running import FakeEngine, answer, pipeline
from ttscale.runtime.engines.base import Capabilities, Completion, Message, Request
from ttscale.runtime.engines.llama import digest, link
from ttscale.runtime.engines.llama.jobs import Board
from ttscale.runtime.engines.llama.messages import Ask, Report
from ttscale.runtime.engines.llama.samples import Samples, Thoughts
from ttscale.runtime.engines.llama.scheduler import Scheduler
from ttscale.runtime.engines.llama.thinking import THINK
from ttscale.runtime.engines.llama.work import Limits

TWO = 'model base = gguf("base.gguf")\nmodel chat = gguf("chat.gguf")'
BOTH = "return generate(ask(question), from: [base, chat], n: 4) |> vote()"

# Answers everything with 42; whether there is a template is read from the weights, as the real loop does.
STAND_IN = """
import os, sys
sys.path[:] = sys.argv[1:]
from ttscale.runtime.engines.base import Completion
from ttscale.runtime.engines.llama.gguf import describe_gguf
from ttscale.runtime.engines.llama.messages import Ask, Ready, Report
from ttscale.runtime.engines.llama.worker import read_frame, write_frame
source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
settings = read_frame(source)
write_frame(target, [Ready(bool(describe_gguf(settings.path).template), True, 4096, 4096)])
while (ask := read_frame(source)) is not None:
    if not isinstance(ask, Ask):
        continue
    if ask.what == "count":
        write_frame(target, [Report(ask.key, 10, None, True)])
        continue
    last = len(ask.request.seeds) - 1
    for index in range(last + 1):
        done = Completion(index, "Answer: 42", "stop", 10, 3)
        write_frame(target, [Report(ask.key, done, None, index == last)])
"""


async def test_a_model_without_a_chat_template_is_noted_once() -> None:
    engines = {
        "base": FakeEngine(capabilities=Capabilities(chat_template=False, context=4096)),
        "chat": FakeEngine(capabilities=Capabilities(chat_template=None, context=4096)),
    }
    result = await answer(pipeline(BOTH, models=TWO), engines)
    (note,) = result.notes
    assert "the model base has no chat template" in note
    assert "instruct or chat version" in note
    assert [event.cause for event in result.trace.of("note")] == [note]


@pytest.mark.parametrize(("takes", "system", "count"), [(False, True, 1), (False, False, 0), (None, True, 0)])
async def test_a_system_text_that_the_template_does_not_take_is_noted(
    takes: bool | None, system: bool, count: int
) -> None:
    prompt = 'prompt told(question: Text) -> Text {\n  system "Be brief."\n  user "{{ question }}"\n}\n'
    engines = {"small": FakeEngine(capabilities=Capabilities(system_role=takes, context=4096))}
    name = "told" if system else "say"
    body = f"return generate({name}(question), from: small, n: 2) |> select(by: first)"
    models = f'{prompt}model small = script("a")'
    result = await answer(pipeline(body, models, "Text"), engines)
    assert len(result.notes) == count and all("takes no system message" in note for note in result.notes)


@pytest.mark.parametrize("template", ["", META["tokenizer.chat_template"]])
def test_run_shows_that_the_weights_have_no_chat_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str
) -> None:
    monkeypatch.setattr(link, "BOOT", STAND_IN)
    monkeypatch.setattr(digest, "cache_file", lambda: tmp_path / "digests.json")
    write_gguf(tmp_path / "tiny.gguf", {**META, "tokenizer.chat_template": template})
    text = """tts 1
model tiny = gguf("tiny.gguf")
prompt solve(question: Text) -> Number = "{{ question }}"
pipeline main(question: Text) -> Number { return generate(solve(question), from: tiny, n: 2) |> vote() }
"""
    ran = tts("run", write(tmp_path, text), "6 * 7?")
    assert (ran.code, ran.out) == (0, "42\n"), ran.err
    assert ran.err.count("note: the model tiny has no chat template") == (0 if template else 1)


# --- a full context ----------------------------------------------------------------------------------------


class _Words:
    """A vocabulary without an end, in which every token is one letter."""

    def is_end(self, token: int) -> bool:
        return False

    def piece(self, token: int) -> bytes:
        return b"a"


class _Always:
    """A distribution of one token."""

    def draw(self, _: float) -> int:
        return 1

    def log_probability(self, _: int) -> float:
        return 0.0


def completed(context: int, prompt: int, **more: Any) -> list[Completion]:
    """What the loop reports for a request when all its samples run on until they are ended."""
    words: Any = _Words()
    nothing: Any = None
    board = Board(Scheduler(Limits(cells=256, sequences=8)), words, context)
    samples = Samples(board, nothing, Thoughts(THINK, ((), ())), nothing)
    request = Request((Message("user", "hello"),), **more)
    samples.submit(Ask(1, "generate", request.messages, request), request, list(range(prompt)), False)
    job = board.jobs[1]
    job.group.ready = True
    board.scheduler.plan()
    source: Any = _Always()
    for _, member in board.scheduler.start():
        while not member.over:
            samples.draw(job, request, member, source)
    return [report.value for report in board.out if isinstance(report, Report)]


def test_a_sample_clipped_by_the_context_says_so() -> None:
    long, short = completed(20, 12, seeds=(1, 2), limits=(100, 8))
    assert (long.finish, long.new_tokens) == (short.finish, short.new_tokens) == ("length", 8)
    assert "context of 20 tokens was full" in long.error
    assert short.error == ""  # it had all the tokens that it asked for
    (whole,) = completed(20, 12, seeds=(1,), max_tokens=9)
    assert "`ctx:`" in whole.error


async def test_a_clipped_sample_is_noted_in_the_result() -> None:
    clipped = FakeEngine(
        reply=lambda request, place: Completion(place, "Answer: 1", "length", 5, 3, error="the context was full")
    )
    result = await answer(pipeline("return generate(ask(question), from: m, n: 3) |> vote()"), {"m": clipped})
    assert result.answer == 1
    assert result.notes == ("generate with m: the context was full",)
