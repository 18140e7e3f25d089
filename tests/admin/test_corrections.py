"""Corrections in the admin: reversing an entry, pricing a period again, its statement, and a wallet as it was."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from credits.models import BillingPeriod, LedgerEntry
from credits.services import statement_rows
from organizations.models import Organization
from organizations.sheet import lines
from tests.admin.people import fill_in, send, staff_who_may, url_of, use
from tests.admin.test_actions import effects, errors
from tests.credits.tampering import charge_of
from tests.factories import (
    NOW,
    allocate,
    amounts,
    entries_of,
    grant,
    later,
    make_family,
    make_organization,
    money_of,
    periods_of,
    spend,
)
from tests.usage import people as p
from usage.admin.actions import Rerate
from usage.models import AIModel, UsageEvent
from usage.pricing import Tokens
from usage.services.events import Told, record

pytestmark = pytest.mark.django_db(transaction=True)


def page_of_entry(entry: LedgerEntry) -> str:
    return reverse("admin:credits_ledgerentry_change", args=[entry.pk])


def page_of_period(period: BillingPeriod) -> str:
    return reverse("admin:credits_billingperiod_change", args=[period.pk])


def html(client: Client, url: str, **query: str) -> str:
    page = client.get(url, query)
    assert page.status_code == 200
    return str(page.content.decode())


class TestReverse:
    def test_is_offered_on_the_page_of_an_entry(self, ana: Client) -> None:
        organization = make_organization()
        entry = grant(organization, 10)

        page = html(ana, page_of_entry(entry))

        assert f"{url_of('reverse', organization)}?entry={entry.pk}" in page

    def test_is_not_offered_where_it_would_be_refused(self, ana: Client) -> None:
        organization = make_organization(allowance=10)
        (renewal,) = entries_of(organization)

        assert url_of("reverse", organization) not in html(ana, page_of_entry(renewal))

    def test_shows_the_effect_and_does_it(self, ana: Client) -> None:
        organization = make_organization(funded=10)
        charge = charge_of(p.use(p.work(organization, 8), 8))
        data = fill_in(ana, "reverse", organization, entry=str(charge.pk))

        page = send(ana, "reverse", organization, data, step="preview")
        answer = send(ana, "reverse", organization, data)

        assert effects(page)[organization.name, "Balance"] == ("2", "10")
        assert effects(page)[f"Entry {charge}", "Reversed"] == ("no", "by #3")
        assert answer.headers["location"] == page_of_entry(charge)
        assert money_of(organization) == amounts(10, 0, 10)
        reversal = LedgerEntry.objects.get(reverses=charge)
        assert (reversal.performed_by, reversal.reason) == ("staff:ana", "asked for by mail")
        assert UsageEvent.objects.filter(source="correction").count() == 1

    def test_happens_once_when_confirmed_twice(self, ana: Client) -> None:
        organization = make_organization(funded=10)
        charge = charge_of(spend(organization, 8))
        data = fill_in(ana, "reverse", organization, entry=str(charge.pk))

        answers = [send(ana, "reverse", organization, data) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [302, 302]
        assert len(entries_of(organization)) == 3

    def test_shows_both_sides_of_a_transfer(self, ana: Client) -> None:
        parent, child = make_family(funded=100)
        sent, _ = allocate(child, 30)
        data = fill_in(ana, "reverse", parent, entry=str(sent.pk))

        page = send(ana, "reverse", parent, data, step="preview")

        assert effects(page)[parent.name, "Balance"] == ("70", "100")
        assert effects(page)[child.name, "Balance"] == ("30", "0")

    def test_refunds_a_part_out_of_what_came_with_it(self, ana: Client) -> None:
        organization = make_organization(allowance=300)
        entry = grant(organization, 500)
        data = fill_in(ana, "reverse", organization, entry=str(entry.pk), amount="200")

        page = send(ana, "reverse", organization, data, step="preview")
        send(ana, "reverse", organization, data)

        assert effects(page)[f"Entry {entry}", "Left to reverse"] == ("500", "300")
        assert effects(page)[organization.name, "Balance"] == ("800", "600")
        assert (organization.name, "Allowance") not in effects(page)
        assert effects(page)["Grants", "500 (grant) of 2026-05-10, 1"] == ("500", "300")
        shown = html(ana, page_of_entry(entry))
        assert "(300 left)" in shown
        assert url_of("reverse", organization) in shown

    def test_goes_into_debt_only_if_asked_to(self, ana: Client) -> None:
        organization = make_organization()
        entry = grant(organization, 10)
        spend(organization, 4)
        data = fill_in(ana, "reverse", organization, entry=str(entry.pk), into_debt="on")

        page = send(ana, "reverse", organization, data, step="preview")
        send(ana, "reverse", organization, data)

        assert effects(page)[organization.name, "Debt"] == ("0", "4")
        assert money_of(organization) == amounts(-4, 0, 0)

    def test_takes_no_part_of_work_and_no_more_than_there_was(self, ana: Client) -> None:
        organization = make_organization(funded=10)
        spend(organization, 4)
        gift, charge = entries_of(organization)
        for entry, amount in ((charge, "1"), (gift, "11")):
            data = fill_in(ana, "reverse", organization, entry=str(entry.pk), amount=amount)

            (said,) = errors(send(ana, "reverse", organization, data)).values()

            assert said[0].startswith(("#2 is work", "More than 0 and at most 10 expected"))

    def test_says_why_it_is_refused(self, ana: Client) -> None:
        organization = make_organization()
        entry = grant(organization, 10)
        spend(organization, 4)
        data = fill_in(ana, "reverse", organization, entry=str(entry.pk))

        page = send(ana, "reverse", organization, data)

        assert errors(page) == {"__all__": ["6 available, 10 needed."]}

    def test_takes_no_entry_of_somebody_else(self, ana: Client) -> None:
        organization = make_organization()
        theirs = grant(make_organization("Other"), 10)
        data = fill_in(ana, "reverse", organization, entry=str(theirs.pk))

        assert list(errors(send(ana, "reverse", organization, data))) == ["entry"]

    def test_links_the_two(self, ana: Client) -> None:
        organization = make_organization()
        entry = grant(organization, 10)
        use(ana, "reverse", organization, entry=str(entry.pk))
        reversal = LedgerEntry.objects.get(reverses=entry)

        assert page_of_entry(reversal) in html(ana, page_of_entry(entry))
        assert page_of_entry(entry) in html(ana, page_of_entry(reversal))
        assert url_of("reverse", organization) not in html(ana, page_of_entry(entry))

    def test_needs_the_permission_to_post(self) -> None:
        organization = make_organization()
        entry = grant(organization, 10)
        ben = staff_who_may("credits.view_ledgerentry")

        assert url_of("reverse", organization) not in html(ben, page_of_entry(entry))
        assert ben.get(url_of("reverse", organization)).status_code == 403


class TestReverseEvent:
    def test_is_offered_on_the_page_of_an_event_and_takes_it_back_alone(self, ana: Client) -> None:
        organization = make_organization(funded=100)
        told = [Told("job", str(n), NOW, credits=Decimal(10)) for n in range(2)]
        record(organization=organization, told=told, performed_by="key", now=NOW)
        first, second = UsageEvent.objects.order_by("position")
        page_of_event = reverse("admin:usage_usageevent_change", args=[first.pk])
        button = f"{url_of('reverse-event', organization)}?event={first.pk}"
        offered = html(ana, page_of_event)

        answer = use(ana, "reverse-event", organization, event=str(first.pk), reference="re-1")

        assert button in offered
        assert answer.headers["location"] == page_of_event
        assert money_of(organization) == amounts(90, 0, 90)
        assert list(UsageEvent.objects.filter(corrects=first).values_list("source")) == [
            ("correction",)
        ]
        assert not second.corrected_by.exists()
        assert button not in html(ana, page_of_event)

    def test_says_why_it_is_refused(self, ana: Client) -> None:
        organization = make_organization(funded=100)
        work = p.use(p.work(organization, 8), 8)
        event = UsageEvent.objects.get()
        use(ana, "reverse", organization, entry=str(charge_of(work).pk))
        data = fill_in(ana, "reverse-event", organization, event=str(event.pk))

        assert errors(send(ana, "reverse-event", organization, data)) == {
            "__all__": [f"{event.public_id} was taken back by #3.".capitalize()]
        }

    def test_needs_the_permission_to_post(self) -> None:
        organization = make_organization()
        ben = staff_who_may("usage.view_usageevent")

        assert ben.get(url_of("reverse-event", organization)).status_code == 403


class TestAdjust:
    def test_takes_from_the_grant_that_is_named(self, ana: Client) -> None:
        organization = make_organization(allowance=300)
        lot = grant(organization, 500, reference="pay-1").grants.get()
        offered = html(ana, url_of("adjust", organization))

        use(ana, "adjust", organization, amount="-200", from_grant=str(lot.pk))

        lot.refresh_from_db()
        assert lot.remaining == 300
        assert "500 of 500 (grant) of 2026-05-10, pay-1, no end" in offered

    def test_goes_into_debt_only_if_asked_to(self, ana: Client) -> None:
        organization = make_organization(funded=5)
        data = fill_in(ana, "adjust", organization, amount="-8")

        refused = send(ana, "adjust", organization, data)
        send(ana, "adjust", organization, data | {"into_debt": "on"})

        assert errors(refused) == {"amount": ["5 available, 8 needed."]}
        assert money_of(organization) == amounts(-3, 0, 0)

    def test_takes_no_grant_of_somebody_else(self, ana: Client) -> None:
        organization = make_organization(funded=5)
        theirs = grant(make_organization("Other"), 10).grants.get()
        data = fill_in(ana, "adjust", organization, amount="-1", from_grant=str(theirs.pk))

        assert list(errors(send(ana, "adjust", organization, data))) == ["from_grant"]


@pytest.fixture
def sonnet() -> AIModel:
    model, _ = p.make_models()
    return model


def tell(organization: Organization, count: int = 2) -> BillingPeriod:
    """Charge so many pieces of work of 10 credits, then correct their price to 7."""
    for number in range(count):
        tokens = Tokens(output=p.MILLION)
        told = Told("job", str(number), NOW, tokens=tokens, model="sonnet")
        record(organization=organization, told=[told], performed_by="key", now=NOW)
    p.set_price("sonnet", 7)
    return periods_of(organization)[0]


@pytest.mark.usefixtures("sonnet")
class TestRerate:
    def test_is_offered_on_the_page_of_a_period(self, ana: Client) -> None:
        organization = make_organization()
        period = periods_of(organization)[0]

        page = html(ana, page_of_period(period))

        assert f"{url_of('rerate', organization)}?period={period.pk}" in page

    def test_shows_every_event_before_and_after_then_does_it(self, ana: Client) -> None:
        organization = make_organization(funded=100)
        period = tell(organization)
        data = fill_in(ana, "rerate", organization, period=str(period.pk))

        page = send(ana, "rerate", organization, data, step="preview")
        answer = send(ana, "rerate", organization, data)

        shown = effects(page)
        assert shown[organization.name, "Balance"] == ("80", "86")
        assert shown["", "Charged for 2 events"] == ("20", "14")
        assert [effect for (whose, _), effect in shown.items() if whose == "Events"] == [
            ("10", "7"),
            ("10", "7"),
        ]
        assert answer.headers["location"] == page_of_period(period)
        assert money_of(organization) == amounts(86, 0, 86)

    def test_says_that_nothing_differs(self, ana: Client) -> None:
        organization = make_organization(funded=100)
        period = periods_of(organization)[0]
        data = fill_in(ana, "rerate", organization, period=str(period.pk))

        page = send(ana, "rerate", organization, data, step="preview")

        assert errors(page) == {"__all__": ["Every price is what it was."]}

    def test_leaves_much_to_the_command(self, ana: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        organization = make_organization(funded=100)
        period = tell(organization, 3)
        monkeypatch.setattr(Rerate, "charges_replaced", 2)
        data = fill_in(ana, "rerate", organization, period=str(period.pk))

        page = send(ana, "rerate", organization, data)

        assert errors(page) == {
            "__all__": ["More than a page can do at once: use manage.py rerate."]
        }
        assert money_of(organization) == amounts(70, 0, 70)


class TestStatement:
    def test_adds_up_on_the_page_of_a_period(self, ana: Client) -> None:
        organization = make_organization(funded=100)
        spend(organization, 30)

        page = html(ana, page_of_period(periods_of(organization)[0]))

        for text in ("Granted and bought", "+100", "−30", "Balance after the last entry"):
            assert text in page

    def test_is_downloaded_row_by_row(self, ana: Client) -> None:
        organization = make_organization(funded=100)
        period = periods_of(organization)[0]

        answer = ana.get(reverse("admin:credits_billingperiod_statement", args=[period.pk]))

        assert answer.streaming
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        name = f'attachment; filename="statement-{organization.public_id}-2026-05-01.csv"'
        assert answer.headers["content-disposition"] == name
        sent = answer.getvalue()
        assert sent.startswith(b"\xef\xbb\xbforganization,")
        text = sent.decode("utf-8-sig")
        assert text == "".join(lines(statement_rows(period)))

    def test_is_for_those_who_may_see_the_period(self) -> None:
        period = periods_of(make_organization(funded=100))[0]
        url = reverse("admin:credits_billingperiod_statement", args=[period.pk])

        assert staff_who_may("credits.view_wallet").get(url).status_code == 403

    def test_of_nothing_is_not_there(self, ana: Client) -> None:
        url = reverse("admin:credits_billingperiod_statement", args=[999_999])

        assert ana.get(url).status_code == 404


class TestWalletAsOf:
    def page(self, client: Client, organization: Organization, moment: str) -> str:
        url = reverse("admin:credits_wallet_change", args=[organization.wallet.pk])
        return html(client, url, as_of=moment)

    def test_shows_what_it_was(self, ana: Client) -> None:
        organization = make_organization(funded=100, now=later(days=-3))
        spend(organization, 58, now=later(days=-1))

        page = self.page(ana, organization, "2026-05-08T00:00:00")

        assert 'At <time datetime="2026-05-08T00:00:00Z"' in page
        assert '<td class="num">100.00</td>' in page
        assert '<td class="num">#1</td>' in page

    @pytest.mark.parametrize(
        ("moment", "problem"),
        [
            ("2026-05-11T00:00:00", "In the future"),
            ("2026-04-11T00:00:00", "Before the wallet was made"),
            ("soon", "Enter a valid date/time."),
        ],
    )
    def test_says_what_is_wrong_with_the_moment(
        self, ana: Client, moment: str, problem: str
    ) -> None:
        organization = make_organization(funded=100)

        assert problem in self.page(ana, organization, moment)
