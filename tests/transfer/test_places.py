"""Places against real servers: whole or not at all, pinned and checked, and every trouble in words."""

from __future__ import annotations

import io
import os
import socket

import asyncssh
import pytest
from tests.transfer.servers import PASSWORD, USER, certificate, ftps_server, https_server, sftp_server

from avlas.transfer.places import sftp as sftp_module
from avlas.transfer.places import tls
from avlas.transfer.places.folder import Folder
from avlas.transfer.places.ftps import Ftps
from avlas.transfer.places.https import Https
from avlas.transfer.places.road import PlaceError, checked_name, fitting
from avlas.transfer.places.sftp import Sftp

pytestmark = pytest.mark.one_database

CONTENT = "Kund;Värde\r\nÅsa Öberg;1234,5\r\n".encode("cp1252") * 20_000  # more than one block


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    (folder / "in").mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def sftp(root):
    with sftp_server(root) as server:
        yield server


@pytest.fixture
def ftps(root, pem):
    with ftps_server(root, pem) as server:
        yield server


@pytest.fixture
def https(pem):
    with https_server(pem) as server:
        yield server


def to_sftp(server, *, user=USER, secret=PASSWORD, pinned=None, folder="in", by_key=False):
    plain = {"by_key": by_key, "folder": folder, "archive": "klart", "own_machine": True}
    if pinned is None:
        pinned = Sftp("127.0.0.1", server.port, user, secret, pinned="", **plain).identity().written
    return Sftp("127.0.0.1", server.port, user, secret, pinned=pinned, **plain)


def to_ftps(server, *, password=PASSWORD, pinned=None, folder="in"):
    plain = {"folder": folder, "archive": "klart", "own_machine": True}
    if pinned is None:
        pinned = Ftps("localhost", server.port, USER, password, pinned="", **plain).identity().written
    return Ftps("localhost", server.port, USER, password, pinned=pinned, **plain)


def to_https(server, *, path="/up", method="PUT", token=None, pinned=None):
    plain = {
        "method": method, "token": token or server.token, "token_header": "Authorization", "own_machine": True
    }  # fmt: skip
    url = f"https://localhost:{server.port}{path}"
    if pinned is None:
        pinned = Https(url, pinned="", **plain).identity().written
    return Https(url, pinned=pinned, **plain)


def to_folder(root):
    return Folder(str(root / "in"), "klart", [str(root)])


@pytest.fixture(params=["folder", "sftp", "ftps"])
def road(request, root):
    if request.param == "folder":
        return to_folder(root)
    server = request.getfixturevalue(request.param)
    return {"sftp": to_sftp, "ftps": to_ftps}[request.param](server)


# --- every road with files -----------------------------------------------------------------------------


def test_there_and_back(road, root):
    handed = []
    road.send("värden maj.csv", io.BytesIO(CONTENT), hand_over=lambda: handed.extend((root / "in").iterdir()))
    assert (root / "in" / "värden maj.csv").read_bytes() == CONTENT
    assert len(handed) == 1
    assert handed[0].name.startswith(".")  # until then it had no name that anybody looks for
    assert road.names("*.CSV") == ["värden maj.csv"]
    assert road.has("värden maj.csv", len(CONTENT))
    assert not road.has("värden maj.csv", 7)
    assert not road.has("annat.csv", 7)
    with road.fetch("värden maj.csv") as file:
        assert file.read() == CONTENT
    road.archive("värden maj.csv")
    assert road.names() == []
    assert (root / "in" / "klart" / "värden maj.csv").read_bytes() == CONTENT


def test_a_second_file_of_the_name_replaces_the_first_and_both_are_archived(road, root):
    for content in (b"first", b"second"):
        road.send("a.csv", io.BytesIO(content))
        assert (root / "in" / "a.csv").read_bytes() == content
        road.archive("a.csv")
    road.send("b.csv", io.BytesIO(b"1"))
    road.send("b.csv", io.BytesIO(b"22"))
    assert (root / "in" / "b.csv").read_bytes() == b"22"
    kept = sorted((root / "in" / "klart").iterdir())
    assert sorted(one.read_bytes() for one in kept) == [b"first", b"second"]


def test_what_it_finds_when_tested(road, root):
    (root / "in" / "x.csv").write_bytes(b"1")
    said = " ".join(text % values for text, values in road.test())
    assert "Files can be read and written." in said
    assert "Files there now: 1." in said
    assert [one.name for one in (root / "in").iterdir()] == ["x.csv"]


def test_a_source_that_breaks_leaves_nothing(road, root):
    class Breaking(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 100_000:
                raise RuntimeError("the query broke")
            return super().read(size)

    with pytest.raises(RuntimeError):
        road.send("a.csv", Breaking(CONTENT))
    assert list((root / "in").iterdir()) == []


def test_names_that_lead_elsewhere(road):
    for name in ("../out.csv", "a/b.csv", "", ".hidden", "a\nb", "..", "a\0b", " a"):
        with pytest.raises(PlaceError):
            road.send(name, io.BytesIO(b""))
        with pytest.raises(PlaceError):
            road.fetch(name)


def test_a_file_that_is_not_there(road):
    with pytest.raises(PlaceError):
        road.fetch("nix.csv")


def test_only_whole_files_are_named():
    given = ["B.csv", "a.CSV", ".a.csv.1.part", "c.csv.filepart", "d.xml", "sub/x.csv"]
    assert fitting(given, "*.csv") == ["B.csv", "a.CSV"]
    assert checked_name("Värden 2026-05 (1).csv")


# --- folders ------------------------------------------------------------------------------------------


def test_no_way_out_of_what_is_allowed(root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("x")
    (root / "link").symlink_to(outside)
    (root / "in" / "file.csv").symlink_to(outside / "secret.csv")
    for path in (outside, root / ".." / "outside", root / "link", tmp_path, root / "link" / ".."):
        with pytest.raises(PlaceError):
            Folder(str(path), "klart", [str(root)]).names()
    folder = to_folder(root)
    assert folder.names() == []
    with pytest.raises(PlaceError, match="link"):
        folder.fetch("file.csv")
    folder.send("file.csv", io.BytesIO(b"new"))
    assert (outside / "secret.csv").read_text() == "x"  # the link was replaced, not followed
    with pytest.raises(PlaceError, match="AVLAS_TRANSFER_FOLDERS"):
        Folder(str(root), "klart", []).names()


def test_a_pipe_is_no_file(root):
    os.mkfifo(root / "in" / "pipe.csv")
    with pytest.raises(PlaceError):
        to_folder(root).fetch("pipe.csv")


def test_a_folder_that_is_not_there(root):
    with pytest.raises(PlaceError, match="not there"):
        Folder(str(root / "nix"), "klart", [str(root)]).test()


def test_a_full_disk(root, monkeypatch):
    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PlaceError, match="is full"):
        to_folder(root).send("a.csv", io.BytesIO(CONTENT))
    assert list((root / "in").iterdir()) == []


# --- SFTP ---------------------------------------------------------------------------------------------


def test_sftp_with_a_key(sftp):
    private = sftp_module.new_private_key()
    sftp.allowed_key = asyncssh.import_public_key(sftp_module.public_key(private))
    road = to_sftp(sftp, secret=private, by_key=True)
    road.send("a.csv", io.BytesIO(b"1"))
    assert road.names() == ["a.csv"]
    with pytest.raises(PlaceError, match="does not let"):
        to_sftp(sftp, secret=sftp_module.new_private_key(), by_key=True).names()
    with pytest.raises(PlaceError, match="can't be read"):
        to_sftp(sftp, secret="-----BEGIN nonsense", by_key=True, pinned=road.identity().written).names()


def test_sftp_wrong_password(sftp):
    with pytest.raises(PlaceError, match="does not let avlas in") as problem:
        to_sftp(sftp, secret="fel").names()
    assert problem.value.for_good
    assert "fel" not in str(problem.value).split()


def test_sftp_never_without_a_pinned_key(sftp):
    with pytest.raises(PlaceError, match="not known yet"):
        to_sftp(sftp, pinned="").names()


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])  # the same kind, and another
def test_sftp_changed_host_key(sftp, root, kind):
    other = asyncssh.generate_private_key(kind).export_public_key().decode()
    # of another kind the server has none to show either, and may hang up before we do
    said = "another host key" if kind == "ssh-ed25519" else "another host key|lost half-way"
    with pytest.raises(PlaceError, match=said) as problem:
        to_sftp(sftp, pinned=other).send("a.csv", io.BytesIO(b"1"))
    if "lost" not in str(problem.value):
        assert problem.value.values["fingerprint"] == sftp_module.fingerprint(other)
    assert list((root / "in").iterdir()) == []


def test_sftp_full_disk(sftp, root):
    sftp.full = True
    with pytest.raises(PlaceError, match="full"):
        to_sftp(sftp).send("a.csv", io.BytesIO(CONTENT))
    assert list((root / "in").iterdir()) == []


def test_sftp_that_dies_half_way(sftp, root):
    sftp.break_after = 300_000
    road = to_sftp(sftp)
    with pytest.raises(PlaceError, match="lost"):
        road.send("a.csv", io.BytesIO(CONTENT))
    assert road.names() == []  # a hidden piece may lie there, nothing that has a name
    road.send("a.csv", io.BytesIO(CONTENT))
    assert (root / "in" / "a.csv").read_bytes() == CONTENT


def test_sftp_no_such_folder(sftp):
    for ask in (
        lambda road: road.test(),
        lambda road: road.names(),
        lambda road: road.send("a", io.BytesIO()),
    ):
        with pytest.raises(PlaceError, match="no "):
            ask(to_sftp(sftp, folder="/nix"))


def test_nobody_listens():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        for road in (
            Sftp("127.0.0.1", port, "a", "b", by_key=False, pinned="", folder="", archive="x", own_machine=True),
            Ftps("127.0.0.1", port, "a", "b", pinned="", folder="", archive="x", own_machine=True),
            Https(f"https://127.0.0.1:{port}/", method="PUT", token="", token_header="X", pinned="", own_machine=True),
        ):  # fmt: skip
            with pytest.raises(PlaceError, match=f"No connection to 127.0.0.1:{port}"):
                road.identity()


def test_this_machine_is_out_of_bounds_unless_allowed(sftp):
    road = Sftp(
        "localhost", sftp.port, "a", "b", by_key=False, pinned="", folder="", archive="x", own_machine=False
    )
    with pytest.raises(PlaceError, match="closest surroundings"):
        road.identity()
    assert sftp.connections == []


# --- FTPS ---------------------------------------------------------------------------------------------


def test_ftps_wrong_password(ftps):
    with pytest.raises(PlaceError, match="does not let"):
        to_ftps(ftps, password="fel").names()


def test_ftps_certificate_nobody_vouches_for(ftps):
    with pytest.raises(PlaceError, match="not trusted"):
        to_ftps(ftps, pinned="").names()


def test_ftps_changed_certificate(ftps, tmp_path):
    other = tls.identity(_der(certificate(tmp_path)))
    with pytest.raises(PlaceError, match="another certificate") as problem:
        to_ftps(ftps, pinned=other.written).names()
    assert problem.value.values["fingerprint"] == other.fingerprint == tls.fingerprint(other.written)


def test_ftps_full_disk(ftps, root, monkeypatch):
    monkeypatch.setattr(ftps.handler, "ftp_STOR", lambda self, *_: self.respond("552 Disk quota exceeded."))
    with pytest.raises(PlaceError, match="full"):
        to_ftps(ftps).send("a.csv", io.BytesIO(CONTENT))
    assert list((root / "in").iterdir()) == []


def test_ftps_that_dies_half_way(ftps, root, monkeypatch):
    whole = ftps.handler.ftp_STOR

    def dying(self, *args, **kwargs):
        whole(self, *args, **kwargs)
        self.close()

    monkeypatch.setattr(ftps.handler, "ftp_STOR", dying)
    with pytest.raises(PlaceError, match="lost"):
        to_ftps(ftps).send("a.csv", io.BytesIO(CONTENT))
    assert not (root / "in" / "a.csv").exists()


def test_ftps_no_such_folder(ftps):
    with pytest.raises(PlaceError, match="no folder nix"):
        to_ftps(ftps, folder="nix").test()


def _der(pem):
    import ssl

    return ssl.PEM_cert_to_DER_cert(pem.read_text()[pem.read_text().index("-----BEGIN CERTIFICATE") :])


# --- HTTPS --------------------------------------------------------------------------------------------


def test_https_put(https):
    to_https(https).send("värden maj.csv", io.BytesIO(CONTENT), key="sending 7")
    assert https.got == {"/up/v%C3%A4rden%20maj.csv": CONTENT}
    assert https.headers[0]["idempotency-key"] == "sending 7"
    assert https.headers[0]["host"] == f"localhost:{https.port}"


def test_https_post(https):
    handed = []
    to_https(https, method="POST").send("a.csv", io.BytesIO(b"x"), hand_over=lambda: handed.append(1))
    assert https.got == {"/up": b"x"}
    assert handed == [1]
    assert "a.csv" in https.headers[0]["content-disposition"]


def test_https_gives_a_file(https):
    https.gives["/keys/new.kem"] = CONTENT
    road = to_https(https, path="/keys/new.kem")
    assert road.names("*.kem") == ["new.kem"]
    with road.fetch("new.kem") as file:
        assert file.read() == CONTENT
    road.archive("new.kem")
    with pytest.raises(PlaceError, match="404"):
        to_https(https, path="/keys/none.kem").fetch("none.kem")


def test_https_wrong_token(https):
    road = to_https(https, token="fel")
    for ask in (road.test, lambda: road.send("a.csv", io.BytesIO(b"x"))):
        with pytest.raises(PlaceError, match="does not take the token") as problem:
            ask()
        assert problem.value.for_good
    assert "204" in str(to_https(https).test())


@pytest.mark.parametrize(
    ("status", "said"), [(500, "answered 500"), (507, "full"), (302, "elsewhere.example")]
)
def test_https_refusals(https, status, said):
    https.answer = status
    with pytest.raises(PlaceError, match=said):
        to_https(https).send("a.csv", io.BytesIO(CONTENT))
    assert https.got == {}


def test_https_that_dies_half_way(https):
    https.drop = True
    with pytest.raises(PlaceError, match="lost"):
        to_https(https).send("a.csv", io.BytesIO(CONTENT * 10))


def test_https_certificate(https, tmp_path):
    with pytest.raises(PlaceError, match="not trusted"):
        to_https(https, pinned="").test()
    with pytest.raises(PlaceError, match="another certificate"):
        to_https(https, pinned=tls.identity(_der(certificate(tmp_path))).written).test()
