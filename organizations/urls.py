"""The paths of organizations, below `/api/v1/`."""

from django.urls import path

from organizations import views

_KEYS = "organizations/<str:org_id>/api-keys"

urlpatterns = [
    path(f"{_KEYS}/<str:key_id>", views.ApiKeyDetail.as_view()),
    path(f"{_KEYS}/<str:key_id>/rotate", views.ApiKeyRotation.as_view()),
]
