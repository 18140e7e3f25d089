"""Changing the rate card: what a list of prices would change, whether work can be charged by it, and changing it.

`lists` says what a list is, `chargeable` whether its cards can charge, `comparing` what it would change, `loading` changes it.
"""

from usage.services.rate_card.chargeable import problem_of as problem_of
from usage.services.rate_card.chargeable import require_chargeable as require_chargeable
from usage.services.rate_card.comparing import Change as Change
from usage.services.rate_card.comparing import Kind as Kind
from usage.services.rate_card.comparing import compare as compare
from usage.services.rate_card.comparing import completed as completed
from usage.services.rate_card.comparing import deprecated as deprecated
from usage.services.rate_card.comparing import differing as differing
from usage.services.rate_card.comparing import keep_unsaid as keep_unsaid
from usage.services.rate_card.comparing import not_listed as not_listed
from usage.services.rate_card.comparing import retiring as retiring
from usage.services.rate_card.lists import InvalidRateCard as InvalidRateCard
from usage.services.rate_card.lists import PriceList as PriceList
from usage.services.rate_card.lists import Step as Step
from usage.services.rate_card.lists import beside as beside
from usage.services.rate_card.loading import AT_ONCE as AT_ONCE
from usage.services.rate_card.loading import load as load
