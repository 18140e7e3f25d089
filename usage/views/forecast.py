"""The door of what is foreseen."""

from rest_framework.request import Request
from rest_framework.response import Response

from organizations.doors import ApiView, operation
from organizations.scopes import CREDITS_READ
from usage.serializers import forecast as shapes
from usage.services import forecasts


class CreditForecast(ApiView):
    @operation(
        CREDITS_READ,
        query=shapes.ForecastQuery,
        answer=shapes.ForecastShape,
        rate="long-running",
    )
    def get(self, request: Request) -> Response:
        """When your credits are used up and when your cap is reached: a range, from up to eight weeks of use and all that is known to come."""
        outlook = forecasts.outlook_of(self.acting, now=self.now, **self.query)
        shape = shapes.ForecastShape(outlook, context={"to_child": self.to_child})
        return Response(shape.data)
