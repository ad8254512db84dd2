"""``python -m earlywarn`` is the command line."""

from earlywarn.cli import main

raise SystemExit(main())
