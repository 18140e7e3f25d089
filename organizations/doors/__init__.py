"""What every door of the API does before its own work, so that a door is eight lines.

A door is a method of an `ApiView` under `@operation`, which says in one place who may open it, what it reads and what it answers (and so
also writes the OpenAPI document). A method without `@operation` is closed. Before the method runs, in this order: the key (401), its
rate (429), the suspension of its organization or of the parent (503), its scope (403), the acting organization (404), the ids in the path and the query (422).

    class Allocate(ApiView):
        @operation(ORG_ADMIN, body=AllocateBody, answer=AllocationShape, idempotency="required")
        def post(self, request: Request, org_id: UUID) -> HttpResponse:
            child = self.child(org_id)                            # 404, before the idempotency key

            def allocate(body: Body) -> Answer:                   # joins the transaction of `once`
                entry = services.allocate(target=child.wallet, now=self.now, **body)
                return Answer(200, AllocationShape(entry).data, replay={"replayed": True})

            return self.once(allocate)                            # key, then body (422), then the work

- A parameter of the path named after an id's prefix (`<str:org_id>`, `<str:rsv_id>`) arrives as a `UUID`; a malformed one is 422.
- A test key is a key of a sandbox, an organization like any other: ids are looked for there, and no door needs to know. Only in the
  header a live id means its sandbox.
- `self.principal`, `self.acting` (organization), `self.now`, `self.query` (validated), `self.child(id)`, `self.organization(id)`.
- What a body may ask of whom: `self.once(mint, allowed=self.may_give)`. It is asked of a repeat too, before the first answer is given.
- A list: `return self.page(rows, ApiKeyShape)` with `query=PageQuery, answer=page_of(ApiKeyShape)`.
- A POST that stores nothing (`idempotency="ignored"`) reads `self.body()` and returns a `Response`.
- A command that is refused but whose work stays *returns* `Denied(error)`.

`declaring` is `@operation`, `view` is `ApiView`.
"""

from organizations.doors.declaring import Operation as Operation
from organizations.doors.declaring import operation as operation
from organizations.doors.view import PRESENT_STATUS as PRESENT_STATUS
from organizations.doors.view import REPLAYED as REPLAYED
from organizations.doors.view import ApiView as ApiView
from organizations.doors.view import AtOnce as AtOnce
from organizations.doors.view import Body as Body
from organizations.doors.view import JsonOnly as JsonOnly
