"""Where steps and answers end in step-wise search, and what a judge is shown of blank steps and of steps ahead."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from explored import ROOMY, Table, Tells, explored, texts
from running import FakeEngine, answer, pipeline
from ttscale.runtime.engines.base import Completion, Request
from ttscale.runtime.explore import Shape, grow, policy_named
from ttscale.runtime.explore.chance import Chance, logit
from ttscale.runtime.explore.loop import Path, Written
from ttscale.runtime.explore.particles import Particles
from ttscale.runtime.explore.policies import DepthFirst
from ttscale.runtime.explore.steps import boundaries, step_of
from ttscale.runtime.explore.tree import Node, Tree

GREEDY = Shape(1, 1, 9)


def completion(text: str, beyond: str | None, finish: str = "stop", tokens: int = 3) -> Completion:
    return Completion(0, text, finish, 1, tokens, beyond=beyond)  # type: ignore[arg-type]


def after(engine_says: Sequence[str], **rest: object) -> FakeEngine:
    """An engine whose whole text is known: it goes on from where a beginning ends, up to a stop."""
    (whole,) = engine_says

    def reply(request: Request, place: int) -> object:
        last = request.messages[-1]
        begun = last.content if last.role == "assistant" else ""
        left = whole[len(begun) :]
        size = int(str(rest.get("size", 10_000)))
        at, stop = min(((left.find(s), s) for s in request.stop if s in left), default=(len(left), ""))
        if at > size:
            return Completion(place, left[:size], "length", 5, request.max_tokens, beyond="")
        return Completion(place, left[:at], "stop", 5, 1, logprobs=(-0.5,), beyond=stop)

    return FakeEngine(reply)


async def written(text: str, rest: str, **more: object) -> str:
    program = pipeline(
        f"return explore(say(question), from: m, judge: length, width: 1, branch: 1, steps: 30, {rest})",
        'model m = script("x")',
        "Answers[Text]",
    )
    result = await answer(program, {"m": after([text], **more)})
    return str(result.pool.candidates[0].text)


# --- blank and repeated steps ---------------------------------------------------------------------


async def test_a_blank_line_does_not_end_an_answer_of_lines() -> None:
    text = "First.\n\nSecond.\nAnswer: 2"
    assert await written(text, "boundary: line") == text
    assert await written("A.\n\n\n\nB.", "boundary: paragraph") == "A.\n\n\n\nB."


async def test_two_blank_steps_end_it() -> None:
    assert await written("First.\n\n\nSecond.", "boundary: line") == "First."


async def test_lines_code_and_pieces_may_be_alike() -> None:
    code = "if a {\nif b {\n}\n}\ndone"
    assert await written(code, "boundary: line") == code
    assert await written("1000000", "boundary: tokens, step_tokens: 1", size=1) == "1000000"
    assert await written("Again.\n\nAgain.\n\nAgain.", "boundary: paragraph") == "Again."


def test_a_blank_step_is_not_judged_and_scores_as_the_one_before() -> None:
    shown: list[tuple[str, ...]] = []
    steps: dict[str, list[Tells]] = {
        "": [("a\n", False, 0.7)],
        "a\n": [("\n", False, 0.1)],
        "a\n\n": [("b", True, 0.4)],
    }

    class Seen(Table):
        async def judge(self, paths: Sequence[Path]) -> list[float | None]:
            shown.extend(path.steps for path in paths)
            return await super().judge(paths)

    found = explored(policy_named("beam", {}, GREEDY, Chance(0)), Seen(lambda before: steps[before]))
    assert texts(found) == ["a\n\nb"]
    assert shown == [("a\n",), ("a\n\n", "b")]
    assert found.tree.scores(found.answers[0]) == (0.7, 0.7, 0.4)


# --- marks of a final answer ----------------------------------------------------------------------


async def test_a_mark_that_tokens_cut_is_seen_and_its_line_is_written_to_the_end() -> None:
    rest = 'boundary: tokens, step_tokens: 4, final: "Answer:"'
    assert await written("So Answer: 1234\nand much more", rest, size=4) == "So Answer: 1234"
    assert await written("So Answer:\n\n1234", rest, size=4) == "So Answer:\n\n1234"
    # A paragraph that its tokens cut is written to its end too.
    rest = 'boundary: paragraph, step_tokens: 4, final: "Answer:"'
    assert await written("Answer: 1234 apples\n\nmore", rest, size=9) == "Answer: 1234 apples"


def test_only_the_step_that_is_being_written_has_the_mark() -> None:
    bounds = boundaries("paragraph", (), (), ("Answer:",))
    assert bounds.unfinished("a\n\nAns") == "Ans" and bounds.unfinished("a\n\n") == "" == bounds.unfinished("")
    assert step_of(completion("wer: 3", "\n\n"), bounds, 9, "a\n\nAns").is_last
    assert not step_of(completion("so", "\n\n"), bounds, 9, "the Answer: is near\n\n").is_last
    assert step_of(completion("", None), bounds, 9).is_last  # nobody says what ended an empty text


async def test_an_answer_that_fills_the_context_is_no_whole_one() -> None:
    full = FakeEngine(lambda request, place: Completion(place, "So it", "length", 5, 2, beyond=""))
    program = pipeline(
        "return explore(say(question), from: m, judge: length, width: 1, branch: 1, step_tokens: 9)",
        'model m = script("x")',
        "Answers[Text]",
    )
    result = await answer(program, {"m": full})
    assert [(c.text, c.finish) for c in result.pool] == [("So it", "length")]
    assert len(full.requests) == 1


# --- what is judged -------------------------------------------------------------------------------


async def test_steps_ahead_are_judged_with_their_tokens() -> None:
    class Ahead:
        spent = False

        async def write(self, wanted: Sequence[object]) -> list[Written | None]:
            return [
                Written("x", False, 2, (-3.0,)) if wish.greedy else Written("a", False, 1, (-1.0,))  # type: ignore[attr-defined]
                for wish in wanted
            ]

    judged: list[Path] = []

    class Judge:
        async def judge(self, paths: Sequence[Path]) -> list[float | None]:
            judged.extend(paths)
            return [0.5] * len(paths)

    policy = policy_named("lookahead", {"ahead": 2}, Shape(1, 1, 1), Chance(0))
    await grow(policy, ROOMY, Ahead(), Judge(), answers=1)
    assert (judged[0].steps, judged[0].logprobs, judged[0].tokens) == (("a", "x", "x"), (-1.0, -3.0, -3.0), 5)


def test_products_of_grades_are_products_of_shares() -> None:
    tree = Tree("prod", 9.0)
    tree.add(Node(1, 0, "a", 1, 9.0))
    tree.add(Node(2, 1, "b", 2, 4.5))
    tree.add(Node(3, 2, "c", 3, 4.5))
    assert [tree.value(node) for node in (1, 2, 3)] == pytest.approx([9.0, 4.5, 2.25])
    assert Tree("prod").value(0) is None


def test_depth_first_keeps_one_more_than_the_whole_part() -> None:
    listed: list[Tells] = [(letter, False, 0.1 * place) for place, letter in enumerate("abcde")]
    tells = Table(lambda before: listed if not before else [])
    explored(DepthFirst(Shape(5, 5, 3), prune=0.8), tells)
    assert {wish.before for wish in tells.asked} == {"", "e", "d"}  # (1 - 0.8) x 5 = 1, and one more


# --- weights of particles -------------------------------------------------------------------------


def way(*scores: float | None) -> Tree:
    tree = Tree()
    for depth, score in enumerate(scores, 1):
        tree.add(Node(depth, depth - 1, str(depth), depth, score))
    return tree


@pytest.mark.parametrize(
    ("weight", "since", "wanted"),
    [
        ("last", 0, 0.5),
        ("difference", 0, 0.5),
        ("difference", 1, 0.5 - 0.2),
        ("difference", 2, 0.5 - 0.6),
        ("max", 2, 0.6),
        ("max", 0, 0.2 + 0.6 + 0.6),
        ("sum", 2, 0.2 + 0.6 + 0.5),
        ("sum", 1, (0.2 + 0.6) + (0.2 + 0.6 + 0.5)),
    ],
)
def test_potentials_of_steering(weight: str, since: int, wanted: float) -> None:
    tree = way(0.2, 0.6, 0.5)
    plain = Particles(Shape(2, 1, 4), Chance(0), weight=weight, plain=True)
    assert plain._log_weight(tree, 3, 3, since) == pytest.approx(wanted)
    logits = Particles(Shape(2, 1, 4), Chance(0), weight=weight)
    if weight == "max":
        assert logits._log_weight(tree, 3, 3, 2) == pytest.approx(logit(0.6))


def test_a_finished_answer_stays_as_it_is() -> None:
    tree = way(0.2, 0.6)
    assert Particles(Shape(2, 1, 4), Chance(0), weight="difference", plain=True)._log_weight(tree, 2, 4, 3) == 0
    assert Particles(Shape(2, 1, 4), Chance(0), weight="max", plain=True)._log_weight(tree, 2, 4, 3) == 0.6
    assert Particles(Shape(2, 1, 4), Chance(0), weight="sum", plain=True)._log_weight(tree, 2, 3, 2) == pytest.approx(
        1.4
    )


@pytest.mark.parametrize("weight", ["last", "difference", "max", "sum"])
def test_states_without_a_judgement_make_no_weight_that_is_no_number(weight: str) -> None:
    policy = Particles(Shape(2, 1, 4), Chance(0), weight=weight)
    assert policy._log_weight(way(0.2, None), 2, 2, 0) == -math.inf
    for scores in ((None, 0.5), (None, None, 0.5), (0.3, None, 0.5)):
        assert math.isfinite(policy._log_weight(way(*scores), len(scores), len(scores), 0))
    steps: dict[str, list[Tells]] = {"": [("a", False, None), ("b", False, 0.9)]}
    steps |= {"a": [("!", True, 0.9)], "b": [("!", True, 0.2)]}
    named = policy_named("particles", {"weight": weight, "below": 0.1}, Shape(4, 1, 4), Chance(2))
    assert len(explored(named, Table(lambda before: steps[before])).answers) == 4


def test_the_score_itself_may_be_the_weight() -> None:
    steps: dict[str, list[Tells]] = {"": [("a", False, 30.0), ("b", False, 2.0)]}
    steps |= {"a": [("!", True, 1.0)], "b": [("!", True, 1.0)]}

    def asked(**own: object) -> list[str]:
        table = Table(lambda before: steps[before])
        explored(policy_named("particles", own, Shape(6, 1, 4), Chance(1)), table)
        return [wish.before for wish in table.asked[6:]]

    assert asked(reward="score") == ["a"] * 6  # exp(28) to 1
    assert set(asked()) == {"a", "b"}  # both are more than any share, so that their logits are alike
