"""The academy: its lessons, its learners, the adapter that every host copies, and the learner's page."""

from datetime import date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client
from django.utils import timezone, translation

from dailycast import services
from dailycast.learner import Course, DueReview, LearnerContext, Lesson, Mistake, QuizResult
from dailycast.models import DailyPodcast
from examples.academy import models
from examples.academy.adapter import learner_context

TABLES: list[Any] = [
    models.Subject,
    models.Course,
    models.Lesson,
    models.Quiz,
    models.Question,
    models.Profile,
    models.Enrolment,
    models.LessonCompletion,
    models.QuizAttempt,
    models.Answer,
    models.ReviewItem,
]


def load() -> str:
    out = StringIO()
    call_command("load_academy", stdout=out)
    return out.getvalue()


@pytest.fixture
def academy(db: None, settings: Any) -> str:
    """What `load_academy` printed."""
    settings.DEBUG = True
    return load()


def context(username: str) -> LearnerContext:
    return learner_context(User.objects.get(username=username))


def days_ago(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)


# What the academy teaches


def test_the_academy_teaches(academy: str) -> None:
    courses = models.Course.objects.order_by("title")
    assert [(course.subject.name, course.title, course.lessons.count()) for course in courses] == [
        ("English", "Clear English for Essays", 6),
        ("History", "Europe 1789-1918", 8),
        ("English", "Everyday English", 6),
    ]
    for course in courses:
        assert [quiz.questions.count() for quiz in course.quizzes.all()] == [6, 6, 6]
    for lesson in models.Lesson.objects.all():
        assert len(lesson.body.split("\n\n")) == 3, lesson
        assert lesson.body == lesson.body.strip()
        assert len(lesson.body.split()) > 100, lesson
        assert lesson.summary.endswith("."), lesson


def test_every_question_has_its_answer_and_its_reason(academy: str) -> None:
    assert models.Question.objects.filter(right_answer="").count() == 0
    assert models.Question.objects.filter(explanation="").count() == 0
    assert models.Question.objects.filter(quiz__course__title="Everyday English", explanation_ja="").count() == 0
    assert models.Answer.objects.filter(correct=True).exclude(given=F("question__right_answer")).count() == 0
    assert models.Answer.objects.filter(correct=False, given=F("question__right_answer")).count() == 0


# The command


def test_the_command_says_what_it_made_and_how_to_get_in(academy: str) -> None:
    assert academy.splitlines() == [
        "The academy is open: 3 courses, 20 lessons, 9 quizzes, 54 questions.",
        "Learner's page: http://127.0.0.1:8000/ for alex, yuki, sam, marta",
        "Admin: http://127.0.0.1:8000/admin/ for admin",
        "Password, unless you changed it: learn-every-day",
    ]
    for user in User.objects.all():
        assert user.check_password("learn-every-day"), user


def test_alex_is_the_first_who_is_not_staff_and_admin_comes_last(academy: str) -> None:
    accounts = User.objects.order_by("pk").values_list("username", "first_name", "is_staff", "is_superuser")
    assert list(accounts) == [
        ("alex", "Alex", False, False),
        ("yuki", "Yuki", False, False),
        ("sam", "Sam", False, False),
        ("marta", "Marta", False, False),
        ("admin", "", True, True),
    ]


def test_a_second_run_duplicates_nothing(academy: str) -> None:
    before = {table: set(table.objects.values_list("pk", flat=True)) for table in TABLES}
    assert load() == academy
    assert {table: set(table.objects.values_list("pk", flat=True)) for table in TABLES} == before
    assert User.objects.count() == 5


def test_a_second_run_refreshes_the_dates(academy: str) -> None:
    fresh = {name: context(name) for name in ("alex", "yuki", "marta")}
    month = timedelta(days=30)
    models.LessonCompletion.objects.update(when=F("when") - month)
    models.QuizAttempt.objects.update(when=F("when") - month)
    models.Answer.objects.update(when=F("when") - month)
    models.ReviewItem.objects.update(due=F("due") - month)
    assert context("alex").lessons_completed == ()
    assert context("alex").mistakes == ()
    load()
    assert {name: context(name) for name in ("alex", "yuki", "marta")} == fresh
    assert models.ReviewItem.objects.filter(due__gt=timezone.localdate()).count() == 2


def test_a_second_run_keeps_passwords_and_podcasts(academy: str) -> None:
    alex = User.objects.get(username="alex")
    alex.set_password("my own")
    alex.save()
    podcast = DailyPodcast.objects.create(user=alex, language="en", title="Kept", status="completed")
    load()
    alex.refresh_from_db()
    assert alex.check_password("my own")
    assert DailyPodcast.objects.get() == podcast


def test_the_command_refuses_without_debug(db: None) -> None:
    with pytest.raises(CommandError, match="runs only where DEBUG is true"):
        load()
    assert User.objects.count() == 0
    assert models.Course.objects.count() == 0


def test_the_migrations_are_complete(db: None) -> None:
    call_command("makemigrations", "academy", check=True, dry_run=True, stdout=StringIO())


# What the adapter says of each learner


def test_alex_has_plenty_to_talk_about(academy: str) -> None:
    alex = context("alex")
    assert (alex.first_name, alex.language, alex.native_language, alex.level) == ("Alex", "en", "en", "intermediate")
    assert alex.goal == "pass the history exam"
    assert alex.courses == (
        Course("Europe 1789-1918", "History", 5, 8, "New nations: Italy and Germany"),
        Course("Clear English for Essays", "English", 2, 6, "Words that link ideas"),
    )
    assert [(lesson.title, lesson.subject) for lesson in alex.lessons_completed] == [
        ("A thesis is an answer", "English"),
        ("1848: the springtime of peoples", "History"),
        ("The Congress of Vienna", "History"),
        ("One paragraph, one point", "English"),
        ("Napoleon", "History"),
    ]
    assert alex.quiz_results == (
        QuizResult("Vienna and 1848", "History", 4, 6),
        QuizResult("Paragraph and thesis", "English", 3, 6),
        QuizResult("Revolution and Napoleon", "History", 4, 6),
    )
    assert (alex.weakest_subject, alex.strongest_subject, alex.active_days) == ("English", "History", 4)


def test_alex_has_mistakes_and_due_items(academy: str) -> None:
    alex = context("alex")
    assert len(alex.mistakes) == 7
    assert alex.mistakes[-1] == Mistake(
        question="In which year was Louis XVI executed?",
        learner_answer="1792",
        right_answer="1793",
        subject="History",
        explanation="The monarchy was abolished in September 1792, and the king's trial came after that.",
    )
    assert "What do we call the sentence that states the point of a paragraph?" not in [
        mistake.question for mistake in alex.mistakes
    ], "Alex mended this one at the second try"
    assert len(alex.due_reviews) == 7
    assert alex.due_reviews[0] == DueReview(
        "When did a Paris crowd take the Bastille?", "on the 14th of July 1789", "History"
    )


def test_yuki_is_a_japanese_beginner_of_english(academy: str) -> None:
    yuki = context("yuki")
    assert (yuki.first_name, yuki.language, yuki.native_language, yuki.level) == ("Yuki", "ja", "ja", "beginner")
    assert yuki.courses == (Course("Everyday English", "English", 4, 6, "In the shop and the café"),)
    assert [(mistake.learner_answer, mistake.right_answer) for mistake in yuki.mistakes] == [
        ("I like dog", "I like dogs"),
        ("a", "an"),
        ("goed", "went"),
        ("I walk usually to work", "I usually walk to work"),
        ("Does he likes tea?", "Does he like tea?"),
    ]
    assert [due.answer for due in yuki.due_reviews] == [
        "saw",
        "an",
        "Nice to see you again",
        "She does not like coffee",
    ]
    assert (yuki.weakest_subject, yuki.strongest_subject) == ("", ""), "one subject is neither"


def test_sam_is_new_and_has_an_empty_context(academy: str) -> None:
    assert context("sam") == LearnerContext(first_name="Sam")
    assert not models.Profile.objects.filter(user__username="sam").exists()


def test_marta_has_finished_a_course_and_missed_nothing(academy: str) -> None:
    marta = context("marta")
    assert (marta.language, marta.native_language, marta.level) == ("en", "es", "advanced")
    assert marta.courses == (
        Course("Clear English for Essays", "English", 6, 6, ""),
        Course("Europe 1789-1918", "History", 0, 8, "1789: the Revolution begins"),
    )
    assert (marta.mistakes, marta.due_reviews) == ((), ())
    assert marta.goal == "read a history of Europe without a dictionary"


def test_notes_are_in_japanese_where_the_language_is_japanese(academy: str) -> None:
    assert context("yuki").mistakes[2].explanation.startswith('"Go" is an irregular verb')
    with translation.override("ja"):
        yuki, alex = context("yuki"), context("alex")
    assert yuki.mistakes[2].explanation == ("go は不規則動詞です。ed をつけずに、went という形をそのまま覚えましょう。")
    assert yuki.lessons_completed[2] == Lesson(
        "Things you do every day", "English", "現在形は習慣を表し、he、she、it のあとでは動詞に s がつきます。"
    )
    assert alex == context("alex"), "Alex's courses have no Japanese notes"


def test_few_queries_however_much_there_is(academy: str, django_assert_num_queries: Any) -> None:
    for username, queries in (("alex", 7), ("yuki", 7), ("marta", 7), ("sam", 6)):
        user = User.objects.get(username=username)
        with django_assert_num_queries(queries, info=username):
            learner_context(user)


# The adapter's rules, on a school of one's own making


class School:
    """Ana, with one quiz of ten questions in each of two subjects."""

    def __init__(self) -> None:
        self.ana = User.objects.create_user("ana", first_name="Ana")
        self.quizzes = {name: self.quiz(name) for name in ("Music", "Physics")}

    def quiz(self, name: str) -> models.Quiz:
        course = models.Course.objects.create(subject=models.Subject.objects.create(name=name), title=f"{name} 1")
        for order in (1, 2):
            models.Lesson.objects.create(course=course, order=order, title=f"{name} lesson {order}", summary="S.")
        quiz = models.Quiz.objects.create(course=course, title=f"{name} quiz")
        for order in range(1, 11):
            models.Question.objects.create(quiz=quiz, order=order, text=f"{name} {order}?", right_answer="yes")
        return quiz

    def answers(self, name: str, marks: str, when: datetime, user: User | None = None) -> None:
        """One try: for each question in order `+` right, `-` wrong, a space not answered."""
        learner, quiz = user or self.ana, self.quizzes[name]
        number = learner.quiz_attempts.filter(quiz=quiz).count() + 1
        attempt = models.QuizAttempt.objects.create(user=learner, quiz=quiz, number=number, when=when)
        for question, mark in zip(quiz.questions.all(), marks, strict=False):
            if mark != " ":
                right = mark == "+"
                given = "yes" if right else f"no {number}"
                models.Answer.objects.create(attempt=attempt, question=question, given=given, correct=right, when=when)

    def context(self) -> LearnerContext:
        return learner_context(self.ana)

    def missed(self) -> list[tuple[str, str]]:
        return [(mistake.question, mistake.learner_answer) for mistake in self.context().mistakes]


@pytest.fixture
def school(db: None) -> School:
    return School()


def test_a_mistake_that_was_corrected_since_does_not_count(school: School) -> None:
    school.answers("Music", "--+", days_ago(3))
    assert school.missed() == [("Music 2?", "no 1"), ("Music 1?", "no 1")]
    school.answers("Music", "+--", days_ago(1))
    assert school.missed() == [("Music 3?", "no 2"), ("Music 2?", "no 2")]


def test_the_time_of_an_answer_counts_and_not_the_order_of_the_rows(school: School) -> None:
    school.answers("Music", "-++", days_ago(1))
    school.answers("Music", "+-", days_ago(2))
    assert school.missed() == [("Music 1?", "no 1")]
    assert school.context().quiz_results == (QuizResult("Music quiz", "Music", 2, 3),)


def test_the_last_attempt_is_the_result(school: School) -> None:
    school.answers("Music", "----", days_ago(3))
    school.answers("Physics", "++-", days_ago(2))
    school.answers("Music", "+++-+", days_ago(1))
    assert school.context().quiz_results == (
        QuizResult("Physics quiz", "Physics", 2, 3),
        QuizResult("Music quiz", "Music", 4, 5),
    )


def test_recent_means_fourteen_days(school: School) -> None:
    first, second = models.Lesson.objects.filter(course__title="Music 1")
    now = timezone.now()
    for lesson, hours in ((first, 14 * 24 + 1), (second, 14 * 24 - 1)):
        school.ana.lesson_completions.create(lesson=lesson, when=now - timedelta(hours=hours))
    school.answers("Music", "-", now - timedelta(hours=14 * 24 + 1))
    school.answers("Physics", "-", now - timedelta(hours=14 * 24 - 1))
    context = school.context()
    assert context.lessons_completed == (Lesson("Music lesson 2", "Music", "S."),)
    assert school.missed() == [("Physics 1?", "no 1")]
    assert context.quiz_results == (QuizResult("Physics quiz", "Physics", 0, 1),)


def test_lessons_done_long_ago_still_count_as_progress(school: School) -> None:
    course = models.Course.objects.get(title="Music 1")
    school.ana.enrolments.create(course=course, goal="")
    school.ana.lesson_completions.create(lesson=course.lessons.get(order=1), when=days_ago(300))
    assert school.context().courses == (Course("Music 1", "Music", 1, 2, "Music lesson 2"),)


def test_nothing_of_another_learner_is_in_the_context(school: School) -> None:
    ben = User.objects.create_user("ben", first_name="Ben")
    course = models.Course.objects.get(title="Music 1")
    models.Profile.objects.create(user=ben, language="de")
    ben.enrolments.create(course=course, goal="play the violin")
    ben.lesson_completions.create(lesson=course.lessons.get(order=1))
    ben.review_items.create(subject=course.subject, front="F", back="B", due=date(2020, 1, 1))
    school.answers("Music", "---+", timezone.now(), user=ben)
    assert school.context() == LearnerContext(first_name="Ana")


def test_a_card_is_due_on_its_day_and_after(school: School) -> None:
    music, today = models.Subject.objects.get(name="Music"), timezone.localdate()
    for front, days in (("tomorrow", 1), ("today", 0), ("long ago", -40)):
        due = today + timedelta(days=days)
        school.ana.review_items.create(subject=music, front=front, back="B", due=due)
    assert school.context().due_reviews == (DueReview("long ago", "B", "Music"), DueReview("today", "B", "Music"))


@pytest.mark.parametrize(
    ("music", "physics", "expected"),
    [
        ("---", "+++", ("Music", "Physics")),
        ("+++", "+--", ("Physics", "Music")),
        ("++---", "+++--", ("Music", "Physics")),  # 40 % and 60 %
        ("+++++-----", "++++++----", ("Music", "Physics")),  # a tenth
        ("+++++----", "++++++----", ("", "")),  # 56 % and 60 %
        ("++-", "++-", ("", "")),
        ("--", "++++", ("", "")),  # two answers tell nothing
        ("---", "", ("", "")),
    ],
)
def test_weakest_and_strongest_need_three_answers_and_a_real_difference(
    school: School, music: str, physics: str, expected: tuple[str, str]
) -> None:
    school.answers("Music", music, days_ago(2))
    school.answers("Physics", physics, days_ago(1))
    context = school.context()
    assert (context.weakest_subject, context.strongest_subject) == expected


def test_a_corrected_mistake_makes_no_subject_weak(school: School) -> None:
    school.answers("Music", "---", days_ago(3))
    school.answers("Physics", "+++", days_ago(2))
    school.answers("Music", "+++", days_ago(1))
    assert (school.context().weakest_subject, school.context().strongest_subject) == ("", "")


def test_active_days_are_local_days_of_the_last_seven(school: School, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    today = timezone.localdate()
    lesson = models.Lesson.objects.get(title="Music lesson 1")

    def tokyo(days: int, hour: int) -> datetime:
        day = today - timedelta(days=days)
        return timezone.make_aware(datetime(day.year, day.month, day.day, hour))

    school.ana.lesson_completions.create(lesson=lesson, when=tokyo(6, 0))
    school.answers("Music", "+", tokyo(7, 23))
    school.answers("Music", "+", tokyo(2, 8))  # 23:00 of the day before in UTC
    school.answers("Music", "-", tokyo(1, 12))
    school.answers("Music", "+", tokyo(1, 14))
    assert school.context().active_days == 3


# The learner's page


SCRIPT = "# Two rivers\n## Welcome back\nGood morning, Alex.\n\nWhich river?\n[pause 4s]\nThe Seine."


def episode(user: User, **values: Any) -> DailyPodcast:
    values = {"language": "en", "title": "Two rivers", "script_text": SCRIPT, "status": "completed"} | values
    return DailyPodcast.objects.create(user=user, **values)


@pytest.fixture
def page(client: Client, alex: User) -> Client:
    client.force_login(alex)
    return client


def test_a_visitor_who_is_signed_out_is_sent_to_log_in(client: Client, alex: User) -> None:
    episode(alex)
    response = client.get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "/login/?next=/")
    assert "Log in" in client.get("/login/?next=/").content.decode()


def test_a_learner_logs_in_and_out(client: Client, alex: User) -> None:
    credentials = {"username": "alex", "password": "pw", "next": "/"}
    assert client.post("/login/", credentials).headers["Location"] == "/"
    assert "Hello, Alex" in client.get("/").content.decode()
    assert client.get("/login/").headers["Location"] == "/"
    assert client.post("/logout/").headers["Location"] == "/login/"
    assert client.get("/").status_code == 302


def test_a_wrong_password_is_reported(client: Client, alex: User) -> None:
    response = client.post("/login/", {"username": "alex", "password": "guess"})
    assert "Please enter a correct username and password" in response.content.decode()


def test_the_newest_episode_can_be_played_and_read(page: Client, alex: User) -> None:
    episode(alex, title="Old")
    podcast = episode(alex, audio_file="podcasts/podcast_1_1701920000.mp3", tts_provider="polly")
    html = page.get("/").content.decode()
    assert html.count("<audio") == html.count('src="/media/podcasts/podcast_1_1701920000.mp3"') == 1
    assert f'<h3 class="dailycast-title" id="dailycast-{podcast.pk}-title"><bdi lang="en" dir="ltr">Two rivers' in html
    assert html.index("Which river?") < html.index("Pause: 4 s") < html.index("The Seine.")
    assert 'href="/dailycast/archive/"' in html
    assert ">Old<" not in html


def test_an_episode_without_audio_is_one_to_read(page: Client, alex: User) -> None:
    episode(alex, tts_provider="none")
    html = page.get("/").content.decode()
    assert "This episode is one to read." in html
    assert "<audio" not in html


def test_only_ones_own_finished_episodes_are_shown(page: Client, alex: User) -> None:
    stranger = User.objects.create_user("ben", is_staff=True, is_superuser=True)
    episode(alex, title="Mine")
    episode(stranger, title="Of another")
    for status in ("pending", "running", "failed"):
        episode(alex, title=f"Still {status}", status=status)
    assert page.get("/").context["podcast"].title == "Mine"
    page.force_login(stranger)
    assert page.get("/").context["podcast"].title == "Of another"


def test_markup_from_outside_is_shown_and_not_run(page: Client, alex: User) -> None:
    attack = "<script>alert(1)</script>"
    alex.first_name = attack
    alex.save()
    course = models.Course.objects.create(subject=models.Subject.objects.create(name=attack), title=attack)
    models.Lesson.objects.create(course=course, order=1, title=attack)
    alex.enrolments.create(course=course)
    episode(alex, title=attack, script_text=f"## 1 < 2 & 3\n{attack}\n\n4 < 5 & 6", language='"><script>')
    html = page.get("/").content.decode()
    assert "<script" not in html, "without audio there is no script"
    assert html.count("&lt;script&gt;alert(1)") >= 5
    assert "<h5>1 &lt; 2 &amp; 3</h5>" in html
    assert "<p>4 &lt; 5 &amp; 6</p>" in html


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere(page: Client, alex: User) -> None:
    episode(alex, audio_file="podcasts/podcast_1_1701920000.mp3")
    html = page.get("/").content.decode()
    assert html.count("<script") == html.count('<script src="/static/dailycast/player.js" defer></script>') == 1
    for forbidden in ("<style", " style=", " onclick", "http://", "https://"):
        assert forbidden not in html


def test_courses_are_listed_below_with_their_progress(academy: str, client: Client) -> None:
    client.force_login(User.objects.get(username="alex"))
    html = client.get("/").content.decode()
    assert html.index("Your podcasts") < html.index("Your courses")
    assert '<progress value="5" max="8"' in html
    assert "History: 5 of 8 lessons done; next is “New nations: Italy and Germany”" in html
    assert "English: 2 of 6 lessons done; next is “Words that link ideas”" in html


def test_a_new_learner_sees_that_there_is_nothing_yet(page: Client) -> None:
    html = page.get("/").content.decode()
    assert "No episode yet. Your first one will appear here" in html
    assert "You have not joined a course yet." in html
    assert "Admin" not in html


def test_the_podcasts_pages_lead_back_to_the_academy(page: Client) -> None:
    html = page.get("/dailycast/").content.decode()
    assert '<a href="/">Academy</a>' in html
    assert 'aria-current="page">Newest episode</a>' in html


def test_staff_find_the_way_to_the_admin(client: Client, admin_user: User) -> None:
    client.force_login(admin_user)
    assert '<a href="/admin/">Admin</a>' in client.get("/").content.decode()


# The admin


def test_the_admin_lists_searches_and_opens(academy: str, admin_client: Client) -> None:
    for table in TABLES:
        address, first = f"/admin/academy/{table._meta.model_name}/", table.objects.first()
        listed = admin_client.get(address).context["cl"]
        assert listed.result_count == table.objects.count() > 0
        assert listed.list_display != ["action_checkbox", "__str__"] or table is models.Subject
        assert admin_client.get(address, {"q": "no such thing"}).context["cl"].result_count == 0
        assert admin_client.get(f"{address}{first.pk}/change/").status_code == 200


def test_the_learner_gets_one_mail_with_a_link_to_the_page(db: None, settings: Any, mailoutbox: list[Any]) -> None:
    settings.SITE_URL = "https://school.example"
    user = User.objects.create_user("kim", first_name="Kim", email="kim@example.com")
    podcast = services.create_podcast_for_user(user, "en")
    services.retry_now(podcast)
    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == (["kim@example.com"], "Your podcast is ready")
    assert mail.body == f"https://school.example/dailycast/episodes/{podcast.pk}/"
