"""What organizations consumed: the rate card, limits, and one event per piece of work.

An *AI model* has dated *rates*. *Thresholds* change what an organization's work runs on, *limits* are numbers that nobody crosses. A
*usage event* is one piece of work that was done, a *denial* one that was refused. What a month used so far is in the counters of
`credits`, which every hold reserves in.
"""

from usage.models.events import Denial as Denial
from usage.models.events import UsageEvent as UsageEvent
from usage.models.limits import Limit as Limit
from usage.models.limits import Thresholds as Thresholds
from usage.models.prices import MAX_FACTOR as MAX_FACTOR
from usage.models.prices import AcceptedDifference as AcceptedDifference
from usage.models.prices import AIModel as AIModel
from usage.models.prices import CustomerPrice as CustomerPrice
from usage.models.prices import Markup as Markup
from usage.models.prices import MarkupRule as MarkupRule
from usage.models.prices import PriceField as PriceField
from usage.models.prices import PriceProposal as PriceProposal
from usage.models.prices import Rate as Rate
from usage.models.prices import require_hours as require_hours
from usage.models.prices import unit_choices as unit_choices
from usage.models.totals import DailyUse as DailyUse
from usage.models.totals import MonthlyUse as MonthlyUse
from usage.models.totals import RollupMark as RollupMark
from usage.models.totals import UsageRollup as UsageRollup
from usage.models.totals import UsageTotal as UsageTotal
from usage.models.vitals import Stock as Stock
from usage.models.vitals import Vitals as Vitals
from usage.models.what_if import WhatIf as WhatIf
from usage.models.what_if import WhatIfLine as WhatIfLine
from usage.models.what_if import WhatIfPart as WhatIfPart
