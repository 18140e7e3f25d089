"""Turning work into credits: decide, price, then ask `credits` to move them. The API, the admin and Celery all call these."""

from usage.services.asking import Left as Left
from usage.services.asking import Work as Work
from usage.services.beside import ForgivenMeanwhile as ForgivenMeanwhile
from usage.services.corrections import NothingToReverse as NothingToReverse
from usage.services.corrections import Rerating as Rerating
from usage.services.corrections import rerate as rerate
from usage.services.corrections import reverse as reverse
from usage.services.corrections import reverse_event as reverse_event
from usage.services.decisions import AiNotConfigured as AiNotConfigured
from usage.services.decisions import Decision as Decision
from usage.services.decisions import Denied as Denied
from usage.services.decisions import ModelNotEnabled as ModelNotEnabled
from usage.services.decisions import NotAllowed as NotAllowed
from usage.services.decisions import TierNotAllowed as TierNotAllowed
from usage.services.events import NothingToForgive as NothingToForgive
from usage.services.events import Result as Result
from usage.services.events import Told as Told
from usage.services.events import forgive as forgive
from usage.services.events import record as record
from usage.services.settling import settle as settle
from usage.services.spending import NothingHeld as NothingHeld
from usage.services.spending import NotInTokens as NotInTokens
from usage.services.spending import check as check
from usage.services.spending import grow as grow
from usage.services.spending import reserve as reserve
