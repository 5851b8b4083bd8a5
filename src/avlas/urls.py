"""Which address shows what."""

from django.urls import include, path

from avlas.web.api.routes import urls as api_urls

urlpatterns = [
    path("api/v1/", api_urls),
    path("", include("avlas.web.urls")),
]

handler400 = "avlas.web.pages.errors.bad_request"
handler500 = "avlas.web.pages.errors.server_error"
