"""`explore` in a pipeline: what it asks, what its candidates carry, how it ends, what its plan promises."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from checking import codes
from running import PROMPTS, FakeEngine, answer, pipeline, plan_of
from ttscale.compiler.ir import Budget
from ttscale.compiler.policy_signatures import POLICIES
from ttscale.runtime.bank.runs import BankRun
from ttscale.runtime.bank.store import Bank
from ttscale.runtime.engines.base import Capabilities, Completion, EngineError, Message, Request
from ttscale.runtime.engines.script import ScriptEngine
from ttscale.runtime.explore.drawing import tree_of
from ttscale.runtime.explore.steps import boundaries, step_of
from ttscale.runtime.result import BudgetExhausted, RunError

SCRIPTS = """model m = script("one\\n\\ntwo", "Answer: 7", "three\\n\\nfour", "so it is\\n\\nx", "Answer: 8")
model j = script("yes", "no", "yes")
model k = script("7", "3", "9")
"""


def explore(rest: str, choose: str = "vote(weight: score)") -> str:
    return pipeline(f"return explore(ask(question), {rest}) |> {choose}", SCRIPTS)


def codes_of(text: str) -> list[str]:
    """The codes of a text that has the prompts of these tests."""
    return codes(f"tts 1\n{PROMPTS}{text}")


def summary(result: object) -> dict[str, object]:
    """How the search ended, from the trace."""
    return dict(result.trace.of("explored")[-1].data)  # type: ignore[attr-defined]


# --- what is asked --------------------------------------------------------------------------------


async def test_a_step_is_asked_with_the_answer_so_far() -> None:
    replies = {"": "First.\n\nrest", "First.\n\n": "Answer: 4"}

    def reply(request: Request, place: int) -> object:
        last = request.messages[-1]
        text = replies[last.content if last.role == "assistant" else ""]
        head, mark, _ = text.partition("\n\n")
        return Completion(place, head, "stop", 5, 2, logprobs=(-0.5, -0.5), beyond=mark)

    engine = FakeEngine(reply)
    text = explore('from: m, judge: likelihood, width: 1, branch: 1, step_tokens: 9, stop: "END"', "vote()")
    result = await answer(text, {"m": engine})
    assert result.answer == 4
    first, second = engine.requests
    assert [m.role for m in first.messages] == ["user"]
    assert second.messages[-1] == Message("assistant", "First.\n\n")
    assert first.max_tokens == 9 and first.stop == ("\n\n", "END") and first.thinking == "off"
    (candidate,) = result.pool
    assert candidate.text == "First.\n\nAnswer: 4" and candidate.tokens == 4
    assert candidate.step_scores == pytest.approx((0.6065, 0.6065), abs=1e-4)
    assert candidate.scores == {"likelihood": pytest.approx(0.6065, abs=1e-4)}
    assert candidate.logprob_sum == -2 and candidate.finish == "stop"


async def test_the_judge_sees_the_steps_and_equal_beginnings_once() -> None:
    asked: list[str] = []

    def verdict(messages: Sequence[Message], continuation: str) -> float:
        asked.append(messages[0].content)
        return -0.1 if continuation.strip().lower() == "yes" else -2.3

    writer = FakeEngine(lambda request, place: Completion(place, "Same.", "stop", 5, 1, beyond="\n\n"))
    judge = FakeEngine(verdict=verdict)
    text = pipeline(
        "return explore(ask(question), from: m, judge: yes_no(from: j), width: 2, branch: 2, steps: 3) |> vote()",
        SCRIPTS,
    )
    result = await answer(text, {"m": writer, "j": judge})
    assert summary(result)["written"] == 2 + 4  # a step that repeats the one before ends the answer
    assert summary(result)["judged"] == 1
    assert "Same." in asked[0] and "6 * 7" in asked[0]


async def test_a_judge_may_be_a_prompt_of_ones_own() -> None:
    own = 'prompt check(question: Text, steps: [Text], step: Text) -> Number = """{{ steps | length }}: {{ step }}"""\n'
    text = own + pipeline(
        "return explore(ask(question), from: m, judge: check, width: 1, branch: 1) |> select(by: steps(min))",
        'model m = script({"6 * 7": ["a\\n\\nb", "Answer: 1"], "0: a": ["0.5"], "1: Answer": ["0.25"]})',
    )
    (candidate,) = (await answer(text)).pool
    assert candidate.step_scores == (0.5, 0.25)
    assert "E0222" in codes_of(text.replace("judge: check", "judge: nothing"))


def test_what_does_not_go_together_is_said() -> None:
    assert codes_of(explore("from: m, policy: beam(lookahed: 2)")) == ["E0211"]
    assert codes_of(explore("from: [m, k], policy: particles")) == ["E0266"]
    assert codes_of(explore("from: m, policy: cascade")) == ["E0266"]
    assert codes_of(explore("from: m, judge: majority")) == ["E0223"]
    assert codes_of(explore("from: m, policy: beam(lookahead: 99)")) == ["E0216"]
    assert codes_of(explore('from: m, policy: "beam"')) == ["E0265"]
    assert codes_of(explore("from: m, boundary: word")) == ["E0217"]
    head = "param way: Choice in {beam, sideways} = beam"
    assert codes_of(pipeline("return explore(ask(question), from: m, policy: way) |> vote()", SCRIPTS, head=head)) == [
        "E0265"
    ]


# --- where a step ends ----------------------------------------------------------------------------


def completion(text: str, beyond: str | None, finish: str = "stop", tokens: int = 3) -> Completion:
    return Completion(0, text, finish, 1, tokens, beyond=beyond)  # type: ignore[arg-type]


def test_steps_end_where_they_are_told_to() -> None:
    bounds = boundaries("paragraph", (), ("END",), ("Answer:",))
    assert bounds.stops == ("\n\n", "END")
    assert step_of(completion("a", "\n\n"), bounds, 9) == step_of(completion("a", None), bounds, 9)
    assert step_of(completion("a", "\n\nb"), bounds, 9).text == "a\n\n"
    assert step_of(completion("a", ""), bounds, 9).is_last
    assert step_of(completion("a", "END"), bounds, 9).is_last
    assert step_of(completion("Answer: 3", "\n\n"), bounds, 9).is_last
    assert not step_of(completion("a", "", "length", 9), bounds, 9).is_last
    full = step_of(completion("a", "", "length", 4), bounds, 9)  # so was the context
    assert full.is_full and not full.is_last
    sentence = boundaries("sentence", (), (), ())
    assert step_of(completion("It is 4", ". "), sentence, 9).text == "It is 4. "
    assert boundaries("line", ("##",), (), ()).step == ("##",)
    assert step_of(completion("a", None), boundaries("tokens", (), (), ()), 9).is_last


async def test_a_step_has_the_text_that_ended_it() -> None:
    text = explore("from: m, boundary: sentence, judge: likelihood, width: 1, branch: 1, steps: 2", "vote()")
    result = await answer(text, {"m": ScriptEngine(["Six times seven. Then more", "is 42. Done"])})
    assert result.pool.candidates[0].text == "Six times seven. is 42."


# --- every loop ends ------------------------------------------------------------------------------


def _engine(kind: str) -> FakeEngine:
    count = itertools.count()

    def reply(request: Request, place: int) -> object:
        if kind == "fails":
            return EngineError("no", fatal=False)
        if kind == "says nothing":
            return Completion(place, "", "stop", 5, 0, beyond="")
        return Completion(place, f"step {next(count)}", "stop", 5, 2, logprobs=(-0.5, -0.5), beyond="\n\n")

    return FakeEngine(reply, verdict=lambda messages, text: -1.0 - (len(text) % 3))


BUDGETS = [None, Budget(calls=1), Budget(calls=7), Budget(tokens=400), Budget(tokens=6000), Budget(seconds=60)]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", ["never finishes", "fails", "says nothing"])
async def test_every_policy_ends_under_every_budget(policy: str, kind: str) -> None:
    models = "[m, j]" if policy == "cascade" else "m"
    rest = f"from: {models}, policy: {policy}, judge: yes_no(from: j), width: 2, branch: 2, steps: 3, step_tokens: 8"
    text = pipeline(f"return explore(ask(question), {rest})", SCRIPTS, returns="Answers[Number]")
    plan = plan_of(text)
    for budget in BUDGETS:
        engines = {"m": _engine(kind), "j": _engine(kind)}
        try:
            result = await answer(text, engines, budget=budget)
        except (RunError, BudgetExhausted) as error:
            trace = error.trace
            assert trace is not None
            assert kind != "never finishes" or budget is not None
        else:
            trace = result.trace
            assert all(candidate.text.strip() for candidate in result.pool)
        spent = trace.total
        assert spent.calls <= plan.maximum.calls
        assert budget is None or budget.calls is None or spent.calls <= budget.calls
        assert budget is None or budget.tokens is None or spent.tokens <= budget.tokens


async def test_what_is_finished_is_given_when_the_budget_ends() -> None:
    result = await answer(explore("from: m, policy: best_first, judge: likelihood, branch: 2"), budget=Budget(calls=3))
    assert result.cut and result.answer == 7
    assert summary(result)["reason"] == "budget"
    beginnings = await answer(
        pipeline(
            "return explore(say(question), from: m, judge: likelihood, branch: 1, width: 1)", SCRIPTS, "Answers[Text]"
        ),
        {"m": _engine("never finishes")},
        budget=Budget(calls=2),
    )
    assert [c.finish for c in beginnings.pool] == ["cut"]


async def test_limits_of_the_stage_are_kept_and_told() -> None:
    rest = "from: m, policy: mcts, judge: yes_no(from: j), branch: 2, steps: 9, step_tokens: 4"
    for limit, name in (("expansions: 3", "expansions"), ("judgements: 5", "judgements"), ("tokens: 20", "tokens")):
        text = pipeline(f"return explore(ask(question), {rest}, {limit})", SCRIPTS, returns="Answers[Number]")
        result = await answer(text, {"m": _engine("never finishes"), "j": _engine("x")})
        done = summary(result)
        most = int(limit.split()[1])
        assert int(str(done[{"expansions": "expansions", "judgements": "judged", "tokens": "tokens"}[name]])) <= most
        if name != "expansions":  # these are the simulations of mcts: it is done with them
            assert done["reason"] == name
            assert any(f"its limit of {name}" in note for note in result.notes)


# --- the plan, the bank, the trace ----------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("judge", ["likelihood", "yes_no(from: j)", "digit(from: k)", "verdicts(2, from: j)"])
async def test_runs_keep_to_their_plan(policy: str, judge: str) -> None:
    models = "[m, k]" if policy == "cascade" else "m"
    text = explore(f"from: {models}, policy: {policy}, judge: {judge}, width: 3, branch: 2, steps: 4, step_tokens: 8")
    plan = plan_of(text)
    result = await answer(text)
    spent = result.trace.total
    assert plan.minimum.calls <= spent.calls <= plan.maximum.calls
    assert spent.prompt_tokens <= plan.maximum.prompt_tokens
    assert spent.new_tokens <= plan.maximum.new_tokens
    assert spent.sequential_tokens <= plan.maximum.sequential_tokens
    assert len(result.stages["main/explore"]) <= plan.stages["main/explore"].size_high  # type: ignore[arg-type]


async def test_steps_are_kept_in_the_bank_and_a_narrow_search_is_part_of_a_wide_one(tmp_path: Path) -> None:
    def engines() -> dict[str, FakeEngine]:
        def reply(request: Request, place: int) -> object:
            seed = request.seeds[place]
            last = seed % 3 == 0
            return Completion(
                place,
                f"s{seed % 97}",
                "stop",
                9,
                1,
                token_ids=(1,),
                logprobs=(-0.5,),
                pieces=(b"s",),
                beyond="" if last else "\n\n",
            )

        return {"m": FakeEngine(reply)}

    narrow = pipeline(
        "return explore(say(question), from: m, judge: likelihood, width: 1, branch: 2, steps: 3)",
        'model m = gguf("x.gguf")',
        "Answers[Text]",
    )
    wide = narrow.replace("width: 1, branch: 2", "width: 2, branch: 3")
    with Bank(tmp_path / "bank") as bank:
        run = BankRun(bank, {})
        first = await answer(narrow, engines(), bank=run)
        again = engines()
        second = await answer(narrow, again, bank=run)
        assert not again["m"].requests
        assert [c.text for c in first.pool] == [c.text for c in second.pool]
        more = engines()
        await answer(wide, more, bank=run)
        seeds = [seed for request in more["m"].requests for seed in request.seeds]
        assert len(seeds) == len(set(seeds))


async def test_the_trace_has_the_whole_tree() -> None:
    result = await answer(explore("from: m, policy: beam, judge: digit(from: k), width: 2, branch: 2, steps: 3"))
    events = result.trace.of("explored")
    states = [state for event in events[:-1] for state in event.data["states"]]  # type: ignore[union-attr]
    assert [state["id"] for state in states] == list(range(1, len(states) + 1))
    assert all(state["parent"] < state["id"] for state in states)
    assert set(summary(result)["answers"]) <= {state["id"] for state in states}  # type: ignore[arg-type]
    assert len(events) == summary(result)["rounds"] + 1  # type: ignore[operator]


async def test_the_same_run_is_the_same_again() -> None:
    text = explore("from: m, policy: particles, judge: yes_no(from: j), width: 4, steps: 4")
    one, two = await answer(text, run_seed=3), await answer(text, run_seed=3)
    assert [(c.text, c.step_scores) for c in one.pool] == [(c.text, c.step_scores) for c in two.pool]


async def test_a_report_has_the_tree_with_the_ways_to_answers() -> None:
    result = await answer(explore("from: m, policy: beam, judge: digit(from: k), width: 2, branch: 2, steps: 3"))
    tree = tree_of(result.trace, "main/explore")
    assert tree is not None and tree["left_out"] == 0
    rows = {row[0]: row for row in tree["states"]}  # type: ignore[attr-defined]
    assert rows[1][1] == 0 and rows[1][2] == "one"
    for node in tree["answers"]:  # type: ignore[attr-defined]
        while node:
            node = rows[node][1]
    assert tree_of(result.trace, "main/other") is None


# --- what an engine is told to keep ---------------------------------------------------------------


class Remembers(FakeEngine):
    """Keeps what it is asked to under names, and notes what it once computed that is gone when it is wanted again."""

    def __init__(self) -> None:
        super().__init__(self.step, verdict=lambda messages, text: -1.0 - len(messages[0].content) % 3)
        self.capabilities = Capabilities(keeps=True, scoring=True, continuation=True)
        self.computed: list[str] = []
        self.held: dict[str, str] = {}
        self.missed: list[str] = []
        self.again = 0
        self.count = itertools.count()

    def step(self, request: Request, place: int) -> object:
        begun = request.messages[-1].content if request.messages[-1].role == "assistant" else ""
        if begun and any(text.startswith(begun) for text in self.computed):
            self.again += 1
            if not any(text.startswith(begun) for text in self.held.values()):
                self.missed.append(begun)
        number = next(self.count)
        is_over = number % 4 == 3 or request.sampling.temperature == 0
        text = f"step {number}."
        whole = begun + text + ("" if is_over else "\n\n")
        self.computed.append(whole)
        self.held[request.keep[place]] = whole
        return Completion(place, text, "stop", 5, 2, logprobs=(-0.5, -0.5), beyond="" if is_over else "\n\n")

    async def tokens(self, text: str) -> tuple[int, ...]:
        return (0,) * len(text)

    def release(self, names: Sequence[str]) -> None:
        for name in names:
            self.held.pop(name, None)


@pytest.mark.parametrize(
    "policy",
    [
        *POLICIES,
        "beam(lookahead: 2)",
        "mcts(lookahead: 1)",
        "gibbs(3, finished: aside)",
        "tempering(2, 3)",
        "rain(settle: 3)",
    ],
)
async def test_what_was_computed_is_kept_until_it_is_gone_on_from(policy: str) -> None:
    models = "[m, j]" if policy == "cascade" else "m"
    rest = f"from: {models}, policy: {policy}, judge: yes_no(from: k), width: 3, branch: 2, steps: 4"
    engines = {"m": Remembers(), "j": Remembers(), "k": _engine("never finishes")}
    await answer(pipeline(f"return explore(say(question), {rest})", SCRIPTS, "Answers[Text]"), engines)
    writer = engines["m"]
    assert isinstance(writer, Remembers)
    assert writer.again and not writer.missed
    assert not writer.held, "nothing is held behind the search"
