"""The server of a report that follows its study: what it answers, whom, and when it makes the page again."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from moopt.experiment.report.live import LiveReport, progress


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cells" / "zdt1-nsga2").mkdir(parents=True)
    (tmp_path / "spec.json").write_text("{}")
    return tmp_path


def finish(folder, name):
    (folder / "cells" / "zdt1-nsga2" / f"{name}.json").write_text("{}")


@pytest.fixture
def report(folder):
    calls = []

    def build(place, version):
        calls.append(version)
        if (place / "broken").exists():
            raise ValueError("half a study")
        return f"<h1>{len(list(place.glob('cells/*/*.json')))} cells</h1>"

    with LiveReport(folder, build) as made:
        made.calls = calls
        yield made


def ask(report, path="/", method="GET", host=None):
    connection = http.client.HTTPConnection("127.0.0.1", report.port, timeout=10)
    connection.request(method, path, headers={"Host": host or f"127.0.0.1:{report.port}"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def version(report):
    return json.loads(ask(report, "/version")[1])


def test_the_page_is_made_again_when_a_cell_is_done(report, folder):
    assert ask(report)[1] == b"<h1>0 cells</h1>" and ask(report)[1] == b"<h1>0 cells</h1>"
    first = version(report)["version"]
    assert len(report.calls) == 1 and report.calls == [first]
    (folder / "cells" / "zdt1-nsga2" / "0-4").mkdir()  # a run has begun: nothing to show yet
    assert version(report)["version"] == first
    finish(folder, "0-4")
    time.sleep(0.01)
    assert version(report)["version"] != first
    assert ask(report)[1] == b"<h1>1 cells</h1>" and len(report.calls) == 2


def test_a_page_that_cannot_be_made_leaves_the_last_one(report, folder):
    ask(report)
    (folder / "broken").touch()
    finish(folder, "a")
    time.sleep(0.01)
    assert version(report)["trouble"] == "ValueError: half a study"
    assert ask(report)[1] == b"<h1>0 cells</h1>"
    (folder / "broken").unlink()
    time.sleep(0.01)
    assert version(report)["trouble"] == "" and ask(report)[1] == b"<h1>1 cells</h1>"


def test_no_page_yet(report, folder):
    (folder / "broken").touch()
    answer, content = ask(report)
    assert answer.status == 503 and content == b"no report yet: ValueError: half a study\n"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "localhost", "127.0.0.1:1", "[::1]"])
def test_other_names_are_refused(report, host):
    for path in ("/", "/version", "/cells/"):
        answer, content = ask(report, path, host=host)
        assert answer.status == 403 and b"cells" not in content
    assert not report.calls


def test_localhost_is_a_name_of_this_machine(report):
    assert ask(report, host=f"localhost:{report.port}")[0].status == 200


@pytest.mark.parametrize("path", ["/cells/", "/spec.json", "/../spec.json", "/?x", "/version/", "/%2e%2e/spec.json"])
def test_nothing_else_is_served(report, path):
    answer, content = ask(report, path)
    assert answer.status == 404 and b"{}" not in content


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_get(report, method):
    assert ask(report, method=method)[0].status == 501


def test_headers(report):
    answer, _ = ask(report)
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Python" not in (answer.headers["Server"] or "") and "Access-Control-Allow-Origin" not in answer.headers


def test_it_listens_on_this_machine_only(report):
    assert report._server.server_address[0] == "127.0.0.1" and report.url == f"http://127.0.0.1:{report.port}/"


def test_a_taken_port(report, folder):
    with pytest.raises(OSError):
        LiveReport(folder, lambda place, version: "", report.port)


def test_many_at_once_make_one_page(report):
    threads = [threading.Thread(target=ask, args=(report,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(report.calls) == 1


def test_progress_reads_no_content(folder):
    before = progress(folder)
    assert progress(folder) == before
    (folder / "cells" / "notes.txt").write_text("no cell")
    assert progress(folder) == before
    finish(folder, "b")
    assert progress(folder) != before


def test_ctrl_c_ends_it_and_frees_the_port(folder):
    code = f"""
from moopt.experiment.report.live import serve
serve({str(folder)!r}, build=lambda place, version: "page", announce=lambda url: print(url, flush=True))
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url = process.stdout.readline().strip()
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.read() == b"page"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0 and process.stderr.read() == ""
    with socket.socket() as free:
        assert free.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1].strip("/")))) != 0
