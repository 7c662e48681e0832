"""Residents without a wallet: invitations, and what the company signs with the key it keeps."""

from typing import Annotated, Literal

from pydantic import Field

from energy.api.shapes.books import AcceptedAnswer, AcceptedMessage, AcceptedOrder
from energy.api.shapes.words import Address, Id, Name, Shape, Utc

ByKeptKey = Literal["kept_key"]


class OrderSignedForMe(AcceptedOrder):
    """An order that the company has signed with the key that it keeps, accepted."""

    signed_by: ByKeptKey


class MessageSignedForMe(AcceptedMessage):
    """A message that the company has signed with the key that it keeps, accepted."""

    signed_by: ByKeptKey


class AnswerSignedForMe(AcceptedAnswer):
    """An answer to a DR event that the company has signed with the key that it keeps."""

    signed_by: ByKeptKey


class CodeShown(Shape):
    """Acts that want a fresh code are done until then."""

    fresh_until_utc: Utc


class HandedOver(Shape):
    """The key that acts for the household from a slot on; the one that was kept is destroyed."""

    address: Address
    from_utc: Utc


class Invited(Shape):
    """An invitation, shown this once; `path` leads to the page that takes it up."""

    invitation: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{43}$", examples=["k" * 43])]
    path: Annotated[str, Field(examples=["/sign-in#invitation=" + "k" * 43])]
    name: Name
    account: Id
    ends_utc: Utc


class TakenUp(Shape):
    """Who may sign in now, and what the code program reads, shown this once."""

    name: Name
    otpauth: Annotated[str, Field(examples=["otpauth://totp/Sejong%20Microgrid:kim?secret=…"])]
