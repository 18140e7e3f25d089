"""What somebody of the staff looks at again and again."""

from django.db import models

from organizations.ids import new_id


class SavedView(models.Model):
    """The filters and the order of a list, under a name: somebody's own, or everybody's. It is of the console, not of an organization."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    list = models.CharField(max_length=100)
    """Of which list, as `app.model`."""
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2_000)
    """As an address says it."""
    owner = models.CharField(max_length=150)
    """The name of who saved it, by which people log in."""
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        permissions = [
            ("share_view", "Share views of lists with everybody, and delete shared ones")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["list", "owner", "name"], name="savedview_one_of_a_name"
            ),
            models.CheckConstraint(name="savedview_has_a_name", condition=~models.Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name
