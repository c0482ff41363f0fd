"""References to the answers of earlier items: each is of its item, whatever the items before it gave."""

from __future__ import annotations

from typing import Any

import pytest
from running import FakeEngine, answer, pipeline, plan_of
from ttscale.compiler.graph import to_mermaid

MODEL = 'model m = gguf("m.gguf")'
PROMPTS = 'prompt step(question: Text) -> Number = """Step {{ question }}"""\n'
PARTS = "1. What is 6?\n2. What is 7?\n3. Is #1 less than #2?\n4. What is left of #3?"


def program(stages: str, returns: str = "[Number]") -> str:
    return PROMPTS + pipeline(f"parts = decompose(question, from: m, most: 4)\n{stages}", MODEL, returns)


def said(request: Any) -> str:
    return "\n".join(message.content for message in request.messages)


class Solver(FakeEngine):
    """Answers 6 and 7 where asked for them, else 1; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(self._write)

    def _write(self, request: Any, place: int) -> str:
        if "Split the question" in said(request):
            return PARTS
        return {"Step What is 6?": "Answer: 6", "Step What is 7?": "Answer: 7"}.get(said(request), "Answer: 1")

    @property
    def steps(self) -> list[str]:
        return [said(one).removeprefix("Step ") for one in self.requests if said(one).startswith("Step ")]


ITEM = "map part in parts, max: 4 with known { yield %s }"


async def test_an_item_that_gives_nothing_moves_nothing() -> None:
    engine = Solver()
    asked = "generate(step(fill(part.question, known)), from: m) when part.question != parts[0].question"
    result = await answer(program("return " + ITEM % asked), {"m": engine})
    assert result.answer == [7, 1, 1]
    assert engine.steps == ["What is 7?", "Is #1 less than 7?", "What is left of 1?"]


async def test_an_item_that_gives_several_answers_is_its_first_one() -> None:
    engine = Solver()
    asked = "generate(step(fill(part.question, known)), from: m, n: 2)"
    await answer(program("return " + ITEM % asked), {"m": engine})
    assert "Is 6 less than 7?" in engine.steps


async def test_an_answer_that_cannot_be_read_gives_way_to_the_next_of_its_item() -> None:
    class Silent(Solver):
        def _write(self, request: Any, place: int) -> str:
            return "hm" if said(request) == "Step What is 6?" and place % 2 == 0 else super()._write(request, place)

    engine = Silent()
    asked = "generate(step(fill(part.question, known)), from: m, n: 2)"
    await answer(program("return " + ITEM % asked), {"m": engine})
    assert "Is 6 less than 7?" in engine.steps


@pytest.mark.parametrize("out", [1, 2])
async def test_what_a_map_gave_is_by_item_behind_it_too(out: int) -> None:
    engine = Solver()
    stages = f"""
    known = map part in parts, max: 4 {{
      yield generate(step(part.question), from: m) when part.question != parts[{out - 1}].question
    }}
    return generate(step(fill("#1, #2", known)), from: m)
    """
    await answer(program(stages, "Number"), {"m": engine})
    assert engine.steps[-1] == ("#1, 7" if out == 1 else "6, #2")


async def test_what_a_settled_condition_leaves_out_keeps_its_place() -> None:
    engine = Solver()
    stages = """
    known = map k in [1, 2], max: 2 { yield generate(step("What is 7?"), from: m) when k == 2 }
    return generate(step(fill("#1 and #2", known)), from: m)
    """
    await answer(program(stages, "Number"), {"m": engine})
    assert engine.steps == ["What is 7?", "#1 and 7"]


async def test_another_pool_is_counted_by_its_candidates() -> None:
    engine = Solver()
    stages = """
    given = map part in parts, max: 2 { yield generate(step(part.question), from: m, n: 2) }
    known = given |> filter(top: 2, by: length)
    return generate(step(fill("#1, #2, #3", known)), from: m)
    """
    await answer(program(stages, "Number"), {"m": engine})
    assert engine.steps[-1].endswith(", #3") and "#2" not in engine.steps[-1]


def test_only_a_program_that_fills_in_has_a_node_for_it() -> None:
    fills = program("return " + ITEM % "generate(step(fill(part.question, known)), from: m)")
    plain = fills.replace("fill(part.question, known)", "part.question")
    kept = [stage.path for stage in plan_of(fills).graph.stages if "apart" in stage.args]
    assert len(kept) == 2 and not [stage for stage in plan_of(plain).graph.stages if "apart" in stage.args]
    assert to_mermaid(plan_of(fills).graph)
