"""``python -m softphone`` is ``ringside phone``."""

import sys

from softphone.cli import run

sys.exit(run(sys.argv[1:]))
