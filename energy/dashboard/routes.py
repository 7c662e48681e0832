"""A route for every screen: the operators' and those for everybody; and the assets."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from fastapi import APIRouter, FastAPI, Request, Response

from energy.api.callers import (
    DISTRICT_PAGE,
    PUBLIC,
    STEERING_PAGE,
    Caller,
    Role,
    Verdict,
    caller_of,
    may,
    require_verdicts,
)
from energy.api.problems import ProblemError
from energy.dashboard import headers
from energy.dashboard.assets import (
    ACCESSES,
    LANGUAGES,
    PUBLIC_SCREENS,
    SCREENS,
    Asset,
    Edition,
    build_page,
    read_asset_tree,
)

THEMES = ("auto", "light", "dark")
OPERATOR_PAGE = "operator.html"
VERDICT_OF = {
    "overview": DISTRICT_PAGE,
    "grid": DISTRICT_PAGE,
    "alarms": DISTRICT_PAGE,
    **dict.fromkeys(
        ("plan", "market", "ledger", "forecasts", "dr", "assets", "reports", "settings", "people"),
        STEERING_PAGE,
    ),
    **dict.fromkeys(PUBLIC_SCREENS, PUBLIC),
}
PAGE_OF = {
    "home": "home.html",
    "verify": "verify.html",
    "statement": "statement.html",
    "sign_in": "sign_in.html",
}


def create_dashboard_router() -> APIRouter:
    """Routes of the operators' page; the static tree is read, hashed and compressed here, once."""
    tree = read_asset_tree()
    pages = {
        edition: build_page(tree, PAGE_OF.get(edition.screen, OPERATOR_PAGE), edition)
        for edition in (
            Edition(language, theme, screen, access)
            for language in LANGUAGES
            for theme in THEMES
            for screen in (*SCREENS, *PUBLIC_SCREENS)
            for access in (ACCESSES if screen in SCREENS else ("",))
        )
    }
    router = APIRouter(include_in_schema=False)

    for screen in (*SCREENS, *PUBLIC_SCREENS):
        path = "/" if screen == SCREENS[0] else f"/{screen.replace('_', '-')}"
        page = may(VERDICT_OF[screen])(_page_of(pages, screen))
        router.add_api_route(path, page, methods=["GET", "HEAD"])

    @router.api_route("/assets/{tree_hash}/{path:path}", methods=["GET", "HEAD"])
    @may(PUBLIC)
    def asset(request: Request, tree_hash: str, path: str) -> Response:
        """One file of the tree; another tree's hash is not found, for its bytes are gone."""
        found = tree.files.get(path) if tree_hash == tree.tree_hash else None
        if found is None:
            return Response("not found\n", 404, headers.MISSING, "text/plain; charset=utf-8")
        return answer(request, found, headers.ASSET)

    @router.api_route("/favicon.ico", methods=["GET", "HEAD"])
    @may(PUBLIC)
    def favicon(request: Request) -> Response:
        """The icon for readers that ask for it by its old name."""
        return answer(
            request, tree.files["icon.svg"], {**headers.SAFETY, "Cache-Control": "no-cache"}
        )

    return router


def _page_of(pages: Mapping[Edition, Asset], screen: str) -> Callable[[Request], Response]:
    """The route of a screen: the page in the reader's language and theme."""

    def page(request: Request) -> Response:
        edition = choose_edition(request, screen)
        if screen in SCREENS:
            edition = replace(edition, access=access_of(caller_of(request)))
        return answer(request, pages[edition], headers.PAGE)

    return page


def install(app: FastAPI) -> None:
    """Put the operators' screens and the page for receipts on an application with `/v1`.

    The pages hold no data. Where the application asks nobody who they are, the pages do not either.
    """
    router = create_dashboard_router()
    require_verdicts(router.routes)
    if not hasattr(app.state, "doorman"):
        app.state.doorman = OpenHouse()
    app.include_router(router)


class OpenHouse:
    """The doorman of pages whose data come from an application without sign-in."""

    def caller(self, request: Request) -> Caller:
        """Everybody is a reader of the demonstration."""
        return Caller(Role.OPERATOR, "demo", "", is_demo=True)

    def turn_away(self, request: Request, caller: Caller, verdict: Verdict) -> ProblemError:
        """Nothing here is done but reading."""
        return ProblemError(405, "METHOD_NOT_ALLOWED", "these pages are read only")

    def is_still(self, request: Request, caller: Caller) -> bool:
        """Everybody stays."""
        return True


def answer(request: Request, asset: Asset, fixed: dict[str, str]) -> Response:
    """The asset, compressed where the reader accepts it."""
    body, content = asset.body(request.headers.get("accept-encoding", ""))
    return Response(body, 200, {**fixed, **content}, asset.media_type)


def choose_edition(request: Request, screen: str) -> Edition:
    """The screen as this reader wants it."""
    return Edition(choose_language(request), choose_theme(request), screen)


def access_of(caller: Caller) -> str:
    """What a page offers to this reader."""
    if caller.is_demo:
        return "demo"
    return "operate" if caller.role == Role.OPERATOR else "read"


def choose_theme(request: Request) -> str:
    """The cookie's theme; `auto` follows the reader's system."""
    theme = request.cookies.get("theme", "auto")
    return theme if theme in THEMES else "auto"


def choose_language(request: Request) -> str:
    """The cookie's language, else the first one of Accept-Language that there is, else English."""
    chosen = request.cookies.get("language", "")
    if chosen in LANGUAGES:
        return chosen
    for part in request.headers.get("accept-language", "").lower().split(","):
        language = part.split(";")[0].strip().split("-")[0]
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]
