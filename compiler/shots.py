"""Few-shot examples of a `generate`: which fields of the rows stand for which arguments of its prompts.

    generate(solve(question, style: "short"), examples: gsm[0:50], shots: 4)
    row_fields(Filled(solve, (("question", Input("question")), ("style", Const("short")))), rows)
    # {"question": "question"}; `style` is the same for all

An argument that is known before the run is the same in an example as in the question. Every other one is the row's
field of the argument's own name, or of the name of the pipeline's input that it is given.

Codes:
    E0275  examples whose rows cannot fill the prompt, or have no answer
"""

from __future__ import annotations

from ttscale.compiler import ir
from ttscale.compiler.expand_arguments import Call
from ttscale.compiler.expansion import Expansion

GOLD = "answer"
"""The field of a dataset that holds the right answer."""


def row_fields(filled: ir.Filled, rows: ir.Rows) -> dict[str, str | None]:
    """For each argument of a prompt that rows fill, the field that does; None where they declare no such field."""
    declared = {name for name, _ in rows.dataset.fields} - {GOLD}
    found: dict[str, str | None] = {}
    for name, operand in filled.args:
        if isinstance(operand, ir.Const):
            continue
        given = operand.name if isinstance(operand, ir.Input) else name
        wanted = [name, given]
        if not rows.dataset.fields:  # all columns of the file are fields, and only the file knows them
            found[name] = name
        else:
            found[name] = next((field for field in wanted if field in declared), None)
    return found


def settle_examples(
    expansion: Expansion, call: Call, prompts: list[ir.Filled], args: dict[str, ir.Argument]
) -> dict[str, ir.Argument]:
    """The arguments with `examples`, `shots` and `choose` settled: without shots there are none of the three.

    Raises Stop where the rows cannot be shown with these prompts.
    """
    rows, shots = args["examples"], args["shots"]
    if not isinstance(rows, ir.Rows) or shots == ir.Const(0):
        unused = {name: ir.Const(None) for name in ("examples", "embedder")}
        return {**args, **unused, "shots": ir.Const(0), "choose": ir.Const("first")}
    declared = [name for name, _ in rows.dataset.fields]
    span = call.span_of("examples")
    if declared and GOLD not in declared:
        message = f"examples show the right answer, and `{rows.dataset.name}` has no `answer`"
        hint = "give the dataset one, as in `answer: solution`"
        raise expansion.fail("E0275", message, span, hint=hint)
    for filled in prompts:
        fields = row_fields(filled, rows)
        missing = next((name for name, field in fields.items() if field is None), None)
        name = filled.prompt.name
        if missing is not None:
            others = ", ".join(f"`{one}`" for one in declared if one != GOLD) or "none"
            message = f"rows of `{rows.dataset.name}` have nothing for the argument `{missing}` of `{name}`"
            hint = f"declare a field `{missing}` in the dataset, or give `{missing}` a fixed value in the call"
            raise expansion.fail("E0275", message, span, label=f"its fields are {others}", hint=hint)
        if not fields:
            message = f"every argument of `{name}` is fixed, so that all examples would ask the same"
            raise expansion.fail("E0275", message, span, hint="give the prompt an input of the pipeline")
    return args
