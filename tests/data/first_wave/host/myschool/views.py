from dailycast import runners
from dailycast.errors import CooldownError
from django.http import JsonResponse
from django.shortcuts import render


def my_podcasts(request):
    podcasts = request.user.podcasts.filter(status="completed").order_by("-id")
    return render(request, "my_podcasts.html", {"podcasts": podcasts})


def ask(request):
    try:
        podcast = runners.submit(request.user, source="page", request_key=f"{request.user.pk}-{request.POST['key']}")
    except CooldownError as error:
        return JsonResponse({"until": error.until.isoformat()}, status=429)
    return JsonResponse({"id": podcast.pk, "text": podcast.progress})


def state(request, pk):
    runners.sweep()
    podcast = request.user.podcasts.get(pk=pk)
    return JsonResponse({"status": podcast.status, "text": podcast.progress})
