"""How answers are read from text, keyed, compared and shown."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ttscale.compiler import types as t
from ttscale.runtime import answers
from ttscale.runtime.answers import classes, coerce, equal, output_format, read, show
from ttscale.runtime.answers.numbers import number_key, parse_number

LETTERS = t.Choice(tuple("ABCDE"))
YES_NO = t.Choice(("yes", "no"))
PYTHON = t.Code("python")
INVOICE = t.Record(
    "Invoice",
    (
        t.Field("vendor", t.TEXT, "the company that sent it"),
        t.Field("total", t.NUMBER, "with tax"),
        t.Field("due", t.Optional(t.TEXT)),
    ),
)
EVERY_TYPE: tuple[t.Type, ...] = (
    t.TEXT,
    t.INT,
    t.FLOAT,
    t.BOOL,
    t.NUMBER,
    t.MATH,
    LETTERS,
    YES_NO,
    PYTHON,
    t.Code("sql"),
    t.Json(""),
    t.ListOf(t.TEXT),
    t.ListOf(t.INT),
    t.ListOf(LETTERS),
    t.ListOf(INVOICE),
    t.Optional(t.NUMBER),
    INVOICE,
    t.Simple("Chat"),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Answer: 42", 42),
        ("so 41. Answer: 41", 41),
        ("Answer: 42.0", 42),
        ("Answer: 42.", 42),
        ("**Answer:** $1,234.50.", 1234.5),
        ("**Final Answer**: **7**", 7),
        ("Answer:\n\n**42**", 42),
        ("Answer: 3\nno wait.\nAnswer: 5", 5),
        ("first #### 9\nlater prose about 7 things", 9),
        ("#### Step 3\nSo it is 7", 7),
        ("\\boxed{3} then \\boxed{x}", 3),
        ("\\boxed{\\frac{1}{2}} \\boxed{ 42 }", 42),
        ("The answer is -\\frac{3}{4}", -0.75),
        ("the answer is therefore 12 because 3 * 4 = 12", 12),
        ("Answer: for 5 days it is 35 dollars", 35),
        ("Answer: 3 + 4 = 7", 7),
        ("Answer: 10 - 4", 10),
        ("Answer: 3 million", 3_000_000),
        ("Answer: 2 x 10^3", 2000),
        ("Answer: 2.5e3 kg", 2500),
        ("1 1/2", 1.5),
        ("½", 0.5),
        ("50%", 50),
        ("-5", -5),
        ("−5 degrees", -5),
        ("it is 5-3", 3),
        ("Answer: \\$5", 5),
        ("Answer: <number>\nso 9", 9),
        ("1.5 and 2/0", 1.5),
        ("the area is 1,234,567 m", 1234567),
        ("lists 1,2,3", 3),
        ("３７", 37),
    ],
)
def test_numbers(text: str, value: float) -> None:
    assert read(t.NUMBER, text)[0] == value


@pytest.mark.parametrize("text", ["", "none", "I do not know", "x1 and y2", "9" * 5000, "\\boxed{x}"])
def test_no_number(text: str) -> None:
    assert read(t.NUMBER, text) == (None, None)


def test_one_number_has_one_key() -> None:
    keys = [read(t.NUMBER, f"Answer: {x}")[1] for x in ("42", "42.0", "42.", "$42", "84/2", "4.2e1", "042")]
    assert set(keys) == {"42"}
    assert read(t.NUMBER, "1/3")[1] == read(t.NUMBER, "0.3333333333333333")[1] != read(t.NUMBER, "0.33")[1]
    assert read(t.NUMBER, "12345678901234567890")[1] == "12345678901234567890"
    assert read(t.NUMBER, "-0")[1] == "0"


def test_int_and_float() -> None:
    assert read(t.INT, "Answer: 3.0") == (3, "3")
    assert read(t.INT, "Answer: 3.5") == (None, None)
    value, key = read(t.FLOAT, "Answer: 3")
    assert isinstance(value, float) and (value, key) == (3.0, "3")


@given(st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_a_printed_number_reads_back(whole: int, decimals: int) -> None:
    spelt = f"{whole}.{'0' * decimals}" if decimals else str(whole)
    assert read(t.NUMBER, f"Answer: {spelt}") == (whole, str(whole))
    grouped = parse_number(f"{whole:,}")
    assert grouped is not None and number_key(grouped) == str(whole)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("(B)", "B"),
        ("B.", "B"),
        ("b", "B"),
        ("Answer: B", "B"),
        ("**Answer: c)**", "C"),
        ("The correct answer is (C) because A is wrong", "C"),
        ("A dog is an animal. So B", "B"),
        ("I pick D", "D"),
        ("A is right.", "A"),
        ("\\boxed{\\text{D}}", "D"),
        ("None of A or B... so (C)", "C"),
        ("I first thought B.\nE", "E"),
        ("Answer: A dog", None),
        ("CABBAGE", None),
        ("nothing", None),
        ("Answer: not A but B", "B"),
    ],
)
def test_letters(text: str, label: str | None) -> None:
    assert read(LETTERS, text) == (label, label)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Verdict: yes", "yes"),
        (" Yes, because there is no problem.", "yes"),
        ("Reasoning says yes...\nNo, it is wrong", "no"),
        ("Is it (yes/no)? \\text{Yes}.", "yes"),
        ("NO", "no"),
        ("I know nothing of eyes", None),
        ("a no-nonsense reply", None),
        ("The answer has no mistakes.", None),
        ("The answer is that there are no mistakes", None),
        ("There is no doubt about it, yes", "yes"),
        ("It is good. My verdict: yes it is", "yes"),
        ("I would say no.", "no"),
        ("Reply with yes/no please", None),
    ],
)
def test_words(text: str, label: str | None) -> None:
    assert read(YES_NO, text) == (label, label)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The solution is not correct.", None),
        ("This is not entirely correct.", None),
        ("It is incorrect, so not **correct**", "incorrect"),
        ("It is correct.", "correct"),
    ],
)
def test_a_negated_label_is_not_meant(text: str, label: str | None) -> None:
    assert read(t.Choice(("correct", "incorrect")), text)[0] == label


def test_labels_of_several_words() -> None:
    kinds = t.Choice(("very easy", "easy", "not easy at all"))
    assert read(kinds, "I say: very easy")[0] == "very easy"
    assert read(kinds, "it is not easy at all")[0] == "not easy at all"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("True", True),
        ("Answer: no", False),
        ("(INCORRECT)", False),
        ("Solution Status: (incorrect)", False),
        ("... Is the solution correct? **Yes**", True),
        ("Is the answer correct (Yes/No)? nope", False),
        ("y", True),
        ("maybe", None),
        ("The answer is not correct.", False),
        ("That is not true.", False),
        ("It isn't correct", False),
        ("It isn’t right.", False),
        ("I don't think that this is correct.", False),
        ("The answer cannot be correct", False),
        ("It isn't necessarily true.", False),
        ("It does not seem correct", False),
        ("not wrong", True),
        ("Answer: not false", True),
        ("There are no errors, so the solution is correct.", True),
        ("The answer has no mistakes.", None),
        ("No mistakes.", None),
        ("I checked it. No, step 2 is wrong, though the first is right", False),
        ("my verdict is no because 3 is odd", False),
    ],
)
def test_bools(text: str, value: bool | None) -> None:
    assert read(t.BOOL, text)[0] is value


@pytest.mark.parametrize(
    ("text", "expression", "key"),
    [
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}", "0.5"),
        ("so $x=\\dfrac12$", "x=\\dfrac12", "0.5"),
        ("The answer is $x^2+1$.", "x^2+1", "x^{2}+1"),
        ("\\boxed{\\text{Monday}}", "\\text{Monday}", "monday"),
        ("\\boxed{10^\\circ}", "10^\\circ", "10"),
        ("\\boxed{\\sqrt2}", "\\sqrt2", "\\sqrt{2}"),
        ("Answer: \\left( 3, \\frac{\\pi}{2} \\right)", "\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\frac{\\pi}{2})"),
        ("long prose, and it ends with 17 apples", "17", "17"),
    ],
)
def test_math(text: str, expression: str, key: str) -> None:
    assert read(t.MATH, text) == (expression, key)


def test_math_equality_is_symbolic() -> None:
    pytest.importorskip("math_verify")
    a, b, c = (read(t.MATH, f"\\boxed{{{x}}}")[1] for x in ("\\frac{\\sqrt{2}}{2}", "\\frac{1}{\\sqrt2}", "\\sqrt2"))
    assert equal(t.MATH, a, b)
    assert not equal(t.MATH, a, c)
    assert classes(t.MATH, [a, c, None, b, a]) == [0, 1, None, 0, 0]


def test_math_equality_off_the_main_thread() -> None:
    pytest.importorskip("math_verify")
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(equal(t.MATH, "(x+1)^{2}", "x^{2}+2x+1")))
    thread.start()
    thread.join()
    assert found == [True]


def test_runaway_expressions_are_compared_by_text() -> None:
    assert not equal(t.MATH, "9^{9^{9^{9}}}", "8^{9^{9^{9}}}")
    assert not equal(t.MATH, "99999!", "99998!")


def test_code() -> None:
    assert read(PYTHON, "```python\nprint(1)\n```")[0] == "print(1)"
    assert read(PYTHON, "print(3)")[0] == "print(3)"
    assert read(PYTHON, "```\nfor i in range(3): pass\n```tail")[0] == "for i in range(3): pass"
    assert read(PYTHON, "```py\nx = 1\n```\nthen\n```bash\nls\n```")[0] == "x = 1"
    assert read(PYTHON, "```python\nx = 1\n```\nbetter:\n```python\nx = 2\n```")[0] == "x = 2"
    assert read(PYTHON, "```python\nx = 2\n```\n```python\ndef broken(:\n```")[0] == "x = 2"
    for prose in ("hello", "here is code", "```python\nx = (\n```", ""):
        assert read(PYTHON, prose) == (None, None)
    assert read(PYTHON, "```python\nx  =  1 # one\n```")[1] == read(PYTHON, "```python\nx = 1\n```")[1]


def test_records() -> None:
    text = 'Sure:\n```json\n{"vendor": "Acme", "total": "1,200.0", "due": null}\n```'
    assert read(INVOICE, text) == ({"vendor": "Acme", "total": 1200, "due": None}, ("acme", "1200", "none"))
    assert read(INVOICE, "{'vendor': 'A', 'total': 3,}")[0] == {"vendor": "A", "total": 3, "due": None}
    assert read(INVOICE, '{"vendor": "old", "total": 1} {"Vendor": "new", "total": 2}')[0] == {
        "vendor": "new",
        "total": 2,
        "due": None,
    }
    assert read(INVOICE, '{"a": {"vendor": "inner", "total": 5}')[0] == {"vendor": "inner", "total": 5, "due": None}
    for wrong in ('{"vendor": "A"}', '{"vendor": "A", "total": "many"}', "vendor: A, total: 3", "{" * 50):
        assert read(INVOICE, wrong) == (None, None)


@pytest.mark.parametrize(
    "comments",
    [
        ("// the company that sent it", "// with tax"),
        ('// the "company"', "// in {dollars}"),
        ('// 5" paper', "// it's with tax"),
        ("", "// none }"),
    ],
)
def test_records_with_comments(comments: tuple[str, str]) -> None:
    first, second = comments
    text = f'Here it is:\n{{\n  "vendor": "Acme",  {first}\n  "total": 5,  {second}\n  "due": null  // never\n}}'
    assert read(INVOICE, text)[0] == {"vendor": "Acme", "total": 5, "due": None}
    assert read(t.Json(""), text)[0] == {"vendor": "Acme", "total": 5, "due": None}


def test_addresses_are_no_comments() -> None:
    linked = {"vendor": "https://acme.example // x", "total": 5, "due": None}
    assert read(INVOICE, 'See https://acme.example: {"vendor": "https://acme.example // x", "total": 5}')[0] == linked
    assert read(INVOICE, '{"vendor": "https://acme.example // x", // where\n"total": 5}')[0] == linked


def test_lists() -> None:
    ints = t.ListOf(t.INT)
    for text in ("2, 1, 3", "2,1,3", "Ranking: 2 > 1 > 3", "[2, 1, 3]", "1. Candidate 2\n2. Candidate 1\n3. Number 3"):
        assert read(ints, text)[0] == [2, 1, 3], text
    assert read(t.ListOf(t.TEXT), "- first one\n- second")[0] == ["first one", "second"]
    assert read(ints, "no idea") == (None, None)
    assert read(t.ListOf(LETTERS), "Answer: A, C")[1] == ("A", "C")


def test_json_with_and_without_a_schema(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(
        '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 1}},'
        ' "additionalProperties": false}',
        encoding="utf-8",
    )
    free, checked = t.Json(""), t.Json("s.json")
    assert read(free, 'x {"a": 1.0} y') == ({"a": 1.0}, '{"a": 1}')
    assert read(checked, '{"n": 2} and {"n": 0}', folder=tmp_path)[0] == {"n": 2}
    assert read(checked, '{"n": 2, "m": 1}', folder=tmp_path) == (None, None)
    assert '"n": <whole number>  // at least 1' in output_format(checked, folder=tmp_path)
    with pytest.raises(answers.SchemaError, match="cannot be read"):
        read(t.Json("missing.json"), "{}", folder=tmp_path)


def test_text_and_optional() -> None:
    assert read(t.TEXT, "  Hello  World. ") == ("Hello  World.", "hello world")
    assert read(t.TEXT, " \n") == (None, None)
    assert read(t.Optional(t.NUMBER), "None.") == (None, "none")
    assert read(t.Optional(t.NUMBER), "Answer: 5") == (5, "5")
    assert read(t.Optional(t.NUMBER), "five") == (None, None)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (t.NUMBER, "I saw 3 of them. Answer: none"),
        (t.NUMBER, "Answer: N/A (the letter of 12 May names no amount)"),
        (t.NUMBER, "Answer: none"),
        (t.NUMBER, "**Answer:** None."),
        (t.INT, "Of the 3 letters none has one.\n\nNone."),
        (t.NUMBER, "Answer: 4\nNo, wait.\nAnswer: none"),
        (t.MATH, "\\boxed{\\text{None}}"),
        (LETTERS, "A or B? Answer: unknown"),
        (t.BOOL, "Answer: n/a"),
        (INVOICE, "There is no invoice.\nAnswer: none"),
        (t.ListOf(INVOICE), "Answer: none"),
    ],
)
def test_a_marked_none_is_none(type_: t.Type, text: str) -> None:
    assert read(t.Optional(type_), text) == (None, "none")


def test_what_only_looks_like_none() -> None:
    assert read(t.Optional(t.NUMBER), "Answer: none\nNo, wait.\nAnswer: 4")[0] == 4
    assert read(t.Optional(t.NUMBER), "Answer: -5")[0] == -5
    assert read(t.Optional(t.NUMBER), "None of them fits.\nSo 7")[0] == 7
    held = '{"vendor": "Answer: none", "total": 3}'
    assert read(t.Optional(INVOICE), held)[1] == ("answer: none", "3", "none")


def test_gold_answers() -> None:
    assert coerce(t.NUMBER, " 1,080 ")[1] == "1080"
    assert coerce(t.NUMBER, 2.50)[1] == coerce(t.NUMBER, "5/2")[1] == "2.5"
    assert coerce(t.MATH, "\\frac{3}{4}")[1] == "0.75"
    assert coerce(LETTERS, "b")[1] == "B"
    assert coerce(t.BOOL, 1) == (True, "true")
    assert coerce(t.INT, float("nan")) == coerce(t.NUMBER, float("inf")) == coerce(t.NUMBER, True) == (None, None)
    assert coerce(INVOICE, {"vendor": "A", "total": 3, "due": ""})[1] == ("a", "3", "none")


def test_unreadable_equals_nothing() -> None:
    for type_ in EVERY_TYPE:
        assert not equal(type_, None, None)
    assert classes(t.NUMBER, [None, "4", "5", "4", None]) == [None, 0, 1, 0, None]


def test_show() -> None:
    assert [show(t.NUMBER, x) for x in (42, 42.0, 0.5, None)] == ["42", "42", "0.5", "none"]
    assert show(t.BOOL, True) == "true"
    assert show(t.ListOf(t.INT), [2, 1]) == "2, 1"
    assert show(t.ListOf(t.TEXT), ["a", "b"]) == "- a\n- b"
    assert show(INVOICE, {"vendor": "Ä", "total": 3}) == '{"vendor": "Ä", "total": 3}'


def test_output_formats() -> None:
    assert output_format(t.NUMBER) == 'End with "Answer: <number>".'
    assert "yes, no" in output_format(YES_NO)
    assert output_format(t.TEXT) == ""
    shape = output_format(INVOICE)
    assert '"total": <number>,  // with tax' in shape and '"due": "<text>" or null' in shape


@pytest.mark.parametrize(
    ("type_", "reply"),
    [(t.NUMBER, "Answer: 7"), (YES_NO, "Answer: yes"), (t.BOOL, "Answer: no"), (LETTERS, "Answer: C")],
)
def test_what_the_format_asks_for_is_read(type_: t.Type, reply: str) -> None:
    assert output_format(type_).startswith("End with")
    assert read(type_, reply)[1] is not None


PIECES = [
    "Answer: ", "answer", "####", "\\boxed{", "}", "{", "[", "]", '"', "'", "```", "```python\n", "\n", "$", "\\(",
    "1", "1,111", "/", "-", "e9", ".", "%", "A", "(B)", "yes", "no", "\\frac{1}{2}", "\\text{", "^", "a:", ",", "\\",
    "\\)",    "é", "\x00", "\ud800", "١", "²", "½", "\u202e", "the answer is ", "0" * 30, "def f(", "null", "none",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=40).map("".join))
def test_no_text_raises_and_values_have_keys(text: str) -> None:
    for type_ in EVERY_TYPE:
        value, key = read(type_, text)
        hash(key)
        assert key is not None or value is None
        if key is not None:
            assert equal(type_, key, key)
            assert isinstance(show(type_, value), str)


@pytest.mark.parametrize("piece", [p for p in PIECES if p.isascii()])
def test_long_repetitions_are_read(piece: str) -> None:
    """A long text of one piece: a reader that backtracks would not come back."""
    text = (piece * 30_000)[:30_000]
    for type_ in EVERY_TYPE:
        value, key = read(type_, text)
        assert key is None or (equal(type_, key, key) and isinstance(show(type_, value), str))


def test_deep_nesting_is_no_answer() -> None:
    for text in ("[" * 60_000, '{"a":' * 30_000, '{"a":' * 3_000 + "1" + "}" * 3_000):
        assert read(INVOICE, text) == (None, None)
