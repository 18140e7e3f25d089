"""The buttons that stop an organization, let it go on, or end it: suspend, resume, archive."""

from datetime import datetime

from credits import services
from credits.admin.family_actions import family_figures
from credits.templatetags.amounts import credits
from organizations.admin.actions import Action, Command, Figure, Outcome
from organizations.models import Organization
from organizations.services import OrganizationArchived, keys_of

Status = Organization.Status


class Suspend(Action):
    slug = "suspend"
    title = "Suspend"
    icon = "pause_circle"
    explanation = (
        "It and its children spend nothing, and their keys open nothing, until it is resumed. "
        "Work that runs is still settled."
    )
    permission = "organizations.suspend"
    dangerous = True
    refusals = {OrganizationArchived: None}

    def fits(self, organization: Organization) -> bool:
        return organization.status == Status.ACTIVE

    def perform(self, command: Command) -> Outcome:
        services.suspend(
            organization=command.organization,
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(f"{command.organization.name} is suspended.")


class Resume(Action):
    slug = "resume"
    title = "Resume"
    icon = "play_circle"
    explanation = "Its keys work again and it may spend."
    permission = "organizations.suspend"
    refusals = {OrganizationArchived: None}

    def fits(self, organization: Organization) -> bool:
        return organization.status == Status.SUSPENDED

    def perform(self, command: Command) -> Outcome:
        services.resume(
            organization=command.organization,
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(f"{command.organization.name} is active again.")


class Archive(Action):
    slug = "archive"
    title = "Archive"
    icon = "inventory_2"
    explanation = "For ever: its keys are revoked, its allowance lapses, and what no open hold needs returns to its parent."
    permission = "organizations.delete_organization"
    dangerous = True
    refusals = {services.HasActiveChildren: None}

    def fits(self, organization: Organization) -> bool:
        return organization.status != Status.ARCHIVED

    def figures(self, organization: Organization, *, now: datetime) -> list[Figure]:
        keys = keys_of(organization).filter(revoked_at__isnull=True).count()
        return [
            *family_figures(organization, now=now),
            *super().figures(organization, now=now),
            Figure(organization.name, "Keys that are not revoked", str(keys)),
        ]

    def perform(self, command: Command) -> Outcome:
        archival = services.archive(
            organization=command.organization,
            performed_by=command.performed_by,
            now=command.now,
        )
        return Outcome(
            f"{command.organization.name} is archived: {credits(archival.reclaimed_credits)} credits returned, "
            f"{archival.revoked_api_keys} keys revoked."
        )


ACTIONS: tuple[Action, ...] = (Suspend(), Resume(), Archive())
