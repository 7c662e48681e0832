"""What every answer of `/v1` looks like, for the API's document: one class for each shape."""
