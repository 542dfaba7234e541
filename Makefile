# Each target has one line of help after `##`; `make` shows them.
# BUILD, PREFIX, DESTDIR and DEMO_SECONDS can be set: `make run DEMO_SECONDS=10`.
SHELL := /bin/bash
PREFIX ?= /usr/local
swift_flags ?=

.DEFAULT_GOAL := help
.PHONY: help setup build bpf check lint test bench fuzz generate migration-hashes fmt run install \
	uninstall clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (apt; needs root or sudo only then)
	@scripts/setup.sh

build: setup bpf ## release binaries in .build/release, BPF objects in .build/bpf
	swift build -c release $(swift_flags) --product apiary
	swift build -c release $(swift_flags) --product apiary-loader

bpf: ## compile bpf/*.bpf.c and the tests' objects, with the clang that Swift brings
	@scripts/build-bpf.sh

lint:
	swift format lint --strict --recursive --parallel Sources Tests Package.swift

check: lint ## the inner loop: lint, debug build, unit, tidy and contract tests; no root
	swift build $(swift_flags) --build-tests
	@scripts/test.sh --skip-build $(swift_flags) --skip KernelTests --skip DaemonTests

test: setup bpf ## everything that this kernel can show; run it as root
	-@scripts/setup.sh test
	swift build $(swift_flags) --build-tests
	@scripts/test.sh --skip-build $(swift_flags)

bench: build ## measure against the peers in C, bpftool and bpftrace, in one run
	@scripts/setup.sh bench
	@scripts/bench.sh

fuzz: ## fuzz the readers of foreign bytes (fuzz/*.swift) for FUZZ_SECONDS, 60
	@scripts/fuzz.sh

generate: ## write openapi/apiary.json from the YAML, and the table of docs/configuration.md
	swift build --product apiary-generate
	.build/debug/apiary-generate openapi/apiary.yaml openapi/apiary.json
	swift build --product apiary
	@table=$$(mktemp) && .build/debug/apiary check-config --markdown > $$table && sed -i \
		-e '/^<!-- settings -->$$/,/^<!-- end -->$$/{/^<!--/!d}' \
		-e "/^<!-- settings -->$$/r $$table" docs/configuration.md; rm -f $$table

migration-hashes: ## write migrations/SHA256SUMS; never after a migration was released
	cd migrations && sha256sum v*.sql > SHA256SUMS

fmt: ## format the Swift sources in place
	swift format --in-place --recursive --parallel Sources Tests Package.swift

run: ## build, then load, attach and follow the bundled execsnoop until Ctrl-C or DEMO_SECONDS
	@$(MAKE) --no-print-directory build >&2
	@scripts/demo.sh

install: ## copy the release binaries and BPF objects below $(DESTDIR)$(PREFIX)
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin .build/release/apiary .build/release/apiary-loader
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/apiary .build/bpf/*.bpf.o bpf/apiary.bpf.h

uninstall: ## remove what install copied; registry and objects stay
	rm -f $(DESTDIR)$(PREFIX)/bin/apiary $(DESTDIR)$(PREFIX)/bin/apiary-loader
	rm -rf $(DESTDIR)$(PREFIX)/share/apiary

clean: ## remove .build
	rm -rf .build
