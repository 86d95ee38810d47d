# SPDX-License-Identifier: Apache-2.0
# longship: one non-recursive Makefile. `make help` lists the targets, docs/testing.md says what each test proves.
VERSION := 0.1.0
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/longship
# What the unit reads LOKI_URL from: /etc/default on Debian, /etc/sysconfig on Fedora and its kin.
ENVFILE ?= /etc/default/longship
BUILD ?= build
O ?= -O2
ifeq ($(origin CC),default)
CC := gcc
endif

# Another machine's (aarch64-linux-gnu-pkg-config) goes with its compiler.
PKG_CONFIG ?= pkg-config
export PKG_CONFIG

# A variable that is worked out once, when it is first used: by then the packages may just have been installed.
once = $(eval $(1) := $(2))$($(1))
PACKAGES := libsystemd libcurl libpcre2-8 libmicrohttpd gnutls yaml-0.1 nettle jansson zlib libzstd libmaxminddb
PKG_CFLAGS = $(call once,PKG_CFLAGS,$(shell $(PKG_CONFIG) --cflags $(PACKAGES)))
PKG_LIBS = $(call once,PKG_LIBS,$(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lsnappy -lbz2 -lm -lpthread)
SYSTEMDUNITDIR = $(call once,SYSTEMDUNITDIR,$(shell $(PKG_CONFIG) --variable=systemdsystemunitdir systemd 2>/dev/null || echo /lib/systemd/system))

# assert(!"what cannot be") is meant as it is written: -Wno-string-conversion is for clang, gcc does not know the warning.
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-string-conversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wimplicit-fallthrough -Wundef
ERRORS := $(if $(filter 1,$(WERROR)),-Werror)
HARDEN := -fPIE -fstack-protector-strong
ifdef SAN
SANFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
O := -O1
else
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-clash-protection
ifeq ($(firstword $(subst -, ,$(shell $(CC) -dumpmachine))),x86_64)
HARDEN += -fcf-protection
endif
endif
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -DLONGSHIP_VERSION='"$(VERSION)"' $(O) -g $(WARNINGS) $(HARDEN) $(SANFLAGS) -Iinclude $(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(HARDEN_LD) $(SANFLAGS) $(LDFLAGS)

SOURCES := $(sort $(wildcard src/*/*.c src/*/*/*.c positions/*.c))
HEADERS := $(sort $(wildcard include/longship/*/*.h src/*/*.h src/*/*/*.h positions/*.h))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
MAIN := $(BUILD)/src/app/main.o
LIB := $(BUILD)/liblongship.a
UNIT_SOURCES := $(sort $(wildcard tests/unit/test_*.c))
UNIT := $(UNIT_SOURCES:%.c=$(BUILD)/%)
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ := $(FUZZ_SOURCES:%.c=$(BUILD)/%)
REPLAY := $(FUZZ_SOURCES:tests/fuzz/fuzz_%.c=$(BUILD)/tests/fuzz/replay_%)
BENCH := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/bench/*.c)))

COMPLETIONS := bash-completion/completions zsh/vendor-completions fish/vendor_completions.d

# What the test scripts get to know of the build.
export LONGSHIP := $(abspath $(BUILD))/longship
export LONGSHIP_SAN := $(SAN)
export LONGSHIP_LIB := $(abspath $(LIB))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all check check-floors check-headers check-docs check-unit check-corpus check-cases check-scenario check-torture check-loki check-long \
	asan tsan fuzz bench demo deps check-deps install uninstall dist docs format clean help FORCE

all: $(BUILD)/longship ## the program (default)

# ---- building (V=1 shows the commands) ----

Q := $(if $(V),,@)
say = @$(if $(V),:,printf '  %-3s %s\n' '$(1)' '$(2)')

$(BUILD)/longship: $(MAIN) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(LIB): $(filter-out $(MAIN),$(OBJECTS))
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^

$(BUILD)/%.o: %.c $(BUILD)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) $(ERRORS) -MMD -MP -c -o $@ $<

# Changed flags rebuild everything; that the same flags are given again does not.
$(BUILD)/.flags: FORCE | $(BUILD)/.deps
	@printf '%s\n' '$(subst ','\'',$(CC) $(ALL_CFLAGS))' >$@.new
	@if cmp -s $@.new $@; then rm -f $@.new; else mv $@.new $@; fi

$(BUILD)/.deps: packaging/deps.sh
	@mkdir -p $(@D)
	@packaging/deps.sh build
	@touch $@

$(BUILD)/.check-deps: packaging/deps.sh
	@mkdir -p $(@D)
	@packaging/deps.sh build check
	@touch $@

$(BUILD)/tests/unit/%.o $(BUILD)/tests/support/%.o: | $(BUILD)/.check-deps

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(PKG_LIBS)

# The fuzz targets: with clang's engine (make fuzz), or with a main that runs the files it is given.
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)

$(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/support/replay.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

# Tests against other libraries: PROGRAM [SEED [ROUNDS]].
DIFF := $(patsubst tests/diff/%,$(BUILD)/tests/diff/%,$(basename $(sort $(wildcard tests/diff/*.c tests/diff/*.cc))))
$(BUILD)/tests/diff/diff_regex: | $(BUILD)/.check-deps
$(BUILD)/tests/diff/%: $(BUILD)/tests/diff/%.o $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/tests/diff/diff_regex: tests/diff/diff_regex.cc tests/diff/random.h $(LIB)
	@mkdir -p $(@D)
	$(call say,CXX,$@)
	$(Q)$(CXX) -std=c++17 $(O) -g -Wall -Wextra $(ERRORS) -fPIE $(SANFLAGS) -Iinclude -Itests/diff $$(pkg-config --cflags re2) $(ALL_LDFLAGS) \
		-o $@ $< $(LIB) $(PKG_LIBS) $$(pkg-config --libs re2)

# ---- tests ----

check: $(BUILD)/.check-deps ## everything that needs nothing but this machine: floors, headers, docs, units, corpus, cases, other libraries, scenarios, torture
	+@MAKE='$(MAKE)' tests/support/steps.sh check-floors check-headers check-docs check-unit check-corpus check-cases check-diff check-scenario check-torture

check-floors: $(BUILD)/.check-deps ## who includes whom, see docs/architecture.md
	@python3 tests/support/check_floors.py

check-headers: $(BUILD)/.flags ## each header compiles alone, and twice
	@for h in $(HEADERS); do \
		printf '#include "%s"\n#include "%s"\n' "$$h" "$$h" | $(CC) $(ALL_CFLAGS) $(ERRORS) -I. -fsyntax-only -x c - || exit 1; \
	done; echo "$(words $(HEADERS)) headers compile alone"

check-docs: all ## docs/components are what the program says, the examples are valid, formatted and pass their tests
	@tests/support/docs.sh --test
	@for f in docs/examples/*.alloy; do $(LONGSHIP) validate $$f && $(LONGSHIP) fmt --test $$f || exit 1; done
	@LOKI_URL=http://loki/ NODE_NAME=n $(LONGSHIP) validate packaging/kubernetes/config.alloy && $(LONGSHIP) fmt --test packaging/kubernetes/config.alloy
	@for f in docs/examples/*.test.jsonl; do $(LONGSHIP) test $${f%.test.jsonl}.alloy $$f || exit 1; done

check-unit: $(UNIT) ## the unit tests (packaging runs this one)
	@tests/support/run_units.sh $(UNIT)

# One test: make unit-NAME runs tests/unit/test_NAME.c.
unit-%: $(BUILD)/tests/unit/test_%
	$<

check-corpus: $(REPLAY) ## the fuzz targets over their committed corpus
	@tests/support/run_corpus.sh $(REPLAY)

check-cases: all $(BUILD)/.check-deps ## the project's own cases: tests/case, tests/lang
	@tests/support/run_cases.sh

# CASES_DIR: case files from elsewhere; CASE_FILES: which ones.
.PHONY: check-other-cases
check-other-cases: all $(BUILD)/.check-deps
	@tests/support/run_cases.sh $(CASES_DIR) $(CASE_FILES)

check-scenario: all $(BUILD)/.check-deps ## the real binary against a fake Loki (SCENARIOS="01 07" picks some)
	@tests/scenario/run.sh fake $(SCENARIOS)

check-loki: all $(BUILD)/.check-deps ## the scenarios against a real Loki (LOKI_MIB=1024 for the full volume)
	@tests/scenario/run.sh loki $(SCENARIOS)

TORTURE ?= --seconds 8 --seed 1 --random 2 --calm 1
check-torture: all $(BUILD)/.check-deps ## files that rotate while longship is killed, cut off, short of disk: each line once (TORTURE="--seed 7")
	@python3 tests/torture/torture.py $(TORTURE) $(LONGSHIP)

check-long: ## check-loki with 1 GiB, and real durations; an hour of torture into a real Loki; 100,000 files
	+@MANY_FILES=100000 SCENARIOS=48 MAKE='$(MAKE)' tests/support/steps.sh check-scenario
	+@LOKI_MIB=1024 LONG=1 TORTURE="--loki --seconds 60 --for 3600" MAKE='$(MAKE)' tests/support/steps.sh check-loki check-torture

asan: ## units, corpus, cases and scenarios under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SAN=address,undefined sanitized

tsan: ## units, cases and a subset of the scenarios under ThreadSanitizer
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SAN=thread SCENARIOS="$(or $(SCENARIOS),01 03 05 09 10 12)" sanitized

sanitized: export ASAN_OPTIONS := abort_on_error=0:detect_leaks=1:detect_stack_use_after_return=1
sanitized: export UBSAN_OPTIONS := print_stacktrace=1:halt_on_error=1
sanitized: export TSAN_OPTIONS := halt_on_error=0:exitcode=66:second_deadlock_stack=1:suppressions=$(abspath tests/support/tsan.supp)
# These wait more than they work, and none has a bound that a second one at a time could break.
sanitized: export JOBS ?= 2
sanitized: export LSAN_OPTIONS := suppressions=$(abspath tests/support/lsan.supp):print_suppressions=0
.PHONY: sanitized
sanitized:
	+@MAKE='$(MAKE)' tests/support/steps.sh check-unit $(if $(filter-out thread,$(SAN)),check-corpus) check-cases check-scenario

FUZZ_SECONDS ?= 20
# NULL + 0 is what an empty str is, and every compiler here defines it; clang's pointer-overflow check alone refuses it.
.PHONY: check-diff
DIFF_SEED ?= 1
check-diff: $(DIFF) ## our JSON reader against jansson, our regular expressions against RE2 (DIFF_SEED, DIFF_ROUNDS)
	@failed=0; for program in $(DIFF); do $$program $(DIFF_SEED) $(DIFF_ROUNDS) || failed=$$((failed + 1)); done; \
		echo "$$(($(words $(DIFF)) - failed)) passed, $$failed failed"; [ $$failed = 0 ]

fuzz: ## each fuzz target for FUZZ_SECONDS (20) with clang's libFuzzer
	@packaging/deps.sh fuzz
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang-14 SAN=fuzzer-no-link,address,undefined CFLAGS=-fno-sanitize=pointer-overflow fuzz-run

.PHONY: fuzz-run
fuzz-run: $(FUZZ)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/support/run_fuzz.sh $(FUZZ)

bench: all $(BENCH) ## bytes/s and CPU seconds per GiB, beside the bare loop that is the limit
	@tests/bench/bench.sh $(BUILD)

.PHONY: bench-stages
bench-stages: $(BUILD)/tests/bench/stages ## what each stage costs a line: ns, allocations (must be none), instructions where valgrind is
	@tests/bench/stages.sh $(BUILD)

.PHONY: bench-journal
bench-journal: all ## entries/s of loki.source.journal on one core, what an idle journal costs, libsystemd's share
	@packaging/deps.sh bench
	@tests/bench/journal.sh -g $(BUILD)

demo: all ## follow real files of this machine into a receiver (or LOKI_URL=http://…) and prove that each line arrived once
	@tests/demo/demo.sh

# ---- the rest ----

deps: ## install what the build needs (Debian)
	@packaging/deps.sh build

check-deps: ## install what the tests need (Debian)
	@packaging/deps.sh build check fuzz

install: all ## into DESTDIR, PREFIX, SYSTEMDUNITDIR (ENVFILE: the unit's environment file)
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(DOCDIR)/examples $(DESTDIR)$(SYSTEMDUNITDIR) \
		$(COMPLETIONS:%=$(DESTDIR)$(PREFIX)/share/%)
	install -m 0755 $(BUILD)/longship $(DESTDIR)$(BINDIR)/longship
	$(if $(wildcard docs/man/*.1),install -m 0644 docs/man/*.1 $(DESTDIR)$(MANDIR)/man1)
	install -m 0644 $(wildcard README.md CHANGELOG.md) LICENSE $(DESTDIR)$(DOCDIR)
	install -m 0644 $(wildcard docs/examples/*.alloy docs/examples/*.jsonl) systemd/docker.conf $(DESTDIR)$(DOCDIR)/examples
	install -m 0644 packaging/completion/bash $(DESTDIR)$(PREFIX)/share/$(word 1,$(COMPLETIONS))/longship
	install -m 0644 packaging/completion/zsh $(DESTDIR)$(PREFIX)/share/$(word 2,$(COMPLETIONS))/_longship
	install -m 0644 packaging/completion/fish $(DESTDIR)$(PREFIX)/share/$(word 3,$(COMPLETIONS))/longship.fish
	sed 's|@BINDIR@|$(BINDIR)|; s|@ENVFILE@|$(ENVFILE)|g' systemd/longship.service >$(DESTDIR)$(SYSTEMDUNITDIR)/longship.service
	chmod 0644 $(DESTDIR)$(SYSTEMDUNITDIR)/longship.service

.PHONY: install-config
install-config: ## the default configuration and environment file into DESTDIR; what is there stays
	install -d $(DESTDIR)/etc/longship $(DESTDIR)$(dir $(ENVFILE))
	test -e $(DESTDIR)/etc/longship/config.alloy || \
		sed 's|@ENVFILE@|$(ENVFILE)|' packaging/default/config.alloy >$(DESTDIR)/etc/longship/config.alloy
	chmod 0644 $(DESTDIR)/etc/longship/config.alloy
	test -e $(DESTDIR)$(ENVFILE) || install -m 0640 packaging/default/longship.env $(DESTDIR)$(ENVFILE)

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(BINDIR)/longship $(DESTDIR)$(MANDIR)/man1/longship.1 $(DESTDIR)$(SYSTEMDUNITDIR)/longship.service \
		$(DESTDIR)$(PREFIX)/share/$(word 1,$(COMPLETIONS))/longship \
		$(DESTDIR)$(PREFIX)/share/$(word 2,$(COMPLETIONS))/_longship \
		$(DESTDIR)$(PREFIX)/share/$(word 3,$(COMPLETIONS))/longship.fish
	rm -rf $(DESTDIR)$(DOCDIR)

# ---- packages ----

.PHONY: deb rpm check-packages check-machine
deb: ## build/longship_VERSION_ARCH.deb (DEB_HOST_ARCH=arm64 for another machine)
	@packaging/deps.sh build deb
	+@packaging/deb/build.sh $(BUILD) $(VERSION)

rpm: ## build/longship-VERSION.ARCH.rpm and .src.rpm
	@packaging/deps.sh build rpm
	+@packaging/rpm/build.sh $(BUILD) $(VERSION)

check-packages: $(BUILD)/.check-deps ## lint the packages; install, upgrade and remove the .rpm in a booted machine
	@packaging/deps.sh build deb rpm machine
	+@MAKE='$(MAKE)' tests/machine/packages.sh $(BUILD) $(VERSION)

check-machine: $(BUILD)/.check-deps ## a whole machine: install the .deb, ship, cut the power, boot again; nothing is lost
	@packaging/deps.sh build deb machine
	+@MAKE='$(MAKE)' tests/machine/machine.sh $(BUILD) $(VERSION)

.PHONY: check-container
check-container: $(BUILD)/.check-deps ## the image of packaging/container, built and run by a dockerd of the test's own
	@packaging/deps.sh container machine
	@tests/machine/container.sh $(BUILD) $(VERSION)

.PHONY: check-arm64
check-arm64: ## the .deb for arm64, by Debian's cross compiler; --version and the unit tests under qemu-user
	@packaging/deps.sh machine
	@tests/machine/arm64.sh $(BUILD) $(VERSION)

dist: ## the committed tree as build/longship-VERSION.tar.gz
	@mkdir -p $(BUILD)
	git archive --prefix=longship-$(VERSION)/ -o $(BUILD)/longship-$(VERSION).tar.gz HEAD
	@echo $(BUILD)/longship-$(VERSION).tar.gz

docs: all ## what the program says of itself: docs/components/*.md from the argument tables
	@tests/support/docs.sh

format: ## clang-format over the sources
	clang-format -i $(SOURCES) $(HEADERS)

clean: ## remove BUILD
	rm -rf $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables: CC O CFLAGS LDFLAGS BUILD WERROR=1 SAN=address,undefined NO_INSTALL=1 DESTDIR PREFIX SYSTEMDUNITDIR"

-include $(OBJECTS:.o=.d) $(UNIT:=.d) $(FUZZ:=.d) $(BENCH:=.d) $(BUILD)/tests/support/replay.d
