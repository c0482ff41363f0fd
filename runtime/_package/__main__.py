"""`python -m ttscale` is the command `ttscale`."""

import sys

from ttscale.cli import main

if __name__ == "__main__":
    sys.exit(main())
