from dailycast.admin import DailyPodcastAdmin
from dailycast.models import DailyPodcast
from dailycast.runners import retry
from django.contrib import admin


class SchoolPodcastAdmin(DailyPodcastAdmin):
    list_display = (*DailyPodcastAdmin.list_display, "title")
    actions = ["try_again"]

    @admin.action(description="Try again")
    def try_again(self, request, queryset):
        for podcast in queryset:
            retry(podcast)


my_site = admin.AdminSite("school-admin")
my_site.register(DailyPodcast, SchoolPodcastAdmin)
