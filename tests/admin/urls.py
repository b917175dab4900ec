"""The admin mounted three times: at Django's usual address, and as two sites of a host."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.urls import path

import dailycast.urls
from dailycast.admin.episodes import DailyPodcastAdmin
from dailycast.models import DailyPodcast

without_users = admin.AdminSite(name="school")  # a site with another name and without the user admin
without_users.register(DailyPodcast, DailyPodcastAdmin)
with_users = admin.AdminSite(name="office")
with_users.register(DailyPodcast, DailyPodcastAdmin)
with_users.register(User, UserAdmin)
urlpatterns = [
    *dailycast.urls.media,
    path("back/office/", with_users.urls),
    path("school/", without_users.urls),
    path("admin/", admin.site.urls),
]
