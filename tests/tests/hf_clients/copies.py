# Copying files and repositories without sending them, and letting large files go, with huggingface_hub 2.4.0.
import os
import sys

from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

endpoint, token, work, other = sys.argv[1:5]
api, stranger = HfApi(endpoint=endpoint, token=token), HfApi(endpoint=endpoint, token=other)
first, second, third = os.urandom(300_000), os.urandom(200_000), os.urandom(100_000)


def refused(call, status, kind=HfHubHTTPError):
    try:
        call()
    except kind as error:
        assert error.response.status_code == status, error
        return str(error)
    raise AssertionError("refused expected")


def content(repo, path, revision=None, who=api):
    args = dict(revision=revision, endpoint=endpoint, token=who.token, cache_dir=os.path.join(work, "cache"))
    return open(hf_hub_download(repo, path, **args), "rb").read()


def commit(repo, *operations, **options):
    return api.create_commit(repo, operations, commit_message="x", **options)


# In one repository: a large and a regular file.
api.create_repo("acme/a")
commit("acme/a", CommitOperationAdd("w.bin", first), CommitOperationAdd("notes.txt", b"regular\n"))
commit("acme/a", CommitOperationCopy("w.bin", "copies/w.bin"), CommitOperationCopy("notes.txt", "copies/notes.txt"))
assert content("acme/a", "copies/w.bin") == first and content("acme/a", "copies/notes.txt") == b"regular\n"

# From one repository to another, of another kind too; from what one may not read, or to what one may not write, never.
api.create_repo("acme/b", private=True)
api.create_repo("acme/d", repo_type="dataset")
across = dict(src_repo_id="acme/a", src_repo_type="model")
for repo, kind in (("acme/b", "model"), ("acme/d", "dataset")):
    copies = [CommitOperationCopy("w.bin", "of/a.bin", **across), CommitOperationCopy("notes.txt", "a.txt", **across)]
    api.create_commit(repo, copies, commit_message="x", repo_type=kind)
assert content("acme/b", "of/a.bin") == first and content("acme/b", "a.txt") == b"regular\n"
(info,) = api.get_paths_info("acme/d", "of/a.bin", repo_type="dataset")
assert info.lfs.size == len(first)
(known,) = api.get_paths_info("acme/b", "of/a.bin")
stranger.create_repo("bob/own")


def duplicate(source, target, files, who=stranger):
    body = {"target": {"type": "model", "name": target}, "files": files}
    from huggingface_hub.utils import get_session, hf_raise_for_status

    url = f"{endpoint}/api/models/{source}/lfs-files/duplicate"
    response = get_session().post(url, json=body, headers={"authorization": f"Bearer {who.token}"})
    hf_raise_for_status(response)
    return response.json()["failed"]


file = {"xetHash": known.xet_hash, "sha256": known.lfs.sha256, "filename": "x"}
refused(lambda: duplicate("acme/b", "bob/own", [file]), 404, RepositoryNotFoundError)
refused(lambda: duplicate("acme/a", "acme/a", [file]), 403)
for bad in ({**file, "sha256": "0" * 64}, {**file, "xetHash": "0" * 64}):
    (failed,) = duplicate("acme/a", "bob/own", [file, bad])
    assert failed["sha256"] == bad["sha256"] and "no such file" in failed["error"], failed

# A whole repository, with its branches and tags; the copy lives by itself.
api.create_branch("acme/a", branch="dev")
commit("acme/a", CommitOperationAdd("dev.bin", second), revision="dev")
api.create_tag("acme/a", tag="v1", tag_message="first")
copied = api.duplicate_repo("acme/a", "acme/copy")
assert str(copied) == f"{endpoint}/acme/copy" and copied.files_copy_pending is False, copied
refs, theirs = api.list_repo_refs("acme/copy"), api.list_repo_refs("acme/a")
assert sorted((b.name, b.target_commit) for b in refs.branches) == sorted((b.name, b.target_commit) for b in theirs.branches)
assert [(t.name, t.target_commit) for t in refs.tags] == [(t.name, t.target_commit) for t in theirs.tags]
assert content("acme/copy", "dev.bin", "dev") == second and content("acme/copy", "w.bin", "v1") == first
assert api.repo_info("acme/copy").private is False
refused(lambda: api.duplicate_repo("acme/a", "acme/copy"), 409)
assert str(api.duplicate_repo("acme/a", "acme/copy", exist_ok=True)) == f"{endpoint}/acme/copy"
refused(lambda: stranger.duplicate_repo("acme/a", "acme/theirs"), 403)
refused(lambda: stranger.duplicate_repo("acme/b", "bob/b"), 404, RepositoryNotFoundError)
assert stranger.duplicate_repo("acme/a").repo_id == "bob/a"
assert content("bob/a", "w.bin", who=stranger) == first
api.duplicate_repo("acme/b", "acme/hidden")
assert api.repo_info("acme/hidden").private
api.delete_repo("acme/a")
assert content("acme/copy", "w.bin", "refs/tags/v1") == first

# Large files: what a ref needs stays, what none needs goes for good.
commit("acme/copy", CommitOperationAdd("old.bin", third))
commit("acme/copy", CommitOperationDelete("old.bin"))
files = {file.filename: file for file in api.list_lfs_files("acme/copy")}
assert files["copies/w.bin"].size == len(first) and files["copies/w.bin"].ref == "refs/heads/main", files
unnamed = [file for name, file in files.items() if name == file.file_oid]
assert sorted(file.size for file in unnamed) == [len(third), len(second)], files
old = next(file for file in unnamed if file.size == len(third))
refused(lambda: list(stranger.list_lfs_files("acme/copy")), 403)
told = refused(lambda: api.permanently_delete_lfs_files("acme/copy", [old], rewrite_history=False), 409)
assert "rewrite_history=True" in told and old.file_oid in told, told
titles = [commit.title for commit in api.list_repo_commits("acme/copy")]
api.permanently_delete_lfs_files("acme/copy", [old])
assert old.file_oid not in [file.file_oid for file in api.list_lfs_files("acme/copy")]
assert [commit.title for commit in api.list_repo_commits("acme/copy")] == titles
assert all("old.bin" not in api.list_repo_files("acme/copy", revision=c.commit_id) for c in api.list_repo_commits("acme/copy"))
# Squashed, history needs no file but those of today.
api.super_squash_history("acme/copy", branch="main")
refused(lambda: api.permanently_delete_lfs_files("acme/copy", [files["copies/w.bin"]], rewrite_history=False), 409)
assert content("acme/copy", "w.bin") == first
