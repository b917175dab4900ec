"""A host's users that have a name and a password, and neither `is_active` nor `is_staff`."""

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models


class Person(AbstractBaseUser):
    name = models.CharField(max_length=100, unique=True)
    USERNAME_FIELD = "name"
