"""`python -m chapter14`."""

import sys

from .cli import main

sys.exit(main())
