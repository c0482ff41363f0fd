"""Conversations: their forms, the turns that prompts insert, what a judge takes for the question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import Ran, tts
from running import FakeEngine
from ttscale.runtime.chats import ChatError, asked_in, is_chat, turns_of
from ttscale.runtime.engines.base import Message
from ttscale.runtime.executor import execute
from ttscale.runtime.program import load
from ttscale.runtime.result import RunError

PROGRAM = """tts 1

model small = script({"how are you": ["fine"], "hello": ["hi there"], "Question": ["yes"]})

prompt reply(history: Chat, tone: Text = "kind") -> Text {
  system "Be {{ tone }}."
  chat history
}

prompt good(question: Text, answer: Text) -> Choice(yes, no) = \"\"\"
Question: {{ question }}
Answer: {{ answer }}
\"\"\"

pipeline main(history: Chat) -> Text {
  return generate(reply(history), from: small)
}

pipeline judged(style: Text, history: Chat) -> Answers[Text] {
  return generate(reply(history, tone: style), from: small, n: 2) |> verify(using: good, from: small)
}

test "a conversation is answered" {
  expect main([{role: "user", content: "hello"}]) == "hi there"
  expect main("how are you") == "fine"
}
"""
TURNS = [
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": "hi"},
    {"role": "user", "content": "how are you"},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "main.tts"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def test_the_forms_of_a_conversation() -> None:
    found = turns_of(TURNS)
    assert found == tuple(TURNS) and is_chat(found) and turns_of(found) == found
    assert turns_of([Message("user", "a"), ("assistant", "b"), ["user", "c"]])[1] == {
        "role": "assistant",
        "content": "b",
    }
    assert turns_of("hello") == ({"role": "user", "content": "hello"},)
    assert turns_of([]) == () and not is_chat(())
    assert asked_in(found) == "how are you" and asked_in("x") == "x" and asked_in(3) == 3
    assert asked_in(turns_of([("assistant", "x")])) == ""


@pytest.mark.parametrize(
    ("value", "said", "hint"),
    [
        (3, "3 is not a list", "write"),
        ({"role": "user", "content": "x"}, "is not a list", "write"),
        ([3], "turn 1 is 3", "write"),
        ([{"role": "user"}], "turn 1 has no `content`", "write"),
        ([{"content": "x"}], "turn 1 has no `role`", "write"),
        ([("user", "a"), ("asistant", "b")], "turn 2 has the role 'asistant'", "did you mean `assistant`?"),
        ([("user", 3)], "the content of turn 1 is 3", "write"),
        ([("user", "a"), ("system", "b")], "turn 2 is a system turn", "write"),
        ([{"role": "user", "content": "a", "name": "b"}], "turn 1 has `name`", "write"),
    ],
)
def test_what_is_no_conversation(value: object, said: str, hint: str) -> None:
    with pytest.raises(ChatError) as failure:
        turns_of(value)
    assert said in str(failure.value) and failure.value.hint.startswith(hint)


async def test_turns_are_inserted(file: Path) -> None:
    program = load(file)
    engine = FakeEngine(lambda request, place: "ok")
    plan = program.plan("main")
    for given in (TURNS, "only this"):
        await execute(plan.graph, plan, {"history": given}, {"small": engine})
    assert [(m.role, m.content) for m in engine.requests[0].messages] == [
        ("system", "Be kind."),
        *((turn["role"], turn["content"]) for turn in TURNS),
    ]
    assert engine.requests[1].messages[-1] == Message("user", "only this")
    with pytest.raises(RunError) as failure:
        await execute(plan.graph, plan, {"history": [("robot", "x")]}, {"small": engine})
    assert failure.value.diagnostic.code == "R0708" and "the role 'robot'" in failure.value.diagnostic.message
    with pytest.raises(RunError) as failure:
        await execute(plan.graph, plan, {"history": [("system", "x"), ("user", "y")]}, {"small": engine})
    assert failure.value.diagnostic.code == "R0705" and "begins with a system turn" in str(failure.value)


async def test_a_judge_is_asked_about_the_last_user_turn(file: Path) -> None:
    program = load(file)
    engine = FakeEngine(lambda request, place: "fine", verdict=lambda messages, word: -0.1 if "yes" in word else -3)
    plan = program.plan("judged")
    await execute(plan.graph, plan, {"history": TURNS, "style": "curt"}, {"small": engine})
    seen = {messages[-1].content for messages, _ in engine.scored} or {
        request.messages[-1].content for request in engine.requests
    }
    assert any(text.startswith("Question: how are you\nAnswer: fine") for text in seen), seen


def test_the_tests_of_the_language_take_turns(file: Path) -> None:
    with load(file) as program:
        report = program.test()
    assert report.ok, report.tests


def test_the_command_line_takes_turns(file: Path, tmp_path: Path) -> None:
    assert tts("run", file, "hello", "--pipeline", "main").out.strip() == "hi there"
    turns = tmp_path / "turns.json"
    turns.write_text(json.dumps(TURNS), encoding="utf-8")
    assert tts("run", file, "--pipeline", "main", "--set", f"history=@{turns}").out.strip() == "fine"
    missing = tts("run", file, "--pipeline", "main", "--set", "history=@nowhere.json")
    assert missing.code != 0 and "nowhere.json cannot be read as JSON" in missing.err
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"history": one}) + "\n" for one in (TURNS, "hello")), encoding="utf-8")
    ran = tts("run", file, "--pipeline", "main", "--input", rows, "--json")
    assert sorted(record["answer"] for record in ran.json["answers"]) == ["fine", "hi there"]
    rows.write_text(json.dumps({"history": [{"role": "robot", "content": "x"}]}) + "\n", encoding="utf-8")
    assert "the role 'robot'" in tts("run", file, "--pipeline", "main", "--input", rows).err


def test_turns_are_given_in_line_or_refused(file: Path) -> None:
    def ran(text: str) -> Ran:
        return tts("run", file, "--pipeline", "main", "--set", f"history={text}")

    assert ran(json.dumps(TURNS)).out.strip() == "fine"
    assert tts("run", file, json.dumps(TURNS), "--pipeline", "main").out.strip() == "fine"
    for text, said in (
        ('[{"role": "usr", "content": "x"}]', "turn 1 has the role 'usr'"),
        ("[{role: 'user'}]", "this looks like a conversation, and it is not JSON"),
        ('{"role": "user", "content": "x"}', "is not a list of turns"),
    ):
        refused = ran(text)
        assert refused.code == 2 and said in refused.err and "@turns.json" in refused.err, refused.err
    for text, said in (("[]", "is empty"), ('[{"role": "assistant", "content": "x"}]', "turn of role assistant")):
        assert ran(text).code != 0 and said in ran(text).err and "nothing to answer" in ran(text).err


def test_the_plan_counts_turns(file: Path) -> None:
    with load(file) as program:
        plan = program.plan("main")
        result = program.run(TURNS, pipeline="main")
    assert result.cost.tokens <= plan.maximum.tokens
