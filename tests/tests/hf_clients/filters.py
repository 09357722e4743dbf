# Every parameter of the lists of models, datasets and Spaces, a row each.
import json
import struct
import sys
import time

from huggingface_hub import HfApi, get_session, hf_hub_download
from huggingface_hub.errors import BadRequestError

endpoint, token, work = sys.argv[1:4]
ada, anyone = HfApi(endpoint=endpoint, token=token), HfApi(endpoint=endpoint, token=False)


def make(kind, name, card, files=(), **more):
    ada.create_repo(f"acme/{name}", repo_type=kind, **more)
    files = {**dict(files), "README.md": f"---\n{card}\n---\n# {name}\n".encode()}
    for path, content in files.items():
        ada.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=f"acme/{name}", repo_type=kind)


header = json.dumps({"a": {"dtype": "F32", "shape": [50, 100], "data_offsets": [0, 0]}}).encode()
make(
    "model",
    "writer",
    "license: mit\nlanguage: en\npipeline_tag: text-generation\nlibrary_name: transformers\ndatasets: [glue]\n"
    "tags: [chat, en]\nco2_eq_emissions: {emissions: 10}",
    {"config.json": b'{"model_type": "gpt2"}', "model.safetensors": struct.pack("<Q", len(header)) + header},
)
make("model", "small.gguf", "pipeline_tag: fill-mask", {"small.gguf": b"GGUF"})
make("model", "plain", "tags: [plain]")
ada.update_repo_settings("acme/small.gguf", gated="auto")
make(
    "dataset",
    "words",
    "language: en\nlanguage_creators: [found]\nmultilinguality: [monolingual]\nsize_categories: ['1K<n<10K']\n"
    "task_categories: [question-answering]\ntask_ids: [extractive-qa]\ntags: ['benchmark:official']",
)
make("dataset", "other-words", "language: de")
make("space", "uses", "sdk: static\nmodels: [acme/writer, acme/plain]\ndatasets: [acme/words]", space_sdk="static")
make("space", "half", "sdk: static\nmodels: [acme/writer]", space_sdk="static")
make("space", "alone", "sdk: gradio", space_sdk="gradio")

# `writer` is fetched three times, and somebody likes `plain`.
get_session().post(f"{endpoint}/api/models/acme/plain/like", headers={"authorization": f"Bearer {token}"})
for _ in range(3):
    hf_hub_download("acme/writer", "config.json", endpoint=endpoint, token=False, force_download=True, cache_dir=work)
deadline = time.monotonic() + 30
while anyone.model_info("acme/writer").downloads != 3:
    assert time.monotonic() < deadline
    time.sleep(0.2)

MODELS = [
    (dict(), "plain small.gguf writer"),
    (dict(filter="chat"), "writer"),
    (dict(filter=["chat", "license:mit"]), "writer"),
    (dict(filter=["chat", "plain"]), ""),
    (dict(author="acme"), "plain small.gguf writer"),
    (dict(author="nobody"), ""),
    (dict(apps="ollama"), "small.gguf"),
    (dict(apps="vllm"), "writer"),
    (dict(apps=["ollama", "vllm"]), ""),
    (dict(apps="never"), ""),
    (dict(gated=True), "small.gguf"),
    (dict(gated=False), "plain writer"),
    (dict(inference="warm"), ""),
    (dict(inference_provider="all"), ""),
    (dict(inference_provider=["together", "novita"]), ""),
    (dict(trained_dataset="glue"), "writer"),
    (dict(trained_dataset="dataset:glue"), "writer"),
    (dict(trained_dataset=["glue", "squad"]), ""),
    (dict(search="GGUF"), "small.gguf"),
    (dict(pipeline_tag="text-generation"), "writer"),
    (dict(num_parameters="min:1K,max:5K"), "writer"),
    (dict(num_parameters="min:6K"), ""),
    (dict(emissions_thresholds=(1, 20), cardData=True), "writer"),
    (dict(limit=2), None),
]
DATASETS = [
    (dict(), "other-words words"),
    (dict(filter="language:de"), "other-words"),
    (dict(author="acme", search="other"), "other-words"),
    (dict(benchmark=True), "words"),
    (dict(dataset_name="words"), "other-words words"),
    (dict(dataset_name="words", search="other"), "other-words"),
    (dict(gated=True), ""),
    (dict(language_creators="found"), "words"),
    (dict(language=["en", "de"]), ""),
    (dict(language="en"), "words"),
    (dict(multilinguality="monolingual"), "words"),
    (dict(size_categories="1K<n<10K"), "words"),
    (dict(task_categories="question-answering"), "words"),
    (dict(task_ids="extractive-qa"), "words"),
]
SPACES = [
    (dict(), "alone half uses"),
    (dict(filter="gradio"), "alone"),
    (dict(author="acme", search="al"), "alone half"),
    (dict(linked=True), "half uses"),
    (dict(models="acme/writer"), "half uses"),
    (dict(models=["acme/writer", "acme/plain"]), "uses"),
    (dict(models="acme/none"), ""),
    (dict(datasets="acme/words"), "uses"),
    (dict(datasets="acme/words", models="acme/writer", linked=True), "uses"),
]
for listed, rows in [(anyone.list_models, MODELS), (anyone.list_datasets, DATASETS), (anyone.list_spaces, SPACES)]:
    for asked, expected in rows:
        found = sorted(repo.id.removeprefix("acme/") for repo in listed(**asked))
        if expected is None:
            assert len(found) == asked["limit"], (asked, found)
        else:
            assert found == expected.split(), (asked, found)

# What comes first.
for sort, expected in {
    "created_at": "plain small.gguf writer",
    "last_modified": "plain small.gguf writer",
    "likes": "plain small.gguf writer",
    "downloads": "writer plain small.gguf",
    "trending_score": "writer plain small.gguf",
}.items():
    for limit in [None, 1]:
        found = [repo.id.removeprefix("acme/") for repo in anyone.list_models(sort=sort, limit=limit)]
        assert found == expected.split()[:limit], (sort, found)
for listed in [anyone.list_datasets, anyone.list_spaces]:
    assert [repo.trending_score for repo in listed(sort="trending_score")] == [0] * len(list(listed()))

# What is shown.
only = {repo.id: repo for repo in anyone.list_models(expand=["trendingScore", "gated"])}
assert only["acme/writer"].trending_score == 3 and only["acme/plain"].trending_score == 1, only
assert only["acme/small.gguf"].gated == "auto" and only["acme/writer"].gated is False
assert only["acme/writer"].tags is None and only["acme/writer"].sha is None
one = lambda **args: next(iter(anyone.list_models(search="writer", **args)))
short, full = one(), one(full=True)
assert short.siblings is None and short.card_data is None and short.config is None, short
assert {file.rfilename for file in full.siblings} >= {"config.json", "model.safetensors"}
assert full.sha and full.last_modified and full.config is None
assert one(cardData=True).card_data.license == "mit"
assert one(fetch_config=True).config == {"model_type": "gpt2"}
space = anyone.space_info("acme/uses")
assert (space.models, space.datasets) == (["acme/writer", "acme/plain"], ["acme/words"]), space
assert "model:acme/writer" not in space.tags

# Tags by the fields that they are from.
tags = {kind: sorted(tag["label"] for tag in tags) for kind, tags in anyone.get_model_tags().items()}
assert tags == {
    "dataset": ["glue"],
    "language": ["en"],
    "library": ["safetensors", "transformers"],
    "license": ["mit"],
    "other": ["chat", "gpt2", "plain"],
    "pipeline_tag": ["text-generation"],
}, tags
tags = anyone.get_dataset_tags()
assert tags["language"] == [
    {"id": "language:de", "label": "de", "type": "language"},
    {"id": "language:en", "label": "en", "type": "language"},
], tags
assert [tag["id"] for tag in tags["other"]] == ["benchmark:official"], tags

# Discussions are counted where the one who asks may read them.
ada.create_repo("acme/hidden", private=True)
for name in ["plain", "hidden"]:
    ada.create_discussion(f"acme/{name}", title="Why?")
assert anyone.get_user_overview("ada").num_discussions == 1
assert ada.get_user_overview("ada").num_discussions == 2

for asked in [dict(filter=[str(n) for n in range(9)]), dict(search=["a", "b", "c"]), dict(sort="colour")]:
    try:
        list(anyone.list_models(**asked))
    except BadRequestError:
        continue
    raise AssertionError(asked)
