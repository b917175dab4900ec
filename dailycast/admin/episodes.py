"""Episodes in the admin: a list with their cost, a page that generates one, a page to hear, read and edit one."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from .. import runners
from ..errors import DailycastError
from ..models import DailyPodcast, Source, Status
from ..purchases import prices
from ..studio.estimate import remaining_cost
from .filters import choice_filter, voice_choices, writer_choices
from .forms import EpisodeForm, GenerateForm, language_choices

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[DailyPodcast]
else:
    ModelAdmin = admin.ModelAdmin

EDITABLE_FIELDS = ("title", "script_text")
HISTORY_FIELDS = (
    *("source", "requested_by", "edition_date", "created_at", "updated_at", "completed_at", "attempts"),
    *("next_attempt_at", "audio_file", "llm_provider", "llm_model"),
    *("prompt_tokens", "completion_tokens", "tts_provider", "tts_voice", "tts_characters"),
)
# The list does not show them.
LARGE_FIELDS = ("script_text", "chapters", "cues", "context", "error_message", "passed_over")
LEVELS_WITHOUT_AUDIO: dict[str, int] = {Status.COMPLETED: messages.WARNING, Status.FAILED: messages.ERROR}


class EpisodeChangeList(ChangeList):
    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        return super().get_queryset(*args, **kwargs).defer(*LARGE_FIELDS)


@admin.register(DailyPodcast)
class DailyPodcastAdmin(ModelAdmin):
    list_display = ("user", "language", "status", "duration", "size", "providers", "cost", "created_at")
    list_filter = (
        "status",
        choice_filter("tts_provider", _("voice"), voice_choices),
        choice_filter("llm_provider", _("writer"), writer_choices),
        choice_filter("language", _("language"), language_choices, "startswith"),  # en-GB is English, too
    )
    list_select_related = ("user",)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they would count the rows of each choice
    ordering = ("-id",)
    raw_id_fields = ("user",)  # where there is no autocompletion; a list could have 10,000 learners
    form = EpisodeForm
    fieldsets = (
        (None, {"fields": ("user", "language", "status", "reason", ("duration", "size", "cost"))}),
        (_("Edit"), {"fields": EDITABLE_FIELDS, "classes": ("collapse",)}),
        (_("How it was made"), {"fields": HISTORY_FIELDS}),
    )

    @admin.display(description=_("duration"), ordering="duration_seconds")
    def duration(self, podcast: DailyPodcast) -> str:
        seconds = podcast.duration_seconds
        return "-" if seconds is None else "{}:{:02}".format(*divmod(round(seconds), 60))

    @admin.display(description=_("size"), ordering="audio_bytes")
    def size(self, podcast: DailyPodcast) -> str:
        return "-" if podcast.audio_bytes is None else filesizeformat(podcast.audio_bytes)

    @admin.display(description=_("writer / voice"))
    def providers(self, podcast: DailyPodcast) -> str:
        return f"{podcast.llm_provider or '-'} / {podcast.tts_provider or '-'}"

    @admin.display(description=_("cost"), ordering="cost_usd")
    def cost(self, podcast: DailyPodcast) -> str:
        return "-" if podcast.is_in_progress and podcast.cost_usd is None else prices.text(podcast.cost_usd)

    @admin.display(description=_("reason"))
    def reason(self, podcast: DailyPodcast) -> str:
        return podcast.failure_text or "-"

    def get_readonly_fields(self, request: HttpRequest, obj: DailyPodcast | None = None) -> list[str]:
        return [name for name in flatten_fieldsets(self.fieldsets) if name not in EDITABLE_FIELDS]

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        model = get_user_model()
        existing = {field.name for field in model._meta.get_fields()}
        names = dict.fromkeys((model.USERNAME_FIELD, "first_name", "last_name", "email"))
        return ["title", *(f"user__{name}" for name in names if name in existing)]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return EpisodeChangeList

    def get_autocomplete_fields(self, request: HttpRequest) -> list[str]:
        user_admin = self.admin_site._registry.get(get_user_model())
        can_search = user_admin and user_admin.get_search_fields(request) and user_admin.has_view_permission(request)
        return ["user"] if can_search else []

    def get_urls(self) -> list[URLPattern]:
        name, view = f"{self.opts.app_label}_{self.opts.model_name}_%s", self.admin_site.admin_view
        return [
            path("generate/", view(self.generate_view), name=name % "generate"),
            path("<path:object_id>/status/", view(self.status_view), name=name % "status"),
            path("<path:object_id>/make-audio/", view(self.make_audio_view), name=name % "make_audio"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        podcast = context["original"]
        context["can_make_audio"] = self.has_change_permission(request, podcast) and lacks_audio(podcast)
        context["price"] = prices.text(remaining_cost(podcast)) if context["can_make_audio"] else ""
        context["in_the_making"] = podcast.is_in_progress
        context["show_save_and_add_another"] = False
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: DailyPodcast, form: Any, change: bool) -> None:
        obj.save(update_fields=[*form.changed_data, "updated_at"])  # a worker may be writing the others
        if obj.has_audio and "script_text" in form.changed_data:
            messages.warning(
                request, _("The audio still speaks the script as it was. Generate a new episode to hear it.")
            )

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return self._redirect("dailycast_dailypodcast_generate")

    @transaction.non_atomic_requests
    def generate_view(self, request: HttpRequest) -> HttpResponse:
        """A form that asks for learner and language; it submits the episode and redirects to its page."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        hint = "" if self.get_autocomplete_fields(request) else _("The learner's id, a number or a UUID.")
        learner: Any = self.formfield_for_foreignkey(self.opts.get_field("user"), request, help_text=hint)
        form = GenerateForm(learner, request.POST if request.method == "POST" else None)
        if form.is_valid() and (podcast := self._submit(request, form)):
            return self._redirect_to_episode(request, podcast)
        context = {"form": form, "opts": self.opts, "title": _("Generate an episode"), "media": self.media + form.media}
        context |= {"has_view_permission": self.has_view_or_change_permission(request)}
        template = "admin/dailycast/dailypodcast/generate.html"
        return TemplateResponse(request, template, self.admin_site.each_context(request) | context)

    @transaction.non_atomic_requests
    def make_audio_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make the missing audio of an episode. Its script is not bought again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        podcast = self.get_object(request, unquote(object_id))
        if podcast is None or not self.has_change_permission(request, podcast):
            raise PermissionDenied
        runners.retry(podcast)
        podcast.refresh_from_db()
        return self._redirect_to_episode(request, podcast)

    def status_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The state of an episode, which an open page polls. The sweep corrects it when the worker has died."""
        runners.sweep()
        podcast = self.get_object(request, unquote(object_id))
        if podcast is None or not self.has_view_or_change_permission(request, podcast):
            raise PermissionDenied
        return JsonResponse({"status": podcast.status, "text": podcast.progress})

    def _submit(self, request: HttpRequest, form: GenerateForm) -> DailyPodcast | None:
        user, language, key = (form.cleaned_data[name] for name in ("user", "language", "request_key"))
        options = {"source": Source.ADMIN, "requested_by": request.user, "request_key": str(key)}
        try:
            podcast = runners.submit(user, language or None, **options)
        except DailycastError as error:
            return form.add_error(None, str(error))
        podcast.refresh_from_db()
        return podcast

    def _redirect_to_episode(self, request: HttpRequest, podcast: DailyPodcast) -> HttpResponse:
        level = LEVELS_WITHOUT_AUDIO.get(podcast.status, messages.INFO)
        if podcast.has_audio:
            level = messages.WARNING if podcast.passed_over else messages.SUCCESS
        messages.add_message(request, level, podcast.progress)
        if self.has_view_or_change_permission(request, podcast):
            return self._redirect("dailycast_dailypodcast_change", podcast.pk)
        return self._redirect("index")

    def _redirect(self, name: str, *args: object) -> HttpResponse:
        return HttpResponseRedirect(reverse(f"admin:{name}", args=args, current_app=self.admin_site.name))


def lacks_audio(podcast: DailyPodcast) -> bool:
    """Whether a worker should try to make the audio: there is none, and no worker is making it."""
    return podcast.status != Status.RUNNING and not podcast.has_audio
