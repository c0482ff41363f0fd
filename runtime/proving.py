"""What follows from premises, by z3: true, false, or neither.

    prove([parse("all x. (Dog(x) -> Animal(x))"), parse("Dog(rex)")], parse("Animal(rex)"), 10.0)    # "True"

As in LINC (Olausson et al. 2023), whose prover is Prover9: True where the premises prove the conclusion, else False
where they prove its negation, else Uncertain. So premises that contradict each other prove everything, and give True.
What z3 cannot settle within the time counts as not proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ttscale.runtime.logic import Formula, FormulaError, Term

MOST_MEMORY = 2048
"""MiB that a proof may take."""
OUTCOMES = ("True", "False", "Uncertain")


class NoProver(Exception):
    """z3 is not installed."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found; `is_settled` is False for an Uncertain that may only mean that the time or memory ran out."""

    outcome: str
    is_settled: bool = True


def prove(premises: Sequence[Formula], conclusion: Formula, seconds: float) -> str:
    """True, False or Uncertain; each of the two proofs may take `seconds`. Raises NoProver, FormulaError."""
    return proof(premises, conclusion, seconds).outcome


def proof(premises: Sequence[Formula], conclusion: Formula, seconds: float) -> Proof:
    """The same, with whether the prover came to an end. Raises NoProver, FormulaError."""
    try:
        import z3  # type: ignore[import-untyped]
    except ImportError as error:
        raise NoProver("the package z3-solver is not installed") from error
    world = _World(z3)
    known = [world.formula(premise, {}) for premise in premises]
    wanted = world.formula(conclusion, {})
    is_settled = True
    for outcome, denied in (("True", z3.Not(wanted)), ("False", wanted)):
        solver = z3.Solver(ctx=world.context)
        solver.set("timeout", max(1, int(seconds * 1000)))
        solver.set("max_memory", MOST_MEMORY)
        solver.add(*known, denied)
        try:
            found = solver.check()
        except z3.Z3Exception:  # as where it needs more memory than it may have
            found = z3.unknown
        if found == z3.unsat:
            return Proof(outcome)
        is_settled &= found == z3.sat
    return Proof("Uncertain", is_settled)


class _World:
    """One sort of things, and the predicates and functions that formulas name, each with its number of arguments."""

    def __init__(self, z3: Any) -> None:
        self.z3 = z3
        self.context = z3.Context()
        self.things = z3.DeclareSort("Thing", self.context)
        self.names: dict[tuple[str, str, int], Any] = {}

    def _function(self, kind: str, name: str, count: int) -> Any:
        key = (kind, name, count)
        if key not in self.names:
            result = self.z3.BoolSort(self.context) if kind == "predicate" else self.things
            self.names[key] = self.z3.Function(f"{name}/{count}", *[self.things] * count, result)
        return self.names[key]

    def term(self, term: Term, bound: dict[str, Any]) -> Any:
        if term.is_variable and term.name in bound:
            return bound[term.name]
        arguments = [self.term(part, bound) for part in term.arguments]
        return self._function("function", term.name, len(arguments))(*arguments)

    def formula(self, formula: Formula, bound: dict[str, Any]) -> Any:
        z3 = self.z3
        if formula.kind == "atom":
            terms = [self.term(term, bound) for term in formula.terms]
            return self._function("predicate", formula.name, len(terms))(*terms)
        if formula.kind == "=":
            left, right = (self.term(term, bound) for term in formula.terms)
            return left == right
        if formula.kind in ("all", "exists"):
            variable = z3.Const(f"{formula.name}!{len(bound)}", self.things)
            body = self.formula(formula.parts[0], {**bound, formula.name: variable})
            return (z3.ForAll if formula.kind == "all" else z3.Exists)([variable], body)
        if formula.kind == "not":
            return z3.Not(self.formula(formula.parts[0], bound))
        if formula.kind == "->":
            return z3.Implies(*(self.formula(part, bound) for part in formula.parts))
        rights: list[Formula] = []  # `a & b & c …` is as deep as it is long: gone through without a call for each
        while formula.kind in ("&", "|", "^", "<->"):
            rights.append(formula)
            formula = formula.parts[0]
        if not rights:
            raise FormulaError(f"`{formula.kind}` is no connective")
        found = self.formula(formula, bound)
        for one in reversed(rights):
            found = self._joined(one.kind, found, self.formula(one.parts[1], bound))
        return found

    def _joined(self, kind: str, left: Any, right: Any) -> Any:
        match kind:
            case "&":
                return self.z3.And(left, right)
            case "|":
                return self.z3.Or(left, right)
            case "^":
                return self.z3.Xor(left, right)
        return left == right
