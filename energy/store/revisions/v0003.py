"""Version 3: where the revisions begin; its stores were made whole by the program of their time."""

revision = "0003"
down_revision = None
