"""Bob may not write: he brings a megabyte to acme, and the writer as much as she likes."""
import os, sys, warnings
from huggingface_hub import CommitOperationAdd, HfApi

warnings.simplefilter("ignore")
endpoint, token, work, bob_token = sys.argv[1:5]
ada, bob = (HfApi(endpoint=endpoint, token=one) for one in [token, bob_token])
repo = "acme/strangers"
ada.create_repo(repo)
ada.upload_file(path_or_fileobj=b"one\n", path_in_repo="a.txt", repo_id=repo)


def propose(who, *files):
    adds = [CommitOperationAdd(path, data) for path, data in files]
    return who.create_commit(repo_id=repo, operations=adds, commit_message="Add", create_pr=True)


def refused(who, *files):
    try:
        propose(who, *files)
    except Exception as error:
        assert "until a pull request of yours is merged" in str(error), repr(error)
        return
    raise AssertionError("taken")


# Large files, small ones, and again once the first is merged.
done = propose(bob, ("x.bin", os.urandom(600_000)))
before = bob.list_repo_refs(repo, include_pull_requests=True)
refused(bob, ("y.bin", os.urandom(600_000)))
refused(bob, ("y.txt", os.urandom(300_000).hex().encode()), ("z.txt", os.urandom(300_000).hex().encode()))
assert bob.list_repo_refs(repo, include_pull_requests=True) == before
propose(ada, ("a.bin", os.urandom(2_000_000)))
ada.merge_pull_request(repo, done.pr_num)
propose(bob, ("y.bin", os.urandom(600_000)))
print("done")
