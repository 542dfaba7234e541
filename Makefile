# Each target has one line of help after `##`; `make` shows them.
# PREFIX, SYSCONFDIR, UNITDIR, DESTDIR and DEMO_SECONDS can be set: `make run DEMO_SECONDS=10`.
SHELL := /bin/bash
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
swift_flags ?=

.DEFAULT_GOAL := help
.PHONY: help setup build bpf check lint test test-faults test-kernels test-systemd bench fuzz \
	schemathesis microhttpd soak generate migration-hashes fmt run install \
	uninstall clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (apt; needs root or sudo only then)
	@scripts/setup.sh

build: setup bpf ## release binaries in .build/release, BPF objects in .build/bpf
	swift build -c release $(swift_flags) --product apiary
	swift build -c release $(swift_flags) --product apiary-loader
	@scripts/check-release.sh

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
	-@SCHEMATHESIS_SECONDS=$${SCHEMATHESIS_SECONDS:-60} scripts/schemathesis.sh

test-faults: setup bpf ## kills, full disks, foreign hands, reboots: one line a fault; as root
	swift build $(swift_flags) --build-tests
	@scripts/test-faults.sh

test-kernels: bpf ## the probes' tests in Debian's 5.10, 6.1 and 6.12, booted in QEMU; as root
	swift build $(swift_flags) --build-tests
	@scripts/test-kernels.sh

test-systemd: build ## the units under a real systemd, in a container on this kernel; as root
	@scripts/test-systemd.sh

bench: build ## measure against the peers in C, bpftool and bpftrace, in one run
	@scripts/setup.sh bench
	@scripts/bench.sh

fuzz: bpf ## fuzz the readers of foreign bytes for FUZZ_SECONDS, 60; then MUTATIONS, 100000, of objects
	@scripts/fuzz.sh
	@if [ "$$(id -u)" -ne 0 ]; then echo "fuzz: the objects are skipped: loading needs root" >&2; \
	else swift build $(swift_flags) --build-tests && APIARY_MUTATIONS=$${MUTATIONS:-100000} \
		scripts/test.sh --skip-build $(swift_flags) --filter DaemonTests.MutationTests; fi

schemathesis: setup bpf ## hold a running daemon against its contract, with schemathesis
	swift build $(swift_flags) --product apiary
	swift build $(swift_flags) --product apiary-loader
	@scripts/setup.sh test
	@SCHEMATHESIS_SECONDS=$${SCHEMATHESIS_SECONDS:-280} scripts/schemathesis.sh

microhttpd: ## run the HTTP tests with libmicrohttpd 1.0, from Debian 13, where the system has 0.9
	swift build $(swift_flags) --build-tests
	@scripts/microhttpd-1.sh

soak: build ## mixed load for SOAK_MINUTES, 60: memory, descriptors and threads must stay flat
	scripts/soak.py soak $${SOAK_MINUTES:-60}
	scripts/soak.py streams 5000 1000
	scripts/soak.py idle 100

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

install: ## copy binaries, units, man page, completions, documentation and an example configuration
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin .build/release/apiary .build/release/apiary-loader
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/apiary .build/bpf/*.bpf.o bpf/apiary.bpf.h
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/apiary docs/*.md CHANGELOG.md openapi/apiary.yaml
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 packaging/apiary.8
	install -D -m 644 packaging/apiary.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/apiary.conf
	install -D -m 644 packaging/apiary.socket $(DESTDIR)$(UNITDIR)/apiary.socket
	sed -e 's|@bindir@|$(PREFIX)/bin|' -e 's|@sysconfdir@|$(SYSCONFDIR)|' packaging/apiary.service \
		| install -D -m 644 /dev/stdin $(DESTDIR)$(UNITDIR)/apiary.service
	.build/release/apiary --generate-completion-script bash | install -D -m 644 /dev/stdin \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/apiary
	.build/release/apiary --generate-completion-script zsh | install -D -m 644 /dev/stdin \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_apiary
	.build/release/apiary --generate-completion-script fish | install -D -m 644 /dev/stdin \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/apiary.fish
	@test -e $(DESTDIR)$(SYSCONFDIR)/apiary/apiary.yaml || .build/release/apiary check-config --defaults \
		| sed 's/^[^#]/# &/' | install -D -m 640 /dev/stdin $(DESTDIR)$(SYSCONFDIR)/apiary/apiary.yaml

uninstall: ## remove what install copied; configuration, registry, journal and what is attached stay
	rm -f $(DESTDIR)$(PREFIX)/bin/apiary $(DESTDIR)$(PREFIX)/bin/apiary-loader
	rm -rf $(DESTDIR)$(PREFIX)/share/apiary $(DESTDIR)$(PREFIX)/share/doc/apiary
	rm -f $(DESTDIR)$(PREFIX)/share/man/man8/apiary.8 $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/apiary.conf
	rm -f $(DESTDIR)$(UNITDIR)/apiary.service $(DESTDIR)$(UNITDIR)/apiary.socket
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/apiary
	rm -f $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_apiary
	rm -f $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/apiary.fish

clean: ## remove .build
	rm -rf .build
