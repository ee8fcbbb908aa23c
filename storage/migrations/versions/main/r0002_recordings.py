"""Recordings: index, files, chain, log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "main_0002"
down_revision: str | None = "main_0001"


def upgrade() -> None:
    op.create_table(
        "recording_chain",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recording", sa.Text(), server_default="", nullable=False),
        sa.Column("what", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sha256", sa.Text(), server_default="", nullable=False),
        sa.Column("link", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_recording_chain")),
    )
    op.create_index(op.f("ix_recording_chain_recording"), "recording_chain", ["recording"], unique=False)
    op.create_table(
        "recording_contacts",
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), server_default="", nullable=False),
        sa.Column("entry", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("queue", sa.Text(), server_default="", nullable=False),
        sa.Column("seats", sa.Text(), server_default="", nullable=False),
        sa.Column("other", sa.Text(), server_default="", nullable=False),
        sa.Column("joining", sa.Text(), server_default="", nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("item", name=op.f("pk_recording_contacts")),
    )
    op.create_table(
        "recording_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("recording", sa.Text(), server_default="", nullable=False),
        sa.Column("what", sa.Text(), server_default="", nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("via", sa.Text(), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_log")),
    )
    op.create_index(op.f("ix_recording_log_at"), "recording_log", ["at"], unique=False)
    op.create_index(op.f("ix_recording_log_recording"), "recording_log", ["recording"], unique=False)
    op.create_table(
        "recordings",
        sa.Column("recording", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("direction", sa.Text(), server_default="", nullable=False),
        sa.Column("queue", sa.Text(), server_default="", nullable=False),
        sa.Column("entry", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("task", sa.Text(), server_default="", nullable=False),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seats", sa.Text(), server_default="", nullable=False),
        sa.Column("pauses", sa.Text(), server_default="", nullable=False),
        sa.Column("breaks", sa.Text(), server_default="", nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), server_default="raw", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("length", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("problems", sa.Text(), server_default="", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("legal_hold", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("expires_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("recording", name=op.f("pk_recordings")),
    )
    op.create_index(op.f("ix_recordings_address_started_at"), "recordings", ["address", "started_at"], unique=False)
    op.create_index(op.f("ix_recordings_expires_at"), "recordings", ["expires_at"], unique=False)
    op.create_index(op.f("ix_recordings_item"), "recordings", ["item"], unique=False)
    op.create_index(op.f("ix_recordings_kind_started_at"), "recordings", ["kind", "started_at"], unique=False)
    op.create_index(
        op.f("ix_recordings_legal_hold_started_at"), "recordings", ["legal_hold", "started_at"], unique=False
    )
    op.create_index(op.f("ix_recordings_length"), "recordings", ["length"], unique=False)
    op.create_index(op.f("ix_recordings_outcome_started_at"), "recordings", ["outcome", "started_at"], unique=False)
    op.create_index(op.f("ix_recordings_queue_started_at"), "recordings", ["queue", "started_at"], unique=False)
    op.create_index(op.f("ix_recordings_started_at"), "recordings", ["started_at"], unique=False)
    op.create_index(op.f("ix_recordings_state_started_at"), "recordings", ["state", "started_at"], unique=False)
    op.create_table(
        "recording_files",
        sa.Column("recording", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), server_default="", nullable=False),
        sa.Column("codec", sa.Text(), server_default="", nullable=False),
        sa.Column("frames", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sha256", sa.Text(), server_default="", nullable=False),
        sa.Column("key_id", sa.Text(), server_default="", nullable=False),
        sa.Column("wrapped_key", sa.Text(), server_default="", nullable=False),
        sa.Column("checks", sa.Text(), server_default="", nullable=False),
        sa.Column("peaks", sa.Text(), server_default="", nullable=False),
        sa.Column("stored_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["recording"],
            ["recordings.recording"],
            name=op.f("fk_recording_files_recording"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("recording", name=op.f("pk_recording_files")),
    )
    op.create_table(
        "recording_problems",
        sa.Column("recording", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["recording"],
            ["recordings.recording"],
            name=op.f("fk_recording_problems_recording"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("recording", "problem", name=op.f("pk_recording_problems")),
    )
    op.create_index(
        op.f("ix_recording_problems_problem_started_at"), "recording_problems", ["problem", "started_at"], unique=False
    )
    op.create_table(
        "recording_seats",
        sa.Column("recording", sa.Text(), nullable=False),
        sa.Column("seat", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["recording"],
            ["recordings.recording"],
            name=op.f("fk_recording_seats_recording"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("recording", "seat", name=op.f("pk_recording_seats")),
    )
    op.create_index(op.f("ix_recording_seats_seat_started_at"), "recording_seats", ["seat", "started_at"], unique=False)
