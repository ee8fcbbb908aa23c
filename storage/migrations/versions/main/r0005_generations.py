"""No SIP password comes again: one counter names them all, and what deleted extensions had is never given out again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "main_0005"
down_revision: str | None = "main_0004"


def upgrade() -> None:
    op.add_column("directory_state", sa.Column("generations", sa.BigInteger(), server_default="0", nullable=False))
    link = op.get_bind()
    # Until now only another password raised a generation, each time with the revision: none was ever above both.
    most = link.execute(sa.text("SELECT coalesce(max(generation), 0) FROM extensions")).scalar_one()
    revised = link.execute(sa.text("SELECT coalesce(max(revision), 0) FROM directory_state")).scalar_one()
    highest = max(int(most), int(revised)) + 1
    # A free number's password may still be known to whoever had the number last.
    free = sa.text("SELECT number FROM extensions WHERE person_id IS NULL AND kind <> 'desk' ORDER BY number")
    for number in link.execute(free).scalars().all():
        highest += 1
        renew = sa.text("UPDATE extensions SET generation = :generation WHERE number = :number")
        link.execute(renew, {"generation": highest, "number": number})
    link.execute(sa.text("UPDATE directory_state SET generations = :highest"), {"highest": highest})
