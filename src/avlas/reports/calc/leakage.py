"""Does water run away? Zone balances and flow at night (facts: district heating 5.6); arrays, NaN: unknown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NIGHT_HOURS = (2, 3, 4, 5)
"""The hours of the night, in standard time, between which flow is measured: people use least water then."""


@dataclass(frozen=True, slots=True)
class NightFlow:
    """The least hourly flow of each night, over the nights: arrays of n meters, in the counter's unit per hour."""

    nights: np.ndarray  # int64: nights with a value in every hour
    running: np.ndarray  # int64: nights in which no hour stood still
    least: np.ndarray  # of the quietest night; above zero: it never stood still
    mean: np.ndarray  # of the nights' least hours


def night_flow(counters: np.ndarray, step: np.ndarray) -> NightFlow:
    """Judge ``counters`` (meters x nights x ``NIGHT_HOURS``), which have to be measured, not interpolated.

    ``step``: one count of each meter; what is less than half of it is nothing. A night with an hour that is not known,
    or in which a counter went backwards, is left out.
    """
    hourly = np.diff(counters, axis=2)
    hourly = np.where(hourly < 0, np.nan, hourly)
    least = hourly.min(axis=2)  # NaN where one hour is
    least = np.where(least < 0.5 * step[:, None], 0.0 * least, least)
    known = ~np.isnan(least)
    nights = known.sum(1)
    mean = np.divide(
        np.where(known, least, 0.0).sum(1), nights, out=np.full(len(nights), np.nan), where=nights > 0
    )
    quietest = np.where(known, least, np.inf).min(1, initial=np.inf)
    return NightFlow(nights, (least > 0).sum(1), np.where(nights > 0, quietest, np.nan), mean)


def loss_share(supplied: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """Give the share of what was supplied that is lost; NaN where nothing was supplied."""
    share: np.ndarray = np.divide(lost, supplied, out=np.full(np.shape(lost), np.nan), where=supplied > 0)
    return share
