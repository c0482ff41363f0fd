"""Fusing: what each new answer is written from, group by group, and candidates that are named by number."""

from __future__ import annotations

from typing import Any

import pytest
from running import FakeEngine, answer, pipeline
from ttscale.compiler.asking import merges_of
from ttscale.runtime.pool import Candidate
from ttscale.runtime.stages.fuse import grouped

TWO = 'model m = gguf("m.gguf")\nmodel j = gguf("j.gguf")'


def drafts() -> FakeEngine:
    """Answers 0, 1, 2, …"""
    return FakeEngine(lambda request, place: f"Answer: {place}")


def fused(stage: str, n: int = 5) -> str:
    return pipeline(f"x = generate(ask(question), from: m, n: {n})\nreturn x |> {stage}", TWO, "Answers[Number]")


def seen(request: Any) -> list[int]:
    """The answers that a prompt lists, in order."""
    lines = "\n".join(message.content for message in request.messages).splitlines()
    return [int(line.removeprefix("Answer: ")) for line in lines if line.startswith("Answer: ")]


def adding(request: Any, place: int) -> str:
    """Ten more than the sum of what is shown."""
    return f"Answer: {10 + sum(seen(request))}"


async def test_each_new_answer_sees_the_first_ones() -> None:
    writer = FakeEngine(adding)
    result = await answer(fused("fuse(from: j, n: 2, show: 3)"), {"m": drafts(), "j": writer})
    assert result.answer == [13, 13]
    (request,) = writer.requests  # the same prompt, so one request
    assert seen(request) == [0, 1, 2] and len(request.seeds) == 2


async def test_each_new_answer_sees_candidates_drawn_for_it() -> None:
    writer = FakeEngine(adding)
    text = fused("fuse(from: j, n: 6, show: 2, choose: random)", 8)
    result = await answer(text, {"m": drafts(), "j": writer})
    assert len(result.pool) == 6 and result.cost.calls == 8 + 6
    shown = [tuple(seen(request)) for request in writer.requests]
    assert all(len(own) == 2 and own[0] < own[1] for own in shown) and len(set(shown)) > 2
    again = FakeEngine(adding)
    await answer(text, {"m": drafts(), "j": again})
    assert [tuple(seen(request)) for request in again.requests] == shown


async def test_groups_are_merged_until_few_enough_are_left() -> None:
    writer = FakeEngine(adding)
    result = await answer(fused("fuse(from: j, group: 2)"), {"m": drafts(), "j": writer})
    # (0 1) (2 3) 4, then (11 15) 4, then (36 4)
    assert [seen(request) for request in writer.requests] == [[0, 1], [2, 3], [11, 15], [36, 4]]
    assert result.answer == [50] and result.cost.calls == 5 + 4
    few = FakeEngine(adding)
    await answer(fused("fuse(from: j, n: 2, group: 8)"), {"m": drafts(), "j": few})
    assert [seen(request) for request in few.requests] == [[0, 1, 2, 3, 4]]


async def test_a_group_whose_merge_fails_leaves_its_first_candidate() -> None:
    def reply(request: Any, place: int) -> str:
        return "" if seen(request) == [0, 1] else adding(request, place)

    result = await answer(fused("fuse(from: j, group: 2)", 4), {"m": drafts(), "j": FakeEngine(reply)})
    assert result.answer == [25]  # 0 and 15


@pytest.mark.parametrize("size", range(1, 40))
@pytest.mark.parametrize("group", [2, 3, 5, 8])
def test_the_plan_counts_merges_as_they_are_made(size: int, group: int) -> None:
    candidates = [Candidate(str(i)) for i in range(size)]
    merges = rounds = 0
    while len(candidates) > group:
        groups = grouped(candidates, group)
        assert [c for own in groups for c in own] == candidates and max(map(len, groups)) <= group
        merges += sum(len(own) > 1 for own in groups)
        candidates = [own[0] for own in groups]
        rounds += 1
    assert merges_of(size, group) == (merges, rounds)


async def test_kept_candidates_are_named_by_number_in_the_list_that_was_ranked() -> None:
    def reply(request: Any, place: int) -> str:
        return "3, 1, 2" if "separated by commas" in request.messages[0].content else adding(request, place)

    text = fused("rank(from: j, keep: 2) |> fuse(from: j, among: x)", 3)
    writer = FakeEngine(reply)
    result = await answer(text, {"m": drafts(), "j": writer})
    ranking, fusing = (request.messages[0].content for request in writer.requests)
    assert "Only these candidates count, the best first: 3, 1." in fusing
    shared = fusing[: fusing.index("Only these")]
    assert ranking.startswith(shared) and "Candidate 3:\nAnswer: 2" in shared
    assert result.answer == [13]
    without = FakeEngine(reply)
    await answer(fused("rank(from: j, keep: 2) |> fuse(from: j)", 3), {"m": drafts(), "j": without})
    listed = without.requests[1].messages[0].content
    assert "Only these" not in listed and listed.index("Answer: 2") < listed.index("Answer: 0")


async def test_candidates_that_the_list_has_not_are_listed_themselves() -> None:
    text = pipeline(
        "x = generate(ask(question), from: m, n: 2)\ny = generate(ask(question), from: m, n: 1, series: 1)\n"
        "return (x + y) |> fuse(from: j, among: x)",
        TWO,
        "Answers[Number]",
    )
    writer = FakeEngine(adding)
    result = await answer(text, {"m": drafts(), "j": writer})
    assert seen(writer.requests[0]) == [0, 1, 0]
    assert any("not all in `among:`" in note for note in result.notes)


async def test_a_critique_for_all_shares_the_list_with_rank_and_fuse() -> None:
    replies = iter(["- fine\n- off by one\n- odd", "1, 2, 3", "Answer: 5"])
    writer = FakeEngine(lambda request, place: next(replies))
    text = pipeline(
        "x = generate(ask(question), from: m, n: 3)\nnoted = x |> critique(using: s.critique_answers, from: j)\n"
        "return noted |> rank(from: j, keep: 2) |> fuse(from: j, among: noted)",
        f"use std/prompts@1 as s\n{TWO}",
        "Answers[Number]",
    )
    result = await answer(text, {"m": drafts(), "j": writer})
    assert result.answer == [5]
    critique, rank, fuse = (request.messages[0].content for request in writer.requests)
    shared = critique[: critique.index("Review each")]
    assert rank.startswith(shared) and fuse.startswith(shared) and "Candidate 3:" in shared
    assert "Review of candidate 2: off by one" in rank and "Review of candidate 2: off by one" in fuse
