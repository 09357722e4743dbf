"""`hf auth login` without a token; somebody agrees, as with a browser that runs no script."""

import base64
import configparser
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

endpoint, token, work = sys.argv[1:4]
HF = str(Path(sys.executable).parent / "hf")
STORED = Path(os.environ["HOME"], ".cache/huggingface/stored_tokens")


def hf(*args):
    done = subprocess.run([HF, *args], capture_output=True, text=True, cwd=work)
    return done.returncode, done.stdout + done.stderr


class Form(HTMLParser):
    """The one form of a page: its fields as they are when it opens."""

    def __init__(self, page):
        super().__init__()
        self.method, self.fields, self.buttons = None, {}, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        at = dict(attributes)
        if tag == "form":
            self.method, self.action = at["method"], at["action"]
        elif tag == "button" and "name" in at:
            self.buttons.append((at["name"], at["value"]))
        elif tag == "input" and (at.get("type") != "radio" or "checked" in at):
            self.fields[at["name"]] = at.get("value", "")


def browse(url, data=None):
    request = urllib.request.Request(url, data=data and urllib.parse.urlencode(data).encode())
    request.add_header("Authorization", "Basic " + base64.b64encode(f"ada:{token}".encode()).decode())
    if data:
        request.add_header("Origin", endpoint)
    return urllib.request.urlopen(request).read().decode()


def log_in(decision):
    """Logs in; what the command said, and how it ended."""
    login = subprocess.Popen(
        [HF, "auth", "login", "--force"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=work,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    said = ""
    while "enter the code:" not in said:
        line = login.stdout.readline()
        assert line, said
        said += line
    url = re.search(r"https?://\S+", said)[0]
    code = said.rsplit("enter the code:", 1)[1].strip()
    # The page without the code asks for it.
    bare = Form(browse(url.split("?")[0]))
    assert bare.method == "get" and list(bare.fields) == ["user_code"], bare.fields
    page = browse(urllib.parse.urljoin(url, bare.action) + "?user_code=" + code.lower())
    assert "<strong>huggingface_hub</strong> at 127.0.0.1" in page and code in page and "<strong>ada</strong>" in page, page
    form = Form(page)
    assert form.method == "post" and ("decision", decision) in form.buttons, page
    answer = browse(urllib.parse.urljoin(url, form.action), {**form.fields, "decision": decision})
    assert "<h1>Done</h1>" in answer, answer
    try:
        browse(url)
    except urllib.error.HTTPError as error:
        assert error.code == 404, error
    else:
        raise AssertionError("a code that is decided")
    return said + login.stdout.read(), login.wait(30)


def stored():
    parser = configparser.ConfigParser()
    parser.read(STORED)
    (name,) = parser.sections()
    return parser, parser[name]


def ends_soon(**fields):
    """Lets the client believe so, with these fields changed."""
    parser, entry = stored()
    entry.update({"expires_at": str(int(time.time()) + 60), **fields})
    with STORED.open("w") as file:
        parser.write(file)


said, status = log_in("decline")
assert status != 0 and "Authorization was denied" in said and not STORED.exists(), said

said, status = log_in("approve")
assert status == 0 and "Login successful" in said and "refreshed automatically" in said, said
status, said = hf("auth", "whoami")
assert status == 0 and "ada" in said, said
Path(work, "README.md").write_text("# By a device\n")
status, said = hf("upload", "acme/device", "README.md")
assert status == 0, said

first = dict(stored()[1])
assert int(first["expires_at"]) - time.time() > 29 * 24 * 3600, first["expires_at"]
ends_soon()
status, said = hf("auth", "whoami")
assert status == 0 and "ada" in said, said
second = dict(stored()[1])
assert second["hf_token"] != first["hf_token"] and second["refresh_token"] != first["refresh_token"]
assert int(second["expires_at"]) - time.time() > 29 * 24 * 3600, second["expires_at"]

# Somebody else renews with what was used already: nobody goes on with it.
ends_soon(refresh_token=first["refresh_token"])
status, said = hf("auth", "whoami")
assert status != 0 and "could not be refreshed" in said, said
ends_soon(refresh_token=second["refresh_token"])
status, said = hf("auth", "whoami")
assert status != 0 and "could not be refreshed" in said, said
