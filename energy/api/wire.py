"""The wire below the guard: who dawdles over a request's head or never reads its answer is cut off.

The server that parses HTTP waits for a head without end, keeps as many fields as come, and holds an
answer until it is read. Each would let one sender fill the memory or all places, before the guard
sees a request.
"""

import asyncio
import secrets
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from energy.api.problems import ProblemError, problem_response

HEAD_BYTES_MAX = 32 * 1024
LOOSE_BYTES_MAX = 8 * HEAD_BYTES_MAX
"""Of what frames a body or comes behind it: a body of the most bytes allowed may come in chunks of
one byte each."""
HEAD_S_MAX = 10.0
"""From the first byte, or from the connection on, until the head is complete."""
READ_S_MAX = 30.0
"""An answer of which nothing is taken for so long is not waited for."""
LINGER_S = 2.0
"""What is still sent to a request that is answered already is read for so long and no longer."""


class GuardedWire(HttpToolsProtocol):
    """A connection whose head is counted and timed, and whose answers must be read."""

    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None
    _linger_timer: asyncio.TimerHandle | None = None
    _awaits_head, _head_bytes, _is_in_message = True, 0, False
    _has_whole_message = False
    _loose_bytes = 0
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._time_head()

    def data_received(self, data: bytes) -> None:
        """Parse what has come; what belongs to a head is counted, and what is no body behind it."""
        if self._awaits_head:
            self._time_head()
        elif self._is_in_message:
            self._loose_bytes += len(data)
        self._has_whole_message = False
        super().data_received(data)
        # Of a piece with the end of another message in it, nobody knows which part is of this head.
        if self._is_in_head and not self._has_whole_message:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                allowed = f"at most {HEAD_BYTES_MAX} bytes"
                detail = f"head: found {self._head_bytes} bytes, allowed {allowed}"
                self._refuse(ProblemError(431, "HEAD_TOO_LARGE", detail, "head", None, allowed))
        elif self._loose_bytes > LOOSE_BYTES_MAX:
            allowed = f"at most {LOOSE_BYTES_MAX} bytes beside the body"
            detail = f"body: found {self._loose_bytes} bytes beside it, allowed {allowed}"
            self._refuse(ProblemError(431, "HEAD_TOO_LARGE", detail, "body", None, allowed))

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._is_in_message, self._loose_bytes = True, 0
        self._time_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; those behind the body are of no use and may not pile up."""
        if self._awaits_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """What is body is counted by the guard."""
        # A body in one piece with its head was not counted, and is no credit for what follows.
        self._loose_bytes = max(0, self._loose_bytes - len(body))
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """The head is there, and the guard takes over."""
        self._stop("_head_timer")
        self._awaits_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next thing to come is another head."""
        super().on_message_complete()
        self._stop("_linger_timer")
        self._has_whole_message = True
        self._awaits_head, self._is_in_message = True, False

    def on_response_complete(self) -> None:
        """What still comes of a request that is answered is of no use to anybody."""
        super().on_response_complete()
        if self._is_in_head:
            self._time_head()
        elif self._is_in_message and self._is_quiet:
            self._linger_timer = self.loop.call_later(LINGER_S, self._cut)
        self._time_rest()

    def timeout_keep_alive_handler(self) -> None:
        """Nobody has asked anything more for some seconds."""
        super().timeout_keep_alive_handler()
        self._time_rest()

    def pause_writing(self) -> None:
        """More of an answer waits than the reader takes."""
        super().pause_writing()
        self._time_reading(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The reader takes it."""
        self._stop("_read_timer")
        super().resume_writing()
        self._time_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        for timer in ("_head_timer", "_read_timer", "_linger_timer"):
            self._stop(timer)
        self._answer_nobody()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused like everything else."""
        self._refuse(ProblemError(400, "MALFORMED", "head: allowed a request of HTTP/1.1", "head"))

    def _should_upgrade(self) -> bool:
        """Never: a WebSocket would go round the guard. The request is answered as if it had not
        asked for one.
        """
        return False

    def _unsupported_upgrade_warning(self) -> None:
        """Nobody is told: whoever asks could fill the log."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _answer_nobody(self) -> None:
        """The answer under way is dropped when it comes: writing it would be an error."""
        if self._answering is not None:
            self._answering.disconnected = True

    def _cut(self) -> None:
        self._answer_nobody()
        self.transport.abort()

    @property
    def _is_in_head(self) -> bool:
        """Whether a head has begun and is not complete."""
        return self._awaits_head and self._is_in_message and not self.transport.is_closing()

    @property
    def _is_quiet(self) -> bool:
        """Whether no answer is under way."""
        return self.cycle is None or self.cycle.response_complete

    def _time_head(self) -> None:
        if self._head_timer is None and self._awaits_head and self._is_quiet:
            self._head_timer = self.loop.call_later(HEAD_S_MAX, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if not self._is_in_message:
            self.transport.close()  # browsers open connections that they may never use
            self._time_rest()
            return
        detail = f"head: not complete in {HEAD_S_MAX:.0f} s"
        self._refuse(ProblemError(408, "TOO_SLOW", detail, "head"))

    def _time_reading(self, waiting_bytes: int) -> None:
        def look() -> None:
            self._read_timer = None
            left = self.transport.get_write_buffer_size()
            if not left:
                return
            if left >= waiting_bytes:
                self._cut()
            else:
                self._time_reading(left)

        self._stop("_read_timer")
        self._read_timer = self.loop.call_later(READ_S_MAX, look)

    def _time_rest(self) -> None:
        """Time what a connection that ends still has to send: so little pauses no writing."""
        left = self.transport.get_write_buffer_size()
        if left and self._read_timer is None and self.transport.is_closing():
            self._time_reading(left)

    def _refuse(self, problem: ProblemError) -> None:
        """Answer, where no other answer is under way, and end the connection."""
        if self.transport.is_closing():
            return
        if self._is_quiet:
            answer = problem_response(problem, secrets.token_hex(8))
            reason = HTTPStatus(problem.status).phrase
            head = [f"HTTP/1.1 {problem.status} {reason}".encode(), b"connection: close"]
            head += [name + b": " + value for name, value in answer.raw_headers]
            self.transport.write(b"\r\n".join([*head, b"", bytes(answer.body)]))
        self._answer_nobody()
        self.transport.close()
        self._time_rest()

    def _stop(self, name: str) -> None:
        timer: asyncio.TimerHandle | None = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)
