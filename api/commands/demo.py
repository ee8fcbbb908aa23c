"""`ringside demo`: a center with robots; with --shapes every shape of a call and what each party heard."""

from __future__ import annotations

import sys

from api.commands.common import CommandFailed, Context, Exit
from api.commands.up import up
from api.logs import configure
from api.shapes.cells import cells
from api.shapes.show import show
from api.supervisor import UpFailed
from cti.asterisk import AsteriskFailed


def demo(context: Context) -> int:
    """Without --shapes the same as `up --demo`."""
    args = context.args
    if not args.shapes:
        args.demo, args.keep_asterisk = True, False
        return up(context)
    chosen = [cell for cell in cells() if args.only in cell.id]
    if not chosen:
        raise CommandFailed(Exit.UNKNOWN, context.words("shapes.none", text=args.only))
    configure("warning")
    try:
        return show(context.settings, context.words, sys.stdout, chosen)
    except (UpFailed, AsteriskFailed) as error:
        raise CommandFailed(Exit.FAILED, str(error)) from None
