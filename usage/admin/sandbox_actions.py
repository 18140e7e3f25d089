"""The buttons of an organization that may make a sandbox: mint a key, and begin the sandbox anew."""

from datetime import datetime

from django.urls import reverse

from organizations import services
from organizations.admin import key_actions as keys
from organizations.admin.actions import Action, ActionForm, Command, Figure, Outcome
from organizations.models import Env, Organization
from usage.services import sandbox

Status = Organization.Status


class Mint(keys.Mint):
    """A new key, live or for testing."""

    def owner(self, command: Command) -> Organization:
        if command.data["env"] == Env.TEST:
            return sandbox.sandbox_for(
                organization=command.organization,
                performed_by=command.performed_by,
                now=command.now,
            )
        return command.organization


class ResetSandbox(Action):
    slug = "reset-sandbox"
    title = "Reset sandbox"
    icon = "restart_alt"
    explanation = (
        "Another sandbox, with a million test credits on the terms of today. Test keys go on in it; the old one is archived with all "
        "that was tried there, and so are the sandboxes of its children."
    )
    permission = "organizations.change_organization"
    dangerous = True
    refusals = {services.OrganizationArchived: None, sandbox.MadeInASandbox: None}

    def fits(self, organization: Organization) -> bool:
        is_open = organization.status != Status.ARCHIVED
        if organization.is_sandbox:
            return is_open and organization.sandbox_of_id is not None
        return is_open and sandbox.sandbox_in_use(organization) is not None

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        live = organization.sandbox_of or organization
        found = sandbox.sandbox_in_use(live)
        return [
            Figure(live.name, "Sandbox", found.public_id if found else "none"),
            Figure(live.name, "Sandboxes archived", str(_archived(live))),
        ]

    def leads_to(self, organization: Organization, form: ActionForm) -> str:
        live = organization.sandbox_of or organization
        found = sandbox.sandbox_in_use(live)
        shown = found if organization.is_sandbox and found else live
        return reverse("admin:organizations_organization_change", args=[shown.id])

    def perform(self, command: Command) -> Outcome:
        done = sandbox.reset_sandbox(
            organization=command.organization, performed_by=command.performed_by, now=command.now
        )
        return Outcome(
            f"{done.sandbox.name} begins anew as {done.sandbox.public_id}; {done.moved_keys} test keys go on in it."
        )


def _archived(live: Organization) -> int:
    return live.sandboxes.filter(status=Status.ARCHIVED).count()


ACTIONS: tuple[Action, ...] = (Mint(), ResetSandbox())
