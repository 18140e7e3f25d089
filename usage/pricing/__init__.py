"""What usage costs. The only place an amount of credits is computed or rounded. Pure: numbers in, credits out.

A rate card is the prices of one model from one moment on: a row for each unit (`usage.units`), and more of them for prompts from a
length on, for a variant of the service, for hours of the day. One convention rules all: `input_tokens` is all that went in and
`output_tokens` all that came out; parts are taken out of their whole, and a part without a price of its own costs what its whole does.
Each unit takes the row of the longest prompt that the request reaches. Amounts are rounded once, at the end, up, to six places.

`shapes` says what prices and counts are, `sheet` how much of each unit is charged by which price, `cards` is a card with what is held by
it, `charging` makes credits of both.
"""

from usage.pricing.cards import RateCard as RateCard
from usage.pricing.cards import asked_variant as asked_variant
from usage.pricing.cards import dearest as dearest
from usage.pricing.cards import freeze as freeze
from usage.pricing.cards import is_free as is_free
from usage.pricing.cards import thaw as thaw
from usage.pricing.charging import affordable_output as affordable_output
from usage.pricing.charging import contradiction as contradiction
from usage.pricing.charging import counted as counted
from usage.pricing.charging import price as price
from usage.pricing.charging import price_of as price_of
from usage.pricing.shapes import EXACT as EXACT
from usage.pricing.shapes import NOTHING as NOTHING
from usage.pricing.shapes import SMALLEST_CREDIT as SMALLEST_CREDIT
from usage.pricing.shapes import STANDARD as STANDARD
from usage.pricing.shapes import Count as Count
from usage.pricing.shapes import Counts as Counts
from usage.pricing.shapes import ImpossibleTokens as ImpossibleTokens
from usage.pricing.shapes import Price as Price
from usage.pricing.shapes import Tokens as Tokens
from usage.pricing.shapes import Unpriced as Unpriced
from usage.pricing.shapes import counts_of as counts_of
from usage.pricing.sheet import Sheet as Sheet
from usage.pricing.sheet import charged as charged
