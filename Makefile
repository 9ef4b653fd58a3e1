# Landfall. `make help` lists what there is.

SHELL         := /bin/bash
.SHELLFLAGS   := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build tofu velero demo demo-clusters test test-unit test-mysql test-valkey test-aws test-velero test-e2e race lint generate generated-current bench-env bench-logs bench-spec bench-migration bench-data bench-transfer clean prerequisites example

VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
KUBERNETES := v1.34.4
TOFU       := v1.11.5
VELERO     := v1.18.0

# Static programs, also where a C compiler is at hand, and one build cache.
export CGO_ENABLED := 0

# Tools by version, run without installing them.
CONTROLLER_GEN := go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.19.0
GOLANGCI_LINT  := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2

help: ## Show this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

##### Use

demo: build example ## From nothing to environments, a bad deploy and a rollback, by CLI commands
	@PATH="$(CURDIR)/bin:$$PATH" examples/demo.sh

demo-clusters: build example ## Replace a cluster under load, by CLI commands: examples/clusters
	@PATH="$(CURDIR)/bin:$$PATH" examples/clusters/demo.sh

build: prerequisites ## Build bin/landfall and bin/localkube
	@hack/build.sh $(VERSION) $(KUBERNETES)

example: build ## Build what the demo needs: the shop, kubectl
	@hack/build-example.sh

tofu: ## Build bin/tofu for clusters by Terraform, where neither terraform nor tofu is there
	@hack/tofu.sh $(TOFU)

velero: ## Build bin/velero and its plugin, beside which `make test-velero` and `make bench-transfer` run Landfall
	@hack/velero.sh $(VELERO)

prerequisites: ## Install the Debian packages that are missing
	@hack/prerequisites.sh

##### Check

test: build example tofu ## Everything: unit, local Kubernetes, integration, end to end
	@hack/test.sh

test-unit: ## What needs no cluster and no root
	go test ./...

test-mysql: prerequisites ## Data copies with MySQL on either side, from Debian's unstable release
	LANDFALL_TEST_MYSQL=1 go test -count=1 -timeout 20m -run MySQL ./internal/datacopy/mysql

test-valkey: prerequisites ## Data copies with Valkey and Redis 8 on either side, from later releases of Debian
	LANDFALL_TEST_VALKEY=1 go test -count=1 -timeout 20m -run 'Valkey|Redis8' ./internal/datacopy/redis/...

test-aws: ## Routers and hostnames of AWS against moto, an emulator, the long way
	LANDFALL_TEST_AWS=1 go test -count=1 -run Emulator ./internal/traffic/... ./internal/cluster/hostname/...

test-velero: build velero ## Namespaces that Velero itself carries from one local cluster to another
	@hack/test.sh velero

test-e2e: build example ## The whole system on a local cluster
	@hack/test.sh e2e

race: ## Tests of what works concurrently, with the race detector
	@hack/prerequisites.sh gcc libc6-dev
	CGO_ENABLED=1 go test -race -p 1 -timeout 30m $(addsuffix /...,$(addprefix ./internal/,baseline cluster controller datacopy kube load logs progress traffic))

lint: ## go vet, golangci-lint (import rules among others), generated files
	go vet ./...
	$(GOLANGCI_LINT) run ./...
	$(MAKE) generated-current

##### Generate

generate: ## Deep copies and CRDs from api/
	@hack/generate.sh "$(CONTROLLER_GEN)" .

generated-current: ## Fail when a generated file is not what `make generate` makes
	@hack/generate.sh "$(CONTROLLER_GEN)" . --check

##### Measure

bench-env: build ## Environments against kubectl, and a hundred at once
	go run ./bench/env

bench-logs: build ## Log lines a second against stern
	go run ./bench/logs

bench-spec: build ## Host specs against Serverspec and goss, fleets, a full capture
	@hack/prerequisites.sh ruby-serverspec
	go run ./bench/spec

bench-migration: build ## A migration under load: lost requests, reaction, 200 at once
	@hack/prerequisites.sh haproxy
	go run ./bench/migration

bench-data: build ## Data copies against mysqldump, mydumper, MIGRATE, RDB, rclone, s5cmd; killed and resumed (ARGS="-parts …")
	@hack/prerequisites.sh mariadb-server mydumper redis-server rclone
	go run ./bench/data $(ARGS)

bench-transfer: build ## 10,000 objects from cluster to cluster, their parity, against Velero
	@hack/velero.sh $(VELERO) || echo "without Velero: its published figure is taken"
	go run ./bench/transfer $(ARGS)

##### Tidy

clean: ## Remove what was built; clusters stay: see `landfall down --delete-cluster`
	rm -rf bin out
