# Florin: every command a person types. `make help` lists them.

SHELL    := /bin/bash
.SHELLFLAGS := -o pipefail -c
VERSION  := 0.1.0
BUILD    ?= build
SANITIZE ?=
DEFINES  ?=
WERROR   ?= -Werror
JOBS     ?= $(shell nproc)
CC       ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif

WARNINGS := -Wall -Wextra $(WERROR) -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wvla -Wformat=2 -Wno-format-nonliteral
HARDEN   := -fstack-protector-strong -fPIE
ifneq ($(filter x86_64 i686,$(shell uname -m)),)
HARDEN += -fcf-protection
endif
OPTIMIZE ?= -O2 -g
ifneq ($(SANITIZE),)
OPTIMIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE)
# The sanitizers' own code makes the compiler see what is not there.
ifeq ($(findstring clang,$(CC)),)
WARNINGS += -Wno-maybe-uninitialized -Wno-format-truncation -Wno-stringop-overflow
endif
ifneq ($(findstring undefined,$(SANITIZE)),)
OPTIMIZE += -fno-sanitize-recover=undefined
endif
else
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
CFLAGS  += -std=gnu11 $(WARNINGS) $(HARDEN) $(OPTIMIZE) $(DEFINES) -I. -MMD -MP -pthread
LDFLAGS += -pie -Wl,-z,relro,-z,now -pthread
ifneq ($(SANITIZE),)
LDFLAGS += -fsanitize=$(SANITIZE)
endif
# msgpack-c's package and library are called one way or the other by Debian release; both have
# msgpack.h.
LIBS := -lraft -luv -llmdb -lmsgpackc -lcivetweb -lyajl -ljansson -lssl -lcrypto -lsodium -lisal -lcurl -lsystemd -lm
ifneq ($(wildcard /usr/lib/*/libmsgpack-c.so),)
LIBS := $(subst -lmsgpackc,-lmsgpack-c,$(LIBS))
endif

# V=1 shows the compiler's whole lines.
say = $(if $(V),,@echo "  $(1) $@";)

objects = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)/*.c))

STATEMACHINE_OBJECTS := $(call objects,statemachine)
CONSENSUS_OBJECTS    := $(call objects,consensus)
API_OBJECTS          := $(call objects,api)
CONFIG_OBJECTS       := $(filter-out %/ctl_main.o,$(call objects,cluster-config))
NODE_OBJECTS         := $(filter-out %/main.o,$(call objects,node))
ALL_OBJECTS := $(STATEMACHINE_OBJECTS) $(CONSENSUS_OBJECTS) $(API_OBJECTS) $(CONFIG_OBJECTS) \
               $(NODE_OBJECTS)

BINARIES := $(BUILD)/florind $(BUILD)/florinctl

# Tests: every tests/unit/test_*.c, tests/cluster/test_*.c, tests/bench/bench_*.c is a program; what
# else lies beside them is linked into them. The simulator's parts serve unit tests too.
programs = $(patsubst %.c,$(BUILD)/%,$(wildcard $(1)))
# Programs of tests link against archives, so that only what a program uses comes in: a test may
# bring a fake of its own for the rest.
ROOMS_ARCHIVE   := $(BUILD)/librooms.a
SIM_OBJECTS     := $(call objects,tests/sim)
SIM_ARCHIVE     := $(BUILD)/tests/libsim.a
UNIT_TESTS      := $(call programs,tests/unit/test_*.c)
UNIT_PARTS      := $(filter-out $(UNIT_TESTS:=.o),$(call objects,tests/unit))
CLUSTER_TESTS   := $(call programs,tests/cluster/test_*.c)
CLUSTER_PARTS   := $(filter-out $(CLUSTER_TESTS:=.o),$(call objects,tests/cluster))
CLUSTER_SCRIPTS := $(wildcard tests/cluster/test_*.sh)
SECURITY_TESTS   := $(call programs,tests/security/test_*.c)
SECURITY_PARTS   := $(filter-out $(SECURITY_TESTS:=.o),$(call objects,tests/security))
SECURITY_SCRIPTS := $(wildcard tests/security/test_*.sh)
BENCHES         := $(call programs,tests/bench/bench_*.c)
FAILPOINTS      := $(BUILD)/failpoints/tests/failpoints/failpoints
BENCH_PARTS     := $(filter-out $(BENCHES:=.o),$(call objects,tests/bench))
FUZZ_TARGETS    := $(call programs,tests/fuzz/fuzz_*.c)
SIM             := $(BUILD)/tests/sim/sim
SCENARIOS       := $(BUILD)/tests/scenarios/runner
# Of the fault-injection suite: what judges a history (the runner and the tests use it too).
CHECKER_ARCHIVE := $(BUILD)/jepsen/libchecker.a
CHECKER_OBJECTS := $(patsubst %,$(BUILD)/jepsen/%.o,check check_answers check_order check_reads \
                     check_rules edn explain history ledger op recorder report report_assets report_chart \
                     report_timeline stats)
CHECKER         := $(BUILD)/jepsen/checker
# ... and what runs the cluster, its clients and its faults.
JEPSEN          := $(BUILD)/jepsen/jepsen
JEPSEN_OBJECTS  := $(filter-out $(CHECKER_OBJECTS) %/checker_main.o %/power.o $(BUILD)/jepsen/power_%,$(call objects,jepsen))
POWER           := $(BUILD)/jepsen/power.so
MODEL           := $(BUILD)/tests/model/model

.PHONY: all help deps test-deps up down status clean check tests tidy unit scenarios model sim \
        sim-guards sim-mutants install deb deb-test alerts-test haproxy-test asan tsan \
        cluster-test docs-test security-test failpoints \
        fuzz fuzz-programs fuzz-regress bench bench-state bench-size bench-peers count count-renew chroot-test \
        jepsen jepsen-short
.SECONDARY:

all: $(BINARIES) ## build florind and florinctl

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile

$(BUILD)/%.o: %.c | $(BUILD)/.checked
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

# libraft's step interface may change after 0.22: refuse another version than the one we proved.
$(BUILD)/.checked: $(wildcard /usr/include/raft.h)
	@mkdir -p $(BUILD)
	@v=$$(sed -n 's/^#define RAFT_VERSION_\(MAJOR\|MINOR\) //p' /usr/include/raft.h 2>/dev/null | paste -sd.); \
	if [ "$$v" != 0.22 ]; then \
	    echo "florin needs libraft 0.22.x, found '$${v:-none}': run 'make deps' as root" >&2; exit 1; \
	fi
	@touch $@

$(BUILD)/node/main.o $(BUILD)/cluster-config/ctl_main.o $(BUILD)/api/metrics.o: CFLAGS += -DFLORIN_VERSION='"$(VERSION)"'

$(BUILD)/florind: $(BUILD)/node/main.o $(ALL_OBJECTS)
	$(call say,LD)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(BUILD)/florinctl: $(BUILD)/cluster-config/ctl_main.o $(CONFIG_OBJECTS) $(STATEMACHINE_OBJECTS)
	$(call say,LD)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(ROOMS_ARCHIVE): $(ALL_OBJECTS)
$(SIM_ARCHIVE): $(filter-out %/main.o %/sim_main.o,$(SIM_OBJECTS))
$(CHECKER_ARCHIVE): $(CHECKER_OBJECTS)
$(ROOMS_ARCHIVE) $(SIM_ARCHIVE) $(CHECKER_ARCHIVE):
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR)ar rcs $@ $^

TEST_ARCHIVES := $(SIM_ARCHIVE) $(CHECKER_ARCHIVE) $(ROOMS_ARCHIVE)

$(UNIT_TESTS): %: %.o $(UNIT_PARTS) $(TEST_ARCHIVES)
	$(call say,LD)$(CC) $(LDFLAGS) $^ $(LIBS) -lcmocka -o $@

$(BUILD)/tests/unit/test_api_openapi: LIBS += -lyaml

$(SCENARIOS): $(call objects,tests/scenarios) $(TEST_ARCHIVES)
	$(call say,LD)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(MODEL): $(call objects,tests/model) $(ROOMS_ARCHIVE)
	$(call say,LD)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(SIM): $(SIM_OBJECTS) $(ROOMS_ARCHIVE)
	$(call say,LD)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(CHECKER): $(BUILD)/jepsen/checker_main.o $(CHECKER_ARCHIVE) $(ROOMS_ARCHIVE)
	$(call say,LD)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(SECURITY_TESTS): %: %.o $(SECURITY_PARTS) $(CLUSTER_PARTS) $(TEST_ARCHIVES)
	$(call say,LD)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(JEPSEN): $(JEPSEN_OBJECTS) $(CHECKER_ARCHIVE) $(CLUSTER_PARTS) $(ROOMS_ARCHIVE)
	$(call say,LD)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

# Loaded before a node: no checked wrappers, it defines the functions that they would replace.
$(POWER): $(wildcard jepsen/power*.c) jepsen/power.h jepsen/power_private.h | $(BUILD)/.checked
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(filter-out -fPIE -D_FORTIFY_SOURCE=2 -fsanitize=% -MMD -MP,$(CFLAGS)) -fPIC -shared $(filter %.c,$^) -ldl -o $@

$(BUILD)/tests/failpoints/failpoints $(CLUSTER_TESTS): %: %.o $(CLUSTER_PARTS) $(TEST_ARCHIVES)
	$(call say,LD)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

$(BENCHES): %: %.o $(BENCH_PARTS) $(CLUSTER_PARTS) $(TEST_ARCHIVES)
	$(call say,LD)$(CC) $(LDFLAGS) $^ $(LIBS) -lm -o $@

# A fuzz target with a small main that feeds it files, for any compiler ...
$(FUZZ_TARGETS:=.replay): %.replay: %.o $(BUILD)/tests/fuzz/replay_main.o $(TEST_ARCHIVES)
	$(call say,LD)$(CC) $(LDFLAGS) $^ $(LIBS) -o $@

# ... and with libFuzzer (clang).
$(FUZZ_TARGETS:=.fuzz): %.fuzz: %.o $(TEST_ARCHIVES)
	$(call say,LD)$(CC) $(filter-out -fsanitize=%,$(LDFLAGS)) -fsanitize=fuzzer,address,undefined $^ $(LIBS) -o $@

# The assembler takes the API's reference into the program.
$(BUILD)/api/openapi.o: api/openapi.yaml
$(BUILD)/jepsen/report_assets.o: jepsen/report.css jepsen/report.js

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/tests/*/*.d)

# --- people -------------------------------------------------------------------------------------

deps: ## install what building and running need (as root)
	@cluster-config/deps.sh run

test-deps: ## install what `make check` and `make fuzz` need as well (as root)
	@cluster-config/deps.sh run test jepsen

up: ## install, build, start three nodes under run/, and put demo data in
	@cluster-config/deps.sh run
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@BUILD=$(BUILD) cluster-config/up.sh

down: ## stop the nodes; their data stays
	@cluster-config/down.sh

status: ## what runs, and what each node thinks of the cluster
	@BUILD=$(BUILD) cluster-config/status.sh

clean: ## stop the nodes, then remove build/ and run/ with all data
	@cluster-config/down.sh
	rm -rf $(BUILD) run

# --- packages -----------------------------------------------------------------------------------

PREFIX     ?= /usr/local
DESTDIR    ?=
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
MAN        := $(BUILD)/florind.8 $(BUILD)/florinctl.1 $(BUILD)/florin.conf.5

$(BUILD)/florind.8 $(BUILD)/florinctl.1: $(BUILD)/%: $(BINARIES) docs/man/page.sh
	@docs/man/page.sh $(basename $*) $(VERSION) $(BUILD)/$(basename $*) >$@
$(BUILD)/florin.conf.5: cluster-config/three-nodes/node1.conf docs/man/page.sh
	@docs/man/page.sh florin.conf $(VERSION) >$@

# The sample config with the paths of an installed node.
$(BUILD)/florin.conf.example: cluster-config/three-nodes/node1.conf
	@sed -e '1s/.*/# One node of the cluster. Paths are relative to the/' \
	    -e 's|^data_dir = .*|data_dir = /var/lib/florin/data|' \
	    -e 's|^cluster_id = .*|cluster_id = my-florin|' $< >$@

install: $(BINARIES) $(MAN) $(BUILD)/florin.conf.example ## install under DESTDIR= PREFIX= (/usr/local)
	install -D -m 755 $(BUILD)/florind $(DESTDIR)$(PREFIX)/sbin/florind
	install -D -m 755 $(BUILD)/florinctl $(DESTDIR)$(PREFIX)/bin/florinctl
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 $(BUILD)/florind.8
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 $(BUILD)/florinctl.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 $(BUILD)/florin.conf.5
	install -D -m 644 cluster-config/florinctl.bash \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/florinctl
	install -D -m 644 cluster-config/systemd/florin.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/florin.conf
	install -D -m 644 $(BUILD)/florin.conf.example $(DESTDIR)$(SYSCONFDIR)/florin/florin.conf.example
	install -D -m 644 cluster-config/haproxy.cfg $(DESTDIR)$(SYSCONFDIR)/florin/haproxy.cfg.example
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed -e 's|/usr/sbin/|$(PREFIX)/sbin/|' -e 's|/etc/florin/|$(SYSCONFDIR)/florin/|' \
	    cluster-config/systemd/florind.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/florind.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/florind.service

deb: ## build the Debian package into build/deb (as root: installs what that needs)
	@cluster-config/deps.sh run deb
	@cluster-config/deb.sh $(BUILD)/deb

# SUITE=bookworm or trixie
deb-test: ## the package in a bare chroot: install, three nodes, a bet, remove (as root)
	@tests/cluster/chroot_deb.sh $(or $(SUITE),bookworm)

alerts-test: $(BINARIES) ## the alert rules against their test figures (as root: installs promtool)
	@cluster-config/deps.sh run monitoring
	@tests/cluster/test_monitoring.sh $(BINARIES)

haproxy-test: $(BINARIES) ## the sample HAProxy config with three nodes (as root: installs haproxy)
	@cluster-config/deps.sh run haproxy
	@tests/cluster/test_haproxy.sh $(BINARIES)

# --- tests --------------------------------------------------------------------------------------

CHECK_SEEDS ?= 1..300

check: ## every suite, one after the other
	@$(MAKE) --no-print-directory test-deps
	@$(MAKE) --no-print-directory -j$(JOBS) all tests
	@$(MAKE) --no-print-directory tidy
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory scenarios
	@$(MAKE) --no-print-directory model
	@$(MAKE) --no-print-directory sim-guards
	@$(MAKE) --no-print-directory sim SEEDS=$(CHECK_SEEDS)
	@$(MAKE) --no-print-directory count
	@$(MAKE) --no-print-directory asan
	@$(MAKE) --no-print-directory cluster-test
	@$(MAKE) --no-print-directory docs-test
	@$(MAKE) --no-print-directory security-test
	@$(MAKE) --no-print-directory failpoints
	@$(MAKE) --no-print-directory jepsen-short
	@echo "check: all suites passed"

tests: $(UNIT_TESTS) $(CLUSTER_TESTS) $(SECURITY_TESTS) $(MODEL) $(if $(wildcard tests/scenarios/runner.c),$(SCENARIOS)) \
       $(if $(wildcard tests/sim/main.c tests/sim/sim_main.c),$(SIM))

tidy: ## style and structure: format, include directions, banned calls, lengths
	@cluster-config/tidy.sh

# Four at once: most of their time they wait.
unit: $(UNIT_TESTS) ## the unit tests
	@TEST_JOBS=4 tests/run.sh "unit$(if $(SANITIZE), ($(SANITIZE)))" $(sort $(UNIT_TESTS))

scenarios: $(SCENARIOS) ## the ledger's rules as tables: tests/scenarios/*.txt
	@$(SCENARIOS) $(sort $(wildcard tests/scenarios/*.txt)) | sed '$$s/^/scenarios: /'

# SEED=n: other commands; EPISODE=n: only that part of them
model: $(MODEL) ## the engine against a naive model of the contract: N=commands SEED=n
	@$(MODEL) $(or $(N),200000) $(or $(SEED),1) $(EPISODE)

# SEED=n or SEEDS=a..b
sim: $(SIM) ## the simulator: SEED=n shows one run, SEEDS=a..b checks many
	@if [ -n "$(SEED)" ]; then $(SIM) --seed $(SEED); \
	else $(SIM) --seeds $(or $(SEEDS),1..20) --jobs $(JOBS) | sed -e '/^seed [0-9]* ok /d' -e '$$s/^/sim: /'; fi

sim-guards: $(SIM) ## the scripted cases: one for each guard of the driver
	@$(SIM) --guards | sed '$$s/^/sim-guards: /'

sim-mutants: ## the simulator against deliberate bugs: each must be found
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/mutants DEFINES=-DFLORIN_MUTANTS \
	    $(BUILD)/mutants/tests/sim/sim
	@$(BUILD)/mutants/tests/sim/sim --mutants $(if $(SEEDS),--seeds $(SEEDS)) --jobs $(JOBS)

asan: ## unit tests, scenarios, model and fuzz corpora under ASan and UBSan
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/asan SANITIZE=address,undefined \
	    $(patsubst $(BUILD)/%,$(BUILD)/asan/%,$(UNIT_TESTS) $(SCENARIOS) $(FUZZ_TARGETS:=.replay))
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=address,undefined unit
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=address,undefined scenarios
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=address,undefined model N=20000
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=address,undefined fuzz-regress

# Fault injection on real nodes, as root: NEMESIS=kill,partition WORKLOAD=bank TIME=seconds NODES=5
# CLIENTS= RATE=steps a second SEED=. The report is jepsen/report/index.html.
jepsen: ## real nodes in network namespaces, faults, and the proof that all fits the ledger
	@cluster-config/deps.sh run jepsen
	@$(MAKE) --no-print-directory -j$(JOBS) $(BINARIES) $(JEPSEN) $(POWER) $(CHECKER)
	@BUILD=$(BUILD) TIME=$(or $(TIME),600) jepsen/run.sh

# A short one for `make check`; where it can't run, it says so.
jepsen-short: $(BINARIES) $(JEPSEN) $(POWER) $(CHECKER)
	@BUILD=$(BUILD) TIME=45 SEED=1 SHORT=yes jepsen/run.sh

tsan: ## unit tests under TSan
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/tsan SANITIZE=thread \
	    $(patsubst $(BUILD)/%,$(BUILD)/tsan/%,$(UNIT_TESTS))
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SANITIZE=thread unit

cluster-test: $(BINARIES) $(CLUSTER_TESTS) $(POWER) ## real nodes, killed and restarted
	@TEST_LIMIT=420 TEST_JOBS=2 tests/run.sh cluster \
	    $(foreach t,$(sort $(CLUSTER_SCRIPTS) $(CLUSTER_TESTS)),"$(t) $(BUILD)/florind $(BUILD)/florinctl")

docs-test: $(BINARIES) ## the commands of docs/install.md, run as they stand; the systemd unit
	@tests/docs/unit_file.sh
	@tests/docs/run.sh $(BINARIES)

security-test: $(BINARIES) $(SECURITY_TESTS) ## attacks on a running cluster: each must be refused
	@TEST_LIMIT=420 TEST_SHOW=1 tests/run.sh security \
	    $(foreach t,$(sort $(SECURITY_SCRIPTS) $(SECURITY_TESTS)),"$(t) $(BINARIES)")

failpoints: $(BUILD)/florinctl ## a real node killed at every step of checkpoints and copies: POINT=
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/failpoints DEFINES=-DFLORIN_FAILPOINTS \
	    $(BUILD)/failpoints/florind $(FAILPOINTS)
	@TEST_LIMIT=420 TEST_SHOW=1 tests/run.sh failpoints \
	    "$(FAILPOINTS) $(BUILD)/failpoints/florind $(BUILD)/florinctl $(POINT)"

TIME ?= 60
FUZZ_JOBS ?= $(JOBS)

fuzz: ## fuzz every target for TIME= seconds each, FUZZ_JOBS= at once (clang)
	@cluster-config/deps.sh run test fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/fuzz CC=clang WERROR= \
	    SANITIZE=address,undefined,fuzzer-no-link fuzz-programs
	@printf '%s\n' $(patsubst $(BUILD)/tests/fuzz/%,%,$(FUZZ_TARGETS)) | \
	    TIME=$(or $(TIME),60) FUZZ=$(BUILD)/fuzz xargs -P $(FUZZ_JOBS) -n 1 tests/fuzz/run.sh

fuzz-programs: $(FUZZ_TARGETS:=.fuzz)

fuzz-regress: $(FUZZ_TARGETS:=.replay) ## run the kept corpora through the fuzz targets
	@set -e; for t in $(patsubst $(BUILD)/tests/fuzz/%,%,$(FUZZ_TARGETS)); do \
	    $(BUILD)/tests/fuzz/$$t.replay tests/fuzz/corpus/$$t; \
	done

# TLS=1: with TLS between the nodes
bench: $(BINARIES) $(BENCHES) ## bets a second and latencies, against three nodes of its own
	@set -e; for b in $(sort $(filter-out %/bench_etcd,$(BENCHES))); do \
	    echo "== $${b##*/}"; \
	    case $$b in *bench_http*) $$b $(BUILD)/florind $(if $(TLS),5 1000 "" tls);; *bench_elections*) $$b $(BUILD)/florind;; *bench_state*) $$b $(BUILD)/florind 10000 100000 2000 5;; *bench_size*) $$b $(BUILD)/florind 10000 100000 5;; *) $$b;; esac; \
	done

# NEW_NODE_IN=folder: the new node's data there, on a disk of its own
bench-state: $(BINARIES) $(BUILD)/tests/bench/bench_state ## a large ledger: disk, memory, start, stalls: N=players T=transactions
	@$(BUILD)/tests/bench/bench_state $(BUILD)/florind $(or $(N),1000000) $(or $(T),10000000)

bench-size: $(BINARIES) $(BUILD)/tests/bench/bench_size ## what a bet costs on a large ledger and on an empty one: N=players T=transactions
	@$(BUILD)/tests/bench/bench_size $(BUILD)/florind $(or $(N),1000000) $(or $(T),20000000)

# SECONDS=n for each load
bench-peers: $(BINARIES) $(BENCHES) ## Florin beside PostgreSQL and etcd, which it installs (as root)
	@cluster-config/deps.sh run peers
	@tests/bench/peers.sh $(BUILD) $(or $(SECONDS),5)

count: $(BUILD)/tests/bench/bench_apply ## instructions that a bet's apply takes, against a baseline
	@tests/bench/count.sh $(BUILD)/tests/bench/bench_apply

count-renew: $(BUILD)/tests/bench/bench_apply ## make today's count the baseline
	@tests/bench/count.sh $(BUILD)/tests/bench/bench_apply --renew

# SUITE=bookworm or trixie
chroot-test: ## `make up` in a bare chroot of SUITE=bookworm|trixie (as root)
	@tests/cluster/chroot.sh $(or $(SUITE),bookworm)
