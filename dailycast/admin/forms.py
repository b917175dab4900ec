"""The admin's forms: generate an episode, edit an episode."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..errors import ScriptError
from ..languages.table import LANGUAGES
from ..models import DailyPodcast
from ..script import grammar

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[DailyPodcast]
else:
    ModelForm = forms.ModelForm


def language_choices() -> list[tuple[str, str]]:
    """Code and name of every language, sorted by name. Django's own catalogue translates the names."""
    return sorted(((code, gettext(language.name)) for code, language in LANGUAGES.items()), key=lambda pair: pair[1])


class GenerateForm(forms.Form):
    """The learner and the language. The hidden key makes sure that a form that is sent twice pays for one episode."""

    language = forms.ChoiceField(
        label=_("Language"), required=False, choices=lambda: [("", gettext("The learner's own")), *language_choices()]
    )
    request_key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)

    def __init__(self, learner: forms.Field, data: Any) -> None:
        super().__init__(data)
        self.fields = {"user": learner, **self.fields}


class EpisodeForm(ModelForm):
    """Title and script. The script is normalised before it is saved, like that of a writer."""

    def clean_script_text(self) -> str:
        text = self.cleaned_data["script_text"]
        try:
            grammar.validate(text)
        except ScriptError as error:
            raise forms.ValidationError(str(error)) from error
        return grammar.normalise_completion(text)
