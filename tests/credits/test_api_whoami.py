"""Who a key is: GET /api/v1/whoami."""

import pytest

from organizations import scopes
from tests import factories as f
from tests.callers import Caller, caller_of, error, ok
from tests.callers import clock as clock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


class TestWhoAmI:
    def test_says_the_organization_of_the_key(self) -> None:
        parent = f.make_organization("Harbour Reseller", funded=250)
        key, secret = f.make_key(parent, scopes=("org:admin", "*"), tier="pilot")

        body = ok(Caller(secret).get("/whoami"))

        assert body == {
            "organizationId": parent.public_id,
            "workspaceId": parent.public_id,
            "organizationName": "Harbour Reseller",
            "scopes": ["org:admin", "*"],
            "parentOrganizationId": None,
            "rateLimitTier": "pilot",
            "apiKeyId": key.public_id,
            "creditBalance": 250,
        }

    def test_names_the_parent_of_a_child_and_the_root_as_its_workspace(self) -> None:
        parent, child = f.make_family()

        body = ok(caller_of(child).get("/whoami"))

        assert body["organizationId"] == child.public_id
        assert body["parentOrganizationId"] == parent.public_id
        assert body["workspaceId"] == parent.public_id
        assert body["creditBalance"] == 0

    def test_says_the_child_in_which_a_parent_acts(self) -> None:
        parent, child = f.make_family(funded=1_000)
        f.allocate(child, 40)

        body = ok(caller_of(parent, acting=child).get("/whoami"))

        assert body["organizationId"] == child.public_id
        assert body["organizationName"] == child.name
        assert body["creditBalance"] == 40

    def test_is_open_to_a_key_without_scopes_but_tells_it_no_balance(self) -> None:
        organization = f.make_organization(funded=250)
        _, secret = f.make_key(organization, scopes=())

        body = ok(Caller(secret).get("/whoami"))

        assert body["scopes"] == []
        assert body["creditBalance"] is None

    @pytest.mark.parametrize("scope", sorted(scopes.DATA_SCOPES - {scopes.CREDITS_READ}))
    def test_tells_no_balance_to_a_key_that_may_not_read_credits(self, scope: str) -> None:
        organization = f.make_organization(funded=250)

        body = ok(caller_of(organization, scope).get("/whoami"))

        assert body["creditBalance"] is None

    def test_knows_nobody_without_a_key(self) -> None:
        assert error(Caller(None).get("/whoami")) == (401, "UNAUTHENTICATED")

    def test_carries_the_request_id_in_a_header(self) -> None:
        answer = caller_of(f.make_organization()).get("/whoami")

        assert answer["x-request-id"].startswith("req_")
