"""The site's routes: a view in each manner."""

from chat import views
from django.urls import path

urlpatterns = [
    path("say/<str:room>", views.say),
    path("visits", views.visits),
]
