"""The demo's addresses. Private audio comes first; under DEBUG Django serves the rest of MEDIA_URL."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

import dailycast.urls

urlpatterns = [
    *dailycast.urls.media,
    path("dailycast/", include("dailycast.urls")),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
    path("admin/", admin.site.urls),
    path("", include("examples.academy.urls")),
]
