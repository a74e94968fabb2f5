"""Entry point of the source tree: `python launch.py COMMAND ...`. Installed, the same is `calm-pl`."""

import sys

from calm_pl.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
