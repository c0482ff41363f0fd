"""Options of step-wise search: judges without words, steps ahead in every tree, equal beginnings, limits."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from checking import codes, compiled
from explored import Table, Tells, explored, texts
from running import PROMPTS, FakeEngine, answer, pipeline, plan_of
from ttscale.compiler.assignments import check_assignments
from ttscale.compiler.policy_signatures import LISTS, POLICIES, reach_of
from ttscale.runtime.engines.base import Capabilities, Completion, Request
from ttscale.runtime.explore import Limits, Shape, policy_named
from ttscale.runtime.explore.chance import Chance

MODEL = 'model m = gguf("m.gguf")\nmodel far = openai("http://127.0.0.1:1/v1", name: "q")\n'


def said(rest: str, head: str = "") -> list[str]:
    return codes(f"tts 1\n{PROMPTS}{pipeline(f'return explore(ask(question), {rest}) |> vote()', MODEL, head=head)}")


# --- judges that ask nothing in words --------------------------------------------------------------


class Ranks(FakeEngine):
    """A model with a head: a text is worth its number of digits."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = Capabilities(ranks=True)
        self.seen: list[tuple[str, tuple[str, ...]]] = []

    async def start(self) -> None:
        return None

    async def rank(self, query: str, texts: Sequence[str]) -> list[float]:
        self.seen.append((query, tuple(texts)))
        return [float(sum(letter.isdigit() for letter in text)) for text in texts]

    async def embed(self, texts: Sequence[str]) -> list[object]:
        raise AssertionError("nobody asked for vectors")


async def test_a_reward_model_judges_beginnings() -> None:
    steps = {"": ["no number.\n\n", "6 * 7 = 42.\n\n"], "6 * 7 = 42.\n\n": ["Answer: 42", "Answer: many"]}

    def reply(request: Request, place: int) -> object:
        last = request.messages[-1]
        begun = last.content if last.role == "assistant" else ""
        listed = steps.get(begun, ["so\n\n"])
        written.append(begun)
        head, mark, _ = listed[written.count(begun) % len(listed) - 1].partition("\n\n")
        return Completion(place, head, "stop", 5, 1, logprobs=(-0.5,), beyond=mark)

    written: list[str] = []
    head = 'model m = script("x")\nmodel prm = gguf("prm.gguf")'
    text = pipeline(
        "return explore(ask(question), from: m, policy: best_first, judge: reward(prm, sigmoid: true), width: 1,"
        " branch: 2, steps: 3) |> select(by: score)",
        head,
    )
    ranks = Ranks()
    result = await answer(text, {"m": FakeEngine(reply), "prm": ranks})
    assert result.answer == 42
    (best,) = result.pool
    assert best.scores == {"reward": pytest.approx(1 / (1 + math.exp(-6)))}
    assert best.step_scores == pytest.approx((1 / (1 + math.exp(-4)), 1 / (1 + math.exp(-6))))
    assert {query for query, _ in ranks.seen} == {"6 * 7"}
    assert ranks.seen[1][1] == ("6 * 7 = 42.\n\nAnswer: 42", "6 * 7 = 42.\n\nAnswer: many")


async def test_words_of_a_source_judge_beginnings() -> None:
    text = pipeline(
        'return explore(say(question), from: m, judge: grounded("apples pears"), width: 1, branch: 2, steps: 1)',
        'model m = script("apples pears plums", "apples pears")',
        "Answers[Text]",
    )
    (best,) = (await answer(text)).pool
    assert (best.text, best.scores) == ("apples pears", {"grounded": 1.0})


def test_what_a_judge_of_beginnings_needs_is_said() -> None:
    assert said("from: m, judge: reward") == ["E0212"]
    assert said("from: m, judge: likeness(m)") == ["E0212"]
    assert said("from: m, judge: likeness(m, to: question)") == []
    assert said("from: m, judge: features") == []
    assert said("from: m, judge: rubric") == ["E0223"]


def test_numbers_that_are_no_shares_are_warned_of() -> None:
    assert said("from: m, policy: particles, judge: length") == ["W0264"]
    assert said("from: m, policy: astar, judge: features") == ["W0264"]
    assert said("from: m, policy: particles(reward: score), judge: length") == []
    assert said("from: m, policy: particles, judge: length, top: 600") == []
    assert said("from: m, policy: beam, judge: length") == []
    assert said("from: m, policy: astar, judge: reward(m)") == ["W0264"]
    assert said("from: m, policy: astar, judge: reward(m, sigmoid: true)") == []
    assert said("from: [m, m], policy: cascade(accept: 20), judge: length") == []


def test_servers_without_probabilities_are_told_of() -> None:
    def bound(rest: str) -> set[str]:
        text = f"tts 1\n{PROMPTS}{pipeline(f'return explore(ask(question), {rest}) |> vote()', MODEL)}"
        checked = compiled(text)
        found = [d for name in checked.pipelines for d in check_assignments(checked.linked, name)]
        return {d.code for d in (*found, *checked.diagnostics)}

    assert bound("from: m, judge: yes_no(from: far)") == {"W0280"}
    assert bound("from: m, judge: digit(from: far)") == {"W0280"}
    assert bound("from: m, judge: verdicts(2, from: far)") == set()
    assert bound("from: m, judge: reward(far)") == {"E0280"}
    assert bound("from: m, judge: yes_no(from: m)") == set()


def test_limits_and_temperatures_that_make_no_sense_are_said() -> None:
    assert said("from: m, tokens: 100") == ["E0216"]  # a step may have 128
    assert said("from: m, tokens: 100, step_tokens: 100") == []
    assert said("from: m, policy: lookahead(2), tokens: 300") == ["E0216"]
    assert said("from: m, policy: mcts(lookahead: 2), tokens: 384") == []
    assert said("from: m, policy: tempering(hottest: 0.5)") == ["E0216"]
    assert said("from: m, policy: tempering(temperature: 8.0)") == ["E0216"]
    assert said("from: m, policy: tempering(to: 5.0)") == ["E0216"]
    assert said("from: m, policy: tempering(temperature: 2.0, hottest: 2.0)") == []
    head = "param hot: Float in {0.5, 3.0} = 3.0"
    assert said("from: m, policy: tempering(hottest: hot)", head) == ["E0216"]


# --- what the judge is asked with -----------------------------------------------------------------


async def test_the_judge_does_not_sample_as_the_writer_does() -> None:
    writer = FakeEngine(lambda request, place: Completion(place, "a", "stop", 5, 1, beyond=""))
    judge = FakeEngine(lambda request, place: Completion(place, "yes", "stop", 5, 1, beyond=""))
    text = pipeline(
        "return explore(ask(question), from: m, judge: verdicts(1, from: j), top_k: 3, min_p: 0.5, top_p: 0.5,"
        ' repeat_penalty: 2, stop_pattern: "x+", width: 1, branch: 1) |> vote()',
        'model m = script("x")\nmodel j = script("y")',
    )
    await answer(text, {"m": writer, "j": judge})
    (asked,) = writer.requests
    (judged,) = judge.requests
    assert (asked.sampling.top_k, asked.sampling.min_p, asked.sampling.repeat_penalty) == (3, 0.5, 2)
    assert asked.stop_patterns == ("x+",) and judged.stop_patterns == ()
    assert (judged.sampling.top_k, judged.sampling.min_p, judged.sampling.repeat_penalty) != (3, 0.5, 2)


async def test_verdicts_that_are_cut_keep_to_the_plan() -> None:
    def verdict(request: Request, place: int) -> object:
        if request.messages[-1].role == "assistant":
            return Completion(place, " yes", "stop", 5, 1, beyond="")
        return Completion(place, "It is hard to", "length", 5, request.max_tokens, beyond="")

    writer = FakeEngine(lambda request, place: Completion(place, "Answer: 7", "stop", 5, 1, beyond=""))
    text = pipeline(
        "return explore(ask(question), from: m, judge: verdicts(2, from: j), width: 1, branch: 1, steps: 1) |> vote()",
        'model m = script("x")\nmodel j = script("y")',
    )
    result = await answer(text, {"m": writer, "j": FakeEngine(verdict)})
    assert result.trace.total.calls <= plan_of(text).maximum.calls


# --- steps ahead, first steps, equal beginnings ----------------------------------------------------


@pytest.mark.parametrize("name", sorted(LISTS))
def test_every_tree_may_judge_where_greedy_steps_lead(name: str) -> None:
    steps: dict[str, list[Tells]] = {
        "": [("a", False, 0.9), ("b", False, 0.1)],
        "a": [("1", True, 0.2)],
        "b": [("1", True, 0.8)],
    }
    table = Table(lambda before: steps.get(before, []))
    found = explored(policy_named(name, {"lookahead": 3}, Shape(1, 2, 3), Chance(0)), table)
    assert texts(found)[0] == "b1"
    assert {"a1", "b1"} <= set(table.judged) and "a" not in table.judged
    own = {p.name: p.default for p in POLICIES[name].parameters} | {"lookahead": 3}
    assert found.written <= reach_of(name, own, 1, 2, 3, None).written


def test_steps_ahead_end_with_the_answers_steps() -> None:
    table = Table(lambda before: [(f"{len(before)}.", False, 0.5)])
    limits = Limits(10_000, 10_000, 10_000, 3, 1)
    explored(policy_named("lookahead", {"ahead": 9}, Shape(1, 1, 3), Chance(0)), table, limits=limits)
    assert max(text.count(".") for text in table.judged) == 3


def test_a_beam_begins_with_as_many_steps_as_it_is_told() -> None:
    table = Table(lambda before: [(f"{n}.", len(before) > 3, n / 10) for n in range(9)])
    found = explored(policy_named("beam", {"first": 6}, Shape(2, 3, 4), Chance(0)), table)
    assert [wish.before for wish in table.asked].count("") == 6
    assert texts(found)[0].startswith("5.")
    own = {"first": 6, "lookahead": 0}
    assert reach_of("beam", own, 2, 3, 4, None).written == 6 + 3 * 6
    assert reach_of("beam", own, 2, 3, 4, 1).written == 6
    assert reach_of("beam", own, 2, 3, 4, 2).written == 6 + 3


def test_a_beam_may_keep_equal_beginnings_once() -> None:
    steps: dict[str, list[Tells]] = {
        "": [("a\n", False, 0.9), ("a\n\n", False, 0.9), ("b\n", False, 0.5)],
        "a\n": [("!", True, 0.9)],
        "a\n\n": [("!", True, 0.9)],
        "b\n": [("!", True, 0.9)],
    }

    def run(**own: object) -> list[str]:
        return texts(explored(policy_named("beam", own, Shape(2, 3, 3), Chance(0)), Table(lambda b: steps[b])))

    assert run() == ["a\n!", "a\n!"]
    assert run(unique=True) == ["a\n!", "b\n!"]


# --- the highest score, and the plan ---------------------------------------------------------------


async def test_a_judge_may_have_a_highest_number_of_its_own() -> None:
    own = 'prompt mark(question: Text, answer: Text) -> Number = """mark {{ answer }}"""\n'
    text = own + pipeline(
        "return explore(ask(question), from: [m, k], policy: cascade, judge: mark, top: 100, width: 1) |> vote()",
        'model m = script("Answer: 1")\n'
        'model k = script({"mark Answer: 1": ["40"], "mark": ["90"], "": ["Answer: 2"]})',
    )
    assert (await answer(text)).answer == 2


def test_a_limit_of_tokens_is_in_the_plan() -> None:
    text = pipeline(
        "return explore(ask(question), from: m, judge: likelihood, width: 4, branch: 4, steps: 10, tokens: 640)"
        " |> vote()",
        'model m = gguf("x.gguf")',
    )
    plan = plan_of(text).maximum
    assert plan.calls == 4 + 9 * 16
    assert 640 <= plan.new_tokens <= 640 + plan.calls
