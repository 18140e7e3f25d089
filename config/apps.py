"""What Django loads of this package when it starts: the checks."""

from django.apps import AppConfig

from config import roles as roles


class Config(AppConfig):
    name = "config"
