"""`python -m calm_pl` is the command line."""

import sys

from calm_pl.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
