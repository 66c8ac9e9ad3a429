# Two commands do everything: `make serve` sets up and serves, `make test` sets up and tests.

BUILD_PACKAGES := libopenblas-dev libpng-dev libavcodec-dev libavformat-dev libavutil-dev libsqlite3-dev pkg-config
TEST_PACKAGES := ffmpeg
PAGE_PACKAGES := chromium chromium-driver firefox-esr python3-pip
# axe-core, the rules of accessibility: one script in a wheel of PyPI, for these tests alone.
AXE := axe-playwright-python==0.1.8
MODEL ?= Models/emoji-scenes
HOST ?= 127.0.0.1
PORT ?= 8080

.PHONY: serve test test-page build lint setup setup-test

serve: build
	@exec .build/release/phasor serve $(MODEL) --host $(HOST) --port $(PORT)

build: setup
	@swift build -c release --product phasor

# Tests run in release: SwiftPM compiles C without optimisation in debug, and the kernels are C. They run one after the
# other: many hold a blocking socket or a thread, and on two cores a crowd of those starves the deadlines of the rest.
test: setup-test
	@swift build -c release --build-tests
	@swift test -c release --skip-build --no-parallel

# The web page in Chromium and Firefox, against the server that was built.
test-page: build
	@$(call install,$(PAGE_PACKAGES))
	@test -e .build/axe/axe_playwright_python/axe.min.js || python3 -m pip install --quiet --no-deps --target .build/axe $(AXE)
	@python3 -B Tests/Browser/page.py --phasor .build/release/phasor --model $(MODEL)

lint:
	@swift format lint --strict --recursive Package.swift Sources Tests

setup:
	@$(call install,$(BUILD_PACKAGES))

setup-test: setup
	@$(call install,$(TEST_PACKAGES))

# Installs the Debian packages of the list that are missing, and says so.
define install
	missing=""; for package in $(1); do \
		dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ]; then sudo=""; else sudo="sudo"; fi; \
		echo "Installing Debian packages:$$missing"; \
		$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi; \
	command -v swift >/dev/null || { echo "The Swift toolchain is missing: see https://www.swift.org/install/linux (6.1 or later)"; exit 1; }
endef
