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
MADE = (
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

SMALL = """
const touched = "button, input:not([type=hidden]), nav a, .dailycast-links a, summary";
const boxes = [...document.querySelectorAll(touched)].map(part => [part.outerHTML, part.getBoundingClientRect()]);
return boxes.filter(([_, box]) => box.height && (box.height < 24 || box.width < 24));
"""


def strict(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """A host's middleware that allows nothing inline and nothing from elsewhere."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response["Content-Security-Policy"] = "default-src 'self'"
        return response

    return middleware


@pytest.fixture(autouse=True)
def strict_host(settings: Any) -> None:
    settings.MIDDLEWARE = ["tests.integration.test_player.strict", *settings.MIDDLEWARE]


@pytest.fixture
def site(strict_host: None, styled: int) -> str:
    return f"http://127.0.0.1:{styled}"


@pytest.fixture
def open_browser(tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Each call is another profile: another person's, or the same person's other device."""
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


made: dict[str, tuple[dict[str, Any], bytes]] = {}


@pytest.fixture
def episode(settings: Any, alex: User) -> DailyPodcast:
    """A real one with the built-in voice, spoken once for all tests of this file."""
    settings.DAILYCAST_LLM_PROVIDERS, settings.DAILYCAST_TTS_PROVIDERS = ["template"], ["pico"]
    if not made:
        podcast = services.create_podcast_for_user(alex, "en")
        assert podcast.has_audio, podcast.error_message
        with podcast.audio_file.open() as file:
            made["en"] = {name: getattr(podcast, name) for name in MADE}, file.read()
        podcast.delete()
    values, data = made["en"]
    name = "podcasts/podcast_1_1701920000.mp3"
    storage.write_atomic(name, data)
    return DailyPodcast.objects.create(user=alex, audio_file=name, **values)


def resize(driver: Any, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def prefer(driver: Any, **features: str) -> None:
    """Media features, `prefers-` aside: `color_scheme="dark"`."""
    wanted = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})


def sign_in(driver: Any, site: str, user: User) -> None:
    client = Client()
    client.force_login(user)
    driver.get(f"{site}/static/dailycast/player.css")
    driver.add_cookie({"name": "sessionid", "value": client.cookies["sessionid"].value})


def visit(driver: Any, address: str) -> None:
    driver.get(address)
    if driver.execute_script(f"return {AUDIO} !== null"):
        until(driver, f"{AUDIO}.readyState > 0")


def until(driver: Any, condition: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not driver.execute_script(f"return Boolean({condition})"):
        assert time.monotonic() < deadline, f"{condition} never came true"
        time.sleep(0.05)


def kept(podcast: DailyPodcast, reached: Callable[[float], bool], seconds: float = 10) -> float:
    """The place on the row, once it is as it should be."""
    deadline = time.monotonic() + seconds
    while True:
        podcast.refresh_from_db()
        if reached(podcast.position_seconds):
            return podcast.position_seconds
        assert time.monotonic() < deadline, f"it stayed at {podcast.position_seconds} s"
        time.sleep(0.05)


def early(driver: Any, script: str) -> None:
    """Run `script` on the next pages before their own scripts."""
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})


def at(driver: Any) -> float:
    return float(driver.execute_script(f"return {AUDIO}.currentTime"))


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def click(driver: Any, selector: str) -> None:
    driver.execute_script("arguments[0].click()", driver.find_element("css selector", selector))


def complaints(driver: Any) -> list[str]:
    """What the console says, but for the icon of the style sheet that `sign_in` opens."""
    entries = [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    return [entry["message"] for entry in entries if "/favicon.ico" not in entry["message"]]


@pytest.fixture
def page(browser: Any, site: str, episode: DailyPodcast, alex: User) -> Iterator[Any]:
    """Alex's browser on the page of the episode. What it complains of fails the test."""
    sign_in(browser, site, alex)
    visit(browser, f"{site}/dailycast/episodes/{episode.pk}/")
    yield browser
    assert complaints(browser) == []


def test_it_plays_seeks_and_the_sentence_follows(page: Any, episode: DailyPodcast) -> None:
    length = float(episode.duration_seconds or 0)
    assert page.execute_script(f"return {AUDIO}.duration") == pytest.approx(length, abs=0.2)
    page.execute_script(f"{AUDIO}.currentTime = {0.8 * length}; {AUDIO}.play()")
    until(page, f"{AUDIO}.currentTime > {0.8 * length + 1}")
    page.execute_script(f"{AUDIO}.pause()")
    until(page, "document.querySelector('.dailycast-cues [aria-current]')")
    now = at(page)
    spoken = [cue for cue in episode.cues if cue["start"] <= now + 0.05][-1]
    current = page.find_elements("css selector", ".dailycast-cues [aria-current=true]")
    assert [button.text for button in current] == [spoken["text"]]
    until(
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
    until(page, f"{AUDIO}.currentTime >= {episode.cues[7]['start']} && !{AUDIO}.paused")
    click(page, ".dailycast-chapters li:last-child button")
    until(page, f"{AUDIO}.currentTime >= {episode.chapters[-1]['start']}")


def test_the_text_is_left_alone_while_somebody_moves_it(page: Any, episode: DailyPodcast) -> None:
    script = "document.querySelector('.dailycast-script')"
    page.execute_script(f"{script}.dispatchEvent(new WheelEvent('wheel')); {script}.scrollTop = 0;")
    page.execute_script(f"{AUDIO}.currentTime = {episode.cues[-2]['start'] + 0.1}")
    until(page, "document.querySelector('.dailycast-cues [aria-current]')")
    time.sleep(0.5)
    assert page.execute_script(f"return {script}.scrollTop") == 0


def test_who_wants_no_motion_gets_none(page: Any, episode: DailyPodcast) -> None:
    prefer(page, reduced_motion="reduce")
    moved = "document.querySelector('.dailycast-script').scrollTop"
    page.execute_script(
        "window.asked = []; const box = document.querySelector('.dailycast-script'), real = box.scrollTo.bind(box);"
        "box.scrollTo = wish => { window.asked.push(wish.behavior); real(wish); };"
        f"{AUDIO}.currentTime = {episode.cues[-2]['start'] + 0.1}"
    )
    until(page, f"{moved} > 0")
    assert page.execute_script("return window.asked") == ["instant"]


def test_the_speed_is_remembered(page: Any) -> None:
    click(page, "[data-rate='1.5']")
    assert page.execute_script(f"return {AUDIO}.playbackRate") == 1.5
    page.refresh()
    until(page, f"{AUDIO}.readyState > 0 && {AUDIO}.playbackRate === 1.5")
    pressed = page.find_elements("css selector", "[data-rate][aria-pressed=true]")
    assert [button.text for button in pressed] == ["1.5×"]


def test_back_ten_and_forward_thirty(page: Any) -> None:
    click(page, "[data-skip='30']")
    assert at(page) == pytest.approx(30, abs=0.1)
    click(page, "[data-skip='-10']")
    assert at(page) == pytest.approx(20, abs=0.1)
    for _ in range(3):
        click(page, "[data-skip='-10']")
    assert at(page) == 0


def test_it_goes_on_after_a_reload_and_on_another_device(
    page: Any, open_browser: Callable[[], Any], site: str, episode: DailyPodcast, alex: User
) -> None:
    page.execute_script(f"{AUDIO}.currentTime = 20; {AUDIO}.play()")
    until(page, f"{AUDIO}.currentTime > 21")
    page.refresh()  # without a pause before: what leaving the page sends has to arrive
    place = kept(episode, lambda seconds: seconds > 20.9)
    until(page, f"Math.abs({AUDIO}.currentTime - {place}) < 3")
    assert "You stopped at 0:2" in page.find_element("css selector", ".dailycast-said").text
    phone = open_browser()
    resize(phone, 360)
    sign_in(phone, site, alex)
    visit(phone, f"{site}/dailycast/")
    until(phone, f"Math.abs({AUDIO}.currentTime - {kept(episode, bool)}) < 0.5")


def test_looking_at_a_page_forgets_no_place(page: Any, site: str, episode: DailyPodcast) -> None:
    DailyPodcast.objects.update(position_seconds=25)
    for _ in range(2):
        page.refresh()
        until(page, f"{AUDIO}.currentTime > 24")
    page.get(f"{site}/dailycast/archive/")
    assert kept(episode, bool) == 25


def test_the_place_is_kept_while_it_plays(page: Any, episode: DailyPodcast) -> None:
    page.execute_script(f"{AUDIO}.currentTime = 5; {AUDIO}.playbackRate = 2; {AUDIO}.play()")
    kept(episode, lambda seconds: seconds > 20, 15)


def test_a_place_that_the_server_refused_is_sent_again(page: Any, site: str, episode: DailyPodcast) -> None:
    page.execute_script(
        "const real = window.fetch; window.refused = 0;"
        "window.fetch = () => { window.fetch = real; window.refused += 1;"
        " return Promise.resolve(new Response('', {status: 503})); };"
        f"{AUDIO}.currentTime = 12"
    )
    until(page, "window.refused")
    page.get(f"{site}/dailycast/archive/")
    assert kept(episode, lambda seconds: seconds > 11) == pytest.approx(12, abs=0.5)


def test_a_place_chosen_before_the_audio_has_come_is_where_it_plays(
    page: Any, site: str, episode: DailyPodcast
) -> None:
    DailyPodcast.objects.update(position_seconds=10)
    early(
        page,
        "new MutationObserver(() => { const a = document.querySelector('audio'); if (a) a.preload = 'none'; })"
        ".observe(document, {childList: true, subtree: true})",
    )
    page.get(f"{site}/dailycast/episodes/{episode.pk}/")
    click(page, "[data-skip='30']")
    assert page.execute_script(f"return {AUDIO}.readyState") == 0
    page.execute_script(f"{AUDIO}.preload = 'metadata'")
    until(page, f"{AUDIO}.readyState > 0 && !{AUDIO}.seeking")
    assert at(page) == pytest.approx(30, abs=0.1)


def test_who_listens_is_not_torn_out_of_it_when_another_episode_is_ready(
    page: Any, site: str, episode: DailyPodcast, alex: User, settings: Any
) -> None:
    settings.DAILYCAST_RUNNER = "worker"  # which is this test
    waiting = DailyPodcast.objects.create(user=alex, language="en", status=Status.PENDING, source=Source.PAGE)
    visit(page, f"{site}/dailycast/")
    page.execute_script(f"window.same = true; {AUDIO}.play()")
    until(page, f"{AUDIO}.currentTime > 0.2")
    settings.DAILYCAST_TTS_PROVIDERS = []
    services.run(waiting.pk)
    link = page.find_element("css selector", ".dailycast-state p > a")
    until(page, "!document.querySelector('.dailycast-state p > a').hidden")
    assert (link.text, page.execute_script(f"return [window.same, {AUDIO}.paused]")) == ("Look again", [True, False])
    click(page, ".dailycast-state p > a")
    until(page, "!document.querySelector('.dailycast-state')")


def test_near_the_end_it_counts_as_heard(page: Any, episode: DailyPodcast) -> None:
    mark = page.find_element("css selector", ".dailycast-heard")
    assert not mark.is_displayed()
    page.execute_script(f"{AUDIO}.currentTime = {AUDIO}.duration - 2; {AUDIO}.play()")
    until(page, f"{AUDIO}.ended")
    until(page, "!document.querySelector('.dailycast-heard').hidden")
    episode.refresh_from_db()
    assert episode.heard_at
    page.refresh()
    until(page, f"{AUDIO}.readyState > 0")
    assert at(page) == 0, "what was heard to its end begins anew"


def test_the_keys(page: Any) -> None:
    for key, seconds in (("l", 30), ("j", 20), ("\ue014", 25), ("\ue012", 20)):  # the arrows
        press(page, key)
        assert at(page) == pytest.approx(seconds, abs=0.1), key
    for key in (" ", "k"):
        press(page, key)
        until(page, f"!{AUDIO}.paused")
        press(page, key)
        until(page, f"{AUDIO}.paused")
    assert page.execute_script("return window.scrollY") == 0, "the space bar scrolls no page that it plays"


def test_a_button_keeps_its_space_bar(page: Any) -> None:
    page.execute_script("document.querySelector(\"[data-skip='30']\").focus()")
    press(page, " ")
    assert at(page) == pytest.approx(30, abs=0.1)
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
    assert (at(page), page.execute_script(f"return {AUDIO}.paused")) == (0, True)


def test_who_forbids_the_browser_to_remember_may_do_without_the_keys(
    page: Any, site: str, episode: DailyPodcast
) -> None:
    early(page, "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no'); }})")
    visit(page, f"{site}/dailycast/episodes/{episode.pk}/")
    page.execute_script("document.querySelector('.dailycast-keys').open = true")
    click(page, ".dailycast-keys input")
    press(page, "k")
    assert page.execute_script(f"return {AUDIO}.paused") is True


def test_the_lock_screen_knows_the_episode(page: Any, site: str, episode: DailyPodcast) -> None:
    page.execute_script(f"{AUDIO}.play()")
    until(page, "navigator.mediaSession.metadata")
    told = page.execute_script(
        "const m = navigator.mediaSession.metadata; return [m.title, m.artist, m.artwork.map(a => a.src)]"
    )
    assert told == [episode.title, "Daily podcast", [f"{site}/static/dailycast/cover.jpg"]]


def test_a_file_that_is_gone_is_told(page: Any, episode: DailyPodcast) -> None:
    page.execute_script(f"{AUDIO}.src = '/media/podcasts/podcast_1_1.mp3'")
    until(page, "document.querySelector('.dailycast-said').textContent")
    assert page.find_element("css selector", ".dailycast-said").text == "The audio cannot be played right now."
    page.get_log("browser")  # the 404 that was asked for


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


def test_an_episode_is_asked_for_and_appears(browser: Any, site: str, alex: User, settings: Any) -> None:
    settings.DAILYCAST_RUNNER = "worker"  # which is this test
    settings.DAILYCAST_LLM_PROVIDERS, settings.DAILYCAST_TTS_PROVIDERS = ["template"], []
    sign_in(browser, site, alex)
    visit(browser, f"{site}/dailycast/")
    click(browser, "form[action$='/ask/'] button")
    until(browser, "document.querySelector('[data-dailycast-poll]')")
    assert browser.find_element("css selector", ".dailycast-state [role=status]").text == (
        "The episode waits to be made."
    )
    podcast = DailyPodcast.objects.get(user=alex, source=Source.PAGE, status=Status.PENDING)
    services.run(podcast.pk)
    until(browser, "document.querySelector('.dailycast-script')")
    assert complaints(browser) == []


def test_the_private_link_is_copied(browser: Any, site: str, alex: User) -> None:
    sign_in(browser, site, alex)
    browser.get(f"{site}/dailycast/")
    grant = {"origin": site, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    browser.execute_cdp_cmd("Browser.grantPermissions", grant)
    click(browser, "[data-dailycast-copy]")
    until(browser, "document.querySelector('[aria-labelledby=dailycast-feed] [role=status]').textContent")
    read = "const done = arguments[0]; navigator.clipboard.readText().then(done, error => done(String(error)))"
    link = browser.find_element("id", "dailycast-feed-link").get_attribute("value")
    assert browser.execute_async_script(read) == link
    assert link.startswith(f"{site}/dailycast/feed/")


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core, which is no part of this repository: `npm pack axe-core`."""
    places = (Path(os.environ.get("AXE_CORE", "")), ROOT / "node_modules/axe-core/axe.min.js")
    found = next((place for place in places if place.is_file()), None)
    assert found, "Get axe-core (npm pack axe-core) and set AXE_CORE to its axe.min.js."
    return found.read_text(encoding="utf-8")


@pytest.fixture
def library(episode: DailyPodcast, alex: User) -> dict[str, str]:
    """Every kind of page there is, by name: with audio, to read, from right to left, failed, in the making."""
    arabic = {
        "language": "ar",
        "title": "نهران",
        "script_text": "# نهران\n## مرحبا\nصباح الخير يا أليكس.\n[pause 4s]\nما النهر؟",
    }
    read = DailyPodcast.objects.create(user=alex, status=Status.COMPLETED, error_code="no_voice", **arabic)
    failed = DailyPodcast.objects.create(user=alex, status=Status.FAILED, error_code="budget")
    making = DailyPodcast.objects.create(user=alex, status=Status.PENDING, next_attempt_at="2999-01-01T00:00Z")
    DailyPodcast.objects.filter(pk=episode.pk).update(heard_at="2026-01-01T00:00Z", created_at="2026-01-01T00:00Z")
    found = {f"{name} episode": f"episodes/{row.pk}/" for name, row in (("read", read), ("failed", failed))}
    found |= {"episode": f"episodes/{episode.pk}/", "making": f"episodes/{making.pk}/"}
    return found | {"today": "", "archive": "archive/", "search": "archive/?q=nothing"}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_anyone_can_use_it(
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
    assert complaints(browser) == []


def test_axe_sees_what_is_wrong(axe: str, browser: Any, site: str, alex: User) -> None:
    sign_in(browser, site, alex)
    browser.get(f"{site}/dailycast/")
    browser.execute_script("for (const label of document.querySelectorAll('label')) label.remove()")
    browser.execute_script(axe)
    assert "label" in [rule for _, rule, _ in browser.execute_async_script(AXE)]


def test_controls_are_large_enough_for_a_finger(library: dict[str, str], browser: Any, site: str, alex: User) -> None:
    sign_in(browser, site, alex)
    resize(browser, 360)
    for name, address in library.items():
        visit(browser, f"{site}/dailycast/{address}")
        browser.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
        small = browser.execute_script(SMALL)
        assert small == [], name
