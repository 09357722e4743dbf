# A revision by the id that it has at the source, where the commit here has another: what the client makes of it.
import pathlib
import sys

from huggingface_hub import HfApi, hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError

endpoint, token, work, source = sys.argv[1:5]
cache = pathlib.Path(work) / "cache"
asked = dict(revision=source, endpoint=endpoint, token=token, cache_dir=cache)

assert HfApi(endpoint=endpoint, token=token).model_info("acme/m", revision=source).sha == source
try:
    hf_hub_download("acme/m", "none.txt", **asked)
    raise AssertionError("there is none")
except EntryNotFoundError:
    pass
one = pathlib.Path(hf_hub_download("acme/m", "a.txt", **asked))
assert one.read_text() == "one", one
# Newer clients take a whole id for that of the commit and ask nobody; older ones ask.
for again in ({}, {}, {"local_files_only": True}):
    got = pathlib.Path(snapshot_download("acme/m", **asked, **again))
    assert (got / "a.txt").read_text() == "one" and (got / "w.bin").stat().st_size == 100_000, got
    assert got.name == source
assert try_to_load_from_cache("acme/m", "a.txt", cache_dir=cache, revision=source) == str(one)
repo = cache / "models--acme--m"
assert [entry.name for entry in (repo / "snapshots").iterdir()] == [source]
assert not (repo / "refs" / source).exists()
print("ok")
