"""Full stops that do not end a sentence: in each language, and the ends that stay right beside them."""

import pytest

from dailycast.languages.sentences import split_sentences
from dailycast.languages.table import LANGUAGES

# In each language a text of two sentences; no abbreviation, date or ordinal in it ends one.
TWO_SENTENCES = {
    "en": [
        ("See fig. 3, No. 7 and pp. 12 to 14 in vol. II of Gen. Smith, e.g. Paris. ", "It was on Nov. 5, 2020."),
        ("Lt. Col. Lee and Rev. King met at approx. Noon on Mt. Fuji. ", "Rossi et al. Found it at 5 p. m. Sharp."),
    ],
    "ja": [("Dr. Xは言った。", "No. 7です。")],
    "es": [
        ("La clase es a las 5 p. m. Hora local, en EE. UU. Lo dice la Sra. Ruiz. ", "El núm. 7, pág. 3, art. 5."),
        ("Vive en la Avda. Goya, p. ej. Madrid, con el Lic. Paz. ", "Nació el 5 de nov. 2020 en el s. XX d. C. Allí."),
    ],
    "fr": [
        (
            "M. Dupont et MM. Petit ont vu la fig. 3, p. ex. Paris. ",
            "Le no. 7, chap. 4, le 5 janv. 2020, av. J.-C. Là.",
        ),
        ("Mme Roux, Me. Noir et Mgr. Blanc. ", "Cf. Balzac."),
    ],
    "de": [
        ("Am 5. Nov. 2020, z. B. Montag, d. h. Morgen, kam Hr. Xu bzw. Frau Yu. ", "Der 2. Weltkrieg endete."),
        ("Am 3. Oktober und am 5.11. Montag feiert Ludwig XIV. Geburtstag. ", "Es war der 100. Tag."),
        ("Das sind 5 Mio. Euro in der Hauptstr. 5, Abb. 3, Nr. 7. ", "Im 19. Jh. Goethe, v. Chr. Rom, u. a. Bonn."),
    ],
    "it": [
        ("Il sig. Rossi e la Sig.ra Neri, ad es. Roma, con il Dott. Bianchi e l'Avv. Verdi. ", "A pag. 3, art. 5."),
        ("La Prof.ssa Neri dice: vedi fig. 2, sec. XX, n. 7, il 5 nov. 2020. ", "Nel I sec. a. C. Roma era grande."),
    ],
    "pt": [
        (
            "O Sr. Silva e a Dra. Costa, p. ex. Lisboa, na Av. Brasil. ",
            "Na pág. 3, séc. XX, núm. 7, em 5 de nov. 2020.",
        ),
        ("O Eng. Melo e o Pe. Luz vieram às 5 p. m. Ontem. ", "Aprox. Cem pessoas."),
    ],
    "nl": [
        (
            "Dhr. Jansen, mevr. Bakker en drs. Visser, bijv. Amsterdam. ",
            "Op blz. 3, nr. 7, op 5 nov. 2020, o.a. Delft.",
        ),
        ("Dit is z. B. Duits, nl. Amsterdam. ", "Zie afb. 2."),
    ],
    "pl": [
        ("Pan dr. Nowak, np. Kraków, przy ul. Długiej, tzn. Polska. ", "Na str. 3, rys. 2, godz. 5, w 1990 r. Polska."),
        ("Dnia 5. Maja, 2. Armia w szkole im. Kopernika i ks. Jan. ", "Tak, ok. 5 os. dorosłych."),
    ],
    "sv": [
        (
            "Se fig. 3, t.ex. Stockholm, t. ex. Lund, bl. a. Malmö och dr. Ek. ",
            "På sid. 3, nr. 7, kl. 5, den 5 nov. 2020.",
        ),
    ],
    "tr": [
        ("Prof. Dr. Ak ve Doç. Dr. Kaya, örn. Ankara, bkz. Şekil üç. ", "2. Dünya Savaşı, 5. Sınıf, 19. yy. Osmanlı."),
        ("Atatürk Cad. No. 7, s. 12, Hz. İsa. ", "5. sınıfta."),
    ],
    "ru": [
        ("Вот ул. Пушкина, г. Москва, т. е. Россия, проф. Иванов, им. Ленина. ", "См. рис. 3, стр. 7, 5 нояб. 2020."),
        ("Он жил в XIX в. Россия росла, и т. д. Всё, св. Николай. ", "В 5 тыс. Рублей."),
    ],
    "uk": [
        ("Це вул. Франка, м. Київ, т. зв. Русь, ім. Шевченка, проф. Іваненко. ", "Див. рис. 3, стор. 7, 5 лист. 2020."),
    ],
    "el": [
        ("Ο κ. Παππάς, ο καθ. Νίκου, π.χ. Αθήνα, δηλ. Ελλάδα, βλ. Κεφάλαιο. ", "Σελ. 3, αρ. 7, 5 Νοε. 2020 μ.Χ. Εκεί.")
    ],
    "ko": [("오늘은 2020. 11. 5. 목요일이고 Dr. Kim이 왔다. ", "No. 7과 fig. 3을 보라.")],
    "zh": [("见 fig. 3 和 Dr. Li。", "好。")],
    "hi": [("डॉ. शर्मा और प्रो. वर्मा 5 कि. मी. दूर हैं। ", "पृ. 3, सं. 7, 300 ई. पू. में पं. नेहरू।")],
    "ar": [("قال د. أحمد و أ. د. علي في ص. 5 و ج. 2 ود. سعاد. ", "عام 500 ق.م. تقريبا.")],
    "vi": [("Gặp TS. Lan, PGS. TS. Nam ở TP. Hồ Chí Minh, vd. Quận, tr. 5. ", "Ông Q. Anh đến.")],
    "th": [("พ.ศ. 2563 ดร. สมชาย ถ. สุขุมวิท เวลา 10 น. ที่ กทม. และ โทร. 02! ", "วันที่ 5 พ.ย. 2563 รศ. ดร. ดี")],
    "id": [
        ("Bapak Dr. Ali, Jl. Sudirman, Tn. Budi, PT. Maju, mis. Bali. ", "Hlm. 3, No. 7, tgl. 5, Rp. 500, 5 Nov. 2020.")
    ],
}
CASES = [(language, *parts) for language, texts in TWO_SENTENCES.items() for parts in texts]


def test_every_language_has_a_text() -> None:
    assert set(TWO_SENTENCES) == set(LANGUAGES)


@pytest.mark.parametrize(("language", "first", "second"), CASES)
def test_an_abbreviation_ends_no_sentence_and_a_sentence_still_ends(language: str, first: str, second: str) -> None:
    assert split_sentences(first + second, language) == [first, second]


@pytest.mark.parametrize(
    ("language", "text", "parts"),
    [
        ("en", "Is it so? No. I think not.", ["Is it so? ", "No. ", "I think not."]),
        ("en", "He was 5. Then he went.", ["He was 5. ", "Then he went."]),
        (
            "en",
            "It was 2020. Anna saw art. Bob saw a fig. Fine.",
            ["It was 2020. ", "Anna saw art. ", "Bob saw a fig. ", "Fine."],
        ),
        ("de", "Er wurde 5. Dann ging er.", ["Er wurde 5. ", "Dann ging er."]),
        ("de", "Es war 2020. Kinder lachten.", ["Es war 2020. ", "Kinder lachten."]),
        ("de", "Es kostet 2,50. Kinder zahlen 1.50. Gut.", ["Es kostet 2,50. ", "Kinder zahlen 1.50. ", "Gut."]),
        ("de", "Um 12:30. Kinder kommen.", ["Um 12:30. ", "Kinder kommen."]),
        ("de", "Wer? Max. Er kam im 19. Jh. Danach Ruhe.", ["Wer? ", "Max. ", "Er kam im 19. Jh. ", "Danach Ruhe."]),
        ("de", "Es gibt Äpfel usw. Kinder mögen sie.", ["Es gibt Äpfel usw. ", "Kinder mögen sie."]),
        ("es", "¿Vienes? No. Ana viene.", ["¿Vienes? ", "No. ", "Ana viene."]),
        ("fr", "Il a 5. Puis il part.", ["Il a 5. ", "Puis il part."]),
        ("pl", "Miał 5. Potem poszedł.", ["Miał 5. ", "Potem poszedł."]),
        ("pl", "Pomogłem im. Potem poszli.", ["Pomogłem im. ", "Potem poszli."]),
        ("tr", "Yaşı 5. Sonra gitti.", ["Yaşı 5. ", "Sonra gitti."]),
        ("ru", "Ему 5. Потом он ушёл.", ["Ему 5. ", "Потом он ушёл."]),
        ("ru", "Я дал им. Потом ушёл.", ["Я дал им. ", "Потом ушёл."]),
        ("uk", "Йому 5. Потім він пішов.", ["Йому 5. ", "Потім він пішов."]),
        ("ko", "답은 5. 그래서 갔다.", ["답은 5. ", "그래서 갔다."]),
        ("hi", "वह 5. फिर गया।", ["वह 5. ", "फिर गया।"]),
    ],
)
def test_a_sentence_ends_beside_what_only_resembles_an_abbreviation(language: str, text: str, parts: list[str]) -> None:
    assert split_sentences(text, language) == parts


def test_a_region_uses_the_rules_of_its_language() -> None:
    assert split_sentences("Der 2. Weltkrieg. Ja.", "de-AT") == ["Der 2. Weltkrieg. ", "Ja."]


@pytest.mark.parametrize("run", ["a. ", "5. A ", "z. B. ", "ก. ", "1.1.", "IV. ", "str. "])
@pytest.mark.parametrize("language", ["de", "th", "ko"])
def test_a_text_of_100_000_characters_is_split_in_linear_time(run: str, language: str) -> None:
    text = run * (100_000 // len(run))
    assert "".join(split_sentences(text, language)) == text
