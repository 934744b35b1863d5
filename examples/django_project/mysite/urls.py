"""The only page of the project."""

from django.http import HttpRequest, JsonResponse
from django.urls import path


def hello(request: HttpRequest) -> JsonResponse:
    """Say hello to whoever asks."""
    return JsonResponse({"message": "Hello from Django behind the penstock"})


urlpatterns = [path("", hello)]
