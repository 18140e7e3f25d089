"""The pages of third-party models, under the theme."""

from config.admin import logins as logins
from config.admin import schedules as schedules
from config.admin import staff as staff
