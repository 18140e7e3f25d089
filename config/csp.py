"""What a browser may load and run on our pages, and who may frame them: nobody.

Answers of the API are no pages: nothing at all. The theme of the admin evaluates expressions of its own pages (`unsafe-eval`) and sets
styles in them; it has no inline scripts. The viewer of the API's documents sets styles, too.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE = (
    "default-src 'none'; script-src 'self'{eval}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
POLICIES = {
    "/admin/": PAGE.format(eval=" 'unsafe-eval'"),
    "/api/docs/": PAGE.format(eval=""),
}

Next = Callable[[HttpRequest], HttpResponse]


def content_security_policy(get_response: Next) -> Next:
    """Say on every answer what may be loaded and run there."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Content-Security-Policy"] = policy_of(request.path_info)
        return response

    return middleware


def policy_of(path: str) -> str:
    """Return the policy of a page."""
    return next((POLICIES[begin] for begin in POLICIES if path.startswith(begin)), NOTHING)
