"""Which address shows what."""

from django.urls import include, path

urlpatterns = [
    path("", include("avlas.web.urls")),
]
