# Asking for a gated repository, deciding on that, and reading it, with whichever huggingface_hub runs this.
import os
import sys
import tempfile
import urllib.request

import huggingface_hub
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

endpoint, token, work, ann, bob, size = sys.argv[1:7]
repo = "acme/gated"
api, reader, granted = (HfApi(endpoint=endpoint, token=secret) for secret in (token, ann, bob))
stranger = HfApi(endpoint=endpoint, token=False)
is_new = huggingface_hub.__version__.startswith("2.")


def refused(kind, call, status=None):
    try:
        call()
    except kind as error:
        assert status is None or error.response.status_code == status, error
        return error
    raise AssertionError(f"{kind.__name__} expected")


def ask(secret, form=b"why=research&affiliation=none+yet"):
    request = urllib.request.Request(f"{endpoint}/{repo}/ask-access", data=form)
    request.add_header("Authorization", f"Bearer {secret}")
    urllib.request.urlopen(request).read()


def download(secret, name="weights.bin"):
    with tempfile.TemporaryDirectory() as cache:
        path = hf_hub_download(repo, name, endpoint=endpoint, token=secret, cache_dir=cache)
        return os.path.getsize(path)


# Public before; gated from now on.
assert download(False) == int(size)
api.update_repo_settings(repo, gated="manual")
for who in (api, reader, stranger):
    info = who.model_info(repo, files_metadata=True)
    assert (info.gated, info.private, info.disabled) == ("manual", False, False), info
    assert sorted(file.rfilename for file in info.siblings) == [".gitattributes", "README.md", "weights.bin"]
    assert info.card_data.license == "mit"
    assert [entry.path for entry in who.list_repo_tree(repo)] == [".gitattributes", "README.md", "weights.bin"]
    assert who.repo_exists(repo)
    assert [found.id for found in who.list_models(gated=True)] == [repo]
    assert repo not in [found.id for found in who.list_models(gated=False)]
    assert [found.gated for found in who.list_models(search="gated", expand=["gated"])] == ["manual"]
assert download(token) == int(size)
for secret, status in ((ann, 403), (False, 401)):
    for name in ("README.md", "weights.bin"):
        told = refused(GatedRepoError, lambda: download(secret, name), status)
        assert f"{endpoint}/{repo}" in str(told), told
    refused(GatedRepoError, lambda: snapshot_download(repo, endpoint=endpoint, token=secret, local_dir=work + "/none"))
refused(GatedRepoError, lambda: reader.auth_check(repo))
api.auth_check(repo)

# Asked, seen, accepted.
assert list(api.list_pending_access_requests(repo)) == []
ask(ann)
ask(ann)
(pending,) = api.list_pending_access_requests(repo)
assert (pending.username, pending.status, pending.email) == ("ann", "pending", None), pending
assert pending.fields == {"why": "research", "affiliation": "none yet"}, pending
refused(HfHubHTTPError, lambda: list(reader.list_pending_access_requests(repo)), 403)
refused(HfHubHTTPError, lambda: reader.accept_access_request(repo, "ann"), 403)
refused(GatedRepoError, lambda: download(ann))
api.accept_access_request(repo, "ann")
refused(HfHubHTTPError, lambda: api.accept_access_request(repo, "ann"), 404)
assert [request.username for request in api.list_accepted_access_requests(repo)] == ["ann"]
assert download(ann) == int(size)
reader.auth_check(repo)
refused(GatedRepoError, lambda: download(False), 401)

# Rejected, which asking again does not change; cancelled, and accepted by its id.
api.reject_access_request(repo, "ann", rejection_reason="no")
refused(GatedRepoError, lambda: download(ann), 403)
ask(ann)
assert [request.username for request in api.list_rejected_access_requests(repo)] == ["ann"]
api.cancel_access_request(repo, "ann")
(pending,) = api.list_pending_access_requests(repo)
if is_new:
    api.accept_access_request(repo, request_id=pending.request_id)
else:
    api.accept_access_request(repo, "ann")
assert download(ann) == int(size)
refused(HfHubHTTPError, lambda: api.accept_access_request(repo, "bob"), 404)

# Given without asking, once.
refused(GatedRepoError, lambda: download(bob))
api.grant_access(repo, "bob")
refused(HfHubHTTPError, lambda: api.grant_access(repo, "bob"), 400)
assert download(bob) == int(size)
assert [request.username for request in api.list_accepted_access_requests(repo)] == ["ann", "bob"]

# A gate that opens by itself.
api.reject_access_request(repo, "ann", rejection_reason=None)
api.update_repo_settings(repo, gated="auto")
api.cancel_access_request(repo, "ann")
refused(GatedRepoError, lambda: download(ann))
ask(ann)
assert download(ann) == int(size)

# Private, whoever was accepted; and public to all without its gate.
api.update_repo_settings(repo, private=True)
refused(RepositoryNotFoundError, lambda: download(ann), 404)
assert api.model_info(repo).private and api.model_info(repo).gated == "auto"
api.update_repo_settings(repo, private=False)
refused(GatedRepoError, lambda: download(False), 401)
api.update_repo_settings(repo, gated=False)
assert download(False) == int(size) and api.model_info(repo).gated is False
