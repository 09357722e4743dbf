# Everything that a publisher and a reader do, once, with whichever huggingface_hub runs this.
import io
import os
import sys

import huggingface_hub
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, snapshot_download
from huggingface_hub import hf_hub_download

try:
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
except ImportError:
    from huggingface_hub.utils import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

endpoint, token, work = sys.argv[1:4]
api = HfApi(endpoint=endpoint, token=token)
repo = "acme/cycle"


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} expected")


def files(root):
    found = {}
    for folder, _, names in os.walk(root):
        if ".cache" in folder:
            continue
        for name in names:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, root)] = open(path, "rb").read()
    return found


# Making repositories: the URL tells the id, and a second time is told with it.
assert str(api.create_repo(repo)) == f"{endpoint}/{repo}"
refused(HfHubHTTPError, lambda: api.create_repo(repo))
assert api.create_repo(repo, exist_ok=True).repo_id == repo
for kind in ["dataset", "space"]:
    extra = {"space_sdk": "static"} if kind == "space" else {}
    url = api.create_repo("acme/other", repo_type=kind, **extra)
    assert str(url) == f"{endpoint}/{kind}s/acme/other", url
    assert (url.repo_id, url.repo_type) == ("acme/other", kind)
assert api.create_repo("mine", private=True).repo_id == "ada/mine"
assert api.whoami()["name"] == "ada" and api.whoami()["orgs"][0]["name"] == "acme"

# A folder: text, binary, a large file, an empty one, names of every kind.
source = os.path.join(work, "source")
os.makedirs(os.path.join(source, "dir with space"))
os.makedirs(os.path.join(source, "data", "deep"))
content = {
    "README.md": b"---\nlicense: mit\ntags:\n- test\n---\n# A model\n",
    "config.json": b'{"model_type": "bert"}\n',
    "weights.bin": os.urandom(300_000),
    "empty.txt": b"",
    "dir with space/fi#le%\u00e9.txt": b"odd\n",
    "data/deep/x.unknown": b"\x00\x01binary",
    "data/deep/\u6a21\u578b [1].strange": b"\x00\x02binary",
}
for name, data in content.items():
    with open(os.path.join(source, name), "wb") as file:
        file.write(data)
before = api.repo_info(repo).sha
first = api.upload_folder(repo_id=repo, folder_path=source, commit_message="Add everything")
assert first.oid != before and len(api.list_repo_commits(repo)) == 2
# The same again makes no commit.
api.upload_folder(repo_id=repo, folder_path=source, commit_message="Again")
assert api.repo_info(repo).sha == first.oid

# What comes back is what went in.
cache = os.path.join(work, "cache")
got = snapshot_download(repo, endpoint=endpoint, token=token, cache_dir=cache)
back = files(got)
attributes = back.pop(".gitattributes").decode()
assert back == content, (sorted(back), sorted(content))
assert attributes.count("x.unknown") == 1 and "strange" in attributes and "weights" not in attributes, attributes
plain = snapshot_download(repo, endpoint=endpoint, token=token, cache_dir=cache, local_dir=os.path.join(work, "plain"))
assert set(files(plain)) == set(content) | {".gitattributes"}
for revision in ["main", first.oid, first.oid[:8]]:
    path = hf_hub_download(repo, "config.json", endpoint=endpoint, token=token, cache_dir=cache, revision=revision)
    assert open(path, "rb").read() == content["config.json"]
path = hf_hub_download(repo, "dir with space/fi#le%\u00e9.txt", endpoint=endpoint, token=token, cache_dir=cache)
assert open(path, "rb").read() == b"odd\n"

# Looking at it.
info = api.model_info(repo, files_metadata=True)
sizes = {file.rfilename: file.size for file in info.siblings}
assert sizes["weights.bin"] == 300_000 and sizes["empty.txt"] == 0
large = next(file for file in info.siblings if file.rfilename == "weights.bin")
assert large.lfs["size"] == 300_000 and len(large.lfs["sha256"]) == 64
assert info.sha == first.oid and info.private is False and "license:mit" in info.tags and info.created_at
assert sorted(api.list_repo_files(repo)) == sorted([*content, ".gitattributes"])
deep = {entry.path for entry in api.list_repo_tree(repo, path_in_repo="data/deep", recursive=True)}
assert deep == {"data/deep/x.unknown", "data/deep/\u6a21\u578b [1].strange"}, deep
refused(EntryNotFoundError, lambda: list(api.list_repo_tree(repo, path_in_repo="nowhere")))
last = {entry.path: entry.last_commit for entry in api.list_repo_tree(repo, expand=True)}
assert last["config.json"].oid == first.oid and last["data"].title and last["data"].date, last
assert api.get_paths_info(repo, ["config.json"], expand=True)[0].last_commit.oid == first.oid
found = {entry.path for entry in api.get_paths_info(repo, ["config.json", "data", "nowhere"])}
assert found == {"config.json", "data"}, found
assert api.file_exists(repo, "config.json") and not api.file_exists(repo, "nowhere")
assert api.repo_exists(repo) and not api.repo_exists("acme/never")
assert api.revision_exists(repo, "main") and not api.revision_exists(repo, "never")

# Errors are those that programs catch.
refused(RepositoryNotFoundError, lambda: api.repo_info("acme/never"))
refused(RepositoryNotFoundError, lambda: HfApi(endpoint=endpoint, token=False).repo_info("ada/mine"))
refused(RevisionNotFoundError, lambda: api.repo_info(repo, revision="never"))
error = refused(EntryNotFoundError, lambda: hf_hub_download(repo, "nowhere", endpoint=endpoint, token=token, cache_dir=cache))
absent = os.path.join(cache, "models--acme--cycle", ".no_exist", first.oid, "nowhere")
assert os.path.exists(absent), os.listdir(os.path.join(cache, "models--acme--cycle"))
assert "doesn't exist" in str(refused(EntryNotFoundError, lambda: api.delete_file("nowhere", repo)))

# Commits of every kind of operation.
second = api.create_commit(
    repo,
    operations=[
        CommitOperationAdd("a.txt", b"a"),
        CommitOperationAdd("big.safetensors", io.BytesIO(b"\x01" * 200_000)),
        CommitOperationDelete("empty.txt"),
        CommitOperationDelete("data/"),
        CommitOperationCopy("config.json", "copies/config.json"),
        CommitOperationCopy("weights.bin", "copies/weights.bin"),
    ],
    commit_message="Change much",
    commit_description="And say why.",
)
names = set(api.list_repo_files(repo))
assert {"a.txt", "big.safetensors", "copies/config.json", "copies/weights.bin"} <= names
assert not [name for name in names if name.startswith("data/") or name == "empty.txt"]
log = api.list_repo_commits(repo)
assert (log[0].title, log[0].message, log[0].authors) == ("Change much", "And say why.", ["ada"]), log[0]
stale = refused(HfHubHTTPError, lambda: api.create_commit(
    repo, operations=[CommitOperationAdd("b.txt", b"b")], commit_message="Late", parent_commit=first.oid))
assert stale.response.status_code == 412
assert api.repo_info(repo).sha == second.oid

# Branches and tags.
api.create_branch(repo, branch="dev/x")
refused(HfHubHTTPError, lambda: api.create_branch(repo, branch="dev/x"))
api.create_branch(repo, branch="dev/x", exist_ok=True)
api.create_branch(repo, branch="old", revision=first.oid)
api.upload_file(path_or_fileobj=b"on a branch", path_in_repo="b.txt", repo_id=repo, revision="dev/x")
path = hf_hub_download(repo, "b.txt", endpoint=endpoint, token=token, cache_dir=cache, revision="dev/x")
assert open(path, "rb").read() == b"on a branch"
api.create_tag(repo, tag="v1")
api.create_tag(repo, tag="v0", revision=first.oid, tag_message="The first")
refused(HfHubHTTPError, lambda: api.create_tag(repo, tag="v1"))
refs = api.list_repo_refs(repo)
assert {ref.name for ref in refs.branches} == {"main", "dev/x", "old"}
assert {ref.name: ref.target_commit for ref in refs.tags} == {"v0": first.oid, "v1": second.oid}
assert api.repo_info(repo, revision="v0").sha == first.oid
path = hf_hub_download(repo, "data/deep/x.unknown", endpoint=endpoint, token=token, cache_dir=cache, revision="v0")
assert open(path, "rb").read() == content["data/deep/x.unknown"]
refused(EntryNotFoundError, lambda: hf_hub_download(
    repo, "data/deep/x.unknown", endpoint=endpoint, token=token, cache_dir=cache, revision="v1"))
api.delete_tag(repo, tag="v1")
api.delete_branch(repo, branch="old")
refused(RevisionNotFoundError, lambda: api.delete_branch(repo, branch="old"))

# History in one commit, the same files.
before = {entry.path: getattr(entry, "blob_id", None) for entry in api.list_repo_tree(repo, recursive=True)}
api.super_squash_history(repo, branch="main", commit_message="All in one")
after = {entry.path: getattr(entry, "blob_id", None) for entry in api.list_repo_tree(repo, recursive=True)}
assert before == after and [commit.title for commit in api.list_repo_commits(repo)] == ["All in one"]

# Hiding, moving, deleting.
api.update_repo_settings(repo, private=True)
assert api.repo_info(repo).private is True
refused(RepositoryNotFoundError, lambda: HfApi(endpoint=endpoint, token=False).repo_info(repo))
api.move_repo(repo, "ada/moved")
assert api.repo_info("ada/moved").id == "ada/moved"
path = hf_hub_download(repo, "a.txt", endpoint=endpoint, token=token, cache_dir=os.path.join(work, "former"))
assert open(path, "rb").read() == b"a"
api.upload_file(path_or_fileobj=b"by its old name", path_in_repo="c.txt", repo_id=repo)
assert "c.txt" in api.list_repo_files("ada/moved")
api.delete_repo("ada/moved")
refused(RepositoryNotFoundError, lambda: api.delete_repo("ada/moved"))
api.delete_repo("ada/moved", missing_ok=True)
print("done with", huggingface_hub.__version__)
