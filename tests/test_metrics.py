"""Accuracy, users' metrics and intervals, and the evaluator of expressions they share."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
from ttscale.compiler import ir
from ttscale.compiler import types as t
from ttscale.runtime.evaluate_expr import EvaluationError, evaluate
from ttscale.runtime.metrics import MetricError, accuracy, evaluate_metric, is_correct, paired_bootstrap, wilson
from ttscale.runtime.pool import Candidate, Pool


def apply(op: str, *args: object) -> ir.Apply:
    operands = (ir.Const, ir.Input, ir.Ref, ir.Item, ir.Apply, ir.Own, ir.Column)
    return ir.Apply(op, tuple(a if isinstance(a, operands) else ir.Const(a) for a in args))


def pool(*values: object, type_: t.Type = t.NUMBER) -> Pool:
    return Pool(tuple(Candidate(str(v), v, None if v is None else str(v)) for v in values), type_)


# --- metrics ----------------------------------------------------------------------------------------


def test_accuracy_reads_gold_as_the_answer_is_read() -> None:
    assert is_correct(t.NUMBER, "42", "42.0")
    assert is_correct(t.Choice(("A", "B")), "B", "b")
    assert not is_correct(t.NUMBER, None, "42")
    assert accuracy(t.NUMBER, ["1", None, "3", "0.5"], [1, 2, "4", "1/2"]) == 0.5
    with pytest.raises(MetricError, match="the gold answer 'many' cannot be read as Number"):
        is_correct(t.NUMBER, "42", "many")


def test_a_users_metric() -> None:
    body = apply("==", apply("attr", ir.Input("pred"), "total"), apply("attr", ir.Input("row"), "total"))
    metric = ir.Metric("total_right", (("pred", t.ANY), ("row", t.ROW)), t.BOOL, body)
    assert evaluate_metric(metric, {"total": 3}, {"total": 3.0}) == 1.0
    assert evaluate_metric(metric, {"total": 3}, {"total": 4}) == 0.0
    assert evaluate_metric(metric, None, {"total": 4}) == 0.0
    with pytest.raises(MetricError, match="no field `total`"):
        evaluate_metric(metric, {"total": 3}, {"totl": 4})
    bound = ir.Metric(
        "off", (("pred", t.NUMBER), ("answer", t.NUMBER)), t.NUMBER, apply("-", ir.Input("pred"), ir.Input("answer"))
    )
    assert evaluate_metric(bound, 5, {"answer": "3"}) == 2.0
    with pytest.raises(MetricError, match="not a number"):
        evaluate_metric(replace(bound, body=ir.Const("text")), 5, {"answer": "3"})


def test_wilson() -> None:
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10)[0] == 0.0 and wilson(10, 10)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)


def test_paired_bootstrap() -> None:
    a, b = [1.0] * 60 + [0.0] * 40, [1.0] * 40 + [0.0] * 60
    low, high = paired_bootstrap(a, b, seed=7)
    assert 0 < low < 0.2 < high < 0.35
    assert paired_bootstrap(a, b, seed=7) == (low, high)
    assert paired_bootstrap(a, a) == (0.0, 0.0)
    for x, y in (([1.0], [1.0, 2.0]), ([], [])):
        with pytest.raises(ValueError, match="paired"):
            paired_bootstrap(x, y)


# --- expressions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (apply("+", 1, apply("*", 2, 3)), 7),
        (apply("/", 6, 3), 2),
        (apply("/", 1, 0), None),
        (apply("==", 42, 42.0), True),
        (apply("==", True, 1), False),
        (apply("==", (1, 2), apply("list", 1, 2)), True),
        (apply("==", None, None), True),
        (apply("==", 1, None), False),
        (apply("!=", 1, None), True),
        (apply("<", None, 1), False),
        (apply(">=", None, None), False),
        (apply("+", None, 1), None),
        (apply("neg", 3), -3),
        (apply("not", None), True),
        (apply("and", True, 0), False),
        (apply("or", None, "x"), True),
        (apply("or", True, apply("+", "x", 1)), True),
        (apply("attr", apply("record", ("a", "b"), 1, 2), "b"), 2),
        (ir.Item(apply("list", 1, 2), 1), 2),
        (ir.Item(apply("list", 1, 2), 5), None),
        (apply("after", "so #### 1 #### 42 ", "####"), "42"),
        (apply("before", "a, b, c", ","), "a"),
        (apply("after", "nothing", "####"), None),
        (apply("after", None, "####"), None),
        (apply("number", "1,200.50"), 1200.5),
        (apply("number", "n/a"), None),
        (apply("text", 2.0), "2"),
        (apply("length", (1, 2)), 2),
        (apply("contains", "haystack", "st"), True),
        (apply("join", ("a", "b"), ", "), "a, b"),
        (apply("letter", 2), "C"),
        (apply("upper", "ab"), "AB"),
    ],
)
def test_values(expression: ir.Operand, value: object) -> None:
    found = evaluate(expression)
    assert found == value and isinstance(found, bool) is isinstance(value, bool)


def test_none_from_a_run_is_not_different_either() -> None:
    assert evaluate(apply("!=", ir.Input("x"), 3), {"x": None}) is False
    assert evaluate(apply("!=", ir.Input("x"), None), {"x": 3}) is True
    assert evaluate(apply("!=", ir.Input("x"), None), {"x": None}) is False


def test_pools() -> None:
    drafts = pool(1, 1, 2, None)
    values: dict[str, object] = {"main/d": drafts, "main/v": pool(1), "main/none": pool()}
    d, v = ir.Ref("main/d"), ir.Ref("main/v")
    assert evaluate(apply("agreement", d), {}, values) == 0.5
    assert evaluate(apply("margin", d), {}, values) == 0.25
    assert evaluate(apply("readable", d), {}, values) == 0.75
    assert evaluate(apply("size", d), {}, values) == 4
    assert evaluate(apply("best", d), {}, values) is None
    scored = Pool(tuple(replace(c, scores={"a": 9.0, "b": i / 10}) for i, c in enumerate(drafts)), t.NUMBER)
    assert evaluate(apply("best", ir.Own()), own=scored) == 0.3
    assert evaluate(ir.Item(d, 2), {}, values) == 2
    assert evaluate(apply("==", v, 1), {}, values) is True
    assert evaluate(apply("text", v), {}, values) == "1"
    assert evaluate(apply("text", ir.Ref("main/none")), {}, values) is None
    assert evaluate(d, {}, values) is drafts


def test_attributes_of_a_trace() -> None:
    @dataclass
    class Totals:
        calls: int = 4

    assert evaluate(apply("<=", apply("attr", ir.Ref("trace"), "calls"), 4), {}, {"trace": Totals()}) is True
    with pytest.raises(EvaluationError, match="no `money`"):
        evaluate(apply("attr", ir.Ref("trace"), "money"), {}, {"trace": Totals()})


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        (ir.Input("questoin"), "no input `questoin`"),
        (ir.Column("c"), "no column `c`"),
        (ir.Own(), "no pool"),
        (apply("<", "a", 1), "`<` does not go with"),
        (apply("+", True, 1), "`\\+` does not go with"),
        (apply("agreement", 3), "a pool is wanted"),
        (apply("aftr", "x", "y"), "no function `aftr`"),
        (apply("attr", 3, "x"), "a number has no `x`"),
        (ir.Item(ir.Const(3), 0), "has no elements"),
        (apply("letter", 99), "position"),
    ],
)
def test_what_cannot_be_evaluated(expression: ir.Operand, says: str) -> None:
    with pytest.raises(EvaluationError, match=says):
        evaluate(expression, {"question": "x"}, {}, columns={})


def test_infinity_is_no_measure() -> None:
    metric = ir.Metric("m", (), t.NUMBER, ir.Const(math.inf))
    with pytest.raises(MetricError):
        evaluate_metric(metric, 1, {})
