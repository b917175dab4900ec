"""The full stops that do not end a sentence: those of abbreviations and of ordinal numbers, by language.

Where two readings are possible, the sentence goes on: a caption that is too long does less harm than half a date.
"""

import re
from dataclasses import dataclass
from functools import cache

LONGEST = 20  # characters of the longest abbreviation


@dataclass(frozen=True)
class Abbreviations:
    """Words are written without their last full stop; one in lower case may also begin with a capital."""

    before_words: str = ""  # a word always follows, so they end no sentence
    before_numbers: str = ""  # they end no sentence where a number follows
    before_nouns: str = ""  # they end a sentence only where one of `openers` follows
    openers: str = ""  # words that begin a sentence and follow no ordinal number
    has_ordinals: bool = False  # "der 2. Weltkrieg": a full stop after a number makes it an ordinal
    word_pattern: str = ""  # more of before_words, as a regular expression
    number_pattern: str = ""  # more of before_numbers, as a regular expression


COMMON = Abbreviations(
    "Dr Mr Mrs Ms Prof St Jr Sr Sra Dra Mme Mlle Hr Fr Nr Sig Dott vs",
    "no nos nr fig figs vol vols p pp",
    # A single letter, say an initial; in Arabic also with "and" before it or a tatweel after it.
    word_pattern=r"[A-Za-z\u00c0-\u024f\u0370-\u052f]|\u0648?[\u0621-\u064a]\u0640?",
)

ABBREVIATIONS = {
    "en": Abbreviations(
        before_words="""
            Drs Messrs Mx Rev Hon Gen Col Capt Cpt Lt Sgt Maj Cmdr Gov Sen Pres Supt Mt Ft Ste approx cf viz esp incl
            ca
        """,
        before_numbers="""
            para pg ch chap sec eq ex pt ver approx ext Art Tel Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec
        """,
        word_pattern=r"et al",
    ),
    "es": Abbreviations(
        before_words="""
            sr sra srta srtas sres sras dr dra dres dras prof profa dña ud uds vd vds lic lcda ing arq mons gral cnel
            mtro mtra Sto Sta av avda pza EE UU RR HH JJ OO FF AA CC ej aprox cf cfr
        """,
        before_numbers="""
            pág págs núm núms nro art arts cap caps ed tel ref ene feb mar abr may jun jul ago sep sept set oct nov
            dic
        """,
    ),
    "fr": Abbreviations(
        before_words="MM Mmes Mlles Drs Pr Me Mgr Ste Sts Stes Cie Bd Av boul av ex env cf fg",
        before_numbers="art ch chap pl éd tél réf al env janv févr avr juil sept oct nov déc",
    ),
    "de": Abbreviations(
        before_words="""
            Dres Hrn Frl Dipl Ing Mag bzw ca evtl ggf inkl exkl zzgl sog vgl insb bes ehem gem lt bspw zB dh geb verh
            mind Mio Mrd Fa Hrsg Allg allg ebd ev kath
        """,
        before_numbers="""
            Abs Abb Art Tel Kap Bd Bde Tab Aufl Jg Anm Kl Str Pl max min Jan Feb Mrz Mär Apr Jun Jul Aug Sep Sept Okt
            Nov Dez
        """,
        before_nouns="Jh Jhd Jhdt Chr Std Min Sek",
        openers="""
            Aber Alle Allerdings Also Am An Auch Auf Aus Außerdem Bei Bis Bitte Da Dabei Dadurch Dafür Daher Damals
            Damit Danach Dann Daran Darauf Darum Das Dass Davor Dazu Dein Deine Dem Den Denn Dennoch Der Deshalb
            Dessen Die Dies Diese Dieser Dieses Doch Dort Du Durch Ein Eine Einem Einen Einer Erst Es Er Euer Für
            Genau Gestern Gut Hast Heute Hier Ich Ihr Ihre Im Immer In Ist Ja Jede Jeder Jedes Jedoch Jetzt Kannst
            Kein Keine Lass Man Manche Manchmal Mein Meine Mit Morgen Nach Nachdem Nein Nicht Noch Nun Nur Ob Obwohl
            Oder Oft Ohne Schließlich Schon Sein Seine Seit Seitdem Sie Sind So Sobald Sonst Später Trotzdem Über Um
            Und Unser Unsere Unter Viele Vielleicht Von Vor Vorher War Waren Warum Was Weil Weißt Welche Welcher
            Welches Wenn Wer Wie Wieder Willst Wir Wo Woher Wohin Zu Zuerst Zum Zur Zuletzt Zwar Zwischen
        """,
        has_ordinals=True,
        number_pattern=r"\w{0,16}str",
    ),
    "it": Abbreviations(
        before_words="""
            sig sigg sig.ra sig.na sig.ri dott dott.ssa dr dr.ssa prof prof.ssa proff ing avv arch geom rag On sen
            mons SS spett egr gent gent.mo gent.ma ill es ca cfr
        """,
        before_numbers="""
            pag pagg art artt cap ed tel figg voll num sec gen feb mar apr mag giu lug ago set sett ott nov dic
        """,
    ),
    "pt": Abbreviations(
        before_words="""
            sr sra srta srtas srs sras dr dra drs dras prof profa eng enga arq av exmo exma ilmo ilma Pe Sta Sto Cia
            ex aprox cf
        """,
        before_numbers="""
            pág págs núm art arts cap caps ed tel séc jan fev mar abr mai jun jul ago set out nov dez
        """,
    ),
    "nl": Abbreviations(
        before_words="dhr mevr mw dr drs ir ing prof mr ds bijv bv ca excl incl evt resp vgl zgn nl ong",
        before_numbers="""
            nrs blz pag art tel hfst dl afb str jan feb febr mrt apr jun jul aug sep sept okt nov dec
        """,
    ),
    "pl": Abbreviations(
        before_words="""
            dr prof mgr inż hab lek gen płk kpt por mjr św bł ks al ul os woj pow gm tzw tzn tj m.in np wg ds dot zob
            red tys
        """,
        before_numbers="""
            str s rozdz rys tab art ust pkt poz godz ok tel sty lut mar kwi maj cze lip sie wrz paź lis gru
        """,
        before_nouns="im",
        openers="""
            A Ale Bo Był Była Było Byli Chociaż Co Czy Czyli Dlaczego Dlatego Do Dziś Dzisiaj Gdy Gdzie I Ich Ile Ja
            Jak Jaka Jaki Jakie Jego Jej Jednak Jest Jeśli Już Kiedy Kto Która Które Który Lecz Ma Mam Masz Może
            Możesz Musisz My Na Nie O Od Ona One Oni Ono On Oraz Po Poczekaj Podczas Pomyśl Ponieważ Potem Później
            Przed Są Stąd Ta Tak Także Tam Te Ten Teraz To Twoja Twoje Twój Ty Tutaj U W Wczoraj Wiesz Więc Wtedy Wy Z
            Za Zanim Ze Że Zatem Znasz
        """,
        has_ordinals=True,
    ),
    "sv": Abbreviations(
        before_words="dr prof hr fr ex t.ex dvs ca inkl exkl jfr ung evtl resp fd",
        before_numbers="sid kap kl art tel avd tfn jan feb mar apr jun jul aug sep sept okt nov dec",
    ),
    "tr": Abbreviations(
        before_words="""
            Doç Yrd Öğr Gör Arş Av Uzm Op Müh Alb Yzb Hz Mah Cad Sok Blv Bul Apt Ltd Şti örn bkz çev haz Sn Sy
        """,
        before_numbers="sf syf tel böl şek md mad yak dk Oca Şub Nis May Haz Tem Ağu Eyl Eki Kas Ara",
        before_nouns="yy",
        openers="""
            Ama Ancak Artık Aslında Bana Bazı Belki Ben Beni Benim Bence Biz Bizim Bir Biri Birlikte Bu Bugün Buna
            Bundan Bunu Bunun Burada Çünkü Çok Daha Demek Dün Eğer En Evet Fakat Gerçekten Hadi Haydi Hangi Hayır Hem
            Henüz Hep Her Hiç İşte İyi Kaç Kim Lütfen Ne Neden Nerede Nasıl Niçin Niye O Ona Ondan Onlar Onu Onun
            Orada Önce Öyle Peki Sana Sen Seni Senin Siz Sizin Son Sonra Sonunda Şimdi Şu Tabii Tamam Tekrar Ve Veya
            Ya Yani Yarın Yine Zaten
        """,
        has_ordinals=True,
    ),
    "ru": Abbreviations(
        before_words="""
            ул пр просп пер пл бул наб пос дер проф акад доц канд гр тов св см ср напр гос обл англ лат нем фр греч
            франц итал исп тыс
        """,
        before_numbers="""
            стр рис табл гл пп ст кв корп ред изд вып кн разд ок янв фев февр мар апр июн июл авг сен сент окт ноя
            нояб дек
        """,
        before_nouns="им др гг вв руб",
        openers="""
            А Более Без Были Был Была Было В Вам Вас Вот Все Всё Вы Где Да Для До Его Ее Её Если Есть Еще Ещё За
            Завтра Здесь Зачем И Из Или Их К Как Какая Какие Какой Когда Кроме Кто Мы На Нам Нас Не Нет Но Ну О Об
            Однако Он Она Они Оно От Очень По Подумай Позже Пока После Потом Потому Почему При Сегодня Сейчас Сколько
            Сначала Со С Так Также Там Твой Теперь То Тогда Только Ты Тут У Уже Хотя Через Чем Что Чтобы Эта Эти Это
            Этот Я
        """,
    ),
    "uk": Abbreviations(
        before_words="""
            вул просп пров пл бул наб ім проф акад доц св див пор напр зв обл англ лат нім фр грец тис
        """,
        before_numbers="""
            стор рис табл розд гл ст кв вип кн ред вид бл січ лют бер квіт трав черв лип серп вер верес жовт лист
            листоп груд
        """,
        before_nouns="ін рр грн",
        openers="""
            А Але Без Буде Був Була Було Були В Вам Вас Від Він Вона Воно Вони Все Ви Де Для До Дуже Є За Завтра Зараз
            З Зі Й Його Її І Із Коли Ми Можливо На Навіщо Нам Не Ні Одного Отже Під Після Подумай Потім При Про Саме
            Скільки Спочатку Сьогодні Та Так Також Там Твій Тепер Ти Тобі Тоді Тому Тут У Хоча Хто Це Цей Ця Через Чи
            Чому Що Щоб Ще Як Яка Який Які Якщо Я
        """,
    ),
    "el": Abbreviations(
        before_words="κκ κα κος Δρ καθ αγ λεωφ οδ δηλ βλ πρβλ",
        before_numbers="""
            αρ σελ κεφ εικ πίν τόμ τηλ άρθ εδ στ Ιαν Φεβ Φεβρ Μαρ Απρ Ιουν Ιουλ Αυγ Σεπ Σεπτ Οκτ Νοε Νοεμ Δεκ
        """,
    ),
    "ko": Abbreviations(
        # Dates: 2020. 11. 5.
        word_pattern=r"\d{4}\. ?\d{1,2}\. ?\d{1,2}",
        number_pattern=r"\d{4}(?:\. ?\d{1,2})?",
    ),
    "hi": Abbreviations(
        before_words="""
            डॉ डा प्रो सुश्री कु स्व पं मो कि मी सें सेमी ग्रा ई पू ए बी सी डी एफ एच जे एल एम एन ओ आर एस टी वी
        """,
        before_numbers="सं पृ नं क्र रु रू अनु",
    ),
    "vi": Abbreviations(
        before_words="TS ThS Ths PGS GS BS Bs KS CN TP Tp tp TX TT NXB Nxb Cty vd VD",
        before_numbers="tr ĐT SĐT đt",
    ),
    # Thai writes no full stop but that of an abbreviation; short words of consonants only are abbreviations.
    "th": Abbreviations(
        before_words="โทร",
        word_pattern=r"[\u0e01-\u0e2e]{1,4}",
    ),
    "id": Abbreviations(
        before_words="""
            dr Drs Ir Hj Bpk Sdr Sdri Tn Ny Nn Yth KH Jl Jln Gg Gd Kec Kab Kel Ds Jend Letjen Kol Kapt mis PT CV
        """,
        before_numbers="tgl hlm hal Rp th tel Jan Feb Mar Apr Jun Jul Agu Agt Sep Sept Okt Nov Des",
    ),
}

# Letters, and the vowel signs of Devanagari and Thai, which are not letters to a regular expression.
NO_LETTER_BEFORE = r"(?<![\w\u0900-\u0963\u0e31-\u0e4e])"
# A number that is used as an ordinal, a Roman one (those of one letter are COMMON), or a day and a month: 5.11.
ORDINAL = r"(?<![\w.,:])(?:\d{1,2}|\d00|[IVX]{2,8}|(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2]))"
NUMBER = re.compile(r"\d|[IVXLC]{2,}\b")
WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Patterns:
    """What stands before a full stop; each pattern ends where the full stop is."""

    before_words: re.Pattern[str]
    before_numbers: re.Pattern[str]
    before_nouns: re.Pattern[str] | None
    openers: frozenset[str]


def is_inside_sentence(text: str, stop: int, following: int, code: str) -> bool:
    """Whether the full stop at `text[stop]` is that of an abbreviation or ordinal, so that its sentence goes on.

    `following` is the index of the next letter or digit, `code` that of the language.
    """
    patterns = _patterns(code)
    start = max(stop - LONGEST, 0)
    if patterns.before_words.search(text, start, stop):
        return True
    if NUMBER.match(text, following) and patterns.before_numbers.search(text, start, stop):
        return True
    if not patterns.before_nouns or not patterns.before_nouns.search(text, start, stop):
        return False
    word = WORD.match(text, following)
    return not word or word[0] not in patterns.openers


@cache
def _patterns(code: str) -> Patterns:
    own = ABBREVIATIONS.get(code, Abbreviations())
    nouns = [*_words(own.before_nouns), *([ORDINAL] if own.has_ordinals else [])]
    return Patterns(
        _at_stop([*_words(f"{COMMON.before_words} {own.before_words}"), COMMON.word_pattern, own.word_pattern]),
        _at_stop([*_words(f"{COMMON.before_numbers} {own.before_numbers}"), own.number_pattern]),
        _at_stop(nouns) if nouns else None,
        frozenset(own.openers.split()),
    )


def _words(listed: str) -> list[str]:
    """Patterns of the `listed` words, with a capital, too, for those in lower case."""
    return [re.escape(form) for word in listed.split() for form in dict.fromkeys((word, word[0].upper() + word[1:]))]


def _at_stop(patterns: list[str]) -> re.Pattern[str]:
    return re.compile(rf"{NO_LETTER_BEFORE}(?:{'|'.join(filter(None, patterns))})$")
