"""What models really answer, and what of it is spoken."""

import re

import pytest
from hypothesis import given, reject

from dailycast.errors import ProviderError
from dailycast.languages.table import LANGUAGES
from dailycast.script.grammar import normalise_completion, parse
from dailycast.script.model_answer import MAX_LENGTH, extract_script
from tests.script.texts import language_codes, no_deadline, texts


def saved(answer: str, language: str = "en") -> str:
    """What of a model's answer is saved, blank lines left out."""
    text = normalise_completion(extract_script(answer, language))
    return "\n".join(line for line in text.split("\n") if line)


SCRIPT = """\
# Your day, Alex
## Warm-up
Good morning, Alex.
What is the past tense of "to go"?
[pause 4s]
It is "went".
See you tomorrow!"""

THOUGHTS = "Okay, the user wants a podcast. Alex made 2 mistakes.\n\n# Plan\n- greet\n- [pause 4s]\nLet me write it."


@pytest.mark.parametrize(
    "answer",
    [
        f"<think>\n{THOUGHTS}\n</think>\n\n{SCRIPT}",  # DeepSeek R1, Qwen 3 by Ollama or vLLM
        f"<think>\n\n</think>\n\n{SCRIPT}",  # Qwen 3 told not to think
        f"{THOUGHTS}\n</think>\n\n{SCRIPT}",  # R1's template opens the tag in the prompt
        f"<think>{THOUGHTS} I close it with <think> and so on.</think>{SCRIPT}",
        f"<think>a</think>b<think>{THOUGHTS}</think>\n{SCRIPT}".replace("b", ""),
        f"<thinking>\n{THOUGHTS}\n</thinking>\n{SCRIPT}",
        f"<reasoning>{THOUGHTS}</reasoning>\n<answer>\n{SCRIPT}\n</answer>",
        f"<Thought>{THOUGHTS}</Thought>{SCRIPT}",
        f"<thoughts>{THOUGHTS}</thoughts>{SCRIPT}",
        f'<think type="deep">{THOUGHTS}</think>{SCRIPT}',
        f"<seed:think>{THOUGHTS}</seed:think>{SCRIPT}",  # ByteDance Seed-OSS
        f"[THINK]{THOUGHTS}[/THINK]{SCRIPT}",  # Mistral's Magistral
        f"◁think▷{THOUGHTS}◁/think▷{SCRIPT}",  # Kimi-VL
        f"<|START_THINKING|>{THOUGHTS}<|END_THINKING|><|START_RESPONSE|>{SCRIPT}<|END_RESPONSE|>",  # Command A
        f"<|begin_of_thought|>{THOUGHTS}<|end_of_thought|>{SCRIPT}",
        f"<|channel|>analysis<|message|>{THOUGHTS}<|end|><|start|>assistant<|channel|>final<|message|>{SCRIPT}<|return|>",
        f"analysis{THOUGHTS}assistantfinal{SCRIPT}",  # gpt-oss through a server that leaves special tokens out
        f"&lt;think&gt;{THOUGHTS}&lt;/think&gt;\n{SCRIPT}",
        f"Let me think about what Alex needs today.\n\n{SCRIPT}",
    ],
)
def test_thoughts_are_not_spoken(answer: str) -> None:
    assert saved(answer) == SCRIPT


@pytest.mark.parametrize(
    "answer",
    [
        f"<think>\n{THOUGHTS}",
        f"<think>\n{THOUGHTS}\n{SCRIPT}",
        f"[THINK]{THOUGHTS}",
        f"<|channel|>analysis<|message|>{THOUGHTS}",
        f"{SCRIPT}\n<thinking>Is that good?",
        f"&lt;think&gt;{THOUGHTS}",
    ],
)
def test_thoughts_without_an_end_are_refused(answer: str) -> None:
    with pytest.raises(ProviderError, match="the model's reasoning, cut before its script"):
        saved(answer)


@pytest.mark.parametrize(
    ("language", "before", "after"),
    [
        ("en", "Sure! Here is your podcast script:", "I hope this script helps! Let me know if you want any changes."),
        ("en", "Certainly.\n\n---\n", "---\n\n*Word count: 620*"),
        (
            "en",
            "Here's a 4-minute script for Alex.",
            "---\n**Note:** Let me know if you'd like adjustments to the tone.",
        ),
        ("en", "", "(Word count: approximately 612 words)\n\n[End of script]"),
        ("en", "", "**Estimated length: 4 minutes**\n\n— End of podcast —"),
        (
            "ja",
            "承知しました。以下がポッドキャストの台本です：",
            "---\n修正のご希望があればお知らせください。\n\n文字数：約1,500文字",
        ),
        (
            "es",
            "¡Claro! Aquí tienes el guion:",
            "Espero que el guion te guste. Avísame si quieres cambios.\n\nPalabras: 540",
        ),
        ("fr", "Bien sûr ! Voici le script :", "N’hésitez pas à demander des modifications.\n\nNombre de mots : 580"),
        ("de", "Gerne! Hier ist dein Skript:", "Lass mich wissen, ob du Änderungen möchtest.\n\nWortanzahl: 560"),
        ("it", "Certo! Ecco il copione:", "Fammi sapere se desideri modifiche.\n\nNumero di parole: 520"),
        ("pt", "Claro! Aqui está o roteiro:", "Espero que o roteiro ajude. Me avise se precisar de ajustes."),
        ("nl", "Natuurlijk! Hier is het script:", "Laat het me weten als je aanpassingen wilt.\n\nAantal woorden: 530"),
        ("pl", "Oczywiście! Oto skrypt:", "Daj znać, jeśli chcesz zmiany.\n\nLiczba słów: 500"),
        ("sv", "Självklart! Här är manuset:", "Säg till om du vill ha ändringar.\n\nAntal ord: 510"),
        ("tr", "Elbette! İşte senaryo:", "İsterseniz senaryoyu değiştirebilirim.\n\nKelime sayısı: 480"),
        ("ru", "Конечно! Вот сценарий:", "Дайте знать, если нужны правки.\n\nКоличество слов: 470"),
        ("uk", "Звичайно! Ось сценарій:", "Дайте знати, якщо потрібні зміни.\n\nКількість слів: 470"),
        ("el", "Βεβαίως! Ορίστε το σενάριο:", "Πείτε μου αν θέλετε αλλαγές.\n\nΑριθμός λέξεων: 520"),
        ("ko", "네! 대본입니다:", "수정이 필요하시면 말씀해 주세요.\n\n글자 수: 약 1,500자"),
        ("zh", "好的！以下是播客脚本：", "如果需要修改脚本，请告诉我。\n\n字数：约1200字"),
        ("hi", "ज़रूर! यह रही स्क्रिप्ट:", "अगर आप बदलाव चाहते हैं तो मुझे बताएं।\n\nशब्द संख्या: 500"),
        ("ar", "بالتأكيد! إليك النص:", "أخبرني إذا أردت أي تعديلات.\n\nعدد الكلمات: 450"),
        ("vi", "Chắc chắn rồi! Đây là kịch bản:", "Hãy cho tôi biết nếu bạn muốn chỉnh sửa.\n\nSố từ: 600"),
        ("th", "ได้เลย! นี่คือสคริปต์:", "หากต้องการแก้ไขสคริปต์ โปรดแจ้งให้ทราบ\n\nจำนวนคำ: 400"),
        ("id", "Tentu! Ini naskahnya:", "Beri tahu saya jika ingin perubahan.\n\nJumlah kata: 500"),
    ],
)
def test_what_is_said_about_the_script_is_not_spoken(language: str, before: str, after: str) -> None:
    assert saved(f"{before}\n\n{SCRIPT}\n\n{after}", language) == SCRIPT
    assert saved(f"{before}\n\n```markdown\n{SCRIPT}\n```\n\n{after}", language) == SCRIPT
    assert saved(f"{before}\n\n{SCRIPT} {after.splitlines()[-1]}", language).startswith(SCRIPT)


def test_there_is_a_sample_for_each_language() -> None:
    samples = test_what_is_said_about_the_script_is_not_spoken.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {language for language, *_ in samples} == set(LANGUAGES)


@pytest.mark.parametrize(
    "farewell",
    [
        *(
            "See you tomorrow!",
            "I hope this helps you on your way to work.",
            "Let me know how it goes.",
            "Good luck, Alex.",
        ),
        *("Feel free to listen again tonight.", "Tomorrow we write our first JavaScript together. See you!"),
        *("In the next lesson you will run the script yourself.", "You learned 20 words today: well done!", "Bye 👋"),
        *(
            "また明日お会いしましょう。",
            "¡Hasta mañana!",
            "À demain !",
            "Bis morgen, Alex!",
            "明天见！",
            "До завтра!",
            "إلى اللقاء غدًا!",
        ),
        *(
            "Ich hoffe, du hast einen guten Tag.",
            "Espero que tengas un buen día.",
            "何かあれば、お気軽に先生に聞いてください。",
        ),
    ],
)
@pytest.mark.parametrize("rule", ["", "---\n"])
def test_a_farewell_is_spoken(farewell: str, rule: str) -> None:
    for language in ("en", "ja", "es", "fr", "de", "zh", "ru", "ar"):
        assert saved(f"# T\nHello.\n\n{rule}{farewell}", language).endswith(farewell)
    assert saved(f"# T\nHello.\n{farewell}\nLet me know if you want changes.") == f"# T\nHello.\n{farewell}"


@pytest.mark.parametrize(
    "text",
    [
        "Let's begin with a question:\n\nWhat is the past tense of go?",
        "Hello, Alex.\n[pause 2s]\n# A good day\n## One\nBye.",
        "## One\nHello.\n# Two\nBye.",
        '# T\nThe word is "descanso" (pausa), and *pause* is the verb.',
        "# T\n{name}, good morning. {p1.question}\n[pause 4s]\n{p1.answer}",
        "# T\n[item p3]\nWhat does [ja]犬[/ja] mean?\n[pause 4s]\nA dog.",
        "# T\nIn (brackets) and [brackets] and **bold** and (a silence of the lambs, as it were).",
        "# T\nThe first:\n**one**\nand two.\n**two**",
        "# T\nWhat is the past of go?\n[pause 4s]\n**went**\nAnd of see?\n[pause 4s]\n**saw**",
        "# T\n（間違い）は直しましょう。",
        "# T\nAT&T, R&D, &c. and a & b; x &lt y",
    ],
)
def test_the_rest_is_left_as_it_is(text: str) -> None:
    assert saved(text) == normalise_completion(text).replace("\n\n", "\n").replace("# Two", "## Two")


PLAIN = "# A day\n## One\nHello.\n## Two\nBye."


@pytest.mark.parametrize(
    "answer",
    [
        '{"title": "A day", "script": "## One\\nHello.\\n## Two\\nBye."}',
        '```json\n{"title": "A day", "text": "## One\\nHello.\\n## Two\\nBye."}\n```',
        '{"script": "# A day\\n## One\\nHello.\\n## Two\\nBye."}',
        '{"title": "A day", "sections": [{"title": "One", "text": "Hello."}, {"heading": "Two", "content": "Bye."}]}',
        '{"podcast": {"title": "A day", "language": "en", "duration_minutes": 4, "chapters": ['
        '{"title": "One", "lines": ["Hello."]}, {"title": "Two", "script": "Bye."}]}}',
        'Here is the JSON:\n\n```json\n{"title": "A day", "script": "## One\\nHello.\\n## Two\\nBye."}\n```\nEnjoy!',
        'Here is your script:\n{"title": "A day", "script": "## One\\nHello.\\n## Two\\nBye."}',
        '<think>JSON it is.</think>{"title": "A day", "script": "## One\nHello.\n## Two\nBye."}',
        "### A day\n\n### One\nHello.\n\n### Two\nBye.",
        "## A day\n\n## One\nHello.\n\n## Two\nBye.",
        "# A day\n# One\nHello.\n# Two\nBye.",
        "# A day\n### One\nHello.\n#### Two\nBye.",
        "**A day**\n\n**One**\n\nHello.\n\n**Two**\n\nBye.",
        "# A day\n\n**One:**\nHello.\n\n__Two__\nBye.",
        "A day\n=====\n\nOne\n---\n\nHello.\n\nTwo\n---\n\nBye.",
        "Title: A day\n\n## One\nHello.\n## Two\nBye.",
        "**Title: A day**\n\n**One**\nHello.\n\n**Two**\nBye.",
        "# Title: A day\n## One\nHello.\n## Two\nBye.",
        "**# A day**\n**## One**\nHello.\n**## Two**\nBye.",
    ],
)
def test_json_and_other_headings_are_understood(answer: str) -> None:
    assert saved(answer) == PLAIN


@pytest.mark.parametrize(
    "answer",
    [
        '{"error": "model overloaded"}',
        '{"title": "A day"}',
        '{"title": "A day", "script": ["Hello.", {"pause": 4}, "Bye."]}',
        '{"title": "A day", "script": "Hello.", "farewell": "See you tomorrow, Alex."}',
        '{"title": "A day", "script": "Hello',
        '{"questions": [{"q": "What?", "a": "went"}]}',
        "{}",
        '[{"role": "assistant", "content": "Hello."}]',
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"script": ' + "9" * 5_000 + "}",
    ],
)
def test_any_other_json_is_refused(answer: str) -> None:
    with pytest.raises(ProviderError) as caught:
        saved(answer)
    assert caught.value.permanent


PAUSES = """
[pause 4s] · (pause) · [PAUSE] · [pause] · [pause for 4 seconds] · [4 second pause] · [Pause: 4s]
*pause* · <break time="4s"/> · <break time="4000ms" /> · <break/> · (4-second pause)
(Pause – 4 sec.) · **[Pause]** · *(pause for four seconds)* · (short pause) · [pause 4]
[Pause to think.] · _(Silence.)_ · （pause 4s） · [ポーズ] · （4秒間のポーズ） · ［ポーズ４秒］ · （間） · 【4秒待つ】
（４秒の沈黙） · [一時停止 4秒] · [pausa] · (pausa de 4 segundos) · [Silencio: 4 s] · [pause de 4 secondes]
(courte pause) · [4 Sekunden Pause] · (Denkpause) · [pausa di 4 secondi] · (silenzio)
(pausa de 4 segundos) · [4 seconden pauze] · (stilte) · [pauza 4 sekundy] · (4 sekundy ciszy)
(paus 4 sekunder) · [4 sekunders paus] · [4 saniye duraklama] · (kısa sessizlik)
[пауза 4 секунды] · (4-секундная пауза) · (пауза 4 секунди) · [тиша] · [παύση 4 δευτερολέπτων]
(σιωπή) · [4초 멈춤] · (잠시 멈춤) · （停顿4秒） · [暂停] · [4 सेकंड का विराम] · (मौन) · [توقف لمدة 4 ثوانٍ]
(صمت) · [tạm dừng 4 giây] · (im lặng) · [หยุดชั่วคราว 4 วินาที] · (เว้นจังหวะ) · [jeda 4 detik]
(hening)
"""


@pytest.mark.parametrize("pause", re.split(r" · |\n", PAUSES.strip()))
def test_a_pause_however_it_is_written(pause: str) -> None:
    wanted = "# T\nWhat is it?\n[pause 4s]\nIt is went."
    assert saved(f"# T\nWhat is it?\n{pause}\nIt is went.") == wanted
    assert saved(f"# T\nWhat is it?\n\n{pause}\n\nIt is went.") == wanted
    assert saved(f"# T\nWhat is it? {pause} It is went.") == wanted


@pytest.mark.parametrize(
    ("pause", "seconds"),
    [
        *(
            ("[pause 2,5s]", "2.5"),
            ("（ポーズ２．５秒）", "2.5"),
            ("[pause ٣s]", "3"),
            ("(pause for 90 seconds)", "15"),
        ),
        *(('<break time="500ms"/>', "0.5"), ("[pause 0s]", "0.5"), ("[pause soon]", "4"), ("[2 second pause]", "2")),
    ],
)
def test_the_seconds_of_a_pause(pause: str, seconds: str) -> None:
    assert saved(f"Well? {pause} Yes.") == f"Well?\n[pause {seconds}s]\nYes."


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Tom &amp; Jerry &#39;s &quot;day&quot;&nbsp;off &#x2014; ok", 'Tom & Jerry \'s "day" off — ok'),
        ("Tom &amp;amp; Jerry&amp;#39;s &amp;lt;b&amp;gt;day&amp;lt;/b&amp;gt;", "Tom & Jerry's day"),
        ("&lt;b&gt;Bold&lt;/b&gt;&lt;br/&gt;and &#42;&#42;so&#42;&#42;", "Bold and so"),
        ("a&#0;b&#xD800;c&#1;d&#99999999;e&unknown;f", "a\ufffdb\ufffdcd&#99999999;e&unknown;f"),
    ],
)
def test_entities_are_decoded(text: str, spoken: str) -> None:
    assert parse(saved(text), "en").clips == (spoken,)


def test_an_answer_without_end_is_refused_unread() -> None:
    with pytest.raises(ProviderError, match="runs on"):
        extract_script("a" * (MAX_LENGTH + 1), "en")


def test_an_answer_that_is_mostly_before_its_title_is_refused() -> None:
    with pytest.raises(ProviderError, match="before its title"):
        saved("I wonder what to say to Alex. " * 9 + "\n# T\nHello.")


@no_deadline
@given(texts, language_codes)
def test_any_answer_is_a_script_that_can_be_saved_or_refused(text: str, language: str) -> None:
    try:
        script = extract_script(text, language)
    except ProviderError:
        reject()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", script)
    parse(normalise_completion(script), language)
