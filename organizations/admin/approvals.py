"""What waits for a second person, whatever it is: a page with what it would do now, and the two buttons with which another does it or refuses it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import SimpleListFilter, display
from django.contrib.admin.models import CHANGE
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, transaction
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from organizations import clock, proposals
from organizations.admin.actions import (
    APPROVE,
    BUSY,
    Effect,
    log,
    sentence,
    staff,
    staff_named,
)
from organizations.admin.cells import moment, pill
from organizations.admin.columns import ViewOnlyAdmin
from organizations.admin.delegation import Staff
from organizations.history import explained
from organizations.idempotency import again
from organizations.models import Proposed
from organizations.models.proposals import UNDECIDED
from organizations.proposals import NotDecidable

State = Proposed.State
TONES = {
    "draft": "quiet",
    "waiting": "info",
    "confirmed": "good",
    "approved": "good",
    "refused": "quiet",
    "expired": "warn",
}
P = TypeVar("P", bound=Proposed)


class Shown(NamedTuple):
    """What a proposal would do now, as its page shows it: figures, the rows of a card, or why it cannot be done."""

    effects: Sequence[Effect] = ()
    rows: Sequence[Any] = ()
    problem: str = ""


class Approval(Generic[P]):
    """A proposal as its page shows it, and as it is done. A subclass is of one table."""

    model: ClassVar[type[Proposed]]

    def __init__(self, proposal: P, now: datetime) -> None:
        self.proposal = proposal
        self.now = now

    @classmethod
    def known(cls) -> Iterable[str]:
        """Return the names of the actions that are proposed so."""
        raise NotImplementedError

    @classmethod
    def right_of(cls, action: str) -> str:
        """Return the right that an action takes, whoever does it."""
        raise NotImplementedError

    @classmethod
    def may_approve(cls, user: Staff, action: str) -> bool:
        """Whether somebody may do what another proposed: who may approve, and has the right of the thing itself."""
        return user.has_perms((APPROVE, cls.right_of(action)))

    @property
    def icon(self) -> str:
        return "task_alt"

    @property
    def title(self) -> str:
        """What is done, in words."""
        raise NotImplementedError

    @property
    def about(self) -> Model | None:
        """What it is done to, where that has a page of its own: there its history is told."""
        return None

    @property
    def about_url(self) -> str:
        """The page of what it is done to."""
        assert self.about is not None
        return _url(self.about, "change")

    @property
    def effect(self) -> str:
        """How much it was when it was proposed, in words."""
        raise NotImplementedError

    @property
    def refusals(self) -> Mapping[type[Exception], str | None]:
        """What may refuse it, each with how that is said; None as the error says it."""
        return {}

    def asked(self, user: Staff) -> list[tuple[str, str]]:
        """Return what was filled in, as it is understood."""
        return []

    def shown(self, user: Staff) -> Shown:
        """Return what it would do now. Nothing is done."""
        raise NotImplementedError

    def perform(self, performed_by: str, user: Staff) -> str:
        """Do it, in the transaction that decides it, and return what came of it in a sentence."""
        raise NotImplementedError

    def afterwards(self, outcome: str) -> str:
        """Go on with it once it is approved for good, and return what is said to who did."""
        return outcome

    @property
    def is_open(self) -> bool:
        """Whether it can still be decided."""
        return self.proposal.state in UNDECIDED and self.now < self.proposal.expires_at

    @property
    def url(self) -> str:
        return _url(self.proposal, "change")

    @property
    def decide_url(self) -> str:
        return _url(self.proposal, "decide")

    def is_of(self, user: AbstractBaseUser | AnonymousUser) -> bool:
        """Whether somebody proposed it."""
        return self.proposal.proposed_by == user.get_username()

    def may_decide(self, user: Staff) -> bool:
        """Whether somebody may do it for another, or withdraw what is their own."""
        action = self.proposal.action
        is_own = self.is_of(user)  # type: ignore[arg-type]
        return self.may_approve(user, action) or (is_own and user.has_perm(self.right_of(action)))

    def refused(self, refusal: Exception) -> str:
        """Return a refusal in words."""
        said = next(
            (said for kind, said in self.refusals.items() if isinstance(refusal, kind)), None
        )
        return said or sentence(refusal)

    def approve(self, user: Any) -> str:
        """Do it in the names of both."""
        author = proposals.author_of(self.proposal)
        if author is None or not author.has_perm(self.right_of(self.proposal.action)):
            raise NotDecidable(f"{self.proposal.proposed_by} may not do this any more")
        both = f"{staff_named(self.proposal.proposed_by)}, approved by {staff(user)}"
        with explained(self.proposal.reason):
            return self.perform(both, user)


def decide(kind: type[Approval[Any]], id: UUID, user: Any, *, approve: bool, now: datetime) -> str:
    """Do what was proposed, or refuse it, and return what came of it. Its lock and its state make it happen once.

    :raises NotDecidable: if it is decided, too old, one's own, or no longer what it was
    """
    outcome, approval = again(lambda: _decide(kind, id, user, approve, now))
    return approval.afterwards(outcome) if approve else outcome


@transaction.atomic(durable=True)
def _decide(
    kind: type[Approval[Any]], id: UUID, user: Any, approve: bool, now: datetime
) -> tuple[str, Approval[Any]]:
    name = user.get_username()
    row = proposals.to_decide(kind.model, id, decided_by=name, now=now, approve=approve)
    approval = kind(row, now)
    outcome = approval.approve(user) if approve else ""
    state = State.APPROVED if approve else State.REFUSED
    proposals.decide(row, state=state, decided_by=name, outcome=outcome, now=now)
    text = (
        f"Proposal of {row.proposed_by} {state}: {approval.title}. {outcome} Reason: {row.reason}"
    )
    log(user, approval.about or row, CHANGE, text)
    done = "withdrawn" if approval.is_of(user) else "refused"
    return outcome or f"{approval.title}: {done}. Nothing changed.", approval


class ProposalStateFilter(SimpleListFilter):
    """What became of proposals, of all that may become of those of a list. One that waited too long expired, whatever its row says."""

    title = "state"
    parameter_name = "state"
    EXPIRED = "expired"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        known = [(state.value, str(state.label)) for state in model_admin.states]
        return [*known, (self.EXPIRED, self.EXPIRED)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        over = Q(state__in=UNDECIDED, expires_at__lte=clock.now())
        if value == self.EXPIRED:
            return queryset.filter(over)
        return queryset if value is None else queryset.filter(~over, state=value)


class ApprovalAdmin(ViewOnlyAdmin):
    """Proposals of one table. Who may approve, and has the right of the thing itself, decides those of others."""

    approval: ClassVar[type[Approval[Any]]]
    list_filter: Any = (ProposalStateFilter,)
    states: ClassVar[Collection[State]] = (State.WAITING, State.APPROVED, State.REFUSED)
    """What may become of one; a table names what else may of its own."""
    ordering = ("-id",)
    not_in_file: ClassVar[Collection[str]] = ("payload", "digest")
    page = "admin/proposal.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.decide)
        name = f"{self.opts.app_label}_{self.opts.model_name}_decide"
        return [path("<uuid:id>/decide/", view, name=name), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if request.method != "GET" or not self.may_see(request, row):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            **self.context_of(request, self.approval(row, clock.now())),
        }
        return TemplateResponse(request, self.page, context)

    def may_see(self, request: HttpRequest, row: Any) -> bool:
        """Whether somebody may see one of them."""
        return bool(self.has_view_permission(request, row))

    def context_of(self, request: HttpRequest, approval: Approval[Any]) -> dict[str, Any]:
        """Return what the page of a proposal shows, and who may decide it."""
        user = request.user
        may_decide = approval.may_decide(user)
        return {
            "title": approval.title,
            "approval": approval,
            "proposal": approval.proposal,
            "asked": approval.asked(user),
            "shown": approval.shown(user) if approval.is_open and may_decide else Shown(),
            "is_own": approval.is_of(user),
            "may_decide": may_decide,
        }

    def decide(self, request: HttpRequest, id: UUID) -> HttpResponse:
        approval = self.approval(get_object_or_404(self.model, id=id), clock.now())
        if request.method != "POST":
            # Who had to show first who is there comes back here.
            return redirect(approval.url)
        if not approval.may_decide(request.user):
            raise PermissionDenied
        approve = request.POST.get("decision") == "approve"
        refusals: tuple[type[Exception], ...] = (NotDecidable, *approval.refusals)
        try:
            done = decide(self.approval, id, request.user, approve=approve, now=approval.now)
            messages.success(request, done)
        except refusals as refusal:
            messages.error(request, approval.refused(refusal))
        except OperationalError:
            messages.error(request, BUSY)
        return redirect(approval.url)

    @display(description="Proposed", ordering="id")
    def proposed(self, row: Proposed) -> SafeString | str:
        return moment(row.proposed_at)

    @display(description="What")
    def what(self, row: Proposed) -> str:
        return self.approval(row, clock.now()).title

    @display(description="State", ordering="state")
    def state_shown(self, row: Proposed) -> SafeString:
        return state_of(row)


def _url(row: Model, page: str) -> str:
    name = row._meta.label_lower.replace(".", "_")
    return reverse(f"admin:{name}_{page}", args=[row.pk])


def state_of(row: Proposed) -> SafeString:
    """Return what became of a proposal, as a label."""
    if row.state in UNDECIDED and row.expires_at <= clock.now():
        return pill("expired", TONES["expired"])
    return pill(row.get_state_display(), TONES[row.state])


def asked_in_words(form: forms.Form) -> list[tuple[str, str]]:
    """Return what was filled in, but for the reason, as it is understood."""
    form.full_clean()
    asked = [field for field in form.visible_fields() if field.name != "reason"]
    return [(str(field.label), words(form.cleaned_data.get(field.name))) for field in asked]


def words(value: Any) -> str:
    """Return a value of a form as people write it."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, Decimal):
        return f"{value.normalize():,f}"
    return "none" if value in (None, "") else str(value)
