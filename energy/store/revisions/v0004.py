"""Version 4."""

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """From version 3."""


def downgrade() -> None:
    """Back to version 3."""
