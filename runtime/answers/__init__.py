"""Answers: how a type's answer is read from a model's text, compared, shown and asked for.

    value, key = read(NUMBER, "so 6 * 7 = 42.\\nAnswer: 42.0")     # 42, "42"
    classes(NUMBER, ["42", None, "7", "42"])                       # [0, None, 1, 0]

A key is the canonical form that voting counts; None is unreadable and never wins while a readable answer exists.
Reading is linear in the text and raises nothing on any text.
"""

from ttscale.runtime.answers.formats import output_format
from ttscale.runtime.answers.maths import MathEqualityMissing
from ttscale.runtime.answers.reading import (
    NONE_KEY,
    JsonObject,
    classes,
    coerce,
    equal,
    json_key,
    read,
    read_reply,
    show,
    text_key,
)
from ttscale.runtime.answers.schema import SchemaError

__all__ = [
    "NONE_KEY",
    "JsonObject",
    "MathEqualityMissing",
    "SchemaError",
    "classes",
    "coerce",
    "equal",
    "json_key",
    "output_format",
    "read",
    "read_reply",
    "show",
    "text_key",
]
