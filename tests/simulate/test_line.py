"""A receiver on a real serial line: a pseudo terminal, opened as any program would."""

import os
import select
import time

import pytest

from avlas.simulate import frames
from avlas.simulate.line import Line
from avlas.simulate.receivers import Im871a

FRAME = frames.link(frames.address("KAM", "12345678", 0x34, 0x04), bytes(range(0x70, 0xB0)))
SET_C_AND_T = bytes.fromhex("A501030600020A300100")
DONE = bytes.fromhex("A501040100")


def open_port(path):
    return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)


def read(port, count, within=5.0):
    """``count`` bytes from the port, or what came in time."""
    out, deadline = b"", time.monotonic() + within
    while len(out) < count and time.monotonic() < deadline:
        if select.select([port], [], [], 0.05)[0]:
            piece = os.read(port, count - len(out))
            if not piece:
                break
            out += piece
    return out


def until(condition, within=5.0):
    deadline = time.monotonic() + within
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@pytest.fixture
def line(tmp_path):
    with Line(Im871a(), tmp_path / "ttyRADIO") as line:
        yield line


def test_set_up_and_hear(line):
    port = open_port(line.path)
    os.write(port, bytes.fromhex("A5010100"))
    assert read(port, 4).hex() == "a5010200"
    os.write(port, SET_C_AND_T)
    assert read(port, 5) == DONE
    assert line.transmit(FRAME, -70)
    message = read(port, 4 + len(FRAME))
    assert message[4:-1] == FRAME[1:]
    assert message[-1] == 105
    os.close(port)


def test_every_byte_value_passes_unchanged(line):
    port = open_port(line.path)
    assert until(lambda: line.is_open)
    assert line.write(bytes(range(256)))
    assert read(port, 256) == bytes(range(256))
    os.close(port)


def test_pieces(tmp_path):
    with Line(Im871a(), tmp_path / "tty", piece=3, pause_s=0.005) as line:
        port = open_port(line.path)
        os.write(port, SET_C_AND_T)
        assert read(port, 5) == DONE
        assert line.transmit(FRAME, -70)
        sizes, total = [], 0
        # What came in one read is never more than what was written meanwhile.
        while total < 4 + len(FRAME):
            piece = read(port, 3)
            sizes.append(len(piece))
            total += len(piece)
        assert total == 4 + len(FRAME)
        os.close(port)


def test_unplug_and_plug_in_again(line):
    port = open_port(line.path)
    os.write(port, SET_C_AND_T)
    assert read(port, 5) == DONE
    line.unplug()
    assert not line.path.exists()

    def gone():
        try:
            return os.read(port, 1) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    assert until(gone)
    os.close(port)
    assert not line.transmit(FRAME, -70)
    line.plug()
    port = open_port(line.path)
    assert not line.transmit(FRAME, -70)  # the temporary settings are gone
    os.write(port, SET_C_AND_T)
    assert read(port, 5) == DONE
    assert line.transmit(FRAME, -70)
    assert read(port, 4 + len(FRAME))[4:-1] == FRAME[1:]
    os.close(port)


def test_what_nobody_reads_is_lost_and_counted(line):
    assert not line.is_open
    assert not line.write(b"abc")
    assert line.lost == 3


def test_a_closed_port_leaves_nothing_for_the_next_host(line):
    port = open_port(line.path)
    assert until(lambda: line.is_open)
    line.write(b"old")
    os.close(port)
    assert until(lambda: not line.is_open)
    port = open_port(line.path)
    assert until(lambda: line.is_open)
    line.write(b"new")
    assert read(port, 3) == b"new"
    os.close(port)


def test_stop_removes_the_path_and_a_foreign_file_is_left_alone(tmp_path):
    path = tmp_path / "tty"
    with Line(Im871a(), path):
        assert path.is_symlink()
    assert not path.exists()
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="choose another path"):
        Line(Im871a(), path).start()
    assert path.read_text() == "precious"
