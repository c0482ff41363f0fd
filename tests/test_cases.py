"""Data, metrics and tests of the language, as the runtime reads them."""

from __future__ import annotations

import pytest
from programs import MODELS, checked
from ttscale.compiler import cases, ir
from ttscale.compiler.data import dataset_ir, metric_ir, rows_ir
from ttscale.compiler.diagnostics import CompileError
from ttscale.compiler.lower import lower
from ttscale.compiler.parse import parse
from ttscale.compiler.source import SourceFile
from ttscale.library.standard import stage_prompts

DATA = """
record Bill { vendor: Text  total: Number }
dataset gsm = jsonl("gsm.jsonl", question: question, answer: after(answer, "####"))
dataset bills = csv("bills.csv", letter: body, answer: {vendor: vendor, total: total})
metric right(pred: Bill, row: Row) -> Bool = pred.total == row.total and pred.vendor != none
"""
PIPELINE = """
pipeline main(question: Text) -> Number {
  param n: Int in {1, 2, 4} = 2
  param rule: Choice in {likelihood, length} = length
  return generate(solve(question), from: small, n: n) |> vote(weight: rule)
}
"""


def test_datasets_read_columns() -> None:
    linked = checked(MODELS + DATA).linked
    gsm = dataset_ir(linked.main.names["gsm"], linked)
    assert (gsm.kind, gsm.locator, gsm.file) == ("jsonl", "gsm.jsonl", "main.tts")
    assert gsm.fields == (
        ("question", ir.Column("question")),
        ("answer", ir.Apply("after", (ir.Column("answer"), ir.Const("####")))),
    )
    bills = dataset_ir(linked.main.names["bills"], linked)
    assert dict(bills.fields)["answer"] == ir.Apply(
        "record", (ir.Const(("vendor", "total")), ir.Column("vendor"), ir.Column("total"))
    )


def rows(text: str) -> tuple[tuple[object, ...], ...]:
    """The steps of an expression over the dataset `gsm`."""
    linked = checked(MODELS + DATA).linked
    source = SourceFile("x.tts", f"tts 1\npipeline x(a: Text) -> Text {{ return {text} }}\n")
    tree, _ = lower(parse(source), source)
    return rows_ir(tree.declarations[0].value, linked.main, linked).steps  # type: ignore[union-attr]


def test_rows_are_cut_mixed_and_chosen() -> None:
    assert rows("gsm") == ()
    assert rows("gsm[0:200]") == (("slice", 0, 200),)
    assert rows("gsm[200:][:10]") == (("slice", 200, None), ("slice", None, 10))
    assert rows("shuffle(gsm, seed: 3)[0:5]") == (("shuffle", 3), ("slice", 0, 5))
    assert rows('gsm |> where(level == "hard")') == (("where", ir.Apply("==", (ir.Column("level"), ir.Const("hard")))),)


def test_metrics_read_their_parameters() -> None:
    linked = checked(MODELS + DATA).linked
    metric = metric_ir(linked.main.names["right"], linked)
    assert [name for name, _ in metric.params] == ["pred", "row"]
    total = ir.Apply(
        "==",
        (
            ir.Apply("attr", (ir.Input("pred"), ir.Const("total"))),
            ir.Apply("attr", (ir.Input("row"), ir.Const("total"))),
        ),
    )
    vendor = ir.Apply("!=", (ir.Apply("attr", (ir.Input("pred"), ir.Const("vendor"))), ir.Const(None)))
    assert metric.body == ir.Apply("and", (total, vendor))


def test_a_test_binds_its_calls() -> None:
    text = (
        MODELS
        + PIPELINE
        + (
            'test "both" {\n  given small = script("Answer: 1", "Answer: 2")\n'
            '  expect main("1?", n: 4, rule: likelihood) == main(question: "2?")\n  expect trace.calls <= 4\n}\n'
            'test "live one" live { expect main("x") == 3 }\n'
        )
    )
    first, second = cases.tests_ir(checked(text).linked, std=stage_prompts())
    assert (first.name, first.live, second.name, second.live) == ("both", False, "live one", True)
    equal, calls = first.expectations
    assert equal.condition == ir.Apply("==", (ir.Ref("call[0]"), ir.Ref("call[1]")))
    assert [call.inputs for call in equal.calls] == [(("question", "1?"),), (("question", "2?"),)]
    assert [call.graph.params for call in equal.calls] == [
        {"n": 4, "rule": "likelihood"},
        {"n": 2, "rule": "length"},
    ]
    assert all(call.graph.models["small"].kind == "script" for call in equal.calls)
    assert calls.calls == ()
    assert calls.condition == ir.Apply("<=", (ir.Apply("attr", (ir.Ref("trace"), ir.Const("calls"))), ir.Const(4)))
    assert calls.text == "trace.calls <= 4"
    assert second.expectations[0].calls[0].graph.models["small"].kind == "gguf"


def test_a_label_is_its_text() -> None:
    text = MODELS + (
        'prompt kind(question: Text) -> Choice(yes, no) = "{{ question }}"\n'
        "pipeline main(question: Text) -> Choice(yes, no) { return generate(kind(question), from: small) }\n"
        'test "label" { given small = script("yes")  expect main("x") == yes }\n'
    )
    (case,) = cases.tests_ir(checked(text).linked, std=stage_prompts())
    assert case.expectations[0].condition == ir.Apply("==", (ir.Ref("call[0]"), ir.Const("yes")))


def test_a_call_that_cannot_be_bound_is_said() -> None:
    text = MODELS + PIPELINE + 'test "wrong" { given small = script("x")  expect main("x", n: 3) == 1 }\n'
    program = checked(text.replace("n: 3", "n: 4"))
    assert cases.tests_ir(program.linked, std=stage_prompts())
    linked = checked(text.replace("{1, 2, 4}", "{1, 2, 3}").replace("= 2\n", "= 2\n")).linked
    assert cases.tests_ir(linked, std=stage_prompts())
    broken = checked(text.replace("n: 3", "n: 4").replace("return", "require n < 4\n  return"))
    with pytest.raises(CompileError) as caught:
        cases.tests_ir(broken.linked, std=stage_prompts())
    assert [d.code for d in caught.value.diagnostics] == ["E0554"]
