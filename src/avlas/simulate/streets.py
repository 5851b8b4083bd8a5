"""The ground plan: a river, streets that follow it and the square, districts, and lots along the streets.

Streets are lines drawn through a field of directions (Chen et al., Interactive Procedural Street Modeling,
2008): round the square, along the river, and each district with a lie of its own. All in metres from the
square, x east, y north.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from avlas.simulate import noise

Floats = NDArray[np.float64]
Line = list[tuple[float, float]]

_STEP = 12.0
_ALONG, _ACROSS = 0, 1
_APART = (84.0, 190.0)  # between streets along the field, and between those across it
_RIVER_HALF = 16.0
_BANK = 34.0

CENTRUM, NORRA, OSTRA, SODER, VASTRA, STRANDEN = range(6)
DISTRICTS = ("Centrum", "Norra", "Östra", "Söder", "Västra", "Stranden")


@dataclass(frozen=True, slots=True)
class Street:
    """A street's middle line, from the end nearer the square, and the district it lies in."""

    line: Floats  # (n, 2) metres
    district: int
    main: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The town drawn on the ground."""

    radius_m: float
    river: Floats  # (n, 2)
    streets: tuple[Street, ...]
    plant: tuple[float, float]  # the heating plant


@dataclass(slots=True)
class _Field:
    """Direction of streets, sampled on a raster (the double angle, so that there and back are the same)."""

    cell: float
    half: int
    cos2: list[list[float]]
    sin2: list[list[float]]
    open: list[list[bool]]  # where streets may be: inside the town and not in the river
    near_river: list[list[bool]]

    def at(self, x: float, y: float) -> tuple[int, int] | None:
        """Raster cell of a place, None outside."""
        i, j = int(x / self.cell + self.half), int(y / self.cell + self.half)
        return (i, j) if 0 <= i < 2 * self.half and 0 <= j < 2 * self.half else None

    def wet(self, x: float, y: float) -> bool:
        """Whether a place is in the river or on its banks."""
        cell = self.at(x, y)
        return cell is not None and self.near_river[cell[0]][cell[1]]


def draw(radius_m: float, seed: int) -> Plan:
    """Draw a town of about this radius [m]; the same seed gives the same town."""
    key = noise.keys(seed, "plan", 0)
    river = _river(radius_m, key)
    directions = _directions(radius_m, river, key)
    lines = _trace(radius_m, directions)
    streets = tuple(piece for kind, line in lines for piece in _pieces(np.array(line), kind, radius_m, river))
    return Plan(radius_m, river, streets, _plant(radius_m))


def _plant(radius_m: float) -> tuple[float, float]:
    return (-0.93 * radius_m, 0.16 * radius_m)


def _river(radius_m: float, key: noise.Keys) -> Floats:
    """A river from the north-east, past the square on its southern side, out to the south-west."""
    t = np.linspace(-1.5, 1.5, 160)
    bend = noise.wave(key + np.uint64(11), t * 2.2 + 40.0) * 0.13 + 0.07 * np.sin(5.2 * t)
    middle = -0.30 * radius_m - 26.0
    turn = math.radians(28.0)
    x, y = t * radius_m, middle + bend * radius_m
    return np.column_stack([x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)])


def _offset_from_river(xy: Floats, river: Floats) -> Floats:
    """Signed distance [m] to the river: positive on the square's side (by the nearest vertex)."""
    out = np.empty(len(xy))
    tangent = np.gradient(river, axis=0)
    for start in range(0, len(xy), 20_000):
        part = xy[start : start + 20_000]
        distance = np.hypot(part[:, :1] - river[:, 0], part[:, 1:] - river[:, 1])
        nearest = distance.argmin(axis=1)
        delta = part - river[nearest]
        side = np.sign(tangent[nearest, 0] * delta[:, 1] - tangent[nearest, 1] * delta[:, 0])
        out[start : start + 20_000] = distance.min(axis=1) * np.where(side == 0, 1, side)
    return out


def _district(xy: Floats, radius_m: float, offset: Floats) -> NDArray[np.int64]:
    distance = np.hypot(xy[:, 0], xy[:, 1])
    bearing = np.degrees(np.arctan2(xy[:, 0], xy[:, 1])) % 360.0  # 0 is north, clockwise
    bearing = (bearing + 9.0 * np.sin(distance / (0.21 * radius_m) + 1.0)) % 360.0
    ragged = 0.34 * radius_m * (1.0 + 0.10 * np.sin(np.radians(3.0 * bearing)))
    out = np.full(len(xy), NORRA)
    out[(bearing >= 52.0) & (bearing < 180.0)] = OSTRA
    out[(bearing >= 232.0) & (bearing < 312.0)] = VASTRA
    out[(offset > 0) & (offset < 0.17 * radius_m + 30.0) & (bearing > 90.0) & (bearing < 232.0)] = STRANDEN
    out[(offset > 0) & (bearing >= 180.0) & (bearing < 232.0)] = STRANDEN
    out[distance < ragged] = CENTRUM
    out[offset < 0] = SODER
    return out


def _directions(radius_m: float, river: Floats, key: noise.Keys) -> _Field:
    cell = max(8.0, radius_m / 100.0)
    half = int(1.45 * radius_m / cell) + 2
    axis = (np.arange(-half, half) + 0.5) * cell
    gx, gy = np.meshgrid(axis, axis, indexing="ij")
    xy = np.column_stack([gx.ravel(), gy.ravel()])
    distance = np.hypot(xy[:, 0], xy[:, 1])
    offset = _offset_from_river(xy, river)
    district = _district(xy, radius_m, offset)
    # each district its own lie, softly bent by noise
    lie = np.array([16.0, 8.0, -24.0, 34.0, 62.0, 28.0])[district]
    bend = (
        26.0
        * noise.wave(key + np.uint64(21), xy[:, 0] / 340.0 + 90.0)
        * noise.wave(key + np.uint64(22), xy[:, 1] / 300.0 + 70.0)
    )
    own = np.radians(lie + bend * np.where(district == CENTRUM, 0.2, 1.0))
    nearest = np.hypot(xy[:, :1] - river[::8, 0], xy[:, 1:] - river[::8, 1]).argmin(axis=1) * 8
    tangent = np.gradient(river, axis=0)[nearest]
    along = np.arctan2(tangent[:, 1], tangent[:, 0])
    ring = np.arctan2(xy[:, 1], xy[:, 0]) + math.pi / 2
    w_river = 2.2 * np.exp(-((np.abs(offset) / 120.0) ** 2))
    w_ring = 1.5 * np.clip((distance / radius_m - 0.3) / 0.3, 0.0, 1.0) * np.isin(district, (NORRA, OSTRA))
    cos2 = np.cos(2 * own) + w_river * np.cos(2 * along) + w_ring * np.cos(2 * ring)
    sin2 = np.sin(2 * own) + w_river * np.sin(2 * along) + w_ring * np.sin(2 * ring)
    edge = radius_m * (1.0 + 0.13 * np.sin(3 * ring + 1.0) + 0.08 * np.sin(5 * ring))
    shape = gx.shape
    return _Field(
        cell=cell,
        half=half,
        cos2=cos2.reshape(shape).tolist(),
        sin2=sin2.reshape(shape).tolist(),
        open=((distance < edge) & (np.abs(offset) > _BANK)).reshape(shape).tolist(),
        near_river=(np.abs(offset) < _BANK + 1.5 * _STEP).reshape(shape).tolist(),
    )


class _Drawn:
    """Points of lines drawn so far, by kind, in squares as wide as the largest distance asked."""

    def __init__(self, square: float) -> None:
        self.square = square
        self.squares: dict[tuple[int, int], list[tuple[float, float]]] = {}

    def add(self, line: Line) -> None:
        for x, y in line:
            self.squares.setdefault((int(x // self.square), int(y // self.square)), []).append((x, y))

    def nearest(self, x: float, y: float, within: float) -> tuple[float, float] | None:
        i, j = int(x // self.square), int(y // self.square)
        best, found = within * within, None
        for a in (i - 1, i, i + 1):
            for b in (j - 1, j, j + 1):
                for px, py in self.squares.get((a, b), ()):
                    away = (px - x) ** 2 + (py - y) ** 2
                    if away < best:
                        best, found = away, (px, py)
        return found


def _trace(radius_m: float, directions: _Field) -> list[tuple[int, Line]]:
    """Main roads first (they alone cross the river), then streets a fair distance apart."""
    drawn = (_Drawn(_APART[_ALONG]), _Drawn(_APART[_ACROSS]))
    everything = _Drawn(_APART[_ALONG])
    lines: list[tuple[int, Line]] = []
    waiting: deque[tuple[int, float, float]] = deque()

    def keep(kind: int, line: Line, *, main: bool) -> None:
        drawn[kind].add(line)
        everything.add(line)
        lines.append((kind + (2 if main else 0), line))
        for x, y in line[:: 3 if kind == _ALONG else 4]:
            cell = directions.at(x, y)
            if cell is None:
                continue
            a = 0.5 * math.atan2(directions.sin2[cell[0]][cell[1]], directions.cos2[cell[0]][cell[1]])
            if kind == _ACROSS:
                a += math.pi / 2
            apart = _APART[kind] * 1.02
            for sign in (1.0, -1.0):
                waiting.append((kind, x - sign * apart * math.sin(a), y + sign * apart * math.cos(a)))
        for x, y in line[5::9]:
            waiting.append((1 - kind, x, y))

    for kind, x, y in (
        (_ACROSS, 0.0, 8.0),
        (_ALONG, 0.0, 8.0),
        (_ACROSS, 0.42 * radius_m, 0.2 * radius_m),
    ):
        line = _line(kind, x, y, directions, None, radius_m=radius_m)
        if len(line) > 8:
            keep(kind, line, main=True)
    while waiting:
        kind, x, y = waiting.popleft()
        cell = directions.at(x, y)
        if cell is None or not directions.open[cell[0]][cell[1]]:
            continue
        if drawn[kind].nearest(x, y, _APART[kind] * 0.93):
            continue
        line = _line(kind, x, y, directions, drawn[kind], radius_m=radius_m)
        if len(line) < 6:
            continue
        keep(kind, _joined(line, everything, directions), main=False)
    return lines


def _line(
    kind: int, x: float, y: float, directions: _Field, others: _Drawn | None, *, radius_m: float
) -> Line:
    """A street through (x, y) both ways, until the town ends, the river comes or another street is near."""
    halves: list[Line] = []
    for sign in (1.0, -1.0):
        half: Line = []
        px, py = x, y
        last: tuple[float, float] | None = None
        while len(half) < (4000 if others is None else 75):
            cell = directions.at(px, py)
            if cell is None:
                break
            i, j = cell
            if others is None:
                if math.hypot(px, py) > 1.3 * radius_m:
                    break
            elif not directions.open[i][j]:
                break
            if others is not None and half and others.nearest(px, py, _APART[kind] * 0.55):
                break
            a = 0.5 * math.atan2(directions.sin2[i][j], directions.cos2[i][j])
            a += math.pi / 2 if kind == _ACROSS else 0.0
            dx, dy = math.cos(a), math.sin(a)
            if last is None:
                dx, dy = dx * sign, dy * sign
            else:
                if dx * last[0] + dy * last[1] < 0.0:
                    dx, dy = -dx, -dy
                if others is None and directions.near_river[i][j]:
                    dx, dy = last  # straight over the bridge
                dx, dy = 0.45 * dx + 0.55 * last[0], 0.45 * dy + 0.55 * last[1]
                length = math.hypot(dx, dy) or 1.0
                dx, dy = dx / length, dy / length
            half.append((px, py))
            last = (dx, dy)
            px, py = px + _STEP * dx, py + _STEP * dy
        halves.append(half)
    return halves[1][:0:-1] + halves[0]


def _joined(line: Line, everything: _Drawn, directions: _Field) -> Line:
    """The line with ends that stop just short of another street led up to it."""
    for end in (0, -1):
        x, y = line[end]
        nx, ny = line[1 if end == 0 else -2]
        ahead = (x + 1.6 * (x - nx), y + 1.6 * (y - ny))
        touch = everything.nearest(*ahead, 46.0)
        if touch is None or directions.wet(0.5 * (x + touch[0]), 0.5 * (y + touch[1])):
            continue
        onward = (touch[0] - x) * (x - nx) + (touch[1] - y) * (y - ny)
        if onward > 0.45 * math.dist(touch, (x, y)) * math.dist((x, y), (nx, ny)):  # no sharp corners
            line.insert(0, touch) if end == 0 else line.append(touch)
    return line


def _pieces(line: Floats, kind: int, radius_m: float, river: Floats) -> list[Street]:
    """Cut a line where the district changes, drop scraps, and let each piece run away from the square."""
    district = _district(line, radius_m, _offset_from_river(line, river))
    change = np.nonzero(np.diff(district))[0] + 1
    cuts: list[int] = [0]
    for cut in [*change.tolist(), len(line)]:
        if cut - cuts[-1] >= 9 or cut == len(line):
            cuts.append(cut)
    if len(cuts) > 2 and cuts[-1] - cuts[-2] < 9:
        del cuts[-2]
    pieces = []
    for start, stop in pairwise(cuts):
        part = line[start : min(stop + 1, len(line))]
        if len(part) < 4:
            continue
        if np.hypot(*part[0]) > np.hypot(*part[-1]):
            part = part[::-1]
        home = int(np.bincount(district[start:stop], minlength=len(DISTRICTS)).argmax())
        pieces.append(Street(part, home, main=kind >= 2))
    return pieces


@dataclass(frozen=True, slots=True)
class Lots:
    """Places for buildings: row per lot."""

    xy: Floats  # (n, 2) metres
    street: NDArray[np.int64]
    side: NDArray[np.int64]  # 0 left (odd numbers), 1 right (even)
    along_m: Floats  # from the street's beginning
    district: NDArray[np.int64]


_FRONTAGE = np.array([30.0, 25.0, 34.0, 25.0, 58.0, 26.0])  # per district
_SET_BACK = np.array([17.0, 19.0, 24.0, 19.0, 34.0, 19.0])


def lots(plan: Plan, seed: int) -> Lots:
    """Lots on both sides of every street, clear of other streets, river, square and one another."""
    rng = np.random.default_rng([seed, 77])
    parts: list[tuple[Floats, int, int, Floats]] = []
    for number, street in enumerate(plan.streets):
        step = np.hypot(*np.diff(street.line, axis=0).T)
        length = np.concatenate([[0.0], np.cumsum(step)])
        for side in (0, 1):
            at = np.arange(0.6 * _FRONTAGE[street.district], length[-1] - 10.0, _FRONTAGE[street.district])
            if not len(at):
                continue
            at = at + rng.uniform(-2.5, 2.5, len(at))
            x, y = np.interp(at, length, street.line[:, 0]), np.interp(at, length, street.line[:, 1])
            slope = np.gradient(street.line, axis=0)
            dx, dy = np.interp(at, length, slope[:, 0]), np.interp(at, length, slope[:, 1])
            norm = np.hypot(dx, dy) + 1e-9
            off = (_SET_BACK[street.district] + rng.uniform(-2.0, 3.5, len(at))) * (1 if side == 0 else -1)
            parts.append((np.column_stack([x - off * dy / norm, y + off * dx / norm]), number, side, at))
    xy = np.concatenate([part[0] for part in parts])
    street_of = np.concatenate([np.full(len(part[0]), part[1]) for part in parts])
    side_of = np.concatenate([np.full(len(part[0]), part[2]) for part in parts])
    along = np.concatenate([part[3] for part in parts])
    district = np.array([street.district for street in plan.streets])[street_of]
    good = np.abs(_offset_from_river(xy, plan.river)) > _BANK + 6.0
    good &= np.hypot(xy[:, 0], xy[:, 1] - 8.0) > 46.0  # the square
    good &= np.hypot(xy[:, 0] - plan.plant[0], xy[:, 1] - plan.plant[1]) > 90.0
    good &= np.hypot(xy[:, 0], xy[:, 1]) < 1.12 * plan.radius_m
    good &= _clear_of_streets(xy, plan, 0.72 * _SET_BACK[district])
    good &= _clear_of_one_another(xy, 0.76 * _FRONTAGE[district], good)
    return Lots(xy[good], street_of[good], side_of[good], along[good], district[good])


def _clear_of_streets(xy: Floats, plan: Plan, distance: Floats) -> NDArray[np.bool_]:
    pieces = []
    for street in plan.streets:
        step = np.hypot(*np.diff(street.line, axis=0).T)
        length = np.concatenate([[0.0], np.cumsum(step)])
        at = np.arange(0.0, length[-1], 4.0)
        pieces.append(np.column_stack([np.interp(at, length, street.line[:, k]) for k in (0, 1)]))
    points = np.concatenate(pieces)
    square = 26.0
    squares: dict[tuple[int, int], list[int]] = {}
    for n, (i, j) in enumerate((points // square).astype(int).tolist()):
        squares.setdefault((i, j), []).append(n)
    out = np.ones(len(xy), dtype=bool)
    cells = (xy // square).astype(int).tolist()
    for n, (i, j) in enumerate(cells):
        near = [m for a in (i - 1, i, i + 1) for b in (j - 1, j, j + 1) for m in squares.get((a, b), ())]
        if near:
            away = points[near] - xy[n]
            out[n] = bool((away[:, 0] ** 2 + away[:, 1] ** 2).min() >= distance[n] ** 2)
    return out


def _clear_of_one_another(xy: Floats, distance: Floats, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    square = float(distance.max())
    taken: dict[tuple[int, int], list[int]] = {}
    out = np.zeros(len(xy), dtype=bool)
    cells = (xy // square).astype(int).tolist()
    places = xy.tolist()
    for n in np.nonzero(wanted)[0].tolist():
        i, j = cells[n]
        x, y = places[n]
        free = all(
            (places[m][0] - x) ** 2 + (places[m][1] - y) ** 2 >= min(distance[m], distance[n]) ** 2
            for a in (i - 1, i, i + 1)
            for b in (j - 1, j, j + 1)
            for m in taken.get((a, b), ())
        )
        if free:
            out[n] = True
            taken.setdefault((i, j), []).append(n)
    return out
