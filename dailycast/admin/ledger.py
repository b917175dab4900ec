"""The ledger in the admin: what was bought, from which provider, for how much. It is read-only."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import ProviderCall
from ..purchases import prices

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[ProviderCall]
else:
    ModelAdmin = admin.ModelAdmin


@admin.register(ProviderCall)
class ProviderCallAdmin(ModelAdmin):
    list_display = ("day", "provider", "model", "kind", "outcome", "units", "cost", "podcast_id")
    list_filter = ("outcome", "kind")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-id",)
    raw_id_fields = ("podcast",)
    exclude = ("answer",)  # a learner's script, stored until the episode has it

    @admin.display(description=_("cost"), ordering="cost_usd")
    def cost(self, call: ProviderCall) -> str:
        return prices.text(call.cost_usd)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
