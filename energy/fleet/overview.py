"""All districts of a fleet on one page and behind one readiness, for those who run it.

Only what each service says to everybody is shown: whether it is ready, and why not.
"""

import asyncio
import html
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from energy.config import public_hosts
from energy.fleet.keeper import Keeper, State, Watched
from energy.fleet.plan import Fleet, FleetError
from energy.timegrid import iso_of

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8886; }
.ready::before { content: "\\25CF "; color: #18794e; }
.not_ready::before, .silent::before { content: "\\25B2 "; color: #b25b00; }
.down::before { content: "\\2715 "; color: #c62a2f; }
.starting::before { content: "\\25CB "; }
"""
WORDS = {
    "en": {
        "title": "Districts", "name": "name", "district": "district", "state": "state",
        "since": "since (UTC)", "starts": "starts", "why": "why", "ready": "ready",
        "not_ready": "not ready", "silent": "silent", "down": "down", "starting": "starting",
        "sum": "{ready} of {all} ready",
    },
    "ko": {
        "title": "지구 목록", "name": "이름", "district": "지구", "state": "상태",
        "since": "시작 (UTC)", "starts": "기동 횟수", "why": "이유", "ready": "정상",
        "not_ready": "준비 안 됨", "silent": "응답 없음", "down": "중지", "starting": "기동 중",
        "sum": "{all}곳 중 {ready}곳 정상",
    },
}  # fmt: skip
REFRESH_S = 10


class _Server(uvicorn.Server):
    """A server whose end is the fleet's affair, not a signal's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the loop."""
        yield


def run_fleet(fleet: Fleet, keeper: Keeper | None = None) -> None:
    """Keep all districts and serve their overview until SIGINT or SIGTERM."""
    require_free_ports(fleet)
    asyncio.run(_run(fleet, keeper or Keeper(fleet)))


async def _run(fleet: Fleet, keeper: Keeper) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, keeper.stop)
    config = uvicorn.Config(
        create_overview(fleet, keeper), host=fleet.host, port=fleet.port,
        log_level="warning", access_log=False, server_header=False,
    )  # fmt: skip
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        await keeper.run()
    finally:
        server.should_exit = True
        await serving


def require_free_ports(fleet: Fleet) -> None:
    """Raise FleetError where something listens already at a port of the fleet."""
    places = [(one.name, one.settings.host, one.settings.port) for one in fleet.members]
    for name, host, port in [("the overview", fleet.host, fleet.port), *places]:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                taken = f"port {port} of {name}: found taken ({error.strerror})"
                raise FleetError(f"{taken}, allowed: a free one") from error


def create_overview(fleet: Fleet, keeper: Keeper) -> Starlette:
    """The application: page, list and readiness of all."""

    async def page(request: Request) -> Response:
        language = "ko" if request.headers.get("accept-language", "").startswith("ko") else "en"
        return HTMLResponse(_page(keeper.watched, language), headers=HEADERS)

    async def style(request: Request) -> Response:
        return Response(STYLE, headers=HEADERS, media_type="text/css")

    async def districts(request: Request) -> Response:
        rows = [_row(one) for one in keeper.watched]
        return JSONResponse({"districts": rows}, headers=HEADERS)

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=HEADERS)

    async def readyz(request: Request) -> Response:
        wanting = {
            one.member.name: one.state for one in keeper.watched if one.state is not State.READY
        }
        status = "not_ready" if wanting else "ready"
        answer = {"status": status, "not_ready": wanting}
        return JSONResponse(answer, 503 if wanting else 200, headers=HEADERS)

    here = [fleet.host, "localhost", "127.0.0.1", *public_hosts(fleet.public_url)]
    hosts = ["*"] if fleet.host in ("0.0.0.0", "::") else here
    routes = [
        Route("/", page),
        Route("/style.css", style),
        Route("/v1/districts", districts),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
    ]
    return Starlette(
        routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)]
    )


def _row(one: Watched) -> dict[str, object]:
    return {
        "name": one.member.name,
        "district": one.member.settings.district,
        "url": one.member.settings.public_url or one.member.url,
        "state": one.state,
        "reason": one.reason,
        "since_utc": iso_of(int(one.since_s)),
        "starts": one.starts,
    }


def _page(watched: list[Watched], language: str) -> str:
    words = WORDS[language]
    rows = [_row(one) for one in watched]
    ready = sum(row["state"] is State.READY for row in rows)
    told = words["sum"].format(ready=ready, all=len(rows))
    heads = ("name", "district", "state", "since", "starts", "why")
    head = "".join(f'<th scope="col">{words[name]}</th>' for name in heads)
    body = "".join(_line(row, words) for row in rows)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="refresh" content="{REFRESH_S}"><title>{words["title"]}: {told}</title>'
        f'<link rel="stylesheet" href="/style.css"></head><body><main><h1>{words["title"]}</h1>'
        f'<p>{told}</p><div class="wide" tabindex="0" role="region" aria-label="{words["title"]}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></main>"
        "</body></html>"
    )


def _line(row: dict[str, object], words: dict[str, str]) -> str:
    text = {name: html.escape(str(value)) for name, value in row.items()}
    state = f'<span class="{text["state"]}">{words[str(row["state"])]}</span>'
    why = f'<span lang="en">{text["reason"]}</span>'
    cells = (text["district"], state, text["since_utc"], text["starts"], why)
    name = f'<th scope="row"><a href="{text["url"]}">{text["name"]}</a></th>'
    return f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
