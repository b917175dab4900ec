from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dailycast.models import DailyPodcast

from .adapter import learner_context


class SignedInRequest(HttpRequest):
    user: User


@login_required
def home(request: SignedInRequest) -> HttpResponse:
    """The learner's newest episode, a link to the others, and the progress in each course."""
    podcasts = DailyPodcast.objects.filter(user=request.user, status="completed").order_by("-created_at", "-id")
    return render(request, "academy/home.html", {"podcast": podcasts.first(), "learner": learner_context(request.user)})
