"""First-order formulas as models write them: read into trees, in the signs of logic books or of provers.

    parse("∀x (Dog(x) → Animal(x))")    # ForAll(("x",), Implies(Atom("Dog", (Var("x"),)), …))
    parse("all x. (Dog(x) -> Animal(x))")

From the strongest: not, and, or and exclusive or, implies (to the right), if and only if. A quantifier binds what
stands next to it, or with a dot everything behind it. Names that no quantifier binds are constants, names without
arguments where a formula is wanted are propositions. LINC (Olausson et al. 2023) tidies what models write likewise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_CHARACTERS, MOST_DEPTH = 4_000, 100
SIGNS = {
    "∧": " & ",
    "∨": " | ",
    "⊕": " ^ ",
    "⊻": " ^ ",
    "≠": " != ",
    "&&": " & ",
    "||": " | ",
    **dict.fromkeys("¬∼￢", "-"),
    **dict.fromkeys("→⇒⟶⟹⊃", " -> "),
    **dict.fromkeys("↔⇔⟷⟺≡", " <-> "),
    **dict.fromkeys("–−", "-"),
}
LATEX = {
    **dict.fromkeys(("land", "wedge"), "∧"),
    **dict.fromkeys(("lor", "vee"), "∨"),
    **dict.fromkeys(("lnot", "neg"), "¬"),
    **dict.fromkeys(("to", "rightarrow", "Rightarrow", "implies", "supset"), "→"),
    **dict.fromkeys(("leftrightarrow", "Leftrightarrow", "iff", "equiv"), "↔"),
    **{"forall": "∀", "exists": "∃", "oplus": "⊕", "veebar": "⊻", "ne": "≠", "neq": "≠"},
}
COMMAND = re.compile(r"\\([A-Za-z]+)")
WORDS = {
    **{"and": "&", "or": "|", "not": "-", "implies": "->", "iff": "<->", "xor": "^"},
    **{"all": "all", "forall": "all", "exists": "exists"},
}
"""Words that are signs, however they are capitalised."""
TOKEN = re.compile(r"\s*(<->|<=>|->|=>|==|!=|[&|^()=,.~!-]|\w+)")
ARGUMENTS = re.compile(r"(?<=[\w])\(([^()]*)\)")
QUANTIFIED = re.compile(r"([∀∃])\s*([A-Za-z][A-Za-z0-9_]*(?:\s*,\s*[A-Za-z][A-Za-z0-9_]*)*)\s*[.:]?\s*")


class FormulaError(ValueError):
    """A text is no formula; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Term:
    """A name with its arguments: a variable where a quantifier binds it, a constant or a function otherwise."""

    name: str
    arguments: tuple[Term, ...] = ()
    is_variable: bool = False


@dataclass(frozen=True, slots=True)
class Formula:
    """`kind` is atom, =, not, &, |, ^, ->, <->, all or exists; atoms and equations have `terms`, the others `parts`.

    `name` is an atom's predicate or a quantifier's variable.
    """

    kind: str
    name: str = ""
    parts: tuple[Formula, ...] = ()
    terms: tuple[Term, ...] = ()


def to_ascii(text: str) -> str:
    """A formula in the signs that provers read: `all x. (Dog(x) -> Animal(x))`, as LINC's converter writes it."""
    text = COMMAND.sub(lambda match: f" {LATEX[match[1]]} " if match[1] in LATEX else match[0], text)
    text = QUANTIFIED.sub(_quantifier, text)
    for sign, written in SIGNS.items():
        text = text.replace(sign, written)
    return re.sub(r"\s+", " ", text).strip()


def _quantifier(match: re.Match[str]) -> str:
    word = "all" if match[1] == "∀" else "exists"
    return "".join(f"{word} {name.strip()}. " for name in match[2].split(","))


def reformat(text: str) -> str:
    """Constants as one name each: `New York` becomes `New_York`, `bob's dog` becomes `bobs_dog`; quotes go."""
    text = re.sub(r"(?<=\w)['’](?=\w)", "", text)
    return ARGUMENTS.sub(lambda match: f"({', '.join(_constant(part) for part in match[1].split(','))})", text)


def _constant(text: str) -> str:
    cleaned = re.sub(r"[\"'“”‘’`]", "", text).strip()
    if re.search(r"[&|^=<>~]|->", cleaned):
        return cleaned
    return re.sub(r"[\s\-/.]+", "_", cleaned)


def parse(text: str) -> Formula:
    """The formula that a text is. Raises FormulaError."""
    if len(text) > MOST_CHARACTERS:
        raise FormulaError(f"a formula of {len(text):,} characters is too long")
    reader = _Reader(_tokens(reformat(to_ascii(text.strip().strip("$").rstrip(" .;,")))))
    formula = reader.formula(0, frozenset())
    if reader.at < len(reader.tokens):
        raise FormulaError(f"`{reader.tokens[reader.at]}` is too much")
    return formula


OTHERS = {"=>": "->", "<=>": "<->", "==": "=", "~": "-", "!": "-"}


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            if not text[at:].strip():
                break
            raise FormulaError(f"`{text[at:].strip()[:20]}` is no part of a formula")
        token = match[1]
        found.append(OTHERS.get(token) or WORDS.get(token.lower(), token))
        at = match.end()
    return found


@dataclass
class _Reader:
    """Reads tokens from the left."""

    tokens: list[str]
    at: int = 0

    @property
    def next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.next
        if not token or (wanted and token != wanted):
            raise FormulaError(
                f"{f'`{wanted}`' if wanted else 'more'} is wanted {f'before `{token}`' if token else 'at the end'}"
            )
        self.at += 1
        return token

    def formula(self, depth: int, bound: frozenset[str]) -> Formula:
        """If and only if, to the left."""
        if depth > MOST_DEPTH:
            raise FormulaError("it is nested too deeply")
        left = self.implication(depth, bound)
        while self.next == "<->":
            self.take()
            left = Formula("<->", parts=(left, self.implication(depth, bound)))
        return left

    def implication(self, depth: int, bound: frozenset[str]) -> Formula:
        if depth > MOST_DEPTH:
            raise FormulaError("it is nested too deeply")
        left = self.either(depth, bound)
        if self.next != "->":
            return left
        self.take()
        return Formula("->", parts=(left, self.implication(depth + 1, bound)))

    def either(self, depth: int, bound: frozenset[str]) -> Formula:
        left = self.both(depth, bound)
        while self.next in ("|", "^"):
            sign = self.take()
            left = Formula(sign, parts=(left, self.both(depth, bound)))
        return left

    def both(self, depth: int, bound: frozenset[str]) -> Formula:
        left = self.single(depth, bound)
        while self.next == "&":
            self.take()
            left = Formula("&", parts=(left, self.single(depth, bound)))
        return left

    def single(self, depth: int, bound: frozenset[str]) -> Formula:
        """A negation, a quantifier, brackets, an atom or an equation."""
        if depth > MOST_DEPTH:
            raise FormulaError("it is nested too deeply")
        if self.next == "-":
            self.take()
            return Formula("not", parts=(self.single(depth + 1, bound),))
        if self.next in ("all", "exists"):
            return self.quantified(depth, bound)
        if self.next == "(":
            self.take()
            inner = self.formula(depth + 1, bound)
            self.take(")")
            return inner
        term = self.term(depth, bound)
        if self.next in ("=", "!="):
            sign = self.take()
            equal = Formula("=", terms=(term, self.term(depth, bound)))
            return equal if sign == "=" else Formula("not", parts=(equal,))
        if term.is_variable:
            raise FormulaError(f"the variable `{term.name}` is no statement")
        return Formula("atom", term.name, terms=term.arguments)

    def quantified(self, depth: int, bound: frozenset[str]) -> Formula:
        kind, name = self.take(), self.take()
        if not re.match(r"\w", name):
            raise FormulaError(f"a variable is wanted behind `{kind}`, not `{name}`")
        inside = bound | {name}
        if self.names_follow():  # `all x y. …`
            self.tokens.insert(self.at, kind)
        if self.next != ".":
            return Formula(kind, name, (self.single(depth + 1, inside),))
        self.take()
        start = self.at
        if self.next == "(":  # what the brackets hold, unless the variable occurs behind them as well
            body = self.single(depth + 1, inside)
            if name not in self.rest():
                return Formula(kind, name, (body,))
            self.at = start
        return Formula(kind, name, (self.formula(depth + 1, inside),))

    def names_follow(self) -> bool:
        """Whether there are only names up to the next dot, and one at least."""
        end = self.at
        while end < len(self.tokens) and re.match(r"\w", self.tokens[end]) and self.tokens[end] not in WORDS.values():
            end += 1
        return self.at < end < len(self.tokens) and self.tokens[end] == "."

    def rest(self) -> list[str]:
        """The tokens up to the bracket that closes what is being read, or to where the variable is bound anew."""
        open_brackets = 0
        for place in range(self.at, len(self.tokens)):
            token = self.tokens[place]
            open_brackets += (token == "(") - (token == ")")
            if open_brackets < 0 or (token in ("all", "exists")):
                return self.tokens[self.at : place]
        return self.tokens[self.at :]

    def term(self, depth: int, bound: frozenset[str]) -> Term:
        if depth > MOST_DEPTH:
            raise FormulaError("it is nested too deeply")
        name = self.take()
        if not re.match(r"\w", name) or name in ("all", "exists"):
            raise FormulaError(f"a name is wanted, not `{name}`")
        if self.next != "(":
            return Term(name, is_variable=name in bound)
        self.take()
        arguments = [self.term(depth + 1, bound)]
        while self.next == ",":
            self.take()
            arguments.append(self.term(depth + 1, bound))
        self.take(")")
        return Term(name, tuple(arguments))


# --- what a reply says ----------------------------------------------------------------------------

MARK = re.compile(r"^(?:[^:()]{0,30}[^\w:])?(?:\d{1,3}[.):]\W{0,4})?FOL[`*\s]*[:：](.+)$", re.IGNORECASE)
LIKELY = re.compile(r"\w\(.*\)")
LABEL = re.compile(
    r"^(?:[-*•]\s+)?(?:\(?\d{1,3}[.):]\s*)?(?:(?:premise|conclusion|hypothesis|fact|rule)\b[^:()]{0,20}:)?", re.I
)
"""What stands before a formula that has no mark: a bullet, a number, `Conclusion:`."""
REMARK = re.compile(r"\s+(?:#|//|%)\s.*$|\s*:::.*$")
"""What is said about a formula behind it."""


def formulas_in(text: str) -> list[str]:
    """The formulas of a reply: those behind `FOL:`, or where there is none all lines that look like one."""
    lines = [line.strip() for line in text.splitlines()]
    marked = [match[1] for line in lines if (match := MARK.match(line))]
    likely = [LABEL.sub("", line) for line in lines if LIKELY.search(line) and not line.endswith(":")]
    return [REMARK.sub("", one).strip("`* ") for one in marked or likely]
