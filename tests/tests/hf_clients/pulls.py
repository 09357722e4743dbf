"""Pull requests as huggingface_hub has them: by who may write, and by who may only read."""
import os, sys, warnings
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, __version__, hf_hub_download
from huggingface_hub.utils import HfHubHTTPError

warnings.simplefilter("ignore")
endpoint, token, work, bob_token, carl_token, xet = sys.argv[1:7]
ada, bob, carl = (HfApi(endpoint=endpoint, token=one) for one in [token, bob_token, carl_token])
stranger = HfApi(endpoint=endpoint, token=False)
name = f"{__version__.replace('.', '-')}-{xet}"
repo = f"acme/pulls-{name}"
ada.create_repo(repo)
ada.upload_file(path_or_fileobj=b"one\n", path_in_repo="a.txt", repo_id=repo)
tip = lambda revision="main": stranger.model_info(repo, revision=revision).sha


def content(path, revision):
    file = hf_hub_download(repo, path, revision=revision, endpoint=endpoint, token=False, cache_dir=f"cache-{name}")
    return open(file, "rb").read()


def refused(status, call, *args, **named):
    try:
        call(*args, **named)
    except HfHubHTTPError as error:
        assert error.response.status_code == status, error
        return str(error)
    raise AssertionError(f"{call} worked")


def kinds(num):
    return [event.type for event in stranger.get_discussion_details(repo, num).events]


# A writer's: a draft at the branch's head, commits on its ref, a merge that moves the branch there.
first = tip()
pull = ada.create_pull_request(repo, "Say two", description="Two is better.")
assert (pull.num, pull.status, pull.git_reference) == (1, "draft", "refs/pr/1"), pull
assert pull.is_pull_request and pull.target_branch == "refs/heads/main", pull
assert (pull.diff, pull.conflicting_files, pull.merge_commit_oid) == ("", [], None), pull
refs = {ref.ref: ref.target_commit for ref in stranger.list_repo_refs(repo, include_pull_requests=True).pull_requests}
assert refs == {"refs/pr/1": first}, refs
two = ada.upload_file(path_or_fileobj=b"two\n", path_in_repo="a.txt", repo_id=repo, revision="refs/pr/1")
assert tip() == first and tip("refs/pr/1") == two.oid
assert content("a.txt", "refs/pr/1") == b"two\n" and content("a.txt", "main") == b"one\n"
pull = stranger.get_discussion_details(repo, 1)
assert [event.type for event in pull.events] == ["comment", "commit"] and pull.events[1].oid == two.oid, pull
assert "-one\n+two\n" in pull.diff, pull.diff
refused(403, bob.merge_pull_request, repo, 1)
ada.merge_pull_request(repo, 1, comment="Thanks!")
assert tip() == two.oid
merged = stranger.get_discussion_details(repo, 1)
assert (merged.status, merged.merge_commit_oid) == ("merged", two.oid), merged
assert kinds(1) == ["comment", "commit", "comment", "status-change"] and "-one\n+two\n" in merged.diff
assert "merged" in refused(409, ada.merge_pull_request, repo, 1)
refused(409, ada.change_discussion_status, repo, 1, "open")
refused(403, ada.upload_file, path_or_fileobj=b"x", path_in_repo="x", repo_id=repo, revision="refs/pr/1")
assert tip("refs/pr/1") == two.oid

# Bob may only read: he proposes, and nothing else. His branch and Ada's are merged.
refused(403, bob.upload_file, path_or_fileobj=b"x", path_in_repo="x", repo_id=repo)
done = bob.create_commit(
    repo_id=repo,
    operations=[CommitOperationAdd("b.txt", b"bob\n"), CommitOperationAdd("big.bin", os.urandom(300_000))],
    commit_message="Add b",
    commit_description="It was missing.",
    create_pr=True,
)
assert (done.pr_num, done.pr_revision, done.pr_url) == (2, "refs/pr/2", f"{endpoint}/{repo}/discussions/2"), done
pull = stranger.get_discussion_details(repo, 2)
assert (pull.title, pull.author, pull.status, pull.events[0].content) == ("Add b", "bob", "draft", "It was missing.")
assert kinds(2) == ["comment", "commit"] and tip() == two.oid and tip("refs/pr/2") == done.oid
assert len(content("big.bin", "refs/pr/2")) == 300_000
bob.upload_file(path_or_fileobj=os.urandom(200_000), path_in_repo="more.bin", repo_id=repo, revision="refs/pr/2")
refused(403, carl.upload_file, path_or_fileobj=b"x", path_in_repo="x", repo_id=repo, revision="refs/pr/2")
ada.upload_file(path_or_fileobj=b"ada\n", path_in_repo="c.txt", repo_id=repo)
refused(403, bob.merge_pull_request, repo, 2)
bob.change_discussion_status(repo, 2, "closed")
assert "closed" in refused(409, ada.merge_pull_request, repo, 2)
refused(403, bob.upload_file, path_or_fileobj=b"x", path_in_repo="x", repo_id=repo, revision="refs/pr/2")
bob.change_discussion_status(repo, 2, "open")
ada.merge_pull_request(repo, 2)
merge = stranger.get_discussion_details(repo, 2).merge_commit_oid
assert tip() == merge and content("b.txt", merge) == b"bob\n" and content("c.txt", merge) == b"ada\n"
commits = stranger.list_repo_commits(repo)
assert commits[0].commit_id == merge and commits[0].title == "Merge pull request #2", commits[0]

# A conflict is told, and changes nothing.
done = bob.upload_file(path_or_fileobj=b"his\n", path_in_repo="a.txt", repo_id=repo, create_pr=True)
assert done.pr_num == 3, done
ada.upload_file(path_or_fileobj=b"hers\n", path_in_repo="a.txt", repo_id=repo)
before = tip()
assert stranger.get_discussion_details(repo, 3).conflicting_files == ["a.txt"]
assert "a.txt" in refused(409, ada.merge_pull_request, repo, 3)
assert tip() == before and stranger.get_discussion_details(repo, 3).status == "draft"

# A folder, as `hf upload --create-pr` sends it.
os.makedirs(f"folder-{name}/sub", exist_ok=True)
open(f"folder-{name}/weights.bin", "wb").write(os.urandom(400_000))
open(f"folder-{name}/sub/note.txt", "w").write("a note\n")
for api in [bob, ada]:
    done = api.upload_folder(repo_id=repo, folder_path=f"folder-{name}", create_pr=True, commit_message="A folder")
    sent = open(f"folder-{name}/weights.bin", "rb").read()
    assert content("weights.bin", done.pr_revision) == sent and content("sub/note.txt", done.pr_revision) == b"a note\n"
    assert tip() == before
assert done.pr_num == 5, done

# On a commit that is not the branch's any more; nothing to change; nothing to be found.
old = bob.create_commit(
    repo_id=repo, operations=[CommitOperationAdd("old.txt", b"x")], commit_message="On one", parent_commit=first, create_pr=True
)
assert content("a.txt", old.pr_revision) == b"one\n"
refused(404, bob.create_commit, repo_id=repo, operations=[CommitOperationDelete("never")], commit_message="x", create_pr=True)
refused(404, ada.merge_pull_request, repo, 99)
talk = ada.create_discussion(repo, "No pull request")
refused(409, ada.merge_pull_request, repo, talk.num)
listed = [one.num for one in stranger.get_repo_discussions(repo, discussion_type="pull_request")]
assert listed == [6, 5, 4, 3, 2, 1], listed
refused(401, stranger.create_pull_request, repo, "No account")
print("done with", __version__)
