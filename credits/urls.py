"""The paths of credits, below `/api/v1/`."""

from django.urls import path

from credits import views

_CHILD = "organizations/<str:org_id>"

urlpatterns = [
    path("whoami", views.WhoAmI.as_view()),
    path("credits", views.Credits.as_view()),
    path("credits/recharge", views.Recharges.as_view()),
    path("credits/grants", views.Grants.as_view()),
    path("organizations", views.Organizations.as_view()),
    path(_CHILD, views.OrganizationDetail.as_view()),
    path(f"{_CHILD}/suspend", views.OrganizationSuspension.as_view()),
    path(f"{_CHILD}/resume", views.OrganizationResumption.as_view()),
    path(f"{_CHILD}/credits", views.ChildCredits.as_view()),
    path(f"{_CHILD}/credits/grants", views.ChildGrants.as_view()),
    path(f"{_CHILD}/credits/grants/<str:grn_id>/void", views.GrantVoid.as_view()),
    path(f"{_CHILD}/credits/allocate", views.Allocation.as_view()),
    path(f"{_CHILD}/credits/reclaim", views.Reclamation.as_view()),
    path(f"{_CHILD}/credit-config", views.ChildCreditConfig.as_view()),
]
