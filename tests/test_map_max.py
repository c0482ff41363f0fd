"""`map … max: N` over a list that may be longer: the first N items are taken, and the run says how many there were."""

from __future__ import annotations

import pytest
from running import FakeEngine, answer, pipeline, plan_of
from ttscale.compiler.bind import bind
from ttscale.compiler.driver import compile_source
from ttscale.compiler.passes import optimise
from ttscale.compiler.source import SourceFile
from ttscale.library.loader import FileLoader
from ttscale.library.standard import stage_prompts
from ttscale.runtime.engines.base import Request

MODEL = 'model m = gguf("m.gguf")'
LISTING = 'prompt listing(question: Text) -> [Text] = """List {{ question }}"""\n'
SIDES = 'prompt side(question: Text) -> Choice(left, right) = """Side of {{ question }}"""\n'
EACH = "{ yield generate(ask(text(part)), from: m) }"


def said(request: Request) -> str:
    return "\n".join(message.content for message in request.messages)


def listing(*parts: str, side: str = "left") -> FakeEngine:
    """Names these parts where it is asked to list or split, a side where it is asked for one, and else a number."""
    lines = "\n".join(f"{number}. {part}" for number, part in enumerate(parts, 1))

    def reply(request: Request, place: int) -> object:
        if "List " in said(request) or "Split the question" in said(request):
            return lines
        return f"Answer: {side}" if "Side of" in said(request) else "Answer: 1"

    return FakeEngine(reply)


def program(body: str, returns: str = "[Number]") -> str:
    return LISTING + SIDES + pipeline(body, MODEL, returns)


@pytest.mark.parametrize(
    ("count", "notes"),
    [(3, ()), (4, ()), (7, ("`map part in parts` took 4 of 7 items (max: 4)",))],
)
async def test_parts_that_are_left_out_are_counted(count: int, notes: tuple[str, ...]) -> None:
    body = """
    parts = decompose(question, from: m, most: 9)
    return map part in parts, max: 4 { yield generate(ask(part.question), from: m) }
    """
    result = await answer(program(body), {"m": listing(*(f"What is {place}?" for place in range(count)))})
    assert result.answer == [1] * min(count, 4) and result.notes == notes
    assert result.to_json()["notes"] == list(notes)


async def test_items_of_a_list_that_a_model_wrote_are_counted() -> None:
    body = f"found = generate(listing(question), from: m)\nreturn map part in found, max: 2 {EACH}"
    result = await answer(program(body), {"m": listing("a", "b", "c")})
    assert result.answer == [1, 1] and result.notes == ("`map part in found` took 2 of 3 items (max: 2)",)


async def test_a_list_that_the_file_writes_out_is_cut_on_purpose() -> None:
    body = """return map part in ["a", "b", "c"], max: 2 { yield generate(ask(part), from: m) }"""
    result = await answer(program(body), {"m": listing()})
    assert result.answer == [1, 1] and result.notes == ()


@pytest.mark.parametrize(
    ("side", "notes"), [("left", ("`map part in found` took 1 of 2 items (max: 1)",)), ("right", ())]
)
async def test_only_a_map_that_ran_is_told(side: str, notes: tuple[str, ...]) -> None:
    body = f"""
    found = generate(listing(question), from: m)
    return match generate(side(question), from: m) {{
      left => map part in found, max: 1 {EACH}
      right => generate(ask(question), from: m)
    }}
    """
    result = await answer(program(body, "Answers[Number]"), {"m": listing("a", "b", side=side)})
    assert result.answer == [1] and result.notes == notes


async def test_equal_rounds_say_it_once_and_others_each() -> None:
    body = f"""
    return repeat 2 with xs = generate(ask(question), from: m) {{
      found = generate(listing(question), from: m)
      again = map part in found, max: 1 {EACH}
      yield xs + again
    }}
    """
    result = await answer(program(body), {"m": listing("a", "b")})
    assert result.notes == ("`map part in found` took 1 of 2 items (max: 1)",)


def test_a_bound_that_cannot_be_passed_is_none() -> None:
    body = "parts = decompose(question, from: m, most: %d)\nreturn map part in parts, max: 3 { yield %s }"
    step = "generate(ask(part.question), from: m)"
    assert plan_of(program(body % (3, step))).graph.capped == ()
    (loop,) = plan_of(program(body % (4, step))).graph.capped
    assert (loop.path, loop.text, loop.limit) == ("main/map", "map part in parts", 3)


def test_what_a_run_may_say_changes_no_stage() -> None:
    body = "parts = decompose(question, from: m, most: 4)\nreturn map part in parts, max: %d { yield %s }"
    step = "generate(ask(part.question), from: m)"
    capped, whole = (plan_of(program(body % (most, step))).graph for most in (3, 4))
    assert capped.capped and not whole.capped
    for place in (1, 2, 3):
        path = f"main/map[{place}]/generate"
        assert capped.stage(path) == whole.stage(path)


def test_a_map_that_nothing_reads_is_none() -> None:
    body = f"found = generate(listing(question), from: m)\nall = map part in found, max: 1 {EACH}\nreturn size(found)"
    text = "tts 1\n" + 'prompt ask(question: Text) -> Number = """Solve {{ question }}"""\n' + program(body, "Int")
    compiled = compile_source(SourceFile("test.tts", text), FileLoader()).require_ok()
    graph, _ = bind(compiled, "main", {}, std=stage_prompts())
    assert graph is not None and optimise(graph).capped == ()
