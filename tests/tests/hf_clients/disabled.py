# What is said of a repository that was taken down, with whichever huggingface_hub runs this.
import sys
import tempfile

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import DisabledRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

endpoint, token, work, ann = sys.argv[1:5]
repo = "acme/down"


def calls(secret):
    api = HfApi(endpoint=endpoint, token=secret)
    yield lambda: api.model_info(repo)
    yield lambda: list(api.list_repo_tree(repo))
    yield lambda: api.list_repo_refs(repo)
    yield lambda: api.auth_check(repo)
    yield lambda: api.update_repo_settings(repo, private=True)
    yield lambda: api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=repo)


def download(secret):
    with tempfile.TemporaryDirectory() as cache:
        hf_hub_download(repo, "README.md", endpoint=endpoint, token=secret, cache_dir=cache)


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} expected")


for call in calls(token):
    told = refused(DisabledRepoError, call)
    assert told.response.status_code == 403 and "a claim" in str(told), told
# A download says that nothing is in its cache either, and why it looked there.
told = refused(LocalEntryNotFoundError, lambda: download(token))
assert isinstance(told.__cause__, DisabledRepoError), told.__cause__
for secret, status in ((ann, 404), (False, 401)):
    for call in calls(secret):
        told = refused(RepositoryNotFoundError, call)
        assert told.response.status_code == status and "claim" not in str(told), told
    refused(RepositoryNotFoundError, lambda: download(secret))
    assert not HfApi(endpoint=endpoint, token=secret).repo_exists(repo)
for secret in (token, ann, False):
    assert list(HfApi(endpoint=endpoint, token=secret).list_models(author="acme")) == []
