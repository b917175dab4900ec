"""How a model speaks about the script that it has just written, in each language: words to recognise such a sentence.

A sentence is such a remark when it has a word for the script or for a change to it, and an offer or a hope.
"""

import re
from functools import cache

from .characters import fold

SCRIPT_WORDS = {
    "en": ("script", "scripts", "changes", "adjustments", "revisions", "edits", "tweaks", "tweaked", "adjusted"),
    "ja": ("台本", "スクリプト", "原稿", "修正", "調整", "変更"),
    "es": ("guion", "guión", "cambios", "ajustes", "modificaciones"),
    "fr": ("script", "scénario", "modifications", "ajustements", "changements"),
    "de": ("skript", "änderungen", "anpassungen", "änderungswünsche"),
    "it": ("copione", "script", "modifiche"),
    "pt": ("roteiro", "guião", "alterações", "ajustes", "modificações"),
    "nl": ("script", "aanpassingen", "wijzigingen"),
    "pl": ("skrypt", "scenariusz", "zmiany", "zmian", "poprawki", "poprawek"),
    "sv": ("manus", "manuset", "ändringar", "justeringar"),
    "tr": ("senaryo", "senaryonun", "senaryoyu", "değişiklik", "düzenleme"),
    "ru": ("сценарий", "скрипт", "изменения", "правки", "изменить"),
    "uk": ("сценарій", "скрипт", "зміни", "правки", "змінити"),
    "el": ("σενάριο", "αλλαγές", "τροποποιήσεις", "προσαρμογές"),
    "ko": ("스크립트", "대본", "원고", "수정"),
    "zh": ("脚本", "腳本", "文稿", "稿子", "修改", "调整", "調整"),
    "hi": ("स्क्रिप्ट", "पटकथा", "बदलाव", "संशोधन"),
    "ar": ("النص", "السيناريو", "تعديل", "تعديلات"),
    "vi": ("kịch bản", "chỉnh sửa", "thay đổi"),
    "th": ("สคริปต์", "ปรับแก้", "แก้ไข"),
    "id": ("naskah", "skrip", "perubahan", "penyesuaian"),
}
OFFERS = {
    "en": ("let me know", "feel free", "hope this", "hope the", "would you like", "if you'd like", "if you would like"),
    "ja": ("お知らせください", "お申し付けください", "ご希望", "必要であれば", "必要でしたら", "幸いです", "お気軽に"),
    "es": (
        "avísame",
        "házmelo saber",
        "hazme saber",
        "dime si",
        "espero que",
        "si quieres",
        "si necesitas",
        "si deseas",
    ),
    "fr": ("dites-moi", "dis-moi", "n'hésitez pas", "n'hésite pas", "j'espère que"),
    "de": ("lass mich wissen", "lassen sie mich wissen", "sag mir", "ich hoffe", "wenn du möchtest", "falls du"),
    "it": ("fammi sapere", "spero che", "se vuoi", "se desideri"),
    "pt": ("me avise", "avise-me", "diga-me", "espero que", "se quiser", "se precisar", "fique à vontade"),
    "nl": ("laat me weten", "laat het me weten", "laat het weten", "ik hoop", "als je"),
    "pl": ("daj znać", "mam nadzieję", "jeśli chcesz", "jeśli potrzebujesz"),
    "sv": ("hör av dig", "låt mig veta", "säg till", "jag hoppas", "om du vill"),
    "tr": ("bana bildirin", "haber ver", "umarım", "isterseniz", "istersen"),
    "ru": ("дайте знать", "дай знать", "надеюсь", "если хотите", "если нужно", "если нужны", "если хочешь"),
    "uk": ("дайте знати", "дай знати", "сподіваюся", "якщо хочете", "якщо потрібно", "якщо потрібні"),
    "el": ("ενημερώστε με", "πείτε μου", "πες μου", "ελπίζω", "αν θέλετε", "αν θέλεις", "αν χρειάζεστε"),
    "ko": ("알려 주세요", "알려주세요", "말씀해 주세요", "말씀해주세요", "원하시면", "필요하시면", "필요하면"),
    "zh": ("告诉我", "告訴我", "希望这", "希望這", "如果需要", "如需", "如果您", "随时", "隨時"),
    "hi": ("मुझे बताएं", "मुझे बताएँ", "मुझे बताइए", "आशा है", "उम्मीद है", "अगर आप", "यदि आप"),
    "ar": ("أخبرني", "أعلمني", "آمل", "أتمنى أن", "إذا أردت", "إذا كنت"),
    "vi": ("cho tôi biết", "hy vọng", "nếu bạn"),
    "th": ("แจ้งให้", "บอกฉัน", "บอกได้", "หวังว่า", "หากต้องการ", "ถ้าต้องการ", "หากคุณ"),
    "id": ("beri tahu", "semoga", "jika anda", "jika ingin"),
}
# What stands before the colon of a line like "Word count: 620".
COUNT_LABELS = {
    "en": ("word count", "total words", "character count", "estimated", "approximate", "length", "duration", "runtime"),
    "ja": ("文字数", "単語数", "語数", "所要時間", "再生時間", "長さ"),
    "es": ("número de palabras", "recuento de palabras", "palabras", "duración", "caracteres"),
    "fr": ("nombre de mots", "nombre de caractères", "durée", "longueur"),
    "de": ("wortanzahl", "wortzahl", "anzahl der wörter", "wörter", "zeichenzahl", "dauer", "länge", "sprechdauer"),
    "it": ("numero di parole", "conteggio parole", "conteggio delle parole", "durata", "caratteri"),
    "pt": ("contagem de palavras", "número de palavras", "duração", "caracteres"),
    "nl": ("aantal woorden", "woordenaantal", "woorden", "duur", "lengte"),
    "pl": ("liczba słów", "liczba znaków", "długość", "czas trwania"),
    "sv": ("antal ord", "ordantal", "längd", "antal tecken"),
    "tr": ("kelime sayısı", "karakter sayısı", "süre", "uzunluk"),
    "ru": ("количество слов", "число слов", "количество символов", "длительность", "объём", "объем"),
    "uk": ("кількість слів", "кількість символів", "тривалість", "обсяг"),
    "el": ("αριθμός λέξεων", "πλήθος λέξεων", "αριθμός χαρακτήρων", "διάρκεια"),
    "ko": ("단어 수", "단어수", "글자 수", "글자수", "분량", "길이"),
    "zh": ("字数", "字數", "总字数", "總字數", "词数", "时长", "預計時長", "预计时长", "长度"),
    "hi": ("शब्द संख्या", "शब्दों की संख्या", "कुल शब्द", "अवधि"),
    "ar": ("عدد الكلمات", "عدد الأحرف", "المدة"),
    "vi": ("số từ", "số ký tự", "thời lượng", "độ dài"),
    "th": ("จำนวนคำ", "จำนวนตัวอักษร", "ความยาว"),
    "id": ("jumlah kata", "jumlah karakter", "durasi"),
}
TITLE_LABELS = {
    "en": ("title", "episode title", "podcast title"),
    "ja": ("タイトル", "題名"),
    "es": ("título",),
    "fr": ("titre",),
    "de": ("titel",),
    "it": ("titolo",),
    "pt": ("título",),
    "nl": ("titel",),
    "pl": ("tytuł",),
    "sv": ("titel",),
    "tr": ("başlık",),
    "ru": ("название", "заголовок"),
    "uk": ("назва", "заголовок"),
    "el": ("τίτλος",),
    "ko": ("제목",),
    "zh": ("标题", "標題"),
    "hi": ("शीर्षक",),
    "ar": ("العنوان", "عنوان"),
    "vi": ("tiêu đề",),
    "th": ("ชื่อเรื่อง",),
    "id": ("judul",),
}
END_MARKS = {  # a last line that is nothing but this
    "en": ("end", "end of script", "end of the script", "end of podcast", "end of episode"),
    "ja": ("終わり", "終", "完"),
    "es": ("fin", "fin del guion", "fin del guión"),
    "fr": ("fin", "fin du script"),
    "de": ("ende", "ende des skripts"),
    "it": ("fine", "fine del copione"),
    "pt": ("fim", "fim do roteiro"),
    "nl": ("einde", "einde van het script"),
    "pl": ("koniec", "koniec skryptu"),
    "sv": ("slut",),
    "tr": ("son",),
    "ru": ("конец", "конец сценария"),
    "uk": ("кінець", "кінець сценарію"),
    "el": ("τέλος",),
    "ko": ("끝",),
    "zh": ("完", "结束", "結束"),
    "hi": ("समाप्त",),
    "ar": ("النهاية",),
    "vi": ("hết",),
    "th": ("จบ",),
    "id": ("selesai",),
}
MAX_REMARK_LENGTH = 400  # characters
MAX_LABEL_LENGTH = 60


def is_remark(sentence: str, code: str) -> bool:
    """Whether `sentence`, in the language `code` or in English, is about the script and not a part of it."""
    if len(sentence) > MAX_REMARK_LENGTH:
        return False
    text = fold(sentence)
    return bool(_script_word(code).search(text) and _offer(code).search(text))


def names_a_script(text: str, code: str) -> bool:
    """Whether `text` has a word for a script or a podcast."""
    return bool("podcast" in fold(text) or _script_word(code).search(fold(text)))


def is_count(line: str, code: str) -> bool:
    """Whether `line` is like `Word count: 620`."""
    label, value = split_label(line)
    return bool(label and re.search(r"\d", value[:MAX_LABEL_LENGTH])) and label.startswith(_words(COUNT_LABELS, code))


def is_end_mark(line: str, code: str) -> bool:
    return _bare(line[:MAX_LABEL_LENGTH]) in _words(END_MARKS, code)


def without_title_label(line: str, code: str) -> str:
    """`Title: A good day` as `A good day`; "" for a line without such a label."""
    label, value = split_label(line)
    return value.strip(" *_") if label in _words(TITLE_LABELS, code) else ""


def split_label(line: str) -> tuple[str, str]:
    """What stands before and after the first colon of `line`; ("", "") where that is no label."""
    label, colon, value = line.replace("：", ":").partition(":")
    return (_bare(label), value) if colon and len(label) <= MAX_LABEL_LENGTH else ("", "")


def _bare(words: str) -> str:
    return fold(words.strip(" \t*_~`#>-–—=()[]（）【】.。!"))


def _words(by_language: dict[str, tuple[str, ...]], code: str) -> tuple[str, ...]:
    return tuple(map(fold, (*by_language.get(code, ()), *by_language["en"])))


@cache
def _script_word(code: str) -> re.Pattern[str]:
    return _any_of(_words(SCRIPT_WORDS, code), code)


@cache
def _offer(code: str) -> re.Pattern[str]:
    return _any_of(_words(OFFERS, code), code)


def _any_of(words: tuple[str, ...], code: str) -> re.Pattern[str]:
    """Any of `words`, from the start of a word where the language puts spaces before each."""
    found = "|".join(map(re.escape, words))
    return re.compile(found if code in ("ja", "zh", "th", "ko", "ar") else rf"(?<!\w)(?:{found})")
