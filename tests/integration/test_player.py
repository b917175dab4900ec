"""The player and the learner's pages in a real Chromium, under a strict Content-Security-Policy."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import Client

from dailycast import services
from dailycast.audio import storage
from dailycast.models import DailyPodcast, Source, Status

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
ROOT = Path(__file__).parents[2]
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required --mute-audio"
)
WIDTHS = (360, 1280)
SCHEMES = ("light", "dark")
COPIED_FIELDS = (
    *("language", "title", "script_text", "duration_seconds", "audio_bytes", "chapters", "cues", "status"),
    *("tts_provider", "llm_provider"),
)
AUDIO = "document.querySelector('audio')"
AXE = """
const done = arguments[0];
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
axe.run(document, {runOnly: tags, rules: {"target-size": {enabled: true}}}).then(
  found => done(found.violations.map(rule => [rule.impact, rule.id, rule.nodes.map(node => node.html)])),
  error => done(String(error)));
"""

SMALL_TARGETS = """
const targets = "button, input:not([type=hidden]), nav a, .dailycast-links a, summary";
const boxes = [...document.querySelectorAll(targets)].map(part => [part.outerHTML, part.getBoundingClientRect()]);
return boxes.filter(([_, box]) => box.height && (box.height < 24 || box.width < 24));
"""


def strict_csp(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """A host's middleware that forbids inline code and other origins."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response["Content-Security-Policy"] = "default-src 'self'"
        return response

    return middleware


@pytest.fixture(autouse=True)
def csp_host(settings: Any) -> None:
    settings.MIDDLEWARE = ["tests.integration.test_player.strict_csp", *settings.MIDDLEWARE]


@pytest.fixture
def site(csp_host: None, demo_port: int) -> str:
    return f"http://127.0.0.1:{demo_port}"


@pytest.fixture
def open_browser(tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Each call starts a browser with a new profile: another person, or another device."""
    from selenium import webdriver

    drivers: list[Any] = []

    def start() -> Any:
        options = webdriver.ChromeOptions()
        for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path / f'profile-{len(drivers)}'}"):
            options.add_argument(flag)
        options.binary_location = str(shutil.which("chromium"))
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        drivers.append(driver)
        driver.set_script_timeout(20)
        resize(driver, 1280)
        return driver

    yield start
    for driver in drivers:
        driver.quit()


@pytest.fixture
def browser(open_browser: Callable[[], Any]) -> Any:
    return open_browser()


spoken_episodes: dict[str, tuple[dict[str, Any], bytes]] = {}


@pytest.fixture
def episode(settings: Any, alex: User) -> DailyPodcast:
    """An episode with the built-in voice, spoken once for all tests of this file."""
    settings.DAILYCAST_LLM_PROVIDERS, settings.DAILYCAST_TTS_PROVIDERS = ["template"], ["pico"]
    if not spoken_episodes:
        podcast = services.create_podcast_for_user(alex, "en")
        assert podcast.has_audio, podcast.error_message
        with podcast.audio_file.open() as file:
            spoken_episodes["en"] = {name: getattr(podcast, name) for name in COPIED_FIELDS}, file.read()
        podcast.delete()
    values, data = spoken_episodes["en"]
    name = "podcasts/podcast_1_1701920000.mp3"
    storage.write_atomic(name, data)
    return DailyPodcast.objects.create(user=alex, audio_file=name, **values)


def resize(driver: Any, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def prefer(driver: Any, **features: str) -> None:
    """Emulate media features, named without `prefers-`: `color_scheme="dark"`."""
    emulated = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": emulated})


def sign_in(driver: Any, site: str, user: User) -> None:
    client = Client()
    client.force_login(user)
    driver.get(f"{site}/static/dailycast/player.css")
    driver.add_cookie({"name": "sessionid", "value": client.cookies["sessionid"].value})


def visit(driver: Any, address: str) -> None:
    driver.get(address)
    if driver.execute_script(f"return {AUDIO} !== null"):
        wait_until(driver, f"{AUDIO}.readyState > 0")


def wait_until(driver: Any, condition: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not driver.execute_script(f"return Boolean({condition})"):
        assert time.monotonic() < deadline, f"{condition} never came true"
        time.sleep(0.05)


def saved_position(podcast: DailyPodcast, is_reached: Callable[[float], bool], seconds: float = 10) -> float:
    """Wait until the position on the row fulfils `is_reached`; return it."""
    deadline = time.monotonic() + seconds
    while True:
        podcast.refresh_from_db()
        if is_reached(podcast.position_seconds):
            return podcast.position_seconds
        assert time.monotonic() < deadline, f"it stayed at {podcast.position_seconds} s"
        time.sleep(0.05)


def run_before_page_scripts(driver: Any, script: str) -> None:
    """On all pages that open after this call."""
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})


def current_time(driver: Any) -> float:
    return float(driver.execute_script(f"return {AUDIO}.currentTime"))


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def click(driver: Any, selector: str) -> None:
    driver.execute_script("arguments[0].click()", driver.find_element("css selector", selector))


def console_errors(driver: Any) -> list[str]:
    """Errors and warnings of the console, except for the missing icon of the style sheet that `sign_in` opens."""
    entries = [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    return [entry["message"] for entry in entries if "/favicon.ico" not in entry["message"]]


@pytest.fixture
def page(browser: Any, site: str, episode: DailyPodcast, alex: User) -> Iterator[Any]:
    """Alex's browser on the page of the episode. Errors on its console fail the test."""
    sign_in(browser, site, alex)
    visit(browser, f"{site}/dailycast/episodes/{episode.pk}/")
    yield browser
    assert console_errors(browser) == []


def test_it_plays_and_seeks_and_marks_the_current_sentence(page: Any, episode: DailyPodcast) -> None:
    length = float(episode.duration_seconds or 0)
    assert page.execute_script(f"return {AUDIO}.duration") == pytest.approx(length, abs=0.2)
    page.execute_script(f"{AUDIO}.currentTime = {0.8 * length}; {AUDIO}.play()")
    wait_until(page, f"{AUDIO}.currentTime > {0.8 * length + 1}")
    page.execute_script(f"{AUDIO}.pause()")
    wait_until(page, "document.querySelector('.dailycast-cues [aria-current]')")
    now = current_time(page)
    spoken = [cue for cue in episode.cues if cue["start"] <= now + 0.05][-1]
    current = page.find_elements("css selector", ".dailycast-cues [aria-current=true]")
    assert [button.text for button in current] == [spoken["text"]]
    wait_until(
        page,
        "(s => b => b.top >= s.top && b.bottom <= s.bottom)"
        "(document.querySelector('.dailycast-script').getBoundingClientRect())"
        "(document.querySelector('.dailycast-cues [aria-current]').getBoundingClientRect())",
    )
    chapter = [mark for mark in episode.chapters if mark["start"] <= now + 0.05][-1]
    assert chapter["title"] in page.find_element("css selector", ".dailycast-chapters [aria-current]").text


def test_sentences_and_chapters_seek(page: Any, episode: DailyPodcast) -> None:
    sentences = page.find_elements("css selector", ".dailycast-cues button")
    assert [button.text for button in sentences] == [cue["text"] for cue in episode.cues]
    click(page, f".dailycast-cues [data-start='{episode.cues[7]['start']}'] button")
    wait_until(page, f"{AUDIO}.currentTime >= {episode.cues[7]['start']} && !{AUDIO}.paused")
    click(page, ".dailycast-chapters li:last-child button")
    wait_until(page, f"{AUDIO}.currentTime >= {episode.chapters[-1]['start']}")


def test_the_text_does_not_scroll_while_the_learner_scrolls_it(page: Any, episode: DailyPodcast) -> None:
    script = "document.querySelector('.dailycast-script')"
    page.execute_script(f"{script}.dispatchEvent(new WheelEvent('wheel')); {script}.scrollTop = 0;")
    page.execute_script(f"{AUDIO}.currentTime = {episode.cues[-2]['start'] + 0.1}")
    wait_until(page, "document.querySelector('.dailycast-cues [aria-current]')")
    time.sleep(0.5)
    assert page.execute_script(f"return {script}.scrollTop") == 0


def test_reduced_motion_is_respected(page: Any, episode: DailyPodcast) -> None:
    prefer(page, reduced_motion="reduce")
    scroll_top = "document.querySelector('.dailycast-script').scrollTop"
    page.execute_script(
        "window.behaviors = []; const box = document.querySelector('.dailycast-script');"
        "const original = box.scrollTo.bind(box);"
        "box.scrollTo = options => { window.behaviors.push(options.behavior); original(options); };"
        f"{AUDIO}.currentTime = {episode.cues[-2]['start'] + 0.1}"
    )
    wait_until(page, f"{scroll_top} > 0")
    assert page.execute_script("return window.behaviors") == ["instant"]


def test_the_speed_is_remembered(page: Any) -> None:
    click(page, "[data-rate='1.5']")
    assert page.execute_script(f"return {AUDIO}.playbackRate") == 1.5
    page.refresh()
    wait_until(page, f"{AUDIO}.readyState > 0 && {AUDIO}.playbackRate === 1.5")
    pressed = page.find_elements("css selector", "[data-rate][aria-pressed=true]")
    assert [button.text for button in pressed] == ["1.5×"]


def test_back_ten_and_forward_thirty(page: Any) -> None:
    click(page, "[data-skip='30']")
    assert current_time(page) == pytest.approx(30, abs=0.1)
    click(page, "[data-skip='-10']")
    assert current_time(page) == pytest.approx(20, abs=0.1)
    for _ in range(3):
        click(page, "[data-skip='-10']")
    assert current_time(page) == 0


def test_it_resumes_after_a_reload_and_on_another_device(
    page: Any, open_browser: Callable[[], Any], site: str, episode: DailyPodcast, alex: User
) -> None:
    page.execute_script(f"{AUDIO}.currentTime = 20; {AUDIO}.play()")
    wait_until(page, f"{AUDIO}.currentTime > 21")
    page.refresh()  # while it plays: the page has to save the position when it is left
    position = saved_position(episode, lambda seconds: seconds > 20.9)
    wait_until(page, f"Math.abs({AUDIO}.currentTime - {position}) < 3")
    assert "You stopped at 0:2" in page.find_element("css selector", ".dailycast-said").text
    phone = open_browser()
    resize(phone, 360)
    sign_in(phone, site, alex)
    visit(phone, f"{site}/dailycast/")
    wait_until(phone, f"Math.abs({AUDIO}.currentTime - {saved_position(episode, bool)}) < 0.5")


def test_opening_a_page_does_not_change_the_position(page: Any, site: str, episode: DailyPodcast) -> None:
    DailyPodcast.objects.update(position_seconds=25)
    for _ in range(2):
        page.refresh()
        wait_until(page, f"{AUDIO}.currentTime > 24")
    page.get(f"{site}/dailycast/archive/")
    assert saved_position(episode, bool) == 25


def test_the_position_is_saved_while_it_plays(page: Any, episode: DailyPodcast) -> None:
    page.execute_script(f"{AUDIO}.currentTime = 5; {AUDIO}.playbackRate = 2; {AUDIO}.play()")
    saved_position(episode, lambda seconds: seconds > 20, 15)


def test_a_position_that_the_server_refused_is_sent_again(page: Any, site: str, episode: DailyPodcast) -> None:
    page.execute_script(
        "const real = window.fetch; window.refused = 0;"
        "window.fetch = () => { window.fetch = real; window.refused += 1;"
        " return Promise.resolve(new Response('', {status: 503})); };"
        f"{AUDIO}.currentTime = 12"
    )
    wait_until(page, "window.refused")
    page.get(f"{site}/dailycast/archive/")
    assert saved_position(episode, lambda seconds: seconds > 11) == pytest.approx(12, abs=0.5)


def test_a_position_chosen_before_the_audio_is_loaded_is_used(page: Any, site: str, episode: DailyPodcast) -> None:
    DailyPodcast.objects.update(position_seconds=10)
    run_before_page_scripts(
        page,
        "new MutationObserver(() => { const a = document.querySelector('audio'); if (a) a.preload = 'none'; })"
        ".observe(document, {childList: true, subtree: true})",
    )
    page.get(f"{site}/dailycast/episodes/{episode.pk}/")
    click(page, "[data-skip='30']")
    assert page.execute_script(f"return {AUDIO}.readyState") == 0
    page.execute_script(f"{AUDIO}.preload = 'metadata'")
    wait_until(page, f"{AUDIO}.readyState > 0 && !{AUDIO}.seeking")
    assert current_time(page) == pytest.approx(30, abs=0.1)


def test_a_new_episode_does_not_interrupt_the_one_that_plays(
    page: Any, site: str, episode: DailyPodcast, alex: User, settings: Any
) -> None:
    settings.DAILYCAST_RUNNER = "worker"  # this test runs the job
    pending = DailyPodcast.objects.create(user=alex, language="en", status=Status.PENDING, source=Source.PAGE)
    visit(page, f"{site}/dailycast/")
    page.execute_script(f"window.same = true; {AUDIO}.play()")
    wait_until(page, f"{AUDIO}.currentTime > 0.2")
    settings.DAILYCAST_TTS_PROVIDERS = []
    services.run(pending.pk)
    link = page.find_element("css selector", ".dailycast-state p > a")
    wait_until(page, "!document.querySelector('.dailycast-state p > a').hidden")
    assert (link.text, page.execute_script(f"return [window.same, {AUDIO}.paused]")) == ("Look again", [True, False])
    click(page, ".dailycast-state p > a")
    wait_until(page, "!document.querySelector('.dailycast-state')")


def test_near_the_end_it_counts_as_heard(page: Any, episode: DailyPodcast) -> None:
    mark = page.find_element("css selector", ".dailycast-heard")
    assert not mark.is_displayed()
    page.execute_script(f"{AUDIO}.currentTime = {AUDIO}.duration - 2; {AUDIO}.play()")
    wait_until(page, f"{AUDIO}.ended")
    wait_until(page, "!document.querySelector('.dailycast-heard').hidden")
    episode.refresh_from_db()
    assert episode.heard_at
    page.refresh()
    wait_until(page, f"{AUDIO}.readyState > 0")
    assert current_time(page) == 0, "an episode that was heard to its end starts from the beginning"


def test_the_keyboard_shortcuts(page: Any) -> None:
    for key, seconds in (("l", 30), ("j", 20), ("\ue014", 25), ("\ue012", 20)):  # the arrows
        press(page, key)
        assert current_time(page) == pytest.approx(seconds, abs=0.1), key
    for key in (" ", "k"):
        press(page, key)
        wait_until(page, f"!{AUDIO}.paused")
        press(page, key)
        wait_until(page, f"{AUDIO}.paused")
    assert page.execute_script("return window.scrollY") == 0, "the space bar scrolls no page that it plays"


def test_a_button_keeps_its_space_bar(page: Any) -> None:
    page.execute_script("document.querySelector(\"[data-skip='30']\").focus()")
    press(page, " ")
    assert current_time(page) == pytest.approx(30, abs=0.1)
    assert page.execute_script(f"return {AUDIO}.paused")


def test_no_key_is_taken_from_who_types_or_does_not_want_it(page: Any) -> None:
    page.execute_script(
        "const i = document.createElement('input'); document.querySelector('main').append(i); i.focus()"
    )
    press(page, "j", "k", "l", " ")
    assert page.execute_script("return document.activeElement.value") == "jkl "
    page.execute_script("document.activeElement.blur()")
    page.execute_script("document.querySelector('.dailycast-keys').open = true")
    click(page, ".dailycast-keys input")
    press(page, "l", "k")
    assert (current_time(page), page.execute_script(f"return {AUDIO}.paused")) == (0, True)


def test_shortcuts_can_be_turned_off_without_local_storage(page: Any, site: str, episode: DailyPodcast) -> None:
    run_before_page_scripts(
        page, "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no'); }})"
    )
    visit(page, f"{site}/dailycast/episodes/{episode.pk}/")
    page.execute_script("document.querySelector('.dailycast-keys').open = true")
    click(page, ".dailycast-keys input")
    press(page, "k")
    assert page.execute_script(f"return {AUDIO}.paused") is True


def test_the_lock_screen_shows_the_episode(page: Any, site: str, episode: DailyPodcast) -> None:
    page.execute_script(f"{AUDIO}.play()")
    wait_until(page, "navigator.mediaSession.metadata")
    metadata = page.execute_script(
        "const m = navigator.mediaSession.metadata; return [m.title, m.artist, m.artwork.map(a => a.src)]"
    )
    assert metadata == [episode.title, "Daily podcast", [f"{site}/static/dailycast/cover.jpg"]]


def test_a_missing_file_is_announced(page: Any, episode: DailyPodcast) -> None:
    page.execute_script(f"{AUDIO}.src = '/media/podcasts/podcast_1_1.mp3'")
    wait_until(page, "document.querySelector('.dailycast-said').textContent")
    assert page.find_element("css selector", ".dailycast-said").text == "The audio cannot be played right now."
    page.get_log("browser")  # drops the expected 404


def test_without_javascript_it_can_be_heard_and_read(
    browser: Any, site: str, episode: DailyPodcast, alex: User
) -> None:
    sign_in(browser, site, alex)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(f"{site}/dailycast/episodes/{episode.pk}/")
    text = browser.find_element("css selector", "main").text
    assert all(cue["text"] in text for cue in episode.cues)
    assert browser.find_element("css selector", "audio").get_attribute("controls")
    assert [button.text for button in browser.find_elements("css selector", "button") if button.is_displayed()] == []


def test_a_requested_episode_appears(browser: Any, site: str, alex: User, settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "worker"  # this test runs the job
    settings.DAILYCAST_LLM_PROVIDERS, settings.DAILYCAST_TTS_PROVIDERS = ["template"], []
    sign_in(browser, site, alex)
    visit(browser, f"{site}/dailycast/")
    click(browser, "form[action$='/ask/'] button")
    wait_until(browser, "document.querySelector('[data-dailycast-poll]')")
    assert browser.find_element("css selector", ".dailycast-state [role=status]").text == (
        "The episode waits to be made."
    )
    podcast = DailyPodcast.objects.get(user=alex, source=Source.PAGE, status=Status.PENDING)
    services.run(podcast.pk)
    wait_until(browser, "document.querySelector('.dailycast-script')")
    assert console_errors(browser) == []


def test_the_private_link_is_copied(browser: Any, site: str, alex: User) -> None:
    sign_in(browser, site, alex)
    browser.get(f"{site}/dailycast/")
    grant = {"origin": site, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    browser.execute_cdp_cmd("Browser.grantPermissions", grant)
    click(browser, "[data-dailycast-copy]")
    wait_until(browser, "document.querySelector('[aria-labelledby=dailycast-feed] [role=status]').textContent")
    read = "const done = arguments[0]; navigator.clipboard.readText().then(done, error => done(String(error)))"
    link = browser.find_element("id", "dailycast-feed-link").get_attribute("value")
    assert browser.execute_async_script(read) == link
    assert link.startswith(f"{site}/dailycast/feed/")


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which is not in this repository: `npm pack axe-core`."""
    places = (Path(os.environ.get("AXE_CORE", "")), ROOT / "node_modules/axe-core/axe.min.js")
    found = next((place for place in places if place.is_file()), None)
    assert found, "Get axe-core (npm pack axe-core) and set AXE_CORE to its axe.min.js."
    return found.read_text(encoding="utf-8")


@pytest.fixture
def library(episode: DailyPodcast, alex: User) -> dict[str, str]:
    """Every kind of page by name: with audio, script-only, right to left, failed, in progress."""
    arabic = {
        "language": "ar",
        "title": "نهران",
        "script_text": "# نهران\n## مرحبا\nصباح الخير يا أليكس.\n[pause 4s]\nما النهر؟",
    }
    script_only = DailyPodcast.objects.create(user=alex, status=Status.COMPLETED, error_code="no_voice", **arabic)
    failed = DailyPodcast.objects.create(user=alex, status=Status.FAILED, error_code="budget")
    in_progress = DailyPodcast.objects.create(user=alex, status=Status.PENDING, next_attempt_at="2999-01-01T00:00Z")
    DailyPodcast.objects.filter(pk=episode.pk).update(heard_at="2026-01-01T00:00Z", created_at="2026-01-01T00:00Z")
    found = {
        f"{name} episode": f"episodes/{row.pk}/" for name, row in (("script-only", script_only), ("failed", failed))
    }
    found |= {"episode": f"episodes/{episode.pk}/", "in progress": f"episodes/{in_progress.pk}/"}
    return found | {"today": "", "archive": "archive/", "search": "archive/?q=nothing"}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_are_accessible(
    axe: str, library: dict[str, str], browser: Any, site: str, alex: User, width: int, scheme: str
) -> None:
    sign_in(browser, site, alex)
    resize(browser, width)
    prefer(browser, color_scheme=scheme)
    found: dict[str, Any] = {}
    for name, address in {**library, "host": "../"}.items():
        visit(browser, f"{site}/dailycast/{address}")
        browser.execute_script(f"const audio = {AUDIO}; if (audio) audio.currentTime = 20")
        browser.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
        time.sleep(0.1)
        browser.execute_script(axe)
        found[name] = browser.execute_async_script(AXE)
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, f"{name} scrolls sideways: {wide}"
    assert json.dumps({name: rows for name, rows in found.items() if rows}, indent=1, ensure_ascii=False) == "{}"
    assert console_errors(browser) == []


def test_axe_finds_a_missing_label(axe: str, browser: Any, site: str, alex: User) -> None:
    sign_in(browser, site, alex)
    browser.get(f"{site}/dailycast/")
    browser.execute_script("for (const label of document.querySelectorAll('label')) label.remove()")
    browser.execute_script(axe)
    assert "label" in [rule for _, rule, _ in browser.execute_async_script(AXE)]


def test_controls_are_large_enough_for_touch(library: dict[str, str], browser: Any, site: str, alex: User) -> None:
    sign_in(browser, site, alex)
    resize(browser, 360)
    for name, address in library.items():
        visit(browser, f"{site}/dailycast/{address}")
        browser.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
        small = browser.execute_script(SMALL_TARGETS)
        assert small == [], name
