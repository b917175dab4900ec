from django.conf import settings
from django.db import models


class Question(models.Model):
    text = models.CharField(max_length=200)
    right_answer = models.CharField(max_length=200)


class Answer(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="answers")
    question = models.ForeignKey(Question, models.CASCADE)
    given = models.CharField(max_length=200)
    correct = models.BooleanField()
