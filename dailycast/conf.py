"""Every setting: name, type, default, on one screen.

Each is read from Django's settings at every access, so `override_settings` works; None or an empty text there counts as
not given.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NewType, get_type_hints

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

Names = tuple[str, ...]
Pairs = dict[str, str]
Money = Decimal | None
Days = float | None
Amount = NewType("Amount", float)  # 0 or more
Secret = NewType("Secret", str)  # no message and no log line shows its value


class Conf:
    DAILYCAST_LLM_PROVIDERS: Names = ("openai", "gemini", "template")  # tried in this order
    DAILYCAST_TTS_PROVIDERS: Names = ("polly",)  # "polly,pico": the built-in voice speaks without AWS keys

    OPENAI_API_KEY: Secret = Secret("")
    OPENAI_BASE_URL: str = ""  # any OpenAI-compatible server; with it no key is needed
    DAILYCAST_OPENAI_MODEL: str = "gpt-6-luna"

    GEMINI_API_KEY: Secret = Secret("")
    GEMINI_BASE_URL: str = ""
    DAILYCAST_GEMINI_MODEL: str = "gemini-3.5-flash-lite"

    AWS_ACCESS_KEY_ID: Secret = Secret("")  # leave both empty to skip audio and save its costs
    AWS_SECRET_ACCESS_KEY: Secret = Secret("")
    AWS_SESSION_TOKEN: Secret = Secret("")  # only for temporary keys
    AWS_REGION: str = "us-east-1"
    AWS_ENDPOINT_URL_POLLY: str = ""  # boto3's own name: it reads the environment too
    DAILYCAST_AWS_DEFAULT_CREDENTIALS: bool = False  # True: boto3's own look-up (roles, shared files)
    DAILYCAST_POLLY_ENGINE: str = "neural"  # generative, long-form, neural, standard
    DAILYCAST_VOICES: Pairs = {}  # language -> Polly voice, over the built-in table: "en=Matthew,ja=Takumi"

    DAILYCAST_DEFAULT_LANGUAGE: str = "en"
    DAILYCAST_MINUTES: float = 4.0  # the length asked of a writer
    DAILYCAST_LEARNER_CONTEXT: str = ""  # dotted path: (user) -> LearnerContext or dict
    DAILYCAST_TEST_USER_ID: str = ""  # the learner for `generate_test_podcast`

    DAILYCAST_TITLE: str = "Daily podcast"  # of the show: the album of an MP3, the feed's title
    DAILYCAST_COVER: str = ""  # path of a square JPEG or PNG in place of the built-in cover
    DAILYCAST_ACCEL_PREFIX: str = ""  # nginx's `internal` location of MEDIA_ROOT, say /protected/

    DAILYCAST_LLM_TIMEOUT: float = 60.0  # wall-clock seconds a call
    DAILYCAST_SPEECH_TIMEOUT: float = 30.0  # wall-clock seconds a clip
    DAILYCAST_JOB_TIMEOUT: float = 900.0  # wall-clock seconds an episode

    DAILYCAST_RUNNER: str = "thread"  # who makes what a page requests: inline, thread, worker, celery
    DAILYCAST_LEASE_SECONDS: float = 60.0  # after which a job whose worker died is taken back
    DAILYCAST_MAX_ATTEMPTS: int = 5  # of a job whose vendor fails for now
    DAILYCAST_KEEP_CLIPS_DAYS: Amount = Amount(7)  # bought speech, stored for another attempt; 0: `prune` deletes all
    DAILYCAST_KEEP_AUDIO_DAYS: Days = None  # after which `prune_podcasts` deletes audio; empty: never
    DAILYCAST_MIN_FREE_MB: Amount = Amount(200)  # of the disk with MEDIA_ROOT: below it no audio is made; 0: no reserve

    DAILYCAST_DAILY_BUDGET_USD: Money = None  # empty: no limit
    DAILYCAST_COOLDOWN_HOURS: float = 24.0  # between two episodes that one learner requests
    DAILYCAST_RATE_LIMITS: Pairs = {}  # over rate_limits.LIMITS: "polly/neural=8/18", calls a second / at once; 0: none
    DAILYCAST_PRICES: Pairs = {}  # over prices.PRICES: "openai/MODEL=in/out" or "polly/ENGINE=price", USD a million

    def __getattribute__(self, name: str) -> Any:
        if name not in SETTING_TYPES:
            return super().__getattribute__(name)
        given = getattr(settings, name, None)
        return getattr(type(self), name) if given in (None, "") else parse_setting(name, given)


BOOLEANS = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(("false", "0", "no", "off"), False)


def parse_boolean(value: object) -> bool:
    return BOOLEANS[value.strip().lower()] if isinstance(value, str) else bool(value)


def parse_text(value: object) -> str:
    return str(value).strip()


def parse_names(value: str | Iterable[str]) -> Names:
    """`"a, b"` or any iterable of names."""
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip() for part in parts if part.strip())


def parse_pairs(value: str | Mapping[str, str]) -> Pairs:
    """`"a=x,b=y"` or any mapping."""
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items()}
    return {key.strip(): item.strip() for key, item in (part.split("=", 1) for part in parse_names(value))}


def parse_positive(value: Any) -> float:
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError(number)
    return number


def parse_amount(value: Any) -> float:
    number = float(value)
    if not 0 <= number < float("inf"):
        raise ValueError(number)
    return number


def parse_money(value: Any) -> Decimal:
    amount = Decimal(str(value).strip())
    if not (amount.is_finite() and amount >= 0):
        raise ValueError(amount)
    return amount


def parse_count(value: Any) -> int:
    number = int(value)
    if number < 1 or number != float(value):
        raise ValueError(number)
    return number


SETTING_TYPES: dict[str, Any] = get_type_hints(Conf)
PARSERS: dict[Any, tuple[Callable[[Any], Any], str]] = {
    str: (parse_text, "a text"),
    Secret: (parse_text, "a text"),
    bool: (parse_boolean, "true or false"),
    float: (parse_positive, "a number above 0"),
    int: (parse_count, "a whole number above 0"),
    Days: (parse_positive, "a number above 0"),
    Amount: (parse_amount, "a number, 0 or more"),
    Money: (parse_money, "an amount of 0 or more"),
    Names: (parse_names, "names with commas between them"),
    Pairs: (parse_pairs, "a dict, or key=value pairs with commas between them"),
}


def parse_setting(name: str, value: object) -> Any:
    parse, expected = PARSERS[SETTING_TYPES[name]]
    try:
        return parse(value)
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise ImproperlyConfigured(f"{name} must be {expected}, not {value!r}.") from error


def secrets() -> list[str]:
    """The values of the settings that are secret, as far as they are set."""
    return [value for name, kind in SETTING_TYPES.items() if kind is Secret and (value := getattr(conf, name))]


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings that `environ` gives, parsed; an empty value counts as not given.

    For a settings module: `globals().update(from_environment(os.environ))`.

    Raises ImproperlyConfigured naming the variable that cannot be read.
    """
    return {name: parse_setting(name, environ[name]) for name in SETTING_TYPES if environ.get(name, "").strip()}


conf = Conf()
