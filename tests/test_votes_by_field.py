"""Votes on structured answers: field by field, whole, lists in any order or aligned by a key; where they come from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from checking import body, codes, compiled
from cli_runs import tts
from hypothesis import given
from hypothesis import strategies as st
from ttscale.compiler import types as t
from ttscale.compiler.ir import Const, Strategy
from ttscale.compiler.schema import schema_file
from ttscale.runtime import answers
from ttscale.runtime.pool import Candidate, Pool
from ttscale.runtime.strategies import Outcome, apply_stage

ITEM = t.Record("Item", (t.Field("sku", t.TEXT), t.Field("count", t.INT)))
BILL = t.Record("Bill", (t.Field("vendor", t.TEXT), t.Field("total", t.NUMBER), t.Field("items", t.ListOf(ITEM))))
FREE = t.Json("")


def pool(kind: t.Type, values: Sequence[object], scores: Sequence[float] | None = None) -> Pool:
    made = []
    for place, value in enumerate(values):
        text = value if isinstance(value, str) else json.dumps(value)
        answer, key = answers.read(kind, text)
        own = {} if scores is None else {"fit": scores[place]}
        made.append(Candidate(text, answer, key, stage="main/generate", model="m", index=place, tokens=5, scores=own))
    return Pool(tuple(made), kind)


def vote(kind: t.Type, values: Sequence[object], scores: Sequence[float] | None = None, **args: object) -> Outcome:
    given = {name: Const(tuple(value) if isinstance(value, list) else value) for name, value in args.items()}
    if scores is not None:
        given["weight"] = Strategy("score")  # type: ignore[assignment]
    return apply_stage("vote", given, pool(kind, values, scores))


def won(outcome: Outcome) -> object:
    (candidate,) = outcome.pool
    return candidate.answer


def item(sku: str, count: int) -> dict[str, object]:
    return {"sku": sku, "count": count}


# --- fields ----------------------------------------------------------------------------------------

THREE = [
    {"vendor": "Acme", "total": 90, "due": "x"},
    {"vendor": "Acne", "total": 95, "due": "y"},
    {"vendor": "acme ", "total": 95.0, "due": "z"},
]


@pytest.mark.parametrize("kind", [FREE, t.Record("R", (t.Field("vendor", t.TEXT), t.Field("total", t.NUMBER)))])
def test_every_field_has_its_own_vote(kind: t.Type) -> None:
    fields = THREE if kind == FREE else [{k: v for k, v in one.items() if k != "due"} for one in THREE]
    answer = won(vote(kind, fields))
    assert isinstance(answer, dict) and (str(answer["vendor"]).strip().lower(), answer["total"]) == ("acme", 95)
    whole = vote(kind, fields, by="whole")
    assert won(whole) == pool(kind, fields).candidates[0].answer and whole.parents == ()


def test_a_put_together_answer_has_the_parents_that_it_is_of() -> None:
    outcome = vote(FREE, THREE)
    (made,) = outcome.pool
    assert made.answer == {"vendor": "Acme", "total": 95, "due": "x"}
    assert outcome.parents == (0, 1) and [parent.index for parent in made.parents] == [0, 1]
    assert made.tokens == 0 and made.logprob_mean is None and made.thoughts == "" and made.model == "m"
    assert json.loads(made.text) == made.answer and answers.read(FREE, made.text)[1] == made.key
    assert "several candidates" in outcome.note and outcome.decided.startswith("put together from 2 of 3 answers")


def test_an_answer_that_agrees_in_every_field_is_itself_the_winner() -> None:
    outcome = vote(FREE, [{"a": 1, "b": 1}, {"a": 2, "b": 2}, {"a": 1, "b": 2}])
    assert outcome.picked == 2 and outcome.parents == () and outcome.pool.candidates[0].parents == ()
    assert outcome.decided == "1 of 3 agree in every field; 67% of all fields agree"


def test_ties_go_to_what_appeared_first() -> None:
    assert won(vote(FREE, [{"a": 1, "b": 2}, {"a": 2, "b": 1}])) == {"a": 1, "b": 2}
    assert won(vote(FREE, [{"a": 1}, {"b": 1}])) == {"a": 1}


def test_a_field_that_most_leave_out_is_left_out() -> None:
    assert won(vote(FREE, [{"a": 1, "b": 1}, {"a": 2}, {"a": 1}])) == {"a": 1}
    assert won(vote(FREE, [{"a": 1, "b": None}, {"b": None}, {"b": 2}])) == {"b": None}


def test_fields_inside_fields_are_voted_too() -> None:
    inner = t.Record("", (t.Field("city", t.TEXT), t.Field("zip", t.TEXT)))
    outer = t.Record("", (t.Field("name", t.TEXT), t.Field("at", t.Optional(inner))))
    values = [
        {"name": "a", "at": {"city": "X", "zip": "1"}},
        {"name": "a", "at": {"city": "Y", "zip": "2"}},
        {"name": "a", "at": {"city": "X", "zip": "2"}},
        {"name": "a", "at": None},
    ]
    for kind in (outer, FREE):
        assert won(vote(kind, values[:2] + values[3:] + values[:1])) == values[0]
        assert won(vote(kind, [values[3], values[0], values[3]])) == values[3]
        made = vote(kind, [values[0], values[1], {"name": "a", "at": {"city": "X", "zip": "2"}}])
        assert won(made) == values[2]


def test_unreadable_answers_have_no_vote() -> None:
    assert won(vote(BILL, ["no", {"vendor": "a", "total": 1, "items": []}, "no"])) is not None
    outcome = vote(FREE, ["no", "none"])
    assert outcome.picked == 0 and won(outcome) is None and "could be read" in outcome.note


def test_votes_are_weighed() -> None:
    values = [{"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 2, "b": 2}]
    assert won(vote(FREE, values)) == {"a": 2, "b": 1}
    assert won(vote(FREE, values, scores=[5, 1, 1])) == {"a": 1, "b": 1}
    assert won(vote(FREE, values, scores=[2, 1, 4])) == {"a": 2, "b": 2}


def test_fields_that_do_not_fit_together_give_the_nearest_answer() -> None:
    schema = {"oneOf": [{"properties": {"a": {"const": n}, "b": {"const": n}, "c": {}}} for n in (1, 2)]}
    kind = t.Json("f.json", schema_file("f.json", json.dumps({"type": "object", **schema})).canonical)
    values = [{"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 2}, {"a": 2, "b": 2, "c": 2}]
    assert won(vote(kind, values)) == values[1]
    values = [{"a": 1, "b": 1}, {"a": 2, "b": 2}, {"a": 1, "b": 1}, {"a": 2, "b": 2, "c": 1}, {"a": 2, "b": 2, "c": 2}]
    assert won(vote(kind, values)) == {"a": 2, "b": 2}


def test_winners_of_fields_may_break_a_schema() -> None:
    schema = {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    kind = t.Json("f.json", schema_file("f.json", json.dumps(schema)).canonical)
    outcome = vote(kind, [{"a": 1}, {"b": 1}, {"b": 2, "c": 1}, {"a": 2, "c": 1}, {"c": 1, "a": 3}])
    assert outcome.parents == () or answers.read(kind, outcome.pool.candidates[0].text)[1] is not None
    spread = [{"a": 1}, {"b": 1}, {"b": 1}, {"a": 2}]
    found = vote(kind, [*spread, {"b": 2, "a": 5}])
    assert answers.coerce(kind, won(found))[1] is not None


# --- lists -----------------------------------------------------------------------------------------


def test_lists_in_order_and_in_no_order() -> None:
    values = [["b", "b"], ["a", "b"], ["b", "a"], ["b", "b", "a"]]
    kind = t.ListOf(t.TEXT)
    assert won(vote(kind, values)) == ["b", "b"]
    outcome = vote(kind, values, lists="unordered")
    assert won(outcome) == ["a", "b"] and outcome.decided == "2 of 4 agree" and outcome.weight == 2
    assert won(vote(FREE, values, lists="unordered")) == ["a", "b"]
    assert won(vote(FREE, values)) == ["b", "b"]


def test_lists_inside_records_and_json_in_no_order() -> None:
    values = [{"vendor": v, "total": 1, "items": i} for v, i in [
        ("x", [item("c", 1)]),
        ("x", [item("a", 1), item("b", 2)]),
        ("y", [item("b", 2), item("a", 1)]),
    ]]  # fmt: skip
    for kind in (BILL, FREE):
        assert won(vote(kind, values)) == values[0]
        assert won(vote(kind, values, lists="unordered")) == values[1]
        assert won(vote(kind, [*values, values[2]], lists="unordered", by="whole")) == values[2]


def test_formulas_are_compared_as_such_in_lists_of_no_order() -> None:
    kind = t.ListOf(t.MATH)
    made = vote(kind, ['["5"]', '["1/2", "3"]', '["3", "0.5"]'], lists="unordered")
    assert won(made) == ["1/2", "3"]


ROWS = [
    [item("a", 1), item("b", 2), item("c", 9)],
    [item("b", 2), item("a", 5)],
    [item("a", 5), item("b", 3), item("b", 7)],
]


@pytest.mark.parametrize("kind", [t.ListOf(ITEM), FREE])
def test_items_are_aligned_by_a_key(kind: t.Type) -> None:
    outcome = vote(kind, ROWS, key="sku")
    assert won(outcome) == ROWS[1]
    assert outcome.picked == 1 and outcome.parents == ()
    made = vote(kind, [ROWS[0], ROWS[2], [item("b", 3), item("a", 5), item("c", 1), item("d", 1)]], key="sku")
    assert won(made) == [item("a", 5), item("b", 3), item("c", 9)]
    assert made.parents == (0, 1)


def test_items_inside_a_record_are_aligned_by_the_key_that_they_have() -> None:
    values = [{"vendor": "x", "total": 1, "items": rows} for rows in ROWS]
    for kind in (BILL, FREE):
        for key in ("sku", ["id", "sku"]):
            answer = won(vote(kind, values, key=key))
            assert isinstance(answer, dict) and answer["items"] == ROWS[1]
        assert won(vote(kind, values, key="none_such")) == values[0]


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.one_of(st.integers(0, 2), st.none(), st.lists(st.integers(0, 1)))),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["ordered", "unordered"]),
    st.sampled_from([None, "a"]),
)
def test_a_vote_gives_what_somebody_said_in_every_field(
    values: list[dict[str, object]], lists: str, key: str | None
) -> None:
    answer = won(vote(FREE, values, lists=lists, key=key))
    assert isinstance(answer, dict)
    for name, value in answer.items():
        assert any(name in one and one[name] == value for one in values)
    same = [values[0]] * 3
    assert won(vote(FREE, same, lists=lists, key=key)) == values[0]


# --- the program -----------------------------------------------------------------------------------

RECORDS = """tts 1
model m = script("{}")
record Item { sku: Text  count: Int }
record Bill { vendor: Text  tags: [Text]  items: [Item] }
prompt read(letter: Text) -> KIND = "{{ output_format }} {{ letter }}"
pipeline main(letter: Text) -> KIND {
  return generate(read(letter), from: m, n: 3) |> vote(ARGS)
}
"""


@pytest.mark.parametrize(
    ("kind", "args", "code", "hint"),
    [
        ("Bill", "by: fields, lists: unordered, key: sku", None, ""),
        ("Bill", 'key: ["id", sku]', "E0240", "they have `sku`, `count`"),
        ("Bill", "key: skuu", "E0240", "did you mean `sku`?"),
        ("Bill", "by: field", "E0217", "did you mean `fields`?"),
        ("Bill", "by: likelihood", "E0217", "to weigh the votes write `weight: likelihood`"),
        ("Bill", "lists: multiset", "E0217", "it can be `ordered`, `unordered`"),
        ("Bill", "key: 3", "E0217", "write `key: judge`"),
        ("Bill", "by: whole, lists: unordered", None, ""),
        ("Bill", "by: whole, key: sku", "E0260", "leave one of them out; to compare lists in no order write "
         "`lists: unordered`"),
        ("Item", "lists: unordered", "E0260", "leave it out"),
        ("Item", "key: sku", "E0260", "leave it out"),
        ("[Text]", "lists: unordered", None, ""),
        ("[Text]", "key: sku", "E0260", "to compare lists in no order write `lists: unordered`"),
        ("[Item]", "by: fields", "E0260", "name the field by which items are aligned: `key: sku`"),
        ("[Item]", "by: fields, key: sku", None, ""),
        ("Number", "by: fields", "E0260", "leave it out: such answers are voted as a whole"),
        ("Number", "lists: ordered", "E0260", "leave it out"),
    ],
)  # fmt: skip
def test_what_check_says_of_a_vote(kind: str, args: str, code: str | None, hint: str) -> None:
    text = RECORDS.replace("KIND", kind).replace("ARGS", args)
    found = [d for d in compiled(text).diagnostics if d.severity == "error"]
    assert [(d.code, d.hint) for d in found] == ([] if code is None else [(code, hint)])


def test_a_parameter_may_say_how(tmp_path: Path) -> None:
    text = RECORDS.replace("KIND", "Bill").replace("ARGS", "by: how")
    text = text.replace("  return", "  param how: Choice in {fields, whole} = whole\n  return")
    assert codes(text) == []
    assert "E0217" in codes(text.replace("{fields, whole} = whole", "{fields, other} = fields"))
    assert body("return generate(p.solve_number(question), from: small, n: 3) |> vote()") == []


RUN = """tts 1
model m = script(
  "{\\"vendor\\": \\"Acme\\", \\"total\\": 90, \\"due\\": null}",
  "{\\"vendor\\": \\"Acne\\", \\"total\\": 95, \\"due\\": \\"March\\"}",
  "{\\"vendor\\": \\"Acme\\", \\"total\\": 95, \\"due\\": \\"May\\"}",
)
record Bill { vendor: Text  total: Number  due: Text? }
prompt read(letter: Text) -> KIND = "{{ output_format }} {{ letter }}"
pipeline main(letter: Text) -> KIND {
  param how: Choice in {fields, whole} = fields
  return generate(read(letter), from: m, n: 3) |> vote(by: how)
}
metric same(pred: KIND, row: Row) -> Bool = pred.total == row.total
"""
SCHEMA = {
    "type": "object",
    "properties": {"vendor": {"type": "string"}, "total": {"type": "number"}, "due": {"type": ["string", "null"]}},
    "required": ["vendor", "total"],
}


@pytest.mark.parametrize("kind", ["Bill", 'Json("bill.json")'])
def test_a_run_says_where_a_put_together_answer_comes_from(tmp_path: Path, kind: str) -> None:
    (tmp_path / "bill.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    file = tmp_path / "main.tts"
    file.write_text(RUN.replace("KIND", kind), encoding="utf-8")
    ran = tts("run", file, "x", "--json", "--trace", tmp_path / "trace.json")
    assert ran.code == 0, ran.err
    assert ran.json["answer"] == {"vendor": "Acme", "total": 95, "due": None}
    assert ran.json["decided"].startswith("put together from 2 of 3 answers, field by field")
    assert any("several candidates" in note for note in ran.json["notes"])
    events = [json.loads(line) for line in (tmp_path / "trace.json").read_text(encoding="utf-8").splitlines()]
    made = [e["data"]["candidate"] for e in events if e["kind"] == "candidate"][-1]
    assert made["stage"] == "main/vote" and [parent["index"] for parent in made["parents"]] == [0, 1]
    whole = tts("run", file, "x", "--json", "--param", "how=whole")
    assert whole.json["answer"]["total"] == 90 and whole.json["decided"].startswith("1 of 3 agree")


def test_recorded_answers_are_voted_by_fields(tmp_path: Path) -> None:
    one = {"id": "q1", "gold": {"a": 1, "b": 2}, "samples": [{"answer": a} for a in (
        {"a": 1, "b": 1}, {"a": 1, "b": 3}, {"a": 2, "b": 2}, {"a": 3, "b": 2})]}  # fmt: skip
    two = {"id": "q2", "gold": [2, 1], "samples": [{"answer": [3]}, {"answer": [1, 2]}, {"answer": [2, 1]}]}
    file = tmp_path / "pool.jsonl"
    file.write_text("".join(json.dumps(question) + "\n" for question in (one, two)), encoding="utf-8")
    found = tts("replay", file, "--select", "vote()", "--json").json
    first, second = found["questions"]
    assert (first["answer"], first["index"], first["parents"], first["correct"]) == (
        {"a": 1, "b": 2},
        None,
        [0, 2],
        True,
    )
    assert (second["answer"], second["correct"]) == ([3], False)
    whole = tts("replay", file, "--select", "vote(by: whole, lists: unordered)", "--json").json["questions"]
    assert whole[0]["index"] == 0 and whole[1]["answer"] == [1, 2]
    ran = tts("replay", file, "--select", "vote(key: [a, b])", "--json")
    assert ran.code == 0
    assert tts("replay", file, "--select", "vote(by: each)").code == 1


@pytest.mark.parametrize("kind", ["Bill", 'Json("bill.json")'])
def test_an_evaluation_knows_parents_and_how_far_fields_agree(tmp_path: Path, kind: str) -> None:
    (tmp_path / "bill.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text('{"letter": "x", "total": 95, "answer": {"vendor": "Acme", "total": 95, '
                                         '"due": null}}\n', encoding="utf-8")  # fmt: skip
    text = RUN.replace("KIND", kind) + 'dataset rows = jsonl("rows.jsonl", letter: letter, answer: answer)\n'
    text += "eval main on rows { metric same }\n"
    file = tmp_path / "main.tts"
    file.write_text(text, encoding="utf-8")
    ran = tts("eval", file, "--json", "--out", tmp_path / "run")
    assert ran.code == 0, ran.err
    document = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    (record,) = document["records"]["main"]
    assert record["score"] == 1 and record["confidences"]["agreement"] == pytest.approx(5 / 9)
    assert record["fields"] == {"vendor": True, "total": True, "due": True}
    made = next(c for c in record["candidates"] if c.get("parents"))
    assert made["parents"] == [0, 1] and made["stage"] == "main/vote" and made["score"] == 1
