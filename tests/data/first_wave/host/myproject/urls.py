import dailycast.urls
from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path
from myschool import views
from myschool.admin import my_site

urlpatterns = [
    *dailycast.urls.media,
    path("dailycast/", include("dailycast.urls")),
    path("admin/", admin.site.urls),
    path("school-admin/", my_site.urls),
    path("my-podcasts/", views.my_podcasts),
    path("ask/", views.ask),
    path("state/<int:pk>/", views.state),
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
