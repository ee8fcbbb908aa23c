"""No SIP password comes again: one counter names them all, and what deleted extensions had is never given out again.
Installations that are older than dial classes get the two that callbacks and numbers outside ask, allowing nothing; one
that was archived is in use again and allows nothing."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "main_0005"
down_revision: str | None = "main_0004"

CLASSES = (("callback", "回電"), ("forward", "轉接外線"))
PUT = "INSERT INTO dial_classes (id, definition) VALUES (:id, :definition)"
PUT_BACK = "UPDATE dial_classes SET definition = :definition, archived = false WHERE id = :id"


def upgrade() -> None:
    _generations()
    _dial_classes()


def _dial_classes() -> None:
    link = op.get_bind()
    if not link.execute(sa.text("SELECT coalesce(max(revision), 0) FROM directory_state")).scalar_one():
        return  # an empty directory gets its own when it is made
    in_use: dict[str, bool] = {}
    for name, archived in link.execute(sa.text("SELECT id, archived FROM dial_classes")):
        in_use[name] = not archived
    for name, words in CLASSES:
        if not in_use.get(name):
            # One that was taken out said nothing of callbacks yet: what it allowed is not what they may ring.
            put = sa.text(PUT_BACK if name in in_use else PUT)
            link.execute(put, {"id": name, "definition": json.dumps({"id": name, "name": words}, ensure_ascii=False)})


def _generations() -> None:
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
