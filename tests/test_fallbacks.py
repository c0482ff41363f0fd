"""What is done in place of what a server cannot do, and what a plan says that it costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from checking import compiled
from cli_runs import tts
from ttscale.compiler import ir
from ttscale.compiler.asking import JUDGE_TOKENS
from ttscale.compiler.bind import bind
from ttscale.compiler.fallbacks import Fallback, Served, fallback_line, fallbacks

HEAD = """tts 1
model far = openai("http://host/v1", name: "m", price: {input: 1usd, output: 2usd})
model near = script("yes")
prompt ask(question: Text) -> Text = "{{ question }}"
prompt sort(question: Text) -> Choice(red, green) = "{{ question }}"
pipeline main(question: Text(max: 100)) -> """


def graph_of(body: str, result: str = "Text") -> ir.Graph:
    graph, found = bind(compiled(f"{HEAD}{result} {{\n{body}\n}}\n"))
    assert graph is not None, found
    return graph


def only(body: str, server: Served) -> Fallback:
    (found,) = fallbacks(graph_of(body), {"far": server})
    return found


VOTE = "  return generate(ask(question), from: far, n: 16) |> select(by: first)"


def test_a_prompt_is_read_for_every_sample_or_for_every_call() -> None:
    alone, together = only(VOTE, Served()), only(VOTE, Served(many=8))
    assert "16 samples read their prompt 16 times instead of once" in alone.what and alone.cost.calls == 15
    assert "up to 8 samples a call, so 16 samples are 2 with the prompt" in together.what
    assert together.cost.calls == 2 and alone.cost.prompt_tokens * 2 == together.cost.prompt_tokens * 15
    assert alone.cost.usd == pytest.approx(alone.cost.prompt_tokens / 1e6) and alone.cost.new_tokens == 0
    assert fallbacks(graph_of(VOTE.replace("16", "1")), {"far": Served()}) == []
    assert fallbacks(graph_of(VOTE), {}) == []


def test_labels_are_asked_in_words_where_no_alternatives_are_shown() -> None:
    graph = graph_of("  return classify(sort(question), from: far)", "Choice(red, green)")
    (found,) = fallbacks(graph, {"far": Served(scoring=False)})
    assert "asked in words" in found.what and (found.cost.calls, found.cost.new_tokens) == (1, JUDGE_TOKENS)
    assert fallbacks(graph, {"far": Served(scoring=True)}) == []
    assert fallbacks(graph, {"far": Served(scoring=None)}) == []


def test_a_second_model_has_its_own_price() -> None:
    call = "generate(ask(question), from: near, n: 3, retry: 2, max_tokens: 10, or_else: far)"
    (found,) = fallbacks(graph_of(f"  return {call} |> select(by: first)"), {})
    assert found.what == "far where near fails (`or_else`)"
    assert (found.cost.calls, found.cost.new_tokens) == (3, 30)
    assert found.cost.usd == pytest.approx((found.cost.prompt_tokens + 2 * 30) / 1e6)
    assert fallback_line(found).startswith("main/generate: far where near fails (`or_else`): up to 3 calls and ")


def test_plan_shows_them(tmp_path: Path) -> None:
    file = tmp_path / "p.tts"
    file.write_text(f"{HEAD}Text {{\n{VOTE}\n}}\n", encoding="utf-8")
    assert "fallback       main/generate: far gives a sample a call" in tts("plan", str(file)).out
    (found,) = tts("plan", str(file), "--json").json["fallbacks"]
    assert (found["stage"], found["model"], found["maximum"]["calls"]) == ("main/generate", "far", 15)
