"""Alarms to webhooks: signed, from the outbox in the store, at least once, beside the loop.

Each webhook has a task of its own in one thread that the loop never waits for: one that hangs or
refuses delays neither it nor another. Addresses are the settings' alone, no redirect is followed
and no answer is read beyond its status.
"""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from sqlalchemy import Connection

from energy.config import Settings, is_loopback
from energy.steps.beside import Beside
from energy.store.alarm_outbox import (
    END_S,
    OWN_CAUSES,
    Letter,
    Message,
    Moment,
    add_messages,
    give_up_old,
    give_up_others,
    has_due,
    mark_delivered,
    mark_trouble,
    message_body,
    missing_messages,
    name_of,
    take_due,
)
from energy.store.alarms import Alarm, end_alarm, end_other_alarms, open_alarms, raise_alarm
from energy.store.engine import Store
from energy.store.errors import StoreError
from energy.store.events import add_event

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
FAILED_WAIT_S = 15.0
"""After a failure of the program itself the webhook is served again so much later."""
ANSWER_S = 10.0
TROUBLE_TRIES = 3
SHOWN_MAX = 5
SECRET_CHARS_MIN = 16
REFUSED_S = 30.0
"""So long the store may take nothing before it is said past it."""
REFUSED_AGAIN_S, REFUSED_RETRY_S = 300.0, 15.0
"""Seconds until the same is said again: to one that has taken it, to one that has not."""
WEBHOOKS_MAX = 8
FROM_FILE = "file:"


class WebhookError(StoreError):
    """Webhooks that cannot be used: says what, found, allowed, and never a secret."""


@dataclass(frozen=True)
class Webhook:
    """Where alarms are posted to; `number` counts from 1 as the settings have them.

    It is told of what nobody has seen for `after_s`, and of grave alarms at once where `at_once`.
    """

    number: int
    url: str = field(repr=False)
    after_s: int = 0
    at_once: bool = True

    @property
    def target(self) -> str:
        """What the store knows it by: its path may be a secret."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """What people read: its number and host."""
        return f"webhook {self.number} ({urlsplit(self.url).hostname})"


def webhooks_of(settings: Settings) -> tuple[Webhook, ...]:
    """The webhooks of the settings, the second ones last; raises WebhookError for an address that
    none may have.
    """
    first, second = (
        [one.strip() for one in text.split(",") if one.strip()]
        for text in (settings.alarm_webhooks, settings.alarm_second_webhooks)
    )
    urls = [*first, *second]
    if len(urls) > WEBHOOKS_MAX or len(set(urls)) < len(urls):
        raise WebhookError(
            f"settings alarm_webhooks and alarm_second_webhooks: found {len(urls)} addresses, "
            f"allowed at most {WEBHOOKS_MAX}, no two alike"
        )
    for number, url in enumerate(urls, start=1):
        _require_address(number, url)
    return tuple(
        Webhook(number, url, 60 * settings.alarm_escalate_min)
        if number <= len(first)
        else Webhook(number, url, 60 * settings.alarm_second_min, at_once=False)
        for number, url in enumerate(urls, start=1)
    )


def _require_address(number: int, url: str) -> None:
    try:
        found = urlsplit(url)
        host, _ = found.hostname or "", found.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        found, host = urlsplit(""), ""
    is_safe = found.scheme == "https" or (found.scheme == "http" and is_loopback(host))
    if not host or not is_safe or found.username or found.password or found.fragment:
        raise WebhookError(
            f"setting alarm_webhooks: address {number}: found scheme {found.scheme or 'none'} and "
            f"host {host or 'none'}, allowed https://HOST/PATH, or http on this machine, without "
            f"user, password and fragment"
        )


def secret_of(settings: Settings) -> bytes:
    """The secret that messages are signed with; raises WebhookError where it is none."""
    text = settings.alarm_webhook_secret
    if text.startswith(FROM_FILE):
        path = Path(text.removeprefix(FROM_FILE))
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise WebhookError(
                f"setting alarm_webhook_secret: {path} cannot be read ({type(error).__name__})"
            ) from error
    if len(text) < SECRET_CHARS_MIN:
        raise WebhookError(
            f"setting alarm_webhook_secret: found {len(text)} characters, allowed "
            f"{SECRET_CHARS_MIN} or more, or {FROM_FILE}PATH of a file that has them"
        )
    return text.encode()


def signature(secret: bytes, at_s: int, body: bytes) -> str:
    """The header `Microgrid-Signature`: HMAC-SHA256 over `<seconds>.<body>`, and the seconds."""
    made = hmac.new(secret, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={made}"


def forget_webhooks(connection: Connection, settings: Settings, moment: Moment) -> None:
    """End the alarms of webhooks that the settings no longer have, and give up what waits for them.

    Nobody serves them any more, so nothing else would ever end either.
    """
    webhooks = webhooks_of(settings)
    causes = frozenset(cause(one) for one in webhooks for cause in (_refusing, _failed))
    end_other_alarms(connection, OWN_CAUSES, causes, moment.district_s)
    targets = frozenset(one.target for one in webhooks)
    if given_up := give_up_others(connection, targets, moment.wall_s):
        log.warning("webhooks that are set no more: given up: %s", ", ".join(given_up))


@dataclass(frozen=True)
class RefusedTold:
    """That the store takes nothing, as a webhook is told it; the same not again before `next_s`."""

    since_utc: int
    why: str
    kind: str = ""
    next_s: float = 0.0


class AlarmPoster(Beside):
    """Posts the alarms of a store to its webhooks while its block lasts; without any, nothing."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        district: str,
        now_s: Callable[[], float],
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._webhooks = webhooks_of(settings)
        self._secret = secret_of(settings) if self._webhooks else b""
        self._store, self._district = store, district
        self._now_s, self._wall_s, self._count_s = now_s, wall_s, time.monotonic
        self._refused: dict[str, RefusedTold] = {}  # by the webhook's target
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__("alarms", is_needed=bool(self._webhooks))

    def trouble(self) -> str | None:
        """That nothing is posted any more, None where messages are or none is to be."""
        if not self.has_died:
            return None
        return "alarms are not posted: the work on webhooks has ended; start the service anew"

    def _wake(self) -> None:
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._cancel_all)

    def _cancel_all(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()

    def _work(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            try:
                runner.run(self._serve_all())
            except asyncio.CancelledError:
                log.debug("alarms are posted no more")

    async def _serve_all(self) -> None:
        async with (
            httpx.AsyncClient(timeout=ANSWER_S, follow_redirects=False, trust_env=False) as client,
            asyncio.TaskGroup() as group,
        ):
            for webhook in self._webhooks:
                group.create_task(self._serve(client, webhook))

    async def _serve(self, client: httpx.AsyncClient, webhook: Webhook) -> None:
        while not self._stopping.is_set():
            try:
                await self._tell_refused(client, webhook)
                while (message := self._next(webhook)) is not None:
                    trouble = await self._post(client, webhook, message)
                    self._settle(webhook, message, trouble)
                    if trouble:
                        break
                self._end_failure(webhook)
            except StoreError as error:
                log.warning("%s: %s", webhook.name, error)
            except Exception as error:
                # Whatever it is, the next alarm must still be tried, and people must hear of this.
                self._tell_failure(webhook, error)
                await asyncio.sleep(FAILED_WAIT_S)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _tell_refused(self, client: httpx.AsyncClient, webhook: Webhook) -> None:
        """Post from memory that the store takes nothing, and later that it does again.

        No alarm can be written then, and none would be posted. It is said again and again, under
        the same id, until something is written.
        """
        told, count_s = self._refused.get(webhook.target), self._count_s()
        refused = self._store.refusal.now
        if refused is None and told is None:
            return
        least_s = REFUSED_S if webhook.at_once else max(REFUSED_S, float(webhook.after_s))
        if refused is not None and refused.seconds < least_s:
            return
        kind, wait_s = (
            ("ended", REFUSED_RETRY_S) if refused is None else ("raised", REFUSED_AGAIN_S)
        )
        if told is None:
            assert refused is not None
            told = RefusedTold(int(self._now_s() - refused.seconds), refused.why)
        if count_s < told.next_s and told.kind == kind:
            return
        message = self._refused_message(told, kind)
        log.error("%s: %s: %s", webhook.name, message.id, told.why)
        if await self._post(client, webhook, message):
            wait_s = REFUSED_RETRY_S
        elif refused is None:
            del self._refused[webhook.target]
            return
        self._refused[webhook.target] = replace(told, kind=kind, next_s=count_s + wait_s)

    def _refused_message(self, told: "RefusedTold", kind: str) -> Message:
        """The alarm that no store can hold, as any other is posted."""
        now_s = int(self._now_s())
        found = Alarm(
            cause="store/refused",
            severity="alarm",
            what=f"The store takes no writes, so no slot, order or alarm is kept: {told.why}",
            where="store",
            todo="Look at its disk or its server; everything goes on by itself once it writes.",
        )
        id_ = f"{name_of(self._district)}-store-{told.since_utc}-{kind}"
        letter = Letter(id_, kind, self._district, now_s)
        ended_utc = now_s if kind == "ended" else None
        body = message_body(letter, found, number=0, since_utc=told.since_utc, ended_utc=ended_utc)
        return Message(no=0, id=letter.id, body=body, tries=1)

    def _tell_failure(self, webhook: Webhook, error: Exception) -> None:
        log.exception("%s: alarms cannot be posted", webhook.name)
        found = Alarm(
            cause=_failed(webhook),
            severity="alarm",
            what=f"{webhook.name} is told no alarms: {type(error).__name__}",
            where="alarms",
            todo="Read the trace in the log; meanwhile watch this page.",
        )
        try:
            self._store.write(lambda connection: raise_alarm(connection, found, int(self._now_s())))
        except StoreError as busy:
            log.warning("%s: %s", webhook.name, busy)

    def _end_failure(self, webhook: Webhook) -> None:
        cause = _failed(webhook)
        if any(one.alarm.cause == cause for one in self._store.read(open_alarms)):
            self._store.write(lambda connection: end_alarm(connection, cause, int(self._now_s())))

    def _next(self, webhook: Webhook) -> Message | None:
        """The message to be posted now; the store is only written to where there is something."""
        moment, target = self._moment(), webhook.target

        def missing(connection: Connection) -> list[tuple[int, str]]:
            after_s, at_once = webhook.after_s, webhook.at_once
            return missing_messages(connection, target, moment, after_s, at_once=at_once)

        def look(connection: Connection) -> bool:
            return has_due(connection, target, moment.wall_s) or bool(missing(connection))

        def take(connection: Connection) -> Message | None:
            due = missing(connection)
            add_messages(connection, target, due, moment, self._district)
            if given_up := give_up_old(connection, target, moment.wall_s):
                self._tell_given_up(connection, webhook, given_up)
            return take_due(connection, target, moment.wall_s)

        return self._store.write(take) if self._store.read(look) else None

    async def _post(self, client: httpx.AsyncClient, webhook: Webhook, message: Message) -> str:
        """Why the webhook has not taken the message, empty where it has."""
        body = message.body.encode()
        headers = {
            "Content-Type": "application/json",
            "Microgrid-Message": message.id,
            "Microgrid-Signature": signature(self._secret, int(self._wall_s()), body),
        }
        try:
            # One limit for all of it: a receiver that sends a byte now and then is over as well.
            async with (
                asyncio.timeout(ANSWER_S),
                client.stream("POST", webhook.url, content=body, headers=headers) as answer,
            ):
                return "" if answer.is_success else f"HTTP {answer.status_code}"
        except TimeoutError:
            return f"no answer within {ANSWER_S:.0f} s"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Its words may hold the address, and that a secret.
            return type(error).__name__

    def _settle(self, webhook: Webhook, message: Message, trouble: str) -> None:
        moment = self._moment()

        def write(connection: Connection) -> None:
            if trouble:
                mark_trouble(connection, message.no, trouble)
            else:
                mark_delivered(connection, message.no, moment.wall_s)
            self._tell(connection, webhook, message, trouble)

        if trouble:
            log.warning("%s: %s, try %d: %s", webhook.name, message.id, message.tries, trouble)
        self._store.write(write)

    def _tell_given_up(self, connection: Connection, webhook: Webhook, given_up: list[str]) -> None:
        """An alarm on the page: somebody has not been told and will not be."""
        shown = ", ".join(given_up[:SHOWN_MAX]) + (", …" if len(given_up) > SHOWN_MAX else "")
        found = Alarm(
            cause=_refusing(webhook),
            severity="alarm",
            what=f"{webhook.name} has taken nothing for {END_S // 3600} h; given up: {shown}",
            where="alarms",
            todo="Look at the receiver and at these alarms; they are not posted again.",
        )
        raise_alarm(connection, found, int(self._now_s()))
        log.warning("%s: given up: %s", webhook.name, ", ".join(given_up))
        add_event(connection, "alarm", None, {"webhook": str(webhook.number)})

    def _tell(
        self, connection: Connection, webhook: Webhook, message: Message, trouble: str
    ) -> None:
        """An alarm on the page while a webhook takes nothing."""
        cause, now_s = _refusing(webhook), int(self._now_s())
        is_open = any(one.alarm.cause == cause for one in open_alarms(connection))
        if is_open and not trouble:
            end_alarm(connection, cause, now_s)
        elif trouble and not is_open and message.tries >= TROUBLE_TRIES:
            found = Alarm(
                cause=cause,
                severity="warning",
                what=f"{webhook.name} takes no alarms: {trouble}",
                where="alarms",
                todo="Look at the receiver; meanwhile watch this page.",
            )
            raise_alarm(connection, found, now_s)
        else:
            return
        add_event(connection, "alarm", None, {"webhook": str(webhook.number)})

    def _moment(self) -> Moment:
        return Moment(int(self._now_s()), int(self._wall_s()))


def _refusing(webhook: Webhook) -> str:
    """The cause of the alarm that a webhook takes nothing."""
    return f"{OWN_CAUSES}{webhook.target}"


def _failed(webhook: Webhook) -> str:
    """The cause of the alarm that serving a webhook fails."""
    return f"{_refusing(webhook)}/failed"
