"""Running programs of candidates: which part is one, what printing makes of an answer, failures, limits, refusals."""

from __future__ import annotations

from importlib import import_module

import pytest
from checking import body
from running import FakeEngine, answer, pipeline, plan_of
from ttscale.runtime.result import RunError
from ttscale.runtime.sandbox import Finished, Limits, Outcome, Program, find_backend

ONE = 'model m = gguf("m.gguf")'
CODE = 'prompt code(question: Text) -> Code(python) = """{{ question }}"""\n'
MEND = 'prompt mend(answer: Text, critique: Text) -> Number = """Mend {{ answer }}: {{ critique }}"""\n'


class Sandbox:
    """Knows what programs print by a table, and remembers what it was given."""

    def __init__(self, *results: tuple[str, Finished]) -> None:
        self.results = dict(results)
        self.asked: list[tuple[Program, Limits]] = []

    async def __call__(self, program: Program, limits: Limits) -> Finished:
        self.asked.append((program, limits))
        known = self.results.get(program.source)
        return known or Finished(Outcome.OK, stdout=program.source.split('"')[1] + "\n")


def given(monkeypatch: pytest.MonkeyPatch, *results: tuple[str, Finished]) -> Sandbox:
    sandbox = Sandbox(*results)
    monkeypatch.setattr(import_module("ttscale.runtime.stages.execute"), "run_program", sandbox)
    return sandbox


def replying(*texts: str) -> FakeEngine:
    return FakeEngine(lambda request, place: texts[place])


def fenced(code: str) -> str:
    return f"So:\n```python\n{code}\n```\nThat is 99."


def executed(n: int, options: str = "", returns: str = "Answers[Number]", ask: str = "ask") -> str:
    text = pipeline(f"return generate({ask}(question), from: m, n: {n}) |> execute({options})", ONE, returns)
    return CODE + text


async def test_what_is_printed_is_read_as_the_type(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = given(monkeypatch)
    texts = (
        fenced('print("Answer: 42")'),
        'print("42.0")\n```',
        fenced('print("42.0")'),
        "It is 7.",
        fenced('print("x")'),
    )
    result = await answer(executed(5, "timeout: 2s, memory: 64, output: 500"), {"m": replying(*texts)})
    assert result.answer == [42, 42, 42, None, None]
    assert [one.error for one in result.pool] == ["", "", "", "no program", "no Number was printed"]
    assert result.pool.candidates[0].text == texts[0]
    assert result.pool.candidates[0].critique == "The program printed:\nAnswer: 42"
    assert len(sandbox.asked) == 3, "equal programs are run once"
    limits = sandbox.asked[0][1]
    assert (limits.cpu, limits.wall, limits.memory, limits.output) == (2, 6, 64 * 2**20, 500)
    assert any("no output of 2 of 5 programs (no program)" in note for note in result.notes)


async def test_programs_that_were_asked_for_as_code_become_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch)
    text = executed(2, returns="Answers[Text]", ask="code")
    result = await answer(text, {"m": replying(fenced('print("a b")'), "nothing")})
    assert result.answer == ["a b", None]


async def test_how_a_program_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Finished(Outcome.FAILED, stdout="3\n", stderr="Traceback\nNameError: name 'y' is not defined\n")
    late = Finished(Outcome.TIMED_OUT, note="more than 10 seconds")
    given(monkeypatch, ("print(y)", failed), ("while 1: pass", late), ("x = 1", Finished(Outcome.OK)))
    result = await answer(
        executed(3), {"m": replying(*(fenced(code) for code in ("print(y)", "while 1: pass", "x = 1")))}
    )
    assert result.answer == [None, None, None]
    assert [one.critique for one in result.pool] == [
        "The program failed: NameError: name 'y' is not defined\nThe program printed:\n3",
        "The program failed: more than 10 seconds",
        "The program printed nothing.",
    ]


async def test_output_is_fed_back_until_a_number_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch)
    engine = FakeEngine(
        lambda request, place: fenced(
            'print("7")' if "printed:\nseven" in request.messages[0].content else 'print("seven")'
        )
    )
    text = MEND + pipeline(
        "first = generate(ask(question), from: m) |> execute()\n"
        "return repeat up to 4 with x = first until readable(x) == 1 {\n"
        "yield x |> revise(using: mend, from: m) |> execute() }",
        ONE,
    )
    result = await answer(text, {"m": engine})
    assert result.answer == 7 and result.cost.calls == 2
    never = FakeEngine(lambda request, place: "no program")
    ended = await answer(text, {"m": never})
    assert ended.answer is None and ended.cost.calls == 5
    assert (plan_of(text).minimum.calls, plan_of(text).maximum.calls) == (1, 5)


async def test_what_is_wrong_with_a_program_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = given(monkeypatch)
    result = await answer(executed(2), {"m": replying(fenced("x = 1\nprint(6 *)"), "no")})
    told = [one.critique or "" for one in result.pool]
    assert told[0].startswith("The program cannot be read: ") and told[0].endswith(" in line 2")
    assert told[1] == "There is no Python program in it."
    assert result.answer == [None, None] and not sandbox.asked


async def test_no_sandbox_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, ("print(1)", Finished(Outcome.REFUSED, note="there is no sandbox here")))
    with pytest.raises(RunError, match="there is no sandbox here") as caught:
        await answer(executed(1), {"m": replying(fenced("print(1)"))})
    assert caught.value.diagnostic.code == "R0715" and "sandbox.md" in caught.value.diagnostic.hint


async def test_a_real_program_is_run() -> None:
    backend, why = await find_backend()
    if backend is None:
        pytest.skip(why)
    result = await answer(executed(2), {"m": replying(fenced("print(sum(range(10)))"), fenced("print(1 / 0)"))})
    assert result.answer == [45, None]
    assert "ZeroDivisionError" in (result.pool.candidates[1].critique or "")


def test_mistakes_are_told() -> None:
    four = "xs = generate(p.write_code(question), from: small, n: 4)\nreturn xs |> "
    assert body(four + "execute() |> select(by: first)", "Text") == []
    assert body(four + "execute() |> select(by: first)", "Code(python)") == ["E0238"]
    assert body(four + "execute(seconds: 2) |> select(by: first)", "Text") == ["E0211"]
    assert body(four + "execute(memory: 1) |> select(by: first)", "Text") != []
