"""The site's routes."""

from django.urls import path

from myproject import views

urlpatterns = [
    path("", views.index),
    path("worker", views.worker),
    path("hello/<str:name>/", views.hello),
    path("form", views.form),
    path("json", views.echo_json),
    path("upload", views.upload),
    path("stream", views.stream),
    path("file", views.file),
    path("redirect", views.away),
    path("visits", views.visits),
    path("error", views.error),
    path("page", views.page),
]
