"""Search: the best values of a pipeline's parameters for a task, a model and a budget.

Only `study` and `samplers` import Optuna, and only when a search begins.
"""

from ttscale.runtime.search.errors import SearchError

__all__ = ["SearchError"]
