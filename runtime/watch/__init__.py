"""Watchers on a running answer: what they look for, what they decide, and the engine that does it.

`seen` is a sample so far, `watchers` and `agreement` look at it, `follower` decides for one sample, `engine` goes on,
stops, puts text in or branches; `named` makes watchers of what a program says.
"""

from ttscale.runtime.watch.agreement import agreed_after
from ttscale.runtime.watch.engine import WatchingEngine
from ttscale.runtime.watch.follower import Follower, Step
from ttscale.runtime.watch.named import Watch, watch_of
from ttscale.runtime.watch.seen import Action, Seen

__all__ = ["Action", "Follower", "Seen", "Step", "Watch", "WatchingEngine", "agreed_after", "watch_of"]
