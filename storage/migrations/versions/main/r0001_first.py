"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "main_0001"
down_revision: str | None = None


def upgrade() -> None:
    op.create_table(
        "addresses",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("raw", sa.Text(), server_default="", nullable=False),
        sa.Column("e164", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("contact", sa.Text(), server_default="", nullable=False),
        sa.Column("erased_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_addresses")),
        sa.UniqueConstraint("kind", "raw", "e164", name=op.f("uq_addresses_kind_raw_e164")),
    )
    op.create_index(op.f("ix_addresses_contact"), "addresses", ["contact"], unique=False)
    op.create_index(op.f("ix_addresses_e164"), "addresses", ["e164"], unique=False)
    op.create_table(
        "contacts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("erased_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
    )
    op.create_table(
        "cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursors")),
    )
    op.create_table(
        "directory_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("outbound_record", sa.Boolean(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_state")),
    )
    op.create_table(
        "entry_points",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("archived", sa.Boolean(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry_points")),
    )
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), quote=True, nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "interactions",
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("medium", sa.Text(), server_default="", nullable=False),
        sa.Column("record", sa.Text(), server_default="", nullable=False),
        sa.Column("direction", sa.Text(), server_default="", nullable=False),
        sa.Column("account", sa.Text(), server_default="", nullable=False),
        sa.Column("queue", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("contact", sa.Text(), server_default="", nullable=False),
        sa.Column("leg", sa.Text(), server_default="", nullable=False),
        sa.Column("entered_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("phase", sa.Text(), server_default="", nullable=False),
        sa.Column("seat", sa.Text(), server_default="", nullable=False),
        sa.Column("arrived_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("queued_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("offered_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("media_up_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("not_before", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.Column("sip", sa.Integer(), server_default="0", nullable=False),
        sa.Column("q850", sa.Integer(), server_default="0", nullable=False),
        sa.Column("offers", sa.Integer(), server_default="0", nullable=False),
        sa.Column("requeues", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fallback", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("exact", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("recorded_outbound", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("messages_customer", sa.Integer(), server_default="0", nullable=False),
        sa.Column("messages_seat", sa.Integer(), server_default="0", nullable=False),
        sa.Column("recording", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("item", name=op.f("pk_interactions")),
    )
    op.create_index(op.f("ix_interactions_address"), "interactions", ["address"], unique=False)
    op.create_index(op.f("ix_interactions_entered_at"), "interactions", ["entered_at"], unique=False)
    op.create_index(op.f("ix_interactions_queue_entered_at"), "interactions", ["queue", "entered_at"], unique=False)
    op.create_index(op.f("ix_interactions_record"), "interactions", ["record"], unique=False)
    op.create_index(op.f("ix_interactions_seat_entered_at"), "interactions", ["seat", "entered_at"], unique=False)
    op.create_table(
        "last_seats",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("seat", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_last_seats")),
    )
    op.create_table(
        "media",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("archived", sa.Boolean(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("total_limit", sa.Integer(), server_default="0", nullable=False),
        sa.Column("one_open_case", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("archived", sa.Boolean(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
    )
    op.create_table(
        "queues",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("archived", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("move_to", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queues")),
    )
    op.create_table(
        "skills",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_skills")),
    )
    op.create_table(
        "statuses",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("archived", sa.Boolean(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statuses")),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("permissions", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
    )
    op.create_table(
        "extensions",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("person_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_extensions_person_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_extensions")),
        sa.UniqueConstraint("person_id", name=op.f("uq_extensions_person_id")),
    )
    op.create_table(
        "handlings",
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seat", sa.Text(), server_default="", nullable=False),
        sa.Column("queue", sa.Text(), server_default="", nullable=False),
        sa.Column("medium", sa.Text(), server_default="", nullable=False),
        sa.Column("offer", sa.Text(), server_default="", nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("media_up_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.Column("wrap_up_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("finished_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("disposed_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("wrap_up_ended_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("wrap_up_how", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["item"], ["interactions.item"], name=op.f("fk_handlings_item"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("item", "ordinal", name=op.f("pk_handlings")),
    )
    op.create_index(op.f("ix_handlings_queue_accepted_at"), "handlings", ["queue", "accepted_at"], unique=False)
    op.create_index(op.f("ix_handlings_seat_accepted_at"), "handlings", ["seat", "accepted_at"], unique=False)
    op.create_table(
        "legs",
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("leg", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seat", sa.Text(), server_default="", nullable=False),
        sa.Column("answered_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sip", sa.Integer(), server_default="0", nullable=False),
        sa.Column("q850", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["item"], ["interactions.item"], name=op.f("fk_legs_item"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("item", "leg", name=op.f("pk_legs")),
    )
    op.create_index(op.f("ix_legs_leg"), "legs", ["leg"], unique=False)
    op.create_table(
        "person_limits",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("medium_id", sa.Text(), nullable=False),
        sa.Column("limit", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["medium_id"], ["media.id"], name=op.f("fk_person_limits_medium_id"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_person_limits_person_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("person_id", "medium_id", name=op.f("pk_person_limits")),
    )
    op.create_table(
        "person_queues",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_person_queues_person_id"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["queue_id"], ["queues.id"], name=op.f("fk_person_queues_queue_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("person_id", "queue_id", name=op.f("pk_person_queues")),
    )
    op.create_index(op.f("ix_person_queues_queue_id"), "person_queues", ["queue_id"], unique=False)
    op.create_table(
        "person_skills",
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("skill_id", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_person_skills_person_id"), initially="DEFERRED", deferrable=True
        ),
        sa.ForeignKeyConstraint(
            ["skill_id"], ["skills.id"], name=op.f("fk_person_skills_skill_id"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("person_id", "skill_id", name=op.f("pk_person_skills")),
    )
    op.create_table(
        "segments",
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("queue", sa.Text(), server_default="", nullable=False),
        sa.Column("seat", sa.Text(), server_default="", nullable=False),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        sa.Column("rung_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("result", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["item"], ["interactions.item"], name=op.f("fk_segments_item"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("item", "ordinal", name=op.f("pk_segments")),
    )
    op.create_index(op.f("ix_segments_queue_started_at"), "segments", ["queue", "started_at"], unique=False)
    op.create_index(op.f("ix_segments_seat_started_at"), "segments", ["seat", "started_at"], unique=False)
    op.create_table(
        "service_records",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("seat", sa.Text(), server_default="", nullable=False),
        sa.Column("queue", sa.Text(), server_default="", nullable=False),
        sa.Column("direction", sa.Text(), server_default="", nullable=False),
        sa.Column("channel_class", sa.Text(), server_default="", nullable=False),
        sa.Column("channel", sa.Text(), server_default="", nullable=False),
        sa.Column("account", sa.Text(), server_default="", nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("contact", sa.Text(), server_default="", nullable=False),
        sa.Column("contact_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("service_start_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("conversation_end_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("service_end_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("disposed_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["item"], ["interactions.item"], name=op.f("fk_service_records_item"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_records")),
    )
    op.create_index(op.f("ix_service_records_address"), "service_records", ["address"], unique=False)
    op.create_index(op.f("ix_service_records_contact_at"), "service_records", ["contact_at"], unique=False)
    op.create_index(op.f("ix_service_records_item"), "service_records", ["item"], unique=False)
    op.create_index(
        op.f("ix_service_records_seat_service_start_at"), "service_records", ["seat", "service_start_at"], unique=False
    )
