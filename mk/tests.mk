# SPDX-License-Identifier: LGPL-2.1-or-later
# The tests that need no host: each kind is a build of its own. All sources but the
# hypervisor's module, and fakes for that and for libxl.

# $(call test_kind,DIR,FLAGS,LDFLAGS,WHERE): objects below $(O)/DIR, an archive of them, and
# the unit tests linked with that, in $(O)/WHERE.
define test_kind
$(eval $(call compile_into,$(1),CC,$(2)))
$(O)/$(1)/lib.a: $(call objects,$(TESTED_SRCS),$(1))
	$$(archive)
$(O)/$(4)/test_%: $(O)/$(1)/tools/tests/unit/test_%.o $(O)/$(1)/lib.a
	$$(call link,$$($(3)),$$(TEST_LIBS))
endef

COMPILED_TESTS = $(call objects,$(TESTED_SRCS) $(UNIT_SRCS),$(1))

# ---- with sanitizers ----

$(eval $(call test_kind,san,SAN_CFLAGS,SAN_LDFLAGS,tests))
UNIT_PROGRAMS := $(patsubst $(S)/tools/tests/unit/%.c,$(O)/tests/%,$(UNIT_SRCS))
COMPILED += $(call COMPILED_TESTS,san)

# The JSON that xl writes, for the test of its schema.
JSON := $(O)/tests/json
# Streams of the library's moves, for a reader that knows only the page about them.
STREAMS := $(O)/tests/streams

INTERFACE := $(S)/tools/libs/light/$(HEADER) \
             $(subst $(space),:,$(wildcard $(S)/docs/man/libxl_*.3.md))

#? check-unit   the unit tests, with sanitizers
.PHONY: check-unit
check-unit: $(UNIT_PROGRAMS)
	$(S)/scripts/check-spec
	$(S)/scripts/check-interface $(INTERFACE)
	$(S)/scripts/check-defaults
	rm -rf $(STREAMS) $(JSON) && mkdir -p $(STREAMS) $(JSON)
	rm -rf $(KEEP_TRACES) && mkdir -p $(KEEP_TRACES)
	KEEP_STREAMS=$(STREAMS) KEEP_JSON=$(JSON) $(S)/scripts/run-unit-tests $(UNIT_PROGRAMS)
	$(S)/tools/tests/stream/check-stream $(STREAMS)
	KEEP_JSON=$(JSON) $(S)/scripts/run-python-tests $(S)/tools/tests/bench/test_bench.py \
	    $(S)/tools/tests/bench/test_load.py \
	    $(S)/tools/tests/runners/test_runners.py \
	    $(S)/tools/tests/binding/test_binding.py \
	    $(S)/tools/tests/trace/test_trace.py \
	    $(S)/tools/tests/xl/test_json_schema.py \
	    $(S)/tools/tests/runners/test_record.py \
	    $(S)/tools/tests/xl/test_completion.py \
	    $(S)/tools/tests/xl/test_tls.py \
	    $(S)/tools/tests/install/test_install.py \
	    $(S)/tools/tests/install/test_rpm.py \
	    $(S)/tools/tests/install/test_units.py

# In place of librdmacm.
FAKE_RDMA := $(O)/tests/rdma/librdmacm.so.1
$(FAKE_RDMA): $(S)/tools/tests/rdma/fake_rsockets.c \
              $(S)/tools/xl/rdma/rsockets.h $(BUILD_DEPS)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(PLAIN_CFLAGS) -I$(S)/tools/xl -fPIC -shared $(PLAIN_LDFLAGS) -o $@ $<
$(O)/tests/test_rdma: | $(FAKE_RDMA)

# Those in which pages are absent, once more with access rights in place of memory
# paging: the tests have no other mechanism of their own.
ACCESS_TESTS := bad_destination bad_pages bad_source ballooning behind channel_library \
                devices early_eviction endings failures fault_channel fault_matrix \
                held_memory hostile_guest hvm_library late_library library lost_library \
                migration pager pager_requests pager_succession platform read_ahead recover \
                recover_library stalls steering take_over trace
ACCESS_PROGRAMS := $(ACCESS_TESTS:%=$(O)/tests/test_%)

#? check-access  those of them in which pages are absent, by access rights
.PHONY: check-access
check-access: $(ACCESS_PROGRAMS)
	FAKE_PAGER=access $(S)/scripts/run-unit-tests $(ACCESS_PROGRAMS)
check-unit: check-access

# ---- in which threads meet, with the thread sanitizer ----

TSAN_TESTS := test_pager test_pager_requests test_pager_succession test_bad_source test_bad_pages \
              test_bad_destination test_endings test_steering test_migration \
              test_ballooning test_library test_stalls test_hostile_guest \
              test_fault_channel test_streams test_stream_ends test_trace
TSAN_PROGRAMS := $(TSAN_TESTS:%=$(O)/tsan/%)
$(eval $(call test_kind,tsan,TSAN_CFLAGS,TSAN_LDFLAGS,tsan))
COMPILED += $(call COMPILED_TESTS,tsan)

#? check-tsan   the unit tests with several threads, with the thread sanitizer
.PHONY: check-tsan
check-tsan: $(TSAN_PROGRAMS)
	TSAN_OPTIONS='exitcode=66 suppressions=$(S)/tools/tests/unit/tsan.supp' \
	    $(S)/scripts/run-unit-tests $(TSAN_PROGRAMS)

# ---- without sanitizers ----

# The library as a whole, without sanitizers, which valgrind does not support.
# In the lab valgrind is of no use: it answers hypercalls that it does not know,
# memory paging among them, in Xen's place.
$(eval $(call test_kind,plain,PLAIN_CFLAGS,PLAIN_LDFLAGS,plain))
PLAIN_PROGRAM := $(O)/plain/test_library
COMPILED += $(call COMPILED_TESTS,plain)

#? check-valgrind  the library as a whole under valgrind
.PHONY: check-valgrind
HAVE_VALGRIND := $(shell command -v valgrind)
check-valgrind: $(if $(HAVE_VALGRIND),$(PLAIN_PROGRAM))
	$(if $(HAVE_VALGRIND),UNDER='valgrind -q --fair-sched=try --leak-check=full \
	    --errors-for-leak-kinds=all --show-leak-kinds=all --error-exitcode=1' \
	    $(S)/scripts/run-unit-tests $(PLAIN_PROGRAM),\
	    @echo '0 passed, 0 failed, 1 skipped')

# The library as a whole over the fakes, for bindings in other languages.
FAKE_LIB := $(O)/fakelib/libxenlight-postcopy-fake.so
FAKE_LIB_OBJS := $(call objects,$(TESTED_SRCS) $(S)/tools/tests/binding/fake_pair.c,fakelib)
$(eval $(call compile_into,fakelib,CC,FAKE_LIB_CFLAGS))
COMPILED += $(FAKE_LIB_OBJS)

$(FAKE_LIB): $(FAKE_LIB_OBJS)
	$(call link,-shared $(PLAIN_LDFLAGS),$(TEST_LIBS))

# Programs that are run as they are.
check-unit: $(FAKE_LIB) $(XL)
check-unit: export XL := $(XL)
check-unit: export KVLOAD := $(O)/kvload
check-unit: export FAKE_LIBRARY := $(FAKE_LIB)
# The trace of a recovery, for the test of xl-migrate-trace.
check-unit: export KEEP_TRACES := $(O)/tests/traces

# ---- fuzzers ----

# Everything once more, with clang's fuzzer and sanitizers.
CLANG ?= clang
FUZZ := $(S)/tools/tests/fuzz
FUZZERS := $(patsubst $(FUZZ)/%.c,$(O)/fuzz/%,\
    $(filter-out %/fuzz_peer.c,$(wildcard $(FUZZ)/fuzz_*.c)))
FUZZ_OBJS := $(call objects,$(TESTED_SRCS) $(FUZZ)/fuzz_peer.c,fuzz/obj)
MAKE_SEEDS := $(O)/fuzz/make_seeds
$(eval $(call compile_into,fuzz/obj,CLANG,FUZZ_CFLAGS))
COMPILED += $(FUZZ_OBJS) $(FUZZERS:$(O)/fuzz/%=$(O)/fuzz/obj/tools/tests/fuzz/%.o)

$(FUZZERS): LINKER = $(CLANG)
$(FUZZERS): $(O)/fuzz/%: $(O)/fuzz/obj/tools/tests/fuzz/%.o $(FUZZ_OBJS)
	$(call link,$(FUZZ_LDFLAGS),$(TEST_LIBS))

$(MAKE_SEEDS): $(O)/san/tools/tests/fuzz/make_seeds.o $(O)/san/lib.a
	$(call link,$(SAN_LDFLAGS),$(TEST_LIBS))

#? check-fuzz   every reader of input against a fuzzer (clang)
#? fuzz         the same for longer, FUZZ_SECONDS=60 for each fuzzer
.PHONY: check-fuzz fuzz
# Without clang the fuzzers are skipped.
HAVE_CLANG := $(shell command -v $(firstword $(CLANG)))
check-fuzz: $(if $(HAVE_CLANG),$(FUZZERS) $(MAKE_SEEDS))
	$(if $(HAVE_CLANG),$(S)/scripts/run-fuzzers $(MAKE_SEEDS) $(FUZZERS),\
	    @echo '0 passed, 0 failed, $(words $(FUZZERS)) skipped')

# Runs for minutes, one fuzzer at a time.
FUZZ_SECONDS ?= 60
fuzz: $(FUZZERS) $(MAKE_SEEDS)
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(S)/scripts/run-fuzzers $(MAKE_SEEDS) $(FUZZERS)

# ---- the engine at native speed ----

# Against the fake hypervisor.
BENCH_SRCS := $(filter-out $(S)/tools/libs/guest/hypervisor/xen%,$(GUEST_SRCS)) \
              $(wildcard $(addprefix $(S)/tools/tests/unit/,fake_hypervisor.c \
                fake_ops_*.c fake_host.c fake_context.c fake_paging.c fake_log.c \
                fake_memory.c)) \
              $(addprefix $(S)/tools/tests/bench/,engine.c connections.c contents.c die.c)
BENCH_OBJS := $(call objects,$(BENCH_SRCS),bench/obj)
BENCH_ENGINE := $(O)/bench/engine
$(eval $(call compile_into,bench/obj,CC,BENCH_CFLAGS))
COMPILED += $(BENCH_OBJS)

$(BENCH_ENGINE): $(BENCH_OBJS)
	$(call link,$(ALL_LDFLAGS) $(WRAP_LDFLAGS),$(TEST_LIBS))

# Its bookkeeping by itself, for guests that no machine here could hold.
SCALE_SRCS := $(filter-out $(S)/tools/libs/guest/hypervisor/xen%,$(GUEST_SRCS)) \
              $(S)/tools/tests/unit/fake_log.c \
              $(wildcard $(S)/tools/tests/bench/scale*.c) \
              $(S)/tools/tests/bench/die.c
SCALE_OBJS := $(call objects,$(SCALE_SRCS),bench/obj)
BENCH_SCALE := $(O)/bench/scale
COMPILED += $(SCALE_OBJS)

$(BENCH_SCALE): $(SCALE_OBJS)
	$(call link,$(ALL_LDFLAGS),$(TEST_LIBS))

# A link that is long and slow.
BENCH_LINK := $(O)/bench/wan-link
BENCH_LINK_OBJS := $(call objects,$(addprefix $(S)/tools/tests/bench/,wan_link.c die.c),bench/obj)
COMPILED += $(BENCH_LINK_OBJS)

$(BENCH_LINK): $(BENCH_LINK_OBJS)
	$(call link,$(ALL_LDFLAGS))

# The transports between xl and the network.
TRANSPORTS_SRCS := $(WIRE_SRCS) \
                   $(addprefix $(S)/tools/xl/,carry.c prologue.c tcp.c) \
                   $(S)/tools/libs/light/utf8.c \
                   $(addprefix $(S)/tools/tests/unit/,fake_ca.c fake_tls.c) \
                   $(addprefix $(S)/tools/tests/bench/,transports.c die.c)
TRANSPORTS_OBJS := $(call objects,$(TRANSPORTS_SRCS),bench/obj)
BENCH_TRANSPORTS := $(O)/bench/transports
COMPILED += $(TRANSPORTS_OBJS)

$(BENCH_TRANSPORTS): $(TRANSPORTS_OBJS)
	$(call link,$(ALL_LDFLAGS),$(TEST_LIBS))

# Measuring is rare, so `check` builds this as well.
check-unit: $(BENCH_ENGINE) $(BENCH_SCALE) $(BENCH_TRANSPORTS) $(BENCH_LINK) test-tools

#? bench-engine  the engine at native speed, beside a plain copy
#? bench-scale  its bookkeeping alone, for guests of up to 4 TiB
.PHONY: bench-engine bench-scale
bench-engine: $(BENCH_ENGINE)
	$(S)/tools/tests/bench/bench-engine --engine $(BENCH_ENGINE) --to $(O)/bench

bench-scale: $(BENCH_SCALE)
	$(BENCH_SCALE)

#? bench-transports  TLS and ssh, beside plain TCP
.PHONY: bench-transports
bench-transports: $(BENCH_TRANSPORTS)
	$(S)/tools/tests/bench/bench-transports --transports $(BENCH_TRANSPORTS)

#? bench-wan    the engine over links of 10, 100 and 1,000 Mb/s that are 50 ms long
.PHONY: bench-wan
bench-wan: $(BENCH_ENGINE) $(BENCH_LINK)
	$(S)/tools/tests/bench/bench-wan --engine $(BENCH_ENGINE) --link $(BENCH_LINK)

#? bench-streams  the push over several connections: plain TCP, limited, ssh
.PHONY: bench-streams
bench-streams: $(BENCH_ENGINE)
	$(S)/tools/tests/bench/bench-streams --engine $(BENCH_ENGINE)

#? bench-qemu   QEMU's postcopy beside the engine's, where there is a QEMU
.PHONY: bench-qemu
bench-qemu: $(BENCH_ENGINE)
	$(S)/tools/tests/bench/bench-qemu --engine $(BENCH_ENGINE) --to $(O)/bench

# ---- what is installed ----

#? check-install  the installed library, and the example built with it
.PHONY: check-install
# The installed files must serve a program that knows nothing of this tree.
CHECK_INSTALL := $(O)/installed
check-install: all
	rm -rf $(CHECK_INSTALL)
	$(MAKE) DESTDIR=$(CHECK_INSTALL) install
	CC='$(CC)' $(S)/scripts/check-install $(CHECK_INSTALL) $(SBINDIR) $(LIBDIR) \
	    $(wildcard $(S)/docs/examples/*.c)
	$(S)/scripts/check-interface $(INTERFACE) $(CHECK_INSTALL)$(LIBDIR)/$(LIB_NAME)
	LD_LIBRARY_PATH=$(CHECK_INSTALL)$(LIBDIR) \
	    $(S)/scripts/check-help $(CHECK_INSTALL)$(SBINDIR)/xl
	XL=$(CHECK_INSTALL)$(SBINDIR)/xl $(S)/scripts/run-python-tests \
	    $(S)/tools/tests/xl/test_defaults.py
	$(MAKE) DESTDIR=$(CHECK_INSTALL) uninstall
	find $(CHECK_INSTALL) ! -type d | { ! grep . ; }
	$(S)/scripts/check-install-beside $(CHECK_INSTALL) $(SBINDIR) $(BUILDSDIR) \
	    $(XEN_VERSION) '$(MAKE) -s DESTDIR=$(CHECK_INSTALL)'

CLEANED += san tests tsan plain fakelib fuzz bench installed
