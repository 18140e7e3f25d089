"""What the API says of a sandbox."""

from rest_framework import serializers

from organizations.fields import CreditsField, IdField


class SandboxResetShape(serializers.Serializer):
    """What a reset did: the new sandbox, how many keys went on to it, and what is in its wallet."""

    organizationId = IdField("org", source="sandbox.id")
    sandboxOf = IdField("org", source="sandbox.sandbox_of_id")
    movedApiKeys = serializers.IntegerField(source="moved_keys")
    balance = CreditsField(source="reading.wallet.balance", min_value=None)
    available = CreditsField(source="reading.wallet.available")
