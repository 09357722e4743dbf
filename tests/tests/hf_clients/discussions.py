"""Discussions as huggingface_hub has them: opened, commented on, edited, hidden, renamed, closed, listed."""
import sys, warnings
from huggingface_hub import HfApi, __version__
from huggingface_hub.utils import HfHubHTTPError, RepositoryNotFoundError

warnings.simplefilter("ignore")
endpoint, token, work, bob_token = sys.argv[1:5]
ada, bob = HfApi(endpoint=endpoint, token=token), HfApi(endpoint=endpoint, token=bob_token)
stranger = HfApi(endpoint=endpoint, token=False)
repo = f"acme/talk-{__version__.replace('.', '-')}"
ada.create_repo(repo)
ada.create_repo(repo, repo_type="dataset")


def refused(status, call, *args, **named):
    try:
        call(*args, **named)
    except HfHubHTTPError as error:
        assert error.response.status_code == status, error
        return str(error)
    raise AssertionError(f"{call} worked")


# Bob may read it, so he may talk about it.
bug = bob.create_discussion(repo, "  It does not load  ", description="Here:\n```\nTraceback <b>\n```")
assert (bug.num, bug.title, bug.status, bug.author) == (1, "It does not load", "open", "bob"), bug
assert bug.url == f"{endpoint}/{repo}/discussions/1" and not bug.is_pull_request and bug.git_reference is None
assert (bug.repo_id, bug.repo_type) == (repo, "model"), bug
[first] = bug.events
assert (first.type, first.author, first.edited, first.hidden) == ("comment", "bob", False, False), first
assert first.content == "Here:\n```\nTraceback <b>\n```" and "<b>" not in first.rendered, first
data = bob.create_discussion(repo, "Of a dataset", repo_type="dataset")
assert (data.num, data.repo_type, data.events[0].author) == (1, "dataset", "bob"), data
refused(401, stranger.create_discussion, repo, "No account")
refused(400, bob.create_discussion, repo, "x" * 201)
refused(400, bob.create_discussion, repo, "ab")

said = ada.comment_discussion(repo, 1, "Which version?")
assert (said.author, said.content, said.number_of_edits) == ("ada", "Which version?", 0), said
refused(413, bob.comment_discussion, repo, 1, "x" * (64 * 1024 + 1))
refused(400, bob.comment_discussion, repo, 1, "  ")
refused(404, bob.comment_discussion, repo, 99, "x")

# Only its author edits a comment.
refused(403, bob.edit_discussion_comment, repo, 1, said.id, "mine now")
edited = ada.edit_discussion_comment(repo, 1, said.id.upper(), "Which version, please?")
assert (edited.id, edited.content, edited.edited, edited.number_of_edits) == (said.id, "Which version, please?", True, 1)
assert edited.last_edited_by == "ada" and edited.last_edited_at >= edited.created_at

# Title and status are the author's and the writers'.
carl = HfApi(endpoint=endpoint, token=sys.argv[5])
refused(403, carl.rename_discussion, repo, 1, "Carl was here")
refused(403, carl.change_discussion_status, repo, 1, "closed")
renamed = bob.rename_discussion(repo, 1, "It does not load at all")
assert (renamed.old_title, renamed.new_title) == ("It does not load", "It does not load at all"), renamed
closed = ada.change_discussion_status(repo, 1, "closed", comment="Fixed.")
assert (closed.new_status, closed.author) == ("closed", "ada"), closed
assert bob.get_discussion_details(repo, 1).status == "closed"
reopened = bob.change_discussion_status(repo, 1, "open")
assert reopened.new_status == "open"

# Hiding is the writers', and for good.
refused(403, bob.hide_discussion_comment, repo, 1, said.id)
rude = bob.comment_discussion(repo, 1, "RUDE")
bob.edit_discussion_comment(repo, 1, rude.id, "RUDER")
hidden = ada.hide_discussion_comment(repo, 1, rude.id)
assert hidden.hidden and hidden.content == "", hidden
refused(409, bob.edit_discussion_comment, repo, 1, rude.id, "again")
details = stranger.get_discussion_details(repo, 1)
assert "RUDE" not in str(details)
shape = [(event.type, event.author) for event in details.events]
assert shape == [
    ("comment", "bob"),
    ("comment", "ada"),
    ("title-change", "bob"),
    ("comment", "ada"),
    ("status-change", "ada"),
    ("status-change", "bob"),
    ("comment", "bob"),
], shape
assert details.diff is None and details.conflicting_files is None and details.target_branch is None

# Lists come in pages, the latest first.
for n in range(2, 125):
    (ada if n % 2 else bob).create_discussion(repo, f"Number {n}")
ada.change_discussion_status(repo, 7, "closed")
listed = list(stranger.get_repo_discussions(repo))
assert [one.num for one in listed] == list(range(124, 0, -1)), listed
assert listed[-1].title == "It does not load at all" and listed[-1].author == "bob"
nums = lambda **filters: [one.num for one in stranger.get_repo_discussions(repo, **filters)]
assert nums(discussion_status="closed") == [7] and len(nums(discussion_status="open")) == 123
assert nums(author="ada") == list(range(123, 2, -2)) and nums(author="nobody") == []
assert nums(discussion_type="pull_request") == [] and len(nums(discussion_type="all")) == 124

# What may not be read is not talked about.
ada.create_repo(repo + "-private", private=True)
ada.create_discussion(repo + "-private", "Between us")
for call in [bob.get_discussion_details, bob.comment_discussion]:
    try:
        call(repo + "-private", 1, *(["x"] if call == bob.comment_discussion else []))
        raise AssertionError("told")
    except RepositoryNotFoundError:
        pass
print("done with", __version__)
