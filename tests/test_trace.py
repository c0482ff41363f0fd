"""The trace: what events say, what they add up to, and how they are written."""

from __future__ import annotations

import json
from pathlib import Path

from running import FakeEngine, answer, pipeline
from ttscale.compiler.source import Span
from ttscale.runtime.trace import Event, Recorder, TraceFile, plain

TEXT = pipeline(
    "x = repeat 2 with xs = generate(ask(question), from: m, n: 2) {\n"
    "  yield xs |> fuse(from: m, n: 2)\n}\nreturn x |> vote()",
    'model m = script("Answer: 5")',
)


async def test_every_event_names_a_place_in_the_text() -> None:
    result = await answer(TEXT)
    for event in result.trace:
        if event.kind not in ("run_started", "run_finished"):
            assert event.path and isinstance(event.span, Span) and event.span.file == "test.tts"
    stages = [event.path for event in result.trace.of("stage_finished")]
    assert len(stages) == len(set(stages)) == 4 and stages[-1] == "main/vote"


async def test_totals_are_the_sum_of_calls_and_the_chain_is_the_longest() -> None:
    result = await answer(TEXT)
    calls = result.trace.of("call_finished")
    assert result.trace.calls == len(calls) == 6
    assert result.trace.tokens == sum(event.cost.tokens for event in calls) == result.cost.tokens
    assert result.cost.sequential_tokens == 3 * 3
    assert result.trace.seconds >= 0 and result.trace.cost == 0


async def test_the_listener_hears_every_event_as_it_happens_and_candidates_as_they_are() -> None:
    heard: list[Event] = []
    result = await answer(TEXT, listener=heard.append)
    assert heard == list(result.trace)
    candidates = [event.data["candidate"] for event in heard if event.kind == "candidate"]
    assert [candidate.index for candidate in candidates] == [0, 1] * 3


async def test_events_are_written_line_by_line(tmp_path: Path) -> None:
    with TraceFile(tmp_path / "trace.jsonl") as listener:
        result = await answer(TEXT, listener=listener)
        lines = (tmp_path / "trace.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(result.trace)
    assert [json.loads(line)["kind"] for line in lines] == [event.kind for event in result.trace]
    assert json.loads(lines[-1])["data"]["answer"] == 5


async def test_priced_calls_are_charged() -> None:
    models = 'model m = openai("http://h/v1", name: "x", price: {input: 1usd, output: 2usd})'
    result = await answer(pipeline("return generate(ask(question), from: m)", models), {"m": FakeEngine()})
    assert abs(result.cost.usd - (result.cost.prompt_tokens * 1e-6 + result.cost.new_tokens * 2e-6)) < 1e-12


def test_results_of_any_kind_become_plain_data() -> None:
    data = plain({"a": (1, float("nan")), "b": Span("f", 1, 2), 3: {"x"}, "c": Path("p")})
    assert json.loads(json.dumps(data)) == {
        "a": [1, None],
        "b": {"file": "f", "start": 1, "end": 2},
        "3": ["x"],
        "c": "p",
    }


async def test_a_result_as_json_holds_answer_pool_cost_and_trace() -> None:
    result = await answer(TEXT)
    record = json.loads(json.dumps(result.to_json()))
    assert record["answer"] == 5 and record["decided"] == "2 of 2 agree"
    assert len(record["pool"]) == 2 and record["pool"][0]["readable"] is True
    assert record["cost"]["calls"] == 6 and record["trace"][0]["kind"] == "run_started"
    assert "trace" not in result.to_json(trace=False)


def test_what_is_cut_short_only_counts_calls_that_ended() -> None:
    recorder = Recorder(None)
    recorder.emit("note", cause="x")
    assert recorder.trace.calls == 0 and recorder.trace.of("note")[0].to_json()["cause"] == "x"
