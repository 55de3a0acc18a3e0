# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The front door; Meson does the work. `make help` lists what there is.

PREFIX ?= /usr/local
# Meson's own choice is lib64 on a Debian without dpkg-dev, where ld.so does not look.
LIBDIR ?= lib
DESTDIR ?=
BUILD ?= build
# tests/run makes builds of its own.
MESON_FLAGS ?= -Dtests=disabled

# Under sudo, what is built belongs to whom the sources belong to.
OWNER := $(shell stat -c %u .)
ifeq ($(shell id -u):$(filter-out 0,$(OWNER)),0:$(OWNER))
AS_OWNER := setpriv --reuid=$(OWNER) --regid=$(shell stat -c %g .) --clear-groups --
endif

.DELETE_ON_ERROR:
.PHONY: all build test demo bench bench-flood install uninstall lint clean deps help root

all: build ## Build the program, the library and the manual pages (the default)

build: deps $(BUILD)/build.ninja ## The same
	$(AS_OWNER) ninja -C $(BUILD)

$(BUILD)/build.ninja: | deps
	$(AS_OWNER) meson setup --prefix $(abspath $(PREFIX)) --libdir $(LIBDIR) $(MESON_FLAGS) $(BUILD)

demo: root build ## Show it at work, with real servers, in namespaces of its own (root)
	ANYBIND=$(BUILD)/cli/anybind demo/run

test: root deps ## Run every check and test, in namespaces of their own (root)
	tests/run

bench: root build ## Measure it, in namespaces of its own (root)
	BUILD=$(BUILD) bench/run

bench-flood: root build ## Measure it under floods, for some 40 minutes (root)
	BUILD=$(BUILD) bench/flood

install: build ## Install under DESTDIR, PREFIX (/usr/local) and LIBDIR (lib)
	$(AS_OWNER) meson configure -Dprefix=$(abspath $(PREFIX)) -Dlibdir=$(LIBDIR) $(BUILD)
	$(AS_OWNER) ninja -C $(BUILD)
	meson install --quiet --no-rebuild -C $(BUILD) $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))
	$(if $(DESTDIR),,ldconfig)

uninstall: ## Remove what the last `make install` installed
	ninja -C $(BUILD) uninstall

lint: deps ## Run the checks that need no root: warnings, static analysis, licences, pages
	$(AS_OWNER) tests/run lint

clean: ## Remove everything that was built
	rm -rf $(BUILD) build-*

deps: ## Install the Debian packages that are missing (root)
	@tools/deps

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 12

root:
	@[ "$$(id -u)" -eq 0 ] || { echo "This needs root: sudo make $(MAKECMDGOALS)" >&2; exit 1; }
