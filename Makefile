# Every target is a command or two; `make` alone lists them.
# ARGS goes to the program that a target runs: make run ARGS='--help', make test ARGS=dump

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)
ARGS =

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- running ----

.PHONY: run
run: ## install what is missing, build, and watch a simulated drive arrive (Ctrl-C ends it)
	@scripts/install-postgres.sh
	@cargo build --release --locked -p odograph
	@exec $(TARGET_DIR)/release/odograph up --demo $(ARGS)

# ---- testing ----

.PHONY: test
test: tools build-tests page-tests ## the whole suite against a real PostgreSQL, nats-server, S3 server and browser
	$(TARGET_DIR)/debug/with-servers cargo nextest run --locked --workspace $(ARGS)

.PHONY: tools
tools: ## install what the tests need and this machine lacks
	@scripts/install-postgres.sh
	@scripts/install-nats.sh
	@scripts/install-s3.sh
	@scripts/install-peers.sh
	@scripts/install-pgbouncer.sh
	@scripts/install-kubectl.sh
	@scripts/install-faketime.sh
	@scripts/install-gpsbabel.sh
	@scripts/install-chromium.sh
	@scripts/install-deno.sh
	@scripts/install-nextest.sh

# Programs and tests in one build: in two, cargo would choose other features and compile the
# dependencies twice.
.PHONY: build-tests
build-tests:
	cargo build --locked --workspace --bins --tests

.PHONY: doc-tests
doc-tests: ## the examples in the documentation
	cargo test --locked --workspace --doc

# Builds everything twice, so it is no part of `make test`.
.PHONY: last-release
last-release: tools build-tests ## start the last release's programs on today's database, and today's on its bus
	LAST_RELEASE="$$(scripts/build-last-release.sh)" $(TARGET_DIR)/debug/with-servers cargo nextest run --locked -p tests --run-ignored only -E 'test(last_release)'

SECONDS_OF_FAULTS = 600
SEED =
SEEDS = 3

# In bash, SECONDS is the age of the shell, so only a SECONDS from the command line counts.
.PHONY: soak
soak: ## break everything under load, then count: [SECONDS=600] [SEED=…] [SEEDS=3]
	@scripts/install-postgres.sh
	@scripts/install-nats.sh
	cargo build --release --locked -p soak -p ingestor -p persistor -p dumper -p api -p notifier -p odograph
	$(TARGET_DIR)/release/soak --seconds $(if $(filter command line,$(origin SECONDS)),$(SECONDS),$(SECONDS_OF_FAULTS)) $(if $(SEED),--seed $(SEED)) --seeds $(SEEDS) $(ARGS)

# Five minutes: a month, where a week is the retention of a minute. The end takes two more.
.PHONY: soak-messages
soak-messages: ## the same for messages, which live for a minute: [SECONDS=300] [SEED=…] [SEEDS=1]
	@scripts/install-postgres.sh
	cargo build --release --locked -p soak -p messages -p odograph
	$(TARGET_DIR)/release/soak --messages --seconds $(if $(filter command line,$(origin SECONDS)),$(SECONDS),300) $(if $(SEED),--seed $(SEED)) $(if $(filter command line,$(origin SEEDS)),--seeds $(SEEDS)) $(ARGS)

# SECONDS is the time of each target; ARGS names targets.
.PHONY: fuzz
fuzz: ## feed made-up input to every parser, guided by what it reaches: [SECONDS=60] [ARGS=line]
	@scripts/install-fuzz.sh
	@scripts/fuzz.sh $(if $(filter command line,$(origin SECONDS)),$(SECONDS),60) $(ARGS)

# ---- measuring ----

QUICK =

.PHONY: bench
bench: ## measure against the rivals on this machine and write BENCHMARKS.md: [QUICK=1]
	@scripts/install-postgres.sh
	@scripts/install-nats.sh
	@scripts/install-wrk.sh
	cargo build --release --locked -p bench -p ingestor -p persistor -p dumper -p api -p notifier -p messages -p journal -p odograph
	$(TARGET_DIR)/release/bench --write $(if $(QUICK),--quick) $(ARGS)

.PHONY: bench-peers
bench-peers: ## install InfluxDB, VictoriaMetrics, graphile-worker, Redis, Datasette and Chromium, for `make bench`
	@scripts/install-bench-peers.sh

.PHONY: micro
micro: ## readings a second through each hot loop, and what has changed since the last time
	cargo bench --locked -p bench --bench micro $(if $(ARGS),-- $(ARGS))

# ---- checking ----

.PHONY: lint format-check clippy doc deny advisories
lint: format-check clippy doc deny ## format, clippy, rustdoc and the dependencies, all without a warning

format-check:
	cargo fmt --all --check

clippy:
	cargo clippy --locked --workspace --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

deny: ## licences, bans, duplicate versions and registries of the dependencies, by deny.toml
	@scripts/install-deny.sh
	cargo deny --locked check --show-stats licenses bans sources

advisories: ## known vulnerabilities of the dependencies; needs a network
	@scripts/install-deny.sh
	cargo deny --locked check advisories

.PHONY: fmt
fmt: ## format the Rust code
	cargo fmt --all

# ---- the page ----

# deno keeps what it downloads and what it has checked beside itself.
DENO = cd page && DENO_DIR=$(CURDIR)/.tools/deno/cache NO_COLOR=1 $(CURDIR)/.tools/deno/bin/deno

.PHONY: page page-tests page-fmt page-types
page: page-tests ## tests, format, lint and types of the page's JavaScript, by deno
	$(DENO) fmt --check
	$(DENO) lint
	@scripts/build-page-types.sh --check
	$(DENO) check --quiet

page-tests:
	@scripts/install-deno.sh
	$(DENO) test --quiet --no-check --allow-read

page-fmt: ## format the page's JavaScript
	@scripts/install-deno.sh
	$(DENO) fmt

# A test writes the description, since the API's own code makes it.
page-types: build-tests ## make the types of the API's answers again: page/openapi.json, page/api.d.ts
	WRITE_OPENAPI=1 cargo nextest run --locked --workspace -E 'test(the_page_has_the_description)'
	scripts/build-page-types.sh

.PHONY: page-vendor
page-vendor: ## bundle the page's foreign code again, byte for byte: page/site/vendor
	@scripts/build-page-vendor.sh

.PHONY: basemap
basemap: ## make the base map of the page again: page/world.pmtiles
	@scripts/build-basemap.sh

# ---- deploying ----

TAG =
OUT = deploy.yaml
REGISTRY =
CONFIG = manifests/config.env
SECRET = manifests/secret.env

# Rendered from a copy, so that neither the tag nor credentials end up in the tree. Only the owner
# can read the result, because it holds the credentials.
.PHONY: kustomize
kustomize: ## render the manifests: TAG=v1 [OUT=deploy.yaml] [REGISTRY=…] [CONFIG=…] [SECRET=…]
	@[[ "$(TAG)" =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$$ ]] || { echo "say which images to deploy: make kustomize TAG=v1" >&2; exit 2; }
	@command -v kubectl >/dev/null || { echo "kubectl is missing: run scripts/install-kubectl.sh" >&2; exit 1; }
	@set -euo pipefail; umask 077; \
	scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	cp -R manifests/. "$$scratch"; \
	if [[ "$(CONFIG)" != manifests/config.env ]]; then cp "$(CONFIG)" "$$scratch/config.env"; fi; \
	if [[ "$(SECRET)" != manifests/secret.env ]]; then cp "$(SECRET)" "$$scratch/secret.env"; fi; \
	sed -e 's|newTag: .*|newTag: "$(TAG)"|' -e 's|newName: |&$(if $(REGISTRY),$(REGISTRY)/)|' \
		manifests/kustomization.yaml > "$$scratch/kustomization.yaml"; \
	kubectl kustomize "$$scratch" > "$$scratch/rendered.yaml"; \
	mv "$$scratch/rendered.yaml" "$(OUT)"; \
	if grep -v '^#' "$$scratch/secret.env" | grep -q change-me; then \
		echo "$(OUT) holds placeholders for credentials: render with SECRET=path/to/secret.env before applying it" >&2; \
	fi

.PHONY: clean
clean: ## remove what was built, and the tools that the tests installed
	cargo clean
	rm -rf .tools deploy.yaml
