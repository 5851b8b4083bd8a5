"""``python -m avlas``: the same as the command ``avlas``."""

import sys

from avlas.cli import main

sys.exit(main())
