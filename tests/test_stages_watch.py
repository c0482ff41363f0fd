"""`generate(…, watch: …)` in a pipeline: what becomes of the samples, what is said of it, what it may cost."""

from __future__ import annotations

import pytest
from checking import codes
from running import PROMPTS, answer, pipeline, plan_of
from ttscale.compiler.ir import Budget
from ttscale.compiler.watch_signatures import WATCHERS
from ttscale.runtime.result import BudgetExhausted, Result

LOOP = '"so so so so so so so so so so"'


def watched(watch: str, replies: str, rest: str = "", then: str = "", ask: str = "ask", returns: str = "Number") -> str:
    call = f"generate({ask}(question), from: m, watch: {watch}{rest})"
    return pipeline(f"return {call}{then}", f"model m = script({replies})", returns)


def codes_of(text: str) -> list[str]:
    return codes(f"tts 1\n{PROMPTS}{text}")


def events(result: Result) -> list[tuple[object, object, object]]:
    return [(e.data["watcher"], e.data["what"], e.data["at"]) for e in result.trace.of("watched")]


def texts(result: Result) -> list[str]:
    return [event.data["candidate"].text for event in result.trace.of("candidate")]  # type: ignore[union-attr]


# --- what becomes of samples ----------------------------------------------------------------------


async def test_a_repetition_is_cut() -> None:
    result = await answer(watched("repetition(window: 2, times: 2)", LOOP, ask="say", returns="Text"))
    assert result.answer == "so so so"  # the first one has no space before it
    assert events(result) == [("repetition", "stop", 3)]
    assert result.trace.total.new_tokens == 5  # with the copy that was taken back


async def test_a_text_is_put_in_and_the_model_goes_on() -> None:
    replies = f'{LOOP}, " Answer: 7"'
    result = await answer(watched('repetition(window: 2, times: 2, then: inject, say: " No:")', replies))
    assert result.answer == 7
    assert texts(result) == ["so so so No: Answer: 7"]
    assert result.trace.total.new_tokens == 3 + 2 + 2 + 3
    assert result.trace.total.calls == 1


async def test_a_dropped_sample_has_no_answer() -> None:
    text = watched("confidence(-0.4, window: 2)", '"Answer: 1 of many"', then=" |> vote()")
    result = await answer(text)
    assert result.answer is None and events(result) == [("confidence", "drop", 2)]
    kept = await answer(watched("confidence(-0.6, window: 2)", '"Answer: 1 of many"'))
    assert kept.answer == 1 and not events(kept)


async def test_agreeing_segments_end_the_thoughts() -> None:
    replies = '"<think>It is 4.\\n\\nWait, 4.\\n\\nWait, 4.\\n\\nWait, or 9?</think>Answer: 9", "Answer: 4"'
    result = await answer(watched('overthinking(say: " I am sure.")', replies))
    assert result.answer == 4
    (made,) = [event.data["candidate"] for event in result.trace.of("candidate")]
    assert made.thoughts.endswith("Wait I am sure.")  # type: ignore[union-attr]
    assert result.trace.of("watched")[0].cause == "3 segments in a row gave 4"


async def test_agreeing_segments_of_a_text_end_it() -> None:
    text = watched('overthinking(agree: 2, marks: "\\n\\n")', '"It is 4.\\n\\nIt is 4.\\n\\nOr is it 9?"')
    assert (await answer(text)).answer == 4


async def test_thoughts_that_never_agree_are_ended() -> None:
    replies = '"<think>4\\n\\nWait 5\\n\\nWait 6\\n\\nWait 7</think>9", "Answer: 6"'
    result = await answer(watched("underthinking(segments: 3)", replies))
    assert result.answer == 6 and events(result)[0][:2] == ("underthinking", "stop")


async def test_a_hint_comes_where_the_thoughts_would_end() -> None:
    replies = '"<think>Easy.</think>Answer: 1", " Python says 2.</think>Answer: 2"'
    result = await answer(watched('hint(" Wait, try Python.")', replies))
    assert result.answer == 2
    (made,) = [event.data["candidate"] for event in result.trace.of("candidate")]
    assert made.thoughts == "Easy. Wait, try Python. Python says 2."  # type: ignore[union-attr]


async def test_thoughts_that_go_on_can_end_again() -> None:
    replies = '"<think>a</think>Answer: 1", " b</think>Answer: 2", " c</think>Answer: 3"'
    result = await answer(watched('hint(" more", times: 2)', replies))
    (made,) = [event.data["candidate"] for event in result.trace.of("candidate")]
    assert (result.answer, made.thoughts) == (3, "a more b more c")  # type: ignore[union-attr]


async def test_a_hint_comes_where_a_plain_answer_would_end() -> None:
    result = await answer(watched('hint([" Sure?", " Really?"], times: 2)', '"Answer: 1", " Hm.", " Answer: 3"'))
    assert texts(result) == ["Answer: 1 Sure? Hm. Really? Answer: 3"]


async def test_a_hint_comes_behind_a_mark() -> None:
    text = watched('hint(" try Python", at: mark, marks: "Wait")', '"Easy. Wait no.", " so Answer: 5"')
    assert texts(await answer(text)) == ["Easy. Wait try Python so Answer: 5"]


async def test_triggers_come_at_growing_budgets() -> None:
    replies = '"a b c d e f g h", "a b c d e f g h", "Answer: 3"'
    result = await answer(watched('deepen(first: 2, factor: 3, times: 2, say: " Again:")', replies))
    assert [at for _, _, at in events(result)] == [2, 4 + 6]
    assert texts(result) == ["a b Again:a b c d e f Again:Answer: 3"]


async def test_a_stable_answer_ends_the_sample() -> None:
    text = watched("stable(times: 2, every: 3)", '"It is 4 I say it is 4 and so on and on"')
    result = await answer(text)
    assert (result.answer, result.trace.total.new_tokens) == (4, 6)


async def test_a_branch_makes_two_of_one() -> None:
    text = watched(
        "confidence(-0.4, window: 2, then: branch, branches: 3)",
        '"Answer: 1 a b", "Answer: 2", "Answer: 3"',
        then=" |> vote()",
    )
    result = await answer(text)
    assert texts(result) == ["Answer: 1 a b", "Answer: 2", "Answer: 3"]
    assert result.trace.total.calls == 3
    plan = plan_of(text)
    assert plan.maximum.calls == 3 and plan.stages["main/generate"].maximum.calls == 3


async def test_several_samples_are_watched_each_by_itself() -> None:
    replies = f'{LOOP}, "Answer: 2", {LOOP}, "Answer: 2"'
    result = await answer(watched("repetition(window: 2, times: 2)", replies, ", n: 4", " |> vote()"))
    assert result.answer == 2
    assert [event.data["index"] for event in result.trace.of("watched")] == [0, 2]


async def test_watchers_that_see_nothing_change_nothing() -> None:
    replies = '"<think>Hm, 3.</think> So it is. Answer: 5", "Answer: 6"'
    names = "[repetition, overthinking, underthinking, confidence(-9), stable(times: 9)]"
    plain = await answer(pipeline("return generate(ask(question), n: 2) |> vote()", f"model m = script({replies})"))
    seen = await answer(watched(names, replies, ", n: 2", " |> vote()"))
    assert texts(seen) == texts(plain) and not events(seen)


async def test_one_watcher_may_be_a_parameter() -> None:
    call = "return generate(say(question), from: m, watch: how)"
    head = "param how: Choice in {repetition, off} = off"
    text = pipeline(call, f"model m = script({LOOP})", "Text", head)
    assert len(str((await answer(text)).answer).split()) == 10
    assert plan_of(text, how="repetition").graph.stages[0].args["watch"] != plan_of(text).graph.stages[0].args["watch"]


# --- every loop ends, every bound holds -----------------------------------------------------------

ENDLESS = [
    'hint(" x", times: 64)',
    'deepen(first: 1, factor: 1, times: 64, say: " x")',
    'repetition(window: 1, times: 2, then: inject, say: " x", most: 64)',
    'overthinking(agree: 2, marks: "x", then: inject, say: " x", most: 64)',
    'underthinking(tokens: 1, then: inject, say: " x", most: 64)',
    'stable(times: 2, every: 1, then: inject, say: " 1", most: 64)',
    'confidence(0, window: 1, then: inject, say: " x", most: 64)',
    "confidence(0, window: 1, then: branch, branches: 16, most: 64)",
    'hint(" x", at: mark, marks: " x", times: 64)',
]


@pytest.mark.parametrize("watch", [f"[{', '.join(ENDLESS)}]", *ENDLESS])
@pytest.mark.parametrize("replies", ['"1 x 1 x 1 x 1 x 1 x 1 x"', '""', '"1"', '"<think>1 x 1 x 1 x"', '"\\n"'])
async def test_every_loop_ends_within_its_bounds(watch: str, replies: str) -> None:
    text = watched(watch, replies, ", n: 2, max_tokens: 30", " |> vote()")
    plan = plan_of(text)
    result = await answer(text)
    cost = result.trace.total
    assert cost.calls <= plan.maximum.calls
    assert cost.new_tokens <= plan.maximum.new_tokens
    assert all(event.data["candidate"].tokens <= 30 for event in result.trace.of("candidate"))  # type: ignore[union-attr]


@pytest.mark.parametrize("watch", ENDLESS)
@pytest.mark.parametrize("tokens", [3, 11, 40])
async def test_every_loop_ends_under_a_budget(watch: str, tokens: int) -> None:
    text = watched(watch, '"1 x 1 x 1 x 1 x 1 x"', ", n: 2, max_tokens: 30", " |> vote()")
    try:
        result = await answer(text, budget=Budget(tokens=tokens))
    except BudgetExhausted:
        return
    assert result.trace.total.tokens <= tokens


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("watch", "code"),
    [
        ("repetitions", "E0268"),
        ('"repetition"', "E0268"),
        ("7", "E0268"),
        ("[repetition, nothing]", "E0268"),
        ("repetition(then: inject)", "E0269"),
        ('repetition(then: inject, say: "")', "E0269"),
        ('repetition(then: drop, say: "x")', "E0269"),
        ("repetition(branches: 3, then: stop)", "E0269"),
        ("hint([])", "E0269"),
        ('hint("x", marks: "y")', "E0269"),
        ("hint", "E0212"),
        ("hint()", "E0212"),
        ("confidence", "E0212"),
        ("confidence(1)", "E0216"),
        ("repetition(window: 0)", "E0216"),
        ("repetition(size: 3)", "E0211"),
        ("repetition(then: end)", "E0217"),
        ("repetition(window: 3, window: 4)", "E0213"),
        ("repetition(4)", "E0213"),
        ('repetition(window: "a")', "E0215"),
        ("repetition(window: [1, 2])", "E0246"),
        ("hint(7)", "E0215"),
        ('hint(["x", 7])', "E0215"),
    ],
)
def test_what_is_wrong_is_said(watch: str, code: str) -> None:
    found = codes_of(watched(watch, '"1"'))
    assert code in found, found


def test_answers_that_cannot_be_read_on_the_way_are_refused() -> None:
    for name in ("overthinking", "underthinking", "stable"):
        assert codes_of(watched(name, '"1"', ask="say", returns="Text")) == ["E0269"]
    assert not codes_of(watched("repetition", '"1"', ask="say", returns="Text"))


def test_forms_take_no_texts() -> None:
    head = 'prompt form(question: Text) -> {vendor: Text} = """{{ question }} {{ output_format }}"""\n'
    body = "return generate(form(question), WATCH)"
    text = 'model m = script("{}")\npipeline main(question: Text) -> {vendor: Text} { ' + body + " }"
    assert "E0269" in codes_of(head + text.replace("WATCH", 'watch: hint("x")'))
    assert not codes_of(head + text.replace("WATCH", 'watch: hint("x"), constrain: false'))
    assert not codes_of(head + text.replace("WATCH", "watch: repetition"))


def test_a_model_that_cannot_pause_is_refused() -> None:
    for model, code in (
        ('openai("http://localhost:1/v1", name: "x", logprobs: true, thinking: on, continuation: true)', "E0280"),
        ('gguf("x.gguf", reproducible: true)', "E0280"),
        ('script("1")', ""),
    ):
        text = pipeline("return generate(ask(question), watch: repetition)", f"model m = {model}")
        assert (code in codes_of(text)) is bool(code), codes_of(text)


def test_a_branch_may_make_a_pool_of_several() -> None:
    text = watched("confidence(-1, then: branch)", '"1"')
    assert codes_of(text)
    assert not codes_of(watched("confidence(-1, then: branch)", '"1"', then=" |> vote()"))


@pytest.mark.parametrize("name", WATCHERS)
def test_every_watcher_compiles_with_its_defaults(name: str) -> None:
    given = {"hint": '("x")', "confidence": "(-2)"}.get(name, "")
    assert not codes_of(watched(f"{name}{given}", '"1"'))
    for alias in WATCHERS[name].aliases:
        plan = plan_of(watched(f"{alias}{given}", '"1"'))
        (stage,) = plan.graph.stages
        assert stage.args["watch"][0].name == name  # type: ignore[index,union-attr]
