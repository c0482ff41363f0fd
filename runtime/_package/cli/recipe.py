"""`ttscale recipe …`: find, try, make, measure and share recipes."""

from __future__ import annotations

import click
from ttscale.cli.app import Family
from ttscale.cli.recipe_gallery import gallery
from ttscale.cli.recipe_keep import add, remove, update
from ttscale.cli.recipe_look import find, list_recipes, show
from ttscale.cli.recipe_make import check, new, pack
from ttscale.cli.recipe_measure import measure


@click.group(
    cls=Family,
    examples=(
        "ttscale recipe find vote",
        "ttscale recipe show self-consistency",
        "ttscale recipe new my-recipe --from self-consistency",
        "ttscale recipe check my-recipe",
        "ttscale recipe pack my-recipe",
        "ttscale recipe add ttscale_recipe_my_recipe-1.0.0-py3-none-any.whl",
    ),
)
def command() -> None:
    """Find, make and share recipes: programs that run by name.

    A recipe is data. It reads no file outside its folder, names no secret, reaches no host and runs no code unless you
    grant it that by name with `--allow`.
    """


for one in (list_recipes, find, show, new, check, measure, pack, add, remove, update, gallery):
    command.add_command(one)
