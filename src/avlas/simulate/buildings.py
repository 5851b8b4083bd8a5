"""What stands on the lots: kinds of buildings and how each uses heat, water and electricity."""

from __future__ import annotations

from dataclasses import dataclass

# schedules of ventilation and heating (rows of loads.SCHEDULES) and of hot water (rows of loads.DRAW_OFF)
STEADY, SET_BACK, SHOP_HOURS, SHIFT = range(4)
HOME, DAYTIME, BATHS, CARE = range(4)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of building; figures per square metre of heated floor."""

    code: str
    sv: str
    en: str
    area_m2: tuple[int, int]  # smallest and largest
    loss_w_m2k: float  # heat loss per degree below the balance temperature
    balance_c: float
    memory: int  # 0 light, 1 middling, 2 heavy (weather.felt_c with 10, 30, 60 h)
    schedule: int
    draw_off: int
    hot_water_kwh_m2: float  # a year
    uneven: float  # 1: a tap at a time; near 0: hundreds of taps
    circulation_w_m2: float  # hot water circulation, all year
    process_w_m2: float  # pool, drying: all year in opening hours
    water_m3_m2: float  # cold and hot, a year
    electricity_kwh_m2: float
    home: bool = False


KINDS: tuple[Kind, ...] = (
    Kind(
        "villa",
        "Villa",
        "Detached house",
        (95, 230),
        1.02,
        16.6,
        1,
        STEADY,
        HOME,
        24,
        1.0,
        0.0,
        0,
        0.85,
        38,
        True,
    ),
    Kind(
        "row_house",
        "Radhus",
        "Terraced house",
        (85, 135),
        0.86,
        16.4,
        1,
        STEADY,
        HOME,
        27,
        1.0,
        0.0,
        0,
        1.0,
        36,
        True,
    ),
    Kind(
        "apartments",
        "Flerbostadshus",
        "Apartment block",
        (700, 4200),
        0.74,
        16.8,
        2,
        STEADY,
        HOME,
        30,
        0.22,
        0.8,
        0,
        1.25,
        14,
        True,
    ),
    Kind("shop", "Butik", "Shop", (180, 900), 0.80, 15.0, 1, SHOP_HOURS, DAYTIME, 4, 0.5, 0.15, 0, 0.25, 110),
    Kind(
        "office", "Kontor", "Office", (400, 2600), 0.78, 15.5, 1, SET_BACK, DAYTIME, 4, 0.4, 0.3, 0, 0.28, 62
    ),
    Kind(
        "industry",
        "Industri",
        "Industry",
        (600, 5200),
        0.95,
        14.0,
        0,
        SHIFT,
        DAYTIME,
        5,
        0.4,
        0.2,
        2.0,
        0.35,
        130,
    ),
    Kind(
        "workshop", "Verkstad", "Workshop", (250, 900), 1.10, 14.0, 0, SHIFT, DAYTIME, 5, 0.7, 0.0, 0, 0.3, 70
    ),
    Kind(
        "school", "Skola", "School", (2800, 6500), 0.92, 16.0, 1, SET_BACK, DAYTIME, 7, 0.25, 0.5, 0, 0.4, 48
    ),
    Kind(
        "preschool",
        "Förskola",
        "Preschool",
        (450, 1100),
        0.98,
        16.4,
        1,
        SET_BACK,
        DAYTIME,
        9,
        0.5,
        0.3,
        0,
        0.55,
        52,
    ),
    Kind(
        "care_home",
        "Äldreboende",
        "Care home",
        (1800, 4200),
        0.80,
        17.4,
        2,
        STEADY,
        CARE,
        32,
        0.2,
        1.0,
        0,
        1.3,
        58,
    ),
    Kind(
        "swimming_hall",
        "Simhall",
        "Swimming hall",
        (2600, 3400),
        1.25,
        19.0,
        1,
        STEADY,
        BATHS,
        70,
        0.15,
        1.5,
        16.0,
        4.0,
        170,
    ),
    Kind(
        "sports_hall",
        "Sporthall",
        "Sports hall",
        (1400, 2400),
        1.00,
        15.0,
        0,
        SET_BACK,
        BATHS,
        14,
        0.4,
        0.6,
        0,
        0.6,
        60,
    ),
    Kind("hotel", "Hotell", "Hotel", (1500, 2600), 0.82, 17.0, 2, STEADY, CARE, 45, 0.2, 1.2, 0, 1.7, 120),
    Kind("church", "Kyrka", "Church", (500, 900), 1.50, 13.5, 2, STEADY, DAYTIME, 1, 0.8, 0.0, 0, 0.05, 20),
    Kind(
        "town_hall",
        "Kommunhus",
        "Town hall",
        (2200, 3200),
        0.85,
        15.8,
        2,
        SET_BACK,
        DAYTIME,
        4,
        0.3,
        0.3,
        0,
        0.3,
        66,
    ),
    Kind(
        "health_centre",
        "Vårdcentral",
        "Health centre",
        (1300, 2400),
        0.88,
        16.8,
        1,
        SET_BACK,
        DAYTIME,
        12,
        0.3,
        0.8,
        0,
        0.6,
        90,
    ),
    Kind(
        "library",
        "Bibliotek",
        "Library",
        (700, 1300),
        0.85,
        15.8,
        1,
        SET_BACK,
        DAYTIME,
        2,
        0.4,
        0.1,
        0,
        0.2,
        70,
    ),
    Kind(
        "fire_station",
        "Brandstation",
        "Fire station",
        (900, 1500),
        1.05,
        15.5,
        0,
        STEADY,
        CARE,
        8,
        0.5,
        0.3,
        0,
        0.4,
        55,
    ),
    Kind(
        "waterworks",
        "Vattenverk",
        "Waterworks",
        (200, 400),
        0.7,
        12.0,
        1,
        STEADY,
        DAYTIME,
        1,
        0.8,
        0.0,
        0,
        0.1,
        300,
    ),
)
BY_CODE = {kind.code: number for number, kind in enumerate(KINDS)}
