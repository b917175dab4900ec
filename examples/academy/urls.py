from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from .views import home

urlpatterns = [
    path("", include(([path("", home, name="home")], "academy"))),
    path(
        "login/", LoginView.as_view(template_name="academy/login.html", redirect_authenticated_user=True), name="login"
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
]
