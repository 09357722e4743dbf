# Files in comments, as huggingface_hub 2.4 sends them.
import sys
import urllib.request
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

endpoint, token, work, reading = sys.argv[1:5]
repo = "acme/talk"
api = HfApi(endpoint=endpoint, token=token)
MOST = 10 << 20

FILES = {
    "a.png": (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
    "a.jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg", "jpg"),
    "a.gif": (b"GIF89a", "image/gif", "gif"),
    "a.webp": (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp", "webp"),
    "a.mp4": (b"\0\0\0\x20ftypisom\0\0\x02\0", "video/mp4", "mp4"),
    "a.mov": (b"\0\0\0\x14ftypqt  ", "video/quicktime", "mov"),
    "a.webm": (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video/webm", "webm"),
    "a.mp3": (b"ID3\x04\0", "audio/mpeg", "mp3"),
    "a.wav": (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav", "wav"),
    # What it is called counts for nothing.
    "b.png": (b"GIF89a and this", "image/gif", "gif"),
}


def get(url, method="GET", **headers):
    request = urllib.request.Request(url, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()})
    with urllib.request.urlopen(request) as answer:
        return answer, answer.read()


def refused(status, call):
    try:
        call()
    except (HfHubHTTPError, urllib.error.HTTPError) as error:
        found = error.response.status_code if isinstance(error, HfHubHTTPError) else error.code
        assert found == status, error
        return str(error)
    raise AssertionError(f"{status} expected")


def sent(name, data, secret=None):
    Path(name).write_bytes(data)
    return api.upload_attachment(name, token=secret)


# Everyone has it by its address, in parts too, and nothing in it can run.
urls = {}
for name, (head, media, ending) in FILES.items():
    data = head + bytes(range(200)) * 5
    urls[name] = url = sent(name, data)
    assert url.startswith(f"{endpoint}/uploads/") and url.endswith(f".{ending}"), url
    answer, body = get(url)
    assert body == data
    assert answer.headers["Content-Type"] == media, answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    shown = "inline" if media.startswith("image/") else "attachment"
    assert answer.headers["Content-Disposition"].startswith(shown), answer.headers
    part, body = get(url, Range="bytes=3-9")
    assert (part.status, body) == (206, data[3:10])
    head, body = get(url, method="HEAD")
    assert (head.headers["Content-Length"], body) == (str(len(data)), b"")
    refused(304, lambda: get(url, If_None_Match=answer.headers["ETag"]))
assert len(set(urls.values())) == len(FILES)

# Pages and pictures with scripts are none, whatever they are called; nor is what is too large.
for evil in (b"<html><script>alert(1)</script>", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", b""):
    assert "can be attached" in refused(400, lambda: sent("evil.png", evil))
full = FILES["a.png"][0].ljust(MOST, b"\1")
refused(413, lambda: sent("large.png", full + b"\1"))
refused(403, lambda: sent("a.png", full, reading))
refused(401, lambda: sent("a.png", full, False))
url = sent("large.png", full)
assert get(url)[1] == full

# In a comment, and gone when its owner says so.
talk = api.create_discussion(repo, "It looks odd", description=f"![screenshot]({url})")
assert url in api.get_discussion_details(repo, talk.num).events[0].content


def delete(url, secret):
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return get(url, method="DELETE", **headers)


refused(403, lambda: delete(url, reading))
refused(401, lambda: delete(url, None))
assert get(url)[1] == full
assert delete(url, token)[0].status == 204
refused(404, lambda: get(url))
refused(404, lambda: delete(url, token))
print(urls["a.png"])
