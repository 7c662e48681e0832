"""Version 5: instructions, steering by operators, kept keys, thinned readings."""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """From version 4."""


def downgrade() -> None:
    """Back to version 4."""
