"""`ttscale explain`: what a code means."""

from __future__ import annotations

from textwrap import fill, indent
from typing import Any

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.app import json_option
from ttscale.cli.console import out, out_json, table, width
from ttscale.cli.faults import Failure


@make_command(
    "ttscale explain E0221", "ttscale explain tests-before-evaluator", "ttscale explain            (lists all codes)"
)
@click.argument("code", required=False)
@json_option
def command(code: str | None, as_json: bool) -> None:
    """Explain the CODE of a message, or the name of a lint rule; without one, list all codes."""
    from ttscale.cli.codes import AREAS, SEVERITIES, known_codes

    known = known_codes()
    if code is None:
        if as_json:
            out_json({name: list(meanings) for name, meanings in known.items()})
            return
        for line in table([(name, "; ".join(meanings)) for name, meanings in known.items()]):
            out(line)
        return
    from ttscale.compiler.explain import EXPLANATIONS, explain, twin
    from ttscale.compiler.lint_rules import RULES
    from ttscale.compiler.signatures import RULES as CHOOSING
    from ttscale.compiler.signatures import SIGNATURES

    page = explain(code.strip().strip("[]"))
    name = page.code if page is not None else code.strip().strip("[]").upper()
    if name not in known:
        from ttscale.compiler.diagnostics import suggest

        is_code = any(letter.isdigit() for letter in name)
        if is_code:
            near = suggest(name, known)
        else:
            near = suggest(name.lower().replace("_", "-"), [rule.name for rule in RULES.values()])
        everything = "`ttscale explain` lists all codes"
        hint = (
            f"did you mean {near}?"
            if near
            else everything
            if is_code
            else f"{everything}, `ttscale lint --rules` all rules"
        )
        if not is_code and (name.lower() in CHOOSING or name.lower() in SIGNATURES):
            kind = "rule that chooses or scores" if name.lower() in CHOOSING else "stage"
            hint = f"`{name.lower()}` is a {kind}; the reference of the language, docs/language.md, says what it does"
        raise Failure(f"there is no code {name}" if is_code else f"there is no lint rule `{name.lower()}`", hint)
    area = AREAS.get(name[1:3], "style") if name[0] != "L" else "style"
    found: dict[str, Any] = {
        "code": name,
        "severity": SEVERITIES[name[0]],
        "area": area,
        "meanings": list(known[name]),
    }
    other = EXPLANATIONS.get(twin(name) or "")
    if other is not None:
        found["also"] = {
            "code": other.code,
            "severity": SEVERITIES[other.code[0]],
            "title": other.title,
            "text": other.text,
        }
    rule = RULES.get(name)
    if rule is not None:
        found["rule"] = rule.name
    if page is not None:
        found |= {"title": page.title, "text": page.text, "failing": page.failing, "fixed": page.fixed}
    if as_json:
        out_json(found)
        return
    as_other = f", or {found['also']['severity']} ({found['also']['code']})" if other is not None else ""
    as_rule = f", rule {rule.name}" if rule is not None else ""
    as_area = f", {area}" if area != "style" else ""
    out(f"{name}: {found['severity']}{as_other}{as_area}{as_rule}")
    for meaning in known[name]:
        out(f"  {meaning}")
    if page is None:
        return
    out("\n" + fill(page.text, width()))
    if other is not None:
        ending = other.title[0].lower() + other.title[1:]
        kind = {"E": "an error", "W": "a warning"}[other.code[0]]
        out("\n" + fill(f"As {other.code} it is {kind}: {ending}. {other.text}", width()))
    for heading, program in (("Wrong", page.failing), ("Right", page.fixed)):
        if program:
            out(f"\n{heading}:\n\n" + indent(program.rstrip("\n"), "    "))
