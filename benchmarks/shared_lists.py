"""Prompt tokens of critique, rank and fuse over one pool, listed anew or shared: asked for, and left to compute.

A prompt is left to compute from the first token in which it differs from every earlier prompt of the same question, as
an engine with a prefix cache does; what stood before it (the samples' own prompt) is not counted. Samples come from a
pool file; reviews are stand-ins of 30 words. Needs llama-cpp-python and weights, of which only the vocabulary is read.

    python benchmarks/shared_lists.py date.pool.jsonl smollm2.gguf --answers 8 --keep 2 --questions 50
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from llama_cpp import Llama
from ttscale.compiler import ir
from ttscale.compiler import types as t
from ttscale.compiler.driver import compile_source
from ttscale.compiler.resolve import prompt_ir
from ttscale.library.loader import FileLoader
from ttscale.library.standard import stage_prompts
from ttscale.runtime.pool import Candidate
from ttscale.runtime.poolfile import Question, read_pool
from ttscale.runtime.prompts import render
from ttscale.runtime.stages.context import offered_answers

REVIEW = " ".join(["word"] * 30)
Prompts = list[list[int]]


def main() -> None:
    """Read the arguments and print a line a way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("pool", type=Path)
    parser.add_argument("weights", type=Path, help="a GGUF file")
    parser.add_argument("--answers", type=int, default=8)
    parser.add_argument("--keep", type=int, default=2)
    parser.add_argument("--questions", type=int, default=50)
    given = parser.parse_args()
    vocabulary = Llama(str(given.weights), vocab_only=True, verbose=False)
    questions = [q for q in read_pool(given.pool) if len(q.pool) >= given.answers][: given.questions]
    print(f"{len(questions)} questions, {given.answers} answers each, {given.keep} kept; means of a question")
    print(f"{'way':44}{'asked':>8}{'to compute':>12}")
    for name, way in WAYS.items():
        asked = computed = 0
        for question in questions:
            prompts = [vocabulary.tokenize(text.encode()) for text in way(question, given.answers, given.keep)]
            asked += sum(map(len, prompts))
            computed += sum(len(own) - shared(own, prompts[:place]) for place, own in enumerate(prompts))
        print(f"{name:44}{asked / len(questions):8.0f}{computed / len(questions):12.0f}")


def shared(prompt: Sequence[int], earlier: Sequence[Sequence[int]]) -> int:
    """How many tokens from its beginning a prompt has in common with one of those before it."""

    def common(other: Sequence[int]) -> int:
        pairs = enumerate(zip(prompt, other, strict=False))
        return next((place for place, (a, b) in pairs if a != b), min(len(prompt), len(other)))

    return max(map(common, earlier), default=0)


def written(prompt: ir.Prompt, question: Question, **values: object) -> str:
    """A prompt's turns in the form of ChatML."""
    offered = {"question": question.question, "keep": 2, "kept": None, "n": 1, **values}
    messages = render(prompt, {name: offered[name] for name, _ in prompt.params}, prompt.result)
    turns = [f"<|im_start|>{m.role}\n{m.content}" for m in messages]
    if messages[-1].role != "assistant":
        turns.append("<|im_start|>assistant\n")
    return "<|im_end|>\n".join(turns)


def prompts() -> dict[str, ir.Prompt]:
    """The standard prompts by name, those for `using:` among them."""
    source = FileLoader()("std/prompts", "1", "")
    assert source is not None
    linked = compile_source(source, FileLoader()).require_ok().linked
    return {**stage_prompts(), "critique_answers": prompt_ir(linked.main.names["critique_answers"], linked)}


STD = prompts()
STD["fuse_answers"] = replace(STD["fuse_answers"], result=t.NUMBER)


def pools(question: Question, count: int) -> tuple[list[Candidate], list[Candidate]]:
    """The answers, and the same with reviews."""
    plain = list(question.pool.candidates[:count])
    return plain, [replace(candidate, critique=REVIEW) for candidate in plain]


def listed(name: str, question: Question, candidates: Sequence[Candidate], **more: object) -> str:
    """A prompt about all of these candidates."""
    return written(STD[name], question, answers=offered_answers(candidates), **more)


def rank_then_anew(question: Question, count: int, keep: int) -> list[str]:
    """Rank all, then list the kept ones for the fuser."""
    plain, _ = pools(question, count)
    return [listed("rank_answers", question, plain), listed("fuse_answers", question, plain[-keep:])]


def rank_then_among(question: Question, count: int, keep: int) -> list[str]:
    """Rank all, then name the kept ones in the same list."""
    plain, _ = pools(question, count)
    kept = list(range(count - keep + 1, count + 1))
    return [listed("rank_answers", question, plain), listed("fuse_answers", question, plain, kept=kept)]


def each_then_anew(question: Question, count: int, keep: int) -> list[str]:
    """A critique of each answer, then rank and fuse with the reviews, the kept ones listed anew."""
    plain, noted = pools(question, count)
    return [
        *(written(STD["critique_answer"], question, answer=candidate.text) for candidate in plain),
        listed("rank_answers", question, noted),
        listed("fuse_answers", question, noted[-keep:]),
    ]


def once_then_among(question: Question, count: int, keep: int) -> list[str]:
    """One critique of all answers, then rank and fuse over the same list, the kept ones by number."""
    plain, noted = pools(question, count)
    kept = list(range(count - keep + 1, count + 1))
    return [
        listed("critique_answers", question, plain),
        listed("rank_answers", question, noted),
        listed("fuse_answers", question, noted, kept=kept),
    ]


WAYS: dict[str, Callable[[Question, int, int], list[str]]] = {
    "rank, fuse: kept listed anew": rank_then_anew,
    "rank, fuse: kept by number (among:)": rank_then_among,
    "critique each, rank, fuse: kept listed anew": each_then_anew,
    "critique once, rank, fuse: kept by number": once_then_among,
}


if __name__ == "__main__":
    main()
