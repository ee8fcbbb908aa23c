"""`ringside up`."""

from __future__ import annotations

import asyncio
import sys

from api.commands.common import CommandFailed, Context, Exit
from api.demo import run_demo
from api.logs import configure
from api.supervisor import AlreadyUp, Supervisor, UpFailed, only_one
from cti.asterisk import AsteriskFailed


def up(context: Context) -> int:
    """Run everything until Ctrl-C, SIGTERM or --for."""
    settings, args = context.settings, context.args
    configure("warning")
    settings.prepare()
    try:
        with only_one(settings.data_dir / "run" / "up.lock"):
            supervisor = Supervisor(
                settings, context.words, sys.stdout, demo=args.demo, keep_asterisk=args.keep_asterisk
            )
            return asyncio.run(supervisor.run(args.seconds, run_demo if args.demo else None))
    except AlreadyUp as other:
        raise CommandFailed(Exit.FAILED, context.words("up.already", folder=settings.data_dir, pid=other)) from None
    except (UpFailed, AsteriskFailed) as error:
        raise CommandFailed(Exit.FAILED, str(error)) from None
