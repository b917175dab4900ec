from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dailycast.models import DailyPodcast

from .adapter import learner_context

PAGE = 10  # episodes


class SignedInRequest(HttpRequest):
    user: User


@login_required
def home(request: SignedInRequest) -> HttpResponse:
    """The learner's own episodes, newest first, and how far they are in their courses."""
    podcasts = DailyPodcast.objects.filter(user=request.user, status="completed").order_by("-created_at", "-id")
    page = Paginator(podcasts, PAGE).get_page(request.GET.get("page"))
    return render(request, "academy/home.html", {"page": page, "learner": learner_context(request.user)})
