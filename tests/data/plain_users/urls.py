from django.urls import include, path

from dailycast import urls

urlpatterns = [*urls.media, path("dailycast/", include("dailycast.urls"))]
