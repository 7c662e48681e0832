"""What should every asset do: a mixed-integer plan over the coming slots."""
