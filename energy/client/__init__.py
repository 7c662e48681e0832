"""A client of the API for other programs: every route is a method of `Client`.

`base` and `signing` are written by hand; `routes` is made from the API's document by `make client`.
Nothing of the server is imported here.
"""

from energy.client.base import Event, ProblemError, UnreachableError
from energy.client.routes import Client
from energy.client.signing import domain_of
from market.messages import sign_message

__all__ = ["Client", "Event", "ProblemError", "UnreachableError", "domain_of", "sign_message"]
