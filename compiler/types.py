"""The types of the language, resolved: what a value is, and how an answer of it is read and compared.

`str(type)` is the spelling a user would write.
"""

from __future__ import annotations

from ttscale.compiler.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """Any text; `max_tokens` is the size that plans assume (None: the default of 512)."""

    max_tokens: int | None = None

    def __str__(self) -> str:
        return "Text" if self.max_tokens is None else f"Text(max: {self.max_tokens})"


@dataclass(frozen=True, slots=True)
class Simple:
    """`Int Float Bool Number Math Chat Row None_ Any`: types without arguments.

    `Any` is only the type of what already has an error, so that one mistake is reported once.
    """

    name: str

    def __str__(self) -> str:
        return self.name


INT = Simple("Int")
FLOAT = Simple("Float")
BOOL = Simple("Bool")
NUMBER = Simple("Number")
MATH = Simple("Math")
CHAT = Simple("Chat")
ROW = Simple("Row")
NONE = Simple("None")
ANY = Simple("Any")
TEXT = Text()


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few labels, in the order written."""

    labels: tuple[str, ...]

    def __str__(self) -> str:
        return f"Choice({', '.join(self.labels)})"


@dataclass(frozen=True, slots=True)
class Code:
    """A program in `language`."""

    language: str

    def __str__(self) -> str:
        return f"Code({self.language})"


@dataclass(frozen=True, slots=True)
class Json:
    """JSON that a schema file describes.

    `text` is the schema in its canonical form, empty where the file was not read; `at` leads to the part of it that is
    meant (`/properties/sender`, empty for the whole), as a JSON pointer.
    """

    schema: str
    text: str = ""
    at: str = ""

    def __str__(self) -> str:
        return f'Json("{self.schema}{"#" + self.at if self.at else ""}")'


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[T]`."""

    item: Type

    def __str__(self) -> str:
        return f"[{self.item}]"


@dataclass(frozen=True, slots=True)
class Optional:
    """`T?`."""

    item: Type

    def __str__(self) -> str:
        return f"{self.item}?"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record; `doc` becomes part of the output format."""

    name: str
    type: Type
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A record; `name` is empty for one written in place."""

    name: str
    fields: tuple[Field, ...]

    def __str__(self) -> str:
        return self.name or "{" + ", ".join(f"{f.name}: {f.type}" for f in self.fields) + "}"


@dataclass(frozen=True, slots=True)
class Answers:
    """A pool of candidates whose answers read as `item`."""

    item: Type

    def __str__(self) -> str:
        return f"Answers[{self.item}]"


@dataclass(frozen=True, slots=True)
class ModelType:
    """A model."""

    def __str__(self) -> str:
        return "Model"


@dataclass(frozen=True, slots=True)
class PromptType:
    """A prompt: its parameters by name and the type its answer reads as."""

    params: tuple[tuple[str, Type], ...]
    result: Type

    def __str__(self) -> str:
        return f"Prompt({', '.join(f'{n}: {t}' for n, t in self.params)}) -> {self.result}"


@dataclass(frozen=True, slots=True)
class MessageType:
    """A prompt called with its arguments: what `generate` takes; its answer reads as `result`."""

    result: Type

    def __str__(self) -> str:
        return f"a filled prompt -> {self.result}"


Type = (
    Text | Simple | Choice | Code | Json | ListOf | Optional | Record | Answers | ModelType | PromptType | MessageType
)
