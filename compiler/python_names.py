"""What the compiler knows of functions in Python files: their signatures, handed in by the loader.

    use python("./mine.py") { my_vote }

The compiler imports and runs nothing. A loader that may read Python files has a method `python`, which gives the
signatures of one file; the functions themselves are called in the run, by their key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from ttscale.compiler.frozen import dataclass
from ttscale.compiler.signatures import Parameter, RuleSignature, Signature

PythonKind = Literal["selector", "scorer", "metric", "policy", "stage", "engine"]
KIND_WORDS: Mapping[str, str] = {
    "selector": "a rule for `select(by: …)`",
    "scorer": "a source of numbers",
    "metric": "a metric",
    "policy": "a condition on a pool",
    "stage": "a stage",
    "engine": "a kind of model",
}


@dataclass(frozen=True, slots=True)
class PythonSignature:
    """A decorated function: `parameters` are what a `.tts` file may give it.

    `key` is the hash of its file and its name, so that a changed file is another function. `keeps` and the facets are a
    stage's, `one` says that a stage gives at most one candidate. `file` and `line` are for messages. A kind of model
    may take a `locator`, the text that a program writes without a name (`required` there says that it must), and
    `abilities` are what all its models can or cannot do.
    """

    kind: PythonKind
    name: str
    key: str
    file: str
    line: int
    parameters: tuple[Parameter, ...] = ()
    needs: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    gives: frozenset[str] = frozenset()
    keeps: bool = True
    one: bool = False
    doc: str = ""
    locator: Parameter | None = None
    abilities: tuple[tuple[str, bool], ...] = ()

    def rule(self) -> RuleSignature | None:
        """This function as a rule for `by:` or `weight:`; None where it is none."""
        names = tuple(parameter.name for parameter in self.parameters)
        if self.kind == "selector":
            where: tuple[str, ...] = ("select",)
        elif self.kind == "scorer":
            where = ("score", "vote", "select", "filter")
        else:
            return None
        gives: Literal["numbers", "pick"] = "numbers" if self.kind == "scorer" else "pick"
        return RuleSignature(self.name, gives, where, self.parameters, names, self.needs, doc=self.doc, plugin=self.key)

    def stage(self) -> Signature | None:
        """This function as a stage over a pool; None where it is none."""
        if self.kind != "stage":
            return None
        return Signature(
            self.name,
            "pool",
            self.parameters,
            needs=self.needs,
            uses=self.uses,
            gives=self.gives,
            keeps=self.keeps,
            at_most_one=self.one,
            doc=self.doc,
            plugin=self.key,
        )


@dataclass(frozen=True, slots=True)
class PythonModule:
    """One Python file: the hash of its text, its decorated functions, and the names of its other ones."""

    file: str
    digest: str
    functions: Mapping[str, PythonSignature]
    others: tuple[str, ...] = ()


class LoadFault(Exception):
    """A module or Python file cannot be used: a diagnostic's `code`, `message`, `label`, `hint`, without its place."""

    def __init__(self, code: str, message: str, *, label: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.label = label
        self.hint = hint


class PythonReader(Protocol):
    """Reads the signatures of a Python file; implemented outside the compiler."""

    def __call__(self, path: str, importing_file: str, /) -> PythonModule | None:
        """The file `path` (`./mine.py`, or the name of an installed package) as seen from a `.tts` file.

        None for one that is there and is not read, as in an editor. Raises LoadFault.
        """
        ...
