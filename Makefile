# SPDX-License-Identifier: LGPL-2.1-or-later
# make            build for this machine, in build/ (or in O=DIR)
# make demo       a migration between two real Xen hosts, to watch
# make check      the tests: unit tests, then those between two hosts
# make check-all  the same, with those that take long
# make help       the rest

S := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
O ?= build
override O := $(abspath $(O))

# Targets that work before anything is installed or configured.
BARE_GOALS := demo bench bench-downtime check check-lab check-pinned deps format \
              check-lab-other check-crosswise check-lab-versions check-guests check-large check-intel \
              check-all check-format clean distclean \
              deb check-deb rpm hypervisor check-hypervisor check-versions coverage \
              docs man help lab-build
ifneq ($(filter-out $(BARE_GOALS),$(or $(MAKECMDGOALS),all)),)
include $(O)/config.mk
endif
include $(S)/Config.mk

.PHONY: all
all: libs xl completion schema

# configure remembers its options in the environment of its first run only:
# a newer configure script asks for a run by hand when they matter.
$(O)/config.mk: | $(S)/configure
	$(S)/configure --output=$(O)

# ---- what there is to build ----

GUEST_SRCS := $(wildcard $(S)/tools/libs/guest/*.c $(S)/tools/libs/guest/*/*.c)
LIGHT_SRCS := $(wildcard $(S)/tools/libs/light/*.c)
XL_SRCS := $(wildcard $(S)/tools/xl/*.c)
UNIT_SRCS := $(wildcard $(S)/tools/tests/unit/test_*.c)
FAKE_SRCS := $(wildcard $(S)/tools/tests/unit/fake_*.c) \
             $(wildcard $(S)/tools/tests/fake/*.c)

# Files of xl that need no libxl: the tests link them.
PURE_SRCS := $(addprefix $(S)/tools/xl/,save_header.c rate.c policy_option.c \
               migrate_view.c options.c part_commands.c transport_command.c \
               watcher.c exit_status.c prologue.c \
               receive_policy.c finding.c)

objects = $(patsubst $(S)/%.c,$(O)/$(2)/%.o,$(1))
GUEST_OBJS := $(call objects,$(GUEST_SRCS),obj)
LIGHT_OBJS := $(call objects,$(LIGHT_SRCS),obj)
# Files of the library are in xl as well: no function of them leaves that.
XL_LIGHT_SRCS := $(addprefix $(S)/tools/libs/light/,json_bounds.c utf8.c)
XL_OBJS := $(call objects,$(XL_SRCS) $(XL_LIGHT_SRCS),obj)

# The tests' library has fakes in place of the hypervisor module and of libxl.
SAN_SRCS := $(filter-out $(S)/tools/libs/guest/hypervisor/xen%,$(GUEST_SRCS)) \
            $(LIGHT_SRCS) $(PURE_SRCS) $(FAKE_SRCS)
SAN_OBJS := $(call objects,$(SAN_SRCS),san)
UNIT_OBJS := $(call objects,$(UNIT_SRCS),san)
UNIT_PROGRAMS := $(patsubst $(S)/tools/tests/unit/%.c,$(O)/tests/%,$(UNIT_SRCS))

# One shared library, with the guest layer inside. The major number changes
# when a program that was linked to it before would no longer work, the minor
# one when something is added.
LIB_MAJOR := 1
LIB_MINOR := 0
LIB_NAME := libxenlight-postcopy.so
LIB_SONAME := $(LIB_NAME).$(LIB_MAJOR)
LIB_FILE := $(LIB_SONAME).$(LIB_MINOR)
LIB := $(O)/$(LIB_FILE)
LIB_MAP := $(S)/tools/libs/light/libxenlight-postcopy.map
XL := $(O)/xl
XL_FRONT := $(O)/xl-postcopy

# Of the shells whose completion there is.
COMPLETION := $(addprefix $(O)/completion/xl.,bash zsh fish)

.PHONY: libs xl completion schema
libs: $(LIB)
completion: $(COMPLETION)
schema: $(O)/live-migrate-status.schema.json
xl: $(if $(XL_SRCS),$(XL) $(XL_FRONT))

# ---- how ----

# What is done is named in a line; make V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(subst $(O)/,,$@)')

BUILD_DEPS := $(O)/config.mk $(S)/Config.mk

$(O)/obj/tools/libs/guest/%.o: EXTRA_CFLAGS = $(LIBRARY_CFLAGS) $(GUEST_CFLAGS)
$(O)/obj/tools/libs/light/%.o: EXTRA_CFLAGS = $(LIBRARY_CFLAGS) \
                                              $(LIGHT_CFLAGS) $(GUEST_CFLAGS)
$(O)/obj/tools/xl/%.o: EXTRA_CFLAGS = $(PROGRAM_CFLAGS) $(XL_CFLAGS) \
                                      $(LIGHT_CFLAGS)

$(O)/obj/%.o: $(S)/%.c $(BUILD_DEPS)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<

$(O)/san/%.o: $(S)/%.c $(BUILD_DEPS)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(SAN_CFLAGS) -I$(S)/tools/xl -I$(S)/tools/tests/unit \
	    -I$(S)/tools/tests/fake -MMD -MP -c -o $@ $<

# The links are for whoever links against it or runs it here.
$(LIB): $(LIGHT_OBJS) $(GUEST_OBJS) $(LIB_MAP)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) $(LIBRARY_LDFLAGS) -Wl,-soname,$(LIB_SONAME) \
	    -Wl,--version-script=$(LIB_MAP) -o $@ $(filter %.o,$^) \
	    $(LIGHT_LIBS) $(GUEST_LIBS)
	$(Q)ln -sf $(LIB_FILE) $(O)/$(LIB_SONAME)
	$(Q)ln -sf $(LIB_SONAME) $(O)/$(LIB_NAME)

# With the shared library and not with its objects: so the linker sees to it
# that xl does nothing that another program could not.
$(XL): $(XL_OBJS) $(LIB)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) $(PROGRAM_LDFLAGS) $(XL_RPATH_FLAGS) -o $@ $^ \
	    $(XL_LIBS) $(LIGHT_LIBS) $(GUEST_LIBS)

# It knows where the builds will be, so it is compiled anew when make is given
# another PREFIX.
FRONT_NOTE := $(O)/front-flags
FRONT_FLAGS = -DXL_BUILDS_DIR='"$(BUILDSDIR)"'
.PHONY: force
$(FRONT_NOTE): force
	@mkdir -p $(O)
	@[ "$$(cat $@ 2> /dev/null)" = '$(BUILDSDIR)' ] || echo '$(BUILDSDIR)' > $@

$(O)/obj/tools/xl/front/front.o: EXTRA_CFLAGS = $(PROGRAM_CFLAGS) $(FRONT_FLAGS)
$(O)/obj/tools/xl/front/front.o: $(FRONT_NOTE)
$(XL_FRONT): $(O)/obj/tools/xl/front/front.o
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $<

$(O)/completion/xl.%: $(S)/tools/xl/completion/xl.%.in $(S)/tools/xl/options.def \
                      $(S)/scripts/make-completion $(S)/scripts/xl_options.py
	@mkdir -p $(@D)
	$(call say,MAKE)
	$(Q)$(S)/scripts/make-completion $< > $@.new && mv $@.new $@

$(O)/%.schema.json: $(S)/docs/specs/%.schema.json.in $(S)/scripts/make-schema \
                    $(S)/scripts/counters.py \
                    $(S)/tools/libs/light/libxl_live_migrate_counters.h
	@mkdir -p $(@D)
	$(call say,MAKE)
	$(Q)$(S)/scripts/make-schema $< > $@.new && mv $@.new $@

# For the tests between hosts, and installed nowhere: streams in files, and
# what a hypervisor does that we expect of it.
STREAM_TOOL := $(O)/stream-tool
STREAM_TOOL_OBJS := $(O)/obj/tools/tests/system/stream-tool.o \
                    $(addprefix $(O)/obj/tools/xl/,config.o prologue.o save_header.o \
                      stock.o) $(call objects,$(XL_LIGHT_SRCS),obj)
$(O)/obj/tools/tests/system/%.o: EXTRA_CFLAGS = $(PROGRAM_CFLAGS) $(XL_CFLAGS) \
                                 $(LIGHT_CFLAGS) -I$(S)/tools/xl

PAGER_PROBE := $(O)/pager-probe
PAGER_PROBE_OBJS := $(O)/obj/tools/tests/system/pager-probe.o

PINGPONG := $(O)/pingpong
PINGPONG_OBJS := $(O)/obj/tools/tests/system/pingpong.o

# The example, for the hosts of the lab; check-install builds it as its readers
# would.
EXAMPLES := $(patsubst $(S)/docs/examples/%.c,%,$(wildcard $(S)/docs/examples/*.c))
EXAMPLE_PROGRAMS := $(addprefix $(O)/examples/,$(EXAMPLES))
$(O)/obj/docs/examples/%.o: EXTRA_CFLAGS = $(PROGRAM_CFLAGS) $(LIGHT_CFLAGS)

.PHONY: test-tools
test-tools: $(STREAM_TOOL) $(PAGER_PROBE) $(PINGPONG) $(EXAMPLE_PROGRAMS)

$(EXAMPLE_PROGRAMS): $(O)/examples/%: $(O)/obj/docs/examples/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) $(PROGRAM_LDFLAGS) $(RPATH_FLAGS) -o $@ $^ \
	    $(LIGHT_LIBS) $(GUEST_LIBS)

$(STREAM_TOOL): $(STREAM_TOOL_OBJS) $(LIB)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) $(PROGRAM_LDFLAGS) $(RPATH_FLAGS) -o $@ $^ \
	    $(XL_LIBS) $(LIGHT_LIBS) $(GUEST_LIBS)

$(PINGPONG): $(PINGPONG_OBJS)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $^

# It looks below the library's functions.
$(PAGER_PROBE): $(PAGER_PROBE_OBJS) $(GUEST_OBJS)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $^ $(GUEST_LIBS)

$(O)/tests/libsan.a: $(SAN_OBJS)
	@mkdir -p $(@D)
	$(call say,AR)
	$(Q)rm -f $@
	$(Q)$(AR) qcs $@ $^

$(O)/tests/%: $(O)/san/tools/tests/unit/%.o $(O)/tests/libsan.a
	$(call say,LINK)
	$(Q)$(CC) $(SAN_LDFLAGS) -o $@ $^ $(TEST_LIBS)

.SECONDARY: $(UNIT_OBJS) $(SAN_OBJS)
-include $(O)/obj/tools/xl/front/front.d
-include $(patsubst %.o,%.d,$(GUEST_OBJS) $(LIGHT_OBJS) $(XL_OBJS) \
                            $(SAN_OBJS) $(UNIT_OBJS) $(STREAM_TOOL_OBJS) \
                            $(PAGER_PROBE_OBJS) $(PINGPONG_OBJS)) \
         $(EXAMPLES:%=$(O)/obj/docs/examples/%.d)

# The fuzzers: once more, with what clang has for them.
CLANG ?= clang
FUZZ := $(S)/tools/tests/fuzz
FUZZERS := $(patsubst $(FUZZ)/%.c,$(O)/fuzz/%,\
    $(filter-out %/fuzz_peer.c,$(wildcard $(FUZZ)/fuzz_*.c)))
FUZZ_OBJS := $(call objects,$(SAN_SRCS) $(FUZZ)/fuzz_peer.c,fuzz/obj)
MAKE_SEEDS := $(O)/fuzz/make_seeds

$(O)/fuzz/obj/%.o: $(S)/%.c $(BUILD_DEPS)
	@mkdir -p $(@D)
	$(call say,CLANG)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -I$(S)/tools/xl -I$(S)/tools/tests/unit \
	    -I$(S)/tools/tests/fake -I$(FUZZ) -MMD -MP -c -o $@ $<

$(FUZZERS): $(O)/fuzz/%: $(O)/fuzz/obj/tools/tests/fuzz/%.o $(FUZZ_OBJS)
	$(call say,LINK)
	$(Q)$(CLANG) $(FUZZ_LDFLAGS) -o $@ $^ $(TEST_LIBS)

$(MAKE_SEEDS): $(O)/san/tools/tests/fuzz/make_seeds.o $(O)/tests/libsan.a
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(SAN_LDFLAGS) -o $@ $^ $(TEST_LIBS)

-include $(FUZZ_OBJS:.o=.d) $(O)/fuzz/obj/tools/tests/fuzz/*.d

# The test guests: freestanding, with a Makefile of their own.
GUESTS_DIR := $(O)/guests
.PHONY: guests
guests:
	$(MAKE) -C $(S)/xen/guests O=$(GUESTS_DIR)

# ---- installing ----

DESTDIR ?=
COMPLETIONS_TO = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
ZSH_TO = $(DESTDIR)$(ZSHDIR)
FISH_TO = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
LIBS_TO = $(DESTDIR)$(LIBDIR)
PROGRAMS_TO = $(DESTDIR)$(SBINDIR)
HEADERS_TO = $(DESTDIR)$(INCLUDEDIR)
# The name of our own, of xl and of its completion. IN_FRONT=yes: as xl also where
# there is another's, which is kept.
XL_NAME := xl-postcopy
IN_FRONT ?=
in_front = IN_FRONT='$(IN_FRONT)' $(S)/scripts/in-front $(1) $(2)/xl$(3) $(XL_NAME)$(3)
# The builds for each Xen; and a link to the other's xl.
BUILD_TO = $(DESTDIR)$(BUILDSDIR)/$(XEN_VERSION)
STOCK_LINK = $(DESTDIR)$(BUILDSDIR)/stock/xl
# Where systemd looks for units: below /usr/local as well.
SYSTEMDDIR ?= $(PREFIX)/lib/systemd/system
UNITS_TO = $(DESTDIR)$(SYSTEMDDIR)
WAIT_UNIT := xl-migrate-wait.service
PC := xenlight-postcopy.pc
HEADER := libxl_live_migrate.h
HEADERS := $(HEADER) libxl_live_migrate_counters.h
SCHEMA := live-migrate-status.schema.json
SCHEMAS_TO = $(DESTDIR)$(PREFIX)/share/xen-postcopy

# Without pandoc there are no man pages.
HAVE_PANDOC := $(shell command -v pandoc)
MAN_SRCS := $(wildcard $(S)/docs/man/*.md)
MAN_PAGES := $(patsubst $(S)/docs/man/%.md,%,$(MAN_SRCS))
man_dir = $(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(1)))

.PHONY: install uninstall
install: all $(if $(HAVE_PANDOC),man)
	install -d $(PROGRAMS_TO) $(LIBS_TO)/pkgconfig $(HEADERS_TO) $(COMPLETIONS_TO) \
	    $(SCHEMAS_TO) $(BUILD_TO)
	install -m 755 $(XL) $(BUILD_TO)/xl
	install -m 644 $(LIB) $(BUILD_TO)/$(LIB_SONAME)
	install -m 755 $(XL_FRONT) $(PROGRAMS_TO)/$(XL_NAME)
	$(call in_front,put,$(PROGRAMS_TO)) $(STOCK_LINK)
	install -m 644 $(LIB) $(LIBS_TO)
	ln -sf $(LIB_FILE) $(LIBS_TO)/$(LIB_SONAME)
	ln -sf $(LIB_SONAME) $(LIBS_TO)/$(LIB_NAME)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	    -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(LIB_MAJOR).$(LIB_MINOR)|' \
	    $(S)/tools/libs/light/$(PC).in > $(LIBS_TO)/pkgconfig/$(PC)
	install -m 644 $(HEADERS:%=$(S)/tools/libs/light/%) $(HEADERS_TO)
	install -m 644 $(O)/$(SCHEMA) $(SCHEMAS_TO)
	install -m 644 $(O)/completion/xl.bash $(COMPLETIONS_TO)/$(XL_NAME)
	$(call in_front,put,$(COMPLETIONS_TO))
	install -D -m 644 $(O)/completion/xl.zsh $(ZSH_TO)/_$(XL_NAME)
	install -D -m 644 $(O)/completion/xl.fish $(FISH_TO)/$(XL_NAME).fish
	$(call in_front,put,$(FISH_TO),.fish)
	install -d $(UNITS_TO)/session-.scope.d
	sed -e 's|@XL@|$(SBINDIR)/$(XL_NAME)|' $(S)/tools/systemd/$(WAIT_UNIT).in \
	    > $(UNITS_TO)/$(WAIT_UNIT)
	install -m 644 $(S)/tools/systemd/session-.scope.conf \
	    $(UNITS_TO)/session-.scope.d/xl-migrate-wait.conf
	$(if $(HAVE_PANDOC),$(foreach m,$(MAN_PAGES),install -D -m 644 \
	    $(O)/man/$(m) $(call man_dir,$(m))/$(m) &&)) true

uninstall:
	$(call in_front,back,$(PROGRAMS_TO)) $(STOCK_LINK)
	$(call in_front,back,$(COMPLETIONS_TO))
	$(call in_front,back,$(FISH_TO),.fish)
	rm -f $(ZSH_TO)/_$(XL_NAME) $(FISH_TO)/$(XL_NAME).fish
	rm -f $(BUILD_TO)/xl $(BUILD_TO)/$(LIB_SONAME)
	-rmdir $(BUILD_TO) 2> /dev/null
	rm -f $(PROGRAMS_TO)/$(XL_NAME) $(COMPLETIONS_TO)/$(XL_NAME) \
	    $(HEADERS:%=$(HEADERS_TO)/%) $(SCHEMAS_TO)/$(SCHEMA) $(LIBS_TO)/pkgconfig/$(PC) $(UNITS_TO)/$(WAIT_UNIT) \
	    $(UNITS_TO)/session-.scope.d/xl-migrate-wait.conf \
	    $(addprefix $(LIBS_TO)/,$(LIB_FILE) $(LIB_SONAME) $(LIB_NAME)) \
	    $(foreach m,$(MAN_PAGES),$(call man_dir,$(m))/$(m))

# ---- the lab: the same sources once more, for its dom0 ----

# XEN_LAB_SUITE=trixie, in the environment or for make: hosts of that release,
# and what is built for them. XEN_LAB_SUITE=bookworm,trixie: host a is of the
# first, b of the second.
comma := ,
LAB := $(S)/xen/lab/lab
LAB_SUITES := $(subst $(comma), ,$(XEN_LAB_SUITE))
LAB_O := $(S)/build/dom0$(XEN_LAB_SUITE:%=-%)
LAB_STAGE := $(S)/build/stage$(XEN_LAB_SUITE:%=-%)
LAB_STAGES := $(or $(LAB_SUITES:%=$(S)/build/stage-%),$(LAB_STAGE))

.PHONY: lab-build
ifneq ($(word 2,$(LAB_SUITES)),)
lab-build:
	for suite in $(sort $(LAB_SUITES)); do \
	    $(MAKE) XEN_LAB_SUITE=$$suite lab-build || exit; done
else
lab-build:
	sysroot=$$($(LAB) sysroot) && \
	{ [ ! $(S)/configure -nt $(LAB_O)/config.mk ] && \
	  grep -q -s -x "SYSROOT = $$sysroot" $(LAB_O)/config.mk; } || \
	    $(S)/configure --output=$(LAB_O) --sysroot=$$sysroot
	$(MAKE) O=$(LAB_O) all test-tools
	rm -rf $(LAB_STAGE)
	$(MAKE) O=$(LAB_O) DESTDIR=$(LAB_STAGE) install
	$(MAKE) -C $(S)/xen/guests O=$(S)/build/guests
endif

# ---- tests and the demo ----

.PHONY: deps fuzz check check-unit check-tsan check-valgrind check-install \
        check-fuzz check-lab check-lab-other check-crosswise check-lab-versions check-guests check-large \
        check-intel check-all check-pinned demo \
        bench bench-downtime
deps:
	$(S)/scripts/install-deps $(S)/scripts/packages $(S)/xen/lab/packages \
	    $(S)/xen/lab/packages.hypervisor

check check-all: deps
	$(MAKE) check-unit
	$(MAKE) check-tsan
	$(MAKE) check-valgrind
	$(MAKE) check-install
	$(MAKE) check-fuzz
	$(MAKE) check-lab LAB_TESTS=$(if $(filter check-all,$@),--all)
	$(MAKE) check-lab-other
	$(if $(filter check-all,$@),$(MAKE) check-large)
	$(if $(filter check-all,$@),$(MAKE) check-intel)

SPACE := $(subst x,,x x)
INTERFACE := $(S)/tools/libs/light/$(HEADER) \
             $(subst $(SPACE),:,$(wildcard $(S)/docs/man/libxl_*.3.md))

# What xl shows as JSON, for the schema of it.
JSON := $(O)/tests/json

# The library as a whole over the fakes, for bindings in other languages.
FAKE_LIB := $(O)/fakelib/libxenlight-postcopy-fake.so
FAKE_LIB_OBJS := $(call objects,$(SAN_SRCS) $(S)/tools/tests/binding/fake_pair.c,fakelib)

$(O)/fakelib/%.o: $(S)/%.c $(BUILD_DEPS)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(PLAIN_CFLAGS) -fPIC -I$(S)/tools/xl -I$(S)/tools/tests/unit \
	    -I$(S)/tools/tests/fake -MMD -MP -c -o $@ $<

$(FAKE_LIB): $(FAKE_LIB_OBJS)
	$(call say,LINK)
	$(Q)$(CC) -shared -pthread $(WRAP_LDFLAGS) $(USER_LDFLAGS) -o $@ $^ $(TEST_LIBS)

-include $(FAKE_LIB_OBJS:.o=.d)

check-unit: $(FAKE_LIB)
check-unit: export FAKE_LIBRARY := $(FAKE_LIB)

# Streams of the library's moves, for a reader that knows only the page about them.
STREAMS := $(O)/tests/streams

check-unit: $(UNIT_PROGRAMS)
	$(S)/scripts/check-spec
	$(S)/scripts/check-interface $(INTERFACE)
	$(S)/scripts/check-defaults
	rm -rf $(STREAMS) $(JSON) && mkdir -p $(STREAMS) $(JSON)
	KEEP_STREAMS=$(STREAMS) KEEP_JSON=$(JSON) $(S)/scripts/run-unit-tests $(UNIT_PROGRAMS)
	$(S)/tools/tests/stream/check-stream $(STREAMS)
	KEEP_JSON=$(JSON) $(S)/scripts/run-python-tests $(S)/tools/tests/bench/test_bench.py \
	    $(S)/tools/tests/runners/test_runners.py \
	    $(S)/tools/tests/binding/test_binding.py \
	    $(S)/tools/tests/xl/test_json_schema.py \
	    $(S)/tools/tests/runners/test_record.py \
	    $(S)/tools/tests/xl/test_completion.py \
	    $(S)/tools/tests/install/test_install.py \
	    $(S)/tools/tests/install/test_units.py

# The tests in which threads meet, once more under the thread sanitizer.
TSAN_TESTS := test_pager test_pager_requests test_pager_succession test_bad_source test_bad_pages \
              test_bad_destination test_endings test_steering test_migration \
              test_ballooning test_library test_stalls test_hostile_guest \
              test_fault_channel
TSAN_OBJS := $(call objects,$(SAN_SRCS),tsan)
TSAN_PROGRAMS := $(TSAN_TESTS:%=$(O)/tsan/%)
TSAN_TEST_OBJS := $(TSAN_TESTS:%=$(O)/tsan/tools/tests/unit/%.o)

$(O)/tsan/%.o: $(S)/%.c $(BUILD_DEPS)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(TSAN_CFLAGS) -I$(S)/tools/xl -I$(S)/tools/tests/unit \
	    -I$(S)/tools/tests/fake -MMD -MP -c -o $@ $<

$(O)/tsan/libtsan-tests.a: $(TSAN_OBJS)
	$(call say,AR)
	$(Q)rm -f $@
	$(Q)$(AR) qcs $@ $^

$(TSAN_PROGRAMS): $(O)/tsan/%: $(O)/tsan/tools/tests/unit/%.o \
                  $(O)/tsan/libtsan-tests.a
	$(call say,LINK)
	$(Q)$(CC) $(TSAN_LDFLAGS) -o $@ $^ $(TEST_LIBS)

.SECONDARY: $(TSAN_TEST_OBJS)
-include $(patsubst %.o,%.d,$(TSAN_OBJS) $(TSAN_TEST_OBJS))

check-tsan: $(TSAN_PROGRAMS)
	TSAN_OPTIONS='exitcode=66 suppressions=$(S)/tools/tests/unit/tsan.supp' \
	    $(S)/scripts/run-unit-tests $(TSAN_PROGRAMS)

# The library as a whole without sanitizers, of which valgrind thinks nothing.
# In the lab valgrind is of no use: it answers hypercalls that it does not know,
# memory paging among them, in Xen's place.
PLAIN_OBJS := $(call objects,$(SAN_SRCS) $(S)/tools/tests/unit/test_library.c,plain)
PLAIN_PROGRAM := $(O)/plain/test_library

$(O)/plain/%.o: $(S)/%.c $(BUILD_DEPS)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(PLAIN_CFLAGS) -I$(S)/tools/xl -I$(S)/tools/tests/unit \
	    -I$(S)/tools/tests/fake -MMD -MP -c -o $@ $<

$(PLAIN_PROGRAM): $(PLAIN_OBJS)
	$(call say,LINK)
	$(Q)$(CC) -pthread $(WRAP_LDFLAGS) $(USER_LDFLAGS) -o $@ $^ $(TEST_LIBS)

-include $(PLAIN_OBJS:.o=.d)

# The engine at native speed, against the fake hypervisor.
BENCH_SRCS := $(filter-out $(S)/tools/libs/guest/hypervisor/xen%,$(GUEST_SRCS)) \
              $(addprefix $(S)/tools/tests/unit/,fake_hypervisor.c fake_host.c \
                fake_context.c fake_paging.c fake_log.c fake_memory.c) \
              $(S)/tools/tests/bench/engine.c
BENCH_OBJS := $(call objects,$(BENCH_SRCS),bench/obj)
BENCH_ENGINE := $(O)/bench/engine

$(O)/bench/obj/%.o: $(S)/%.c $(BUILD_DEPS)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) $(TEST_CFLAGS) -I$(S)/tools/tests/unit -MMD -MP \
	    -c -o $@ $<

$(BENCH_ENGINE): $(BENCH_OBJS)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) $(WRAP_LDFLAGS) -o $@ $^ $(TEST_LIBS)

# Its bookkeeping by itself, for guests that no machine here could hold.
SCALE_SRCS := $(filter-out $(S)/tools/libs/guest/hypervisor/xen%,$(GUEST_SRCS)) \
              $(S)/tools/tests/unit/fake_log.c \
              $(wildcard $(S)/tools/tests/bench/scale*.c)
SCALE_OBJS := $(call objects,$(SCALE_SRCS),bench/obj)
BENCH_SCALE := $(O)/bench/scale

$(BENCH_SCALE): $(SCALE_OBJS)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(TEST_LIBS)

-include $(BENCH_OBJS:.o=.d) $(SCALE_OBJS:.o=.d)

# Nobody measures every day, and then it should build.
check-unit: $(BENCH_ENGINE) $(BENCH_SCALE) test-tools

.PHONY: bench-engine bench-scale
bench-engine: $(BENCH_ENGINE)
	$(S)/tools/tests/bench/bench-engine --engine $(BENCH_ENGINE) --to $(O)/bench

bench-scale: $(BENCH_SCALE)
	$(BENCH_SCALE)

HAVE_VALGRIND := $(shell command -v valgrind)
check-valgrind: $(if $(HAVE_VALGRIND),$(PLAIN_PROGRAM))
	$(if $(HAVE_VALGRIND),UNDER='valgrind -q --fair-sched=try --leak-check=full \
	    --errors-for-leak-kinds=all --show-leak-kinds=all --error-exitcode=1' \
	    $(S)/scripts/run-unit-tests $(PLAIN_PROGRAM),\
	    @echo '0 passed, 0 failed, 1 skipped')

# What is installed must serve a program that knows nothing of this tree.
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

# Without clang the fuzzers are skipped.
HAVE_CLANG := $(shell command -v $(firstword $(CLANG)))
check-fuzz: $(if $(HAVE_CLANG),$(FUZZERS) $(MAKE_SEEDS))
	$(if $(HAVE_CLANG),$(S)/scripts/run-fuzzers $(MAKE_SEEDS) $(FUZZERS),\
	    @echo '0 passed, 0 failed, $(words $(FUZZERS)) skipped')

# For minutes, a fuzzer at a time.
FUZZ_SECONDS ?= 60
fuzz: $(FUZZERS) $(MAKE_SEEDS)
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(S)/scripts/run-fuzzers $(MAKE_SEEDS) $(FUZZERS)

check-lab: lab-build
	$(S)/tools/tests/system/run $(LAB_STAGES:%=--install %) $(LAB_TESTS)

# A few on the release whose packages do it all as they are.
OTHER_TESTS := there_and_back_again hvm_without_drivers_there_and_back \
               connection_cut_in_postcopy receiver_killed_in_postcopy \
               pinned_pages_go_along
check-lab-other: deps
	$(MAKE) XEN_LAB_SUITE=bullseye check-lab \
	    LAB_TESTS='--state $(S)/build/check-lab-other $(OTHER_TESTS:%=--only %)'

# Hosts of two releases, each to each: FROM,TO by CROSSWISE.
CROSSWISE ?= bullseye,bookworm bookworm,bullseye
check-crosswise: deps
	for suites in $(CROSSWISE); do \
	    $(MAKE) XEN_LAB_SUITE=$$suites check-lab \
	        LAB_TESTS='--state $(S)/build/check-crosswise --only crosswise' || \
	    exit; done

# Hosts whose hypervisor is as packaged, without memory paging: what is left, and
# what a user is told. And a hypervisor that somebody names.
VERSIONS_TESTS := hypervisor_without_paging_is_refused \
                  images_go_both_ways_without_paging \
                  our_image_passes_the_stock_verifier_and_restores \
                  a_stock_migration_passes_through \
                  other_commands_are_the_stock_xls
check-lab-versions: deps
	XEN_LAB_HYPERVISOR=packaged $(MAKE) XEN_LAB_SUITE=bookworm check-lab \
	    LAB_TESTS='--state $(S)/build/check-lab-packaged \
	        $(VERSIONS_TESTS:%=--only %)'
	$(S)/xen/lab/tests/test_lab.py --hosts NamedHypervisor

# Each of Debian's kernels, PVH and HVM, with few and many vCPUs: 24 guests there and
# back, in some half an hour.
check-guests: lab-build
	$(S)/tools/tests/system/run $(LAB_STAGES:%=--install %) \
	    --state $(S)/build/check-guests --only pvh_linux --only hvm_linux $(LAB_TESTS)

# Guests with memory above 4 GiB, on two hosts that take 13 GiB of this machine's.
check-large: lab-build
	XEN_LAB_MEMORY=6656 $(S)/tools/tests/system/run \
	    $(LAB_STAGES:%=--install %) --state $(S)/build/check-large \
	    --only memory_above_4_gib

# A host with an Intel processor, in Bochs: it is alone, so guests move within it.
# INTEL_CPU: another processor that Bochs knows.
INTEL_TESTS ?= paging_works_as_expected local_
INTEL_CPU ?=
check-intel: deps
	$(S)/scripts/install-deps $(S)/xen/lab/packages.bochs
	$(MAKE) lab-build
	XEN_LAB_ACCEL=bochs XEN_LAB_BOCHS_CPU=$(INTEL_CPU) \
	    $(S)/tools/tests/system/run --install $(LAB_STAGE) \
	    --state $(S)/build/check-intel $(INTEL_TESTS:%=--only %) $(LAB_TESTS)

check-pinned: deps
	$(MAKE) lab-build
	$(S)/tools/tests/system/run --install $(LAB_STAGE) --only pinned_pages \
	    --repeat 10

# The Debian packages, in build/deb; SUITE=bullseye: for that release. check-deb
# tries them in a host of it: they install, xl works, and all is as before.
SUITE ?=
.PHONY: deb check-deb
deb check-deb: DEB_DIR = $(O)/deb/$(or $(SUITE),host)
deb:
	$(S)/scripts/install-deps $(S)/scripts/packages $(S)/scripts/packages.deb \
	    $(if $(SUITE),$(S)/xen/lab/packages)
	$(S)/scripts/build-deb $(DEB_DIR) $(SUITE)

check-deb: deb
	$(S)/scripts/install-deps $(S)/xen/lab/packages
	$(S)/scripts/check-deb check-deb-root xen-utils,xen-utils-common $(DEB_DIR) $(SUITE)

# The same as packages of rpm's, in build/rpm: for other distributions.
.PHONY: rpm
rpm:
	$(S)/scripts/install-deps $(S)/scripts/packages $(S)/scripts/packages.rpm
	$(S)/scripts/build-rpm $(O)/rpm

# A package of a release's own hypervisor, with memory paging; SUITE is this
# machine's release or another one. SOURCE=DIR: from what `apt source xen` has
# left there, instead of from the mirror.
SOURCE ?=
OTHER_SUITE = $(filter-out $(shell . /etc/os-release && echo $$VERSION_CODENAME),$(SUITE))
.PHONY: hypervisor check-hypervisor
hypervisor check-hypervisor: HYPERVISOR_DIR = $(O)/hypervisor/$(or $(SUITE),host)
hypervisor:
	$(S)/scripts/install-deps $(S)/xen/lab/packages.hypervisor \
	    $(if $(OTHER_SUITE),$(S)/xen/lab/packages)
	$(S)/scripts/make-hypervisor $(HYPERVISOR_DIR) $(SUITE) \
	    $(if $(SOURCE),--source '$(SOURCE)')

# Beside the packaged one, in the boot menu of a root of that release.
check-hypervisor: hypervisor
	$(S)/scripts/install-deps $(S)/xen/lab/packages
	$(S)/scripts/check-deb check-hypervisor-root \
	    grub-common,grub2-common,xen-hypervisor-amd64,xen-hypervisor-common \
	    $(HYPERVISOR_DIR) $(SUITE)

# This source against the headers of each Xen that Debian has. Some minutes each.
VERSIONS := bullseye bookworm trixie
.PHONY: check-versions
check-versions:
	$(S)/scripts/install-deps $(S)/xen/lab/packages
	$(S)/scripts/check-versions $(VERSIONS)

demo: deps
	$(MAKE) lab-build
	$(S)/xen/lab/demo --install $(LAB_STAGE)

# All that is compared, in one run of some twenty minutes; the report is in
# build/bench. bench-downtime takes hours: the stock xl's moves of large guests.
BENCH := $(S)/tools/tests/bench/bench --install $(LAB_STAGE) --to $(O)/bench
BENCH_REPEAT ?= 2
BENCH_MEMORY ?= 64
BENCH_OPTIONS ?=
bench bench-downtime: deps
	$(S)/scripts/install-deps $(S)/scripts/packages.bench
	$(MAKE) lab-build
	$(if $(filter bench,$@),$(MAKE) bench-engine)
	$(BENCH) --repeat $(BENCH_REPEAT) --memory $(BENCH_MEMORY) \
	    $(if $(filter bench,$@),--engine $(O)/bench/engine.json,--part downtimes) \
	    $(BENCH_OPTIONS)

# ---- looking after the sources ----

FORMATTED = $(shell git -C $(S) ls-files 'tools/*.[ch]' 'xen/*.[ch]' 'docs/*.[ch]')

.PHONY: format check-format lint coverage docs man clean distclean help
format:
	cd $(S) && clang-format -i $(FORMATTED)

check-format:
	cd $(S) && clang-format --dry-run -Werror $(FORMATTED)
	@cd $(S) && if grep -n '^.\{80,\}' $(FORMATTED); then \
	    echo 'FAILED: check-format: lines of 80 columns and more'; false; fi

lint: $(O)/config.mk
	$(S)/scripts/install-deps $(S)/scripts/packages.lint
	$(S)/scripts/lint $(COMMON_CFLAGS) $(GUEST_CFLAGS) $(LIGHT_CFLAGS)

# By the unit tests: a build of its own. What only a real Xen reaches counts as
# not reached.
COVERAGE_O := $(S)/build/coverage
coverage:
	$(S)/scripts/install-deps $(S)/scripts/packages $(S)/scripts/packages.lint
	CFLAGS=--coverage LDFLAGS=--coverage \
	    $(S)/configure --output=$(COVERAGE_O)
	$(MAKE) O=$(COVERAGE_O) check-unit
	$(S)/scripts/coverage $(COVERAGE_O)

# Every page under docs, and what its links lead to.
HTML_SRCS := $(patsubst $(S)/%,%,$(foreach type,md pandoc,\
               $(wildcard $(addprefix $(S)/,*.$(type) docs/*.$(type) docs/*/*.$(type))))) \
             xen/lab/README.md xen/guests/README.md tools/tests/system/README.md \
             tools/tests/bench/README.md
HTML_PAGES := $(HTML_SRCS:%=$(O)/html/%.html)
HTML_PAGES := $(HTML_PAGES:.md.html=.html)
HTML_PAGES := $(HTML_PAGES:.pandoc.html=.html)
MAN_BUILT := $(MAN_PAGES:%=$(O)/man/%)

# What the pages show, and other files that they lead to.
HTML_FILES := $(patsubst $(S)/%,$(O)/html/%,$(wildcard $(S)/docs/images/* \
                $(S)/docs/examples/*.* $(S)/docs/examples/*/*.* $(S)/docs/*.json \
                $(S)/docs/specs/*.json.in)) $(O)/html/CODING_STYLE $(O)/html/COPYING

docs: man $(HTML_PAGES) $(HTML_FILES)
	$(S)/scripts/check-links $(O)/html
man: $(MAN_BUILT)

$(MAN_BUILT): $(O)/man/%: $(S)/docs/man/%.md
	@mkdir -p $(@D)
	$(call say,MAN)
	$(Q)pandoc -s -t man -o $@ $<

$(HTML_FILES): $(O)/html/%: $(S)/%
	@mkdir -p $(@D)
	$(Q)cp $< $@

define make_html
	@mkdir -p $(@D)
	$(call say,HTML)
	$(Q)$(S)/scripts/html-page $< $@
endef
$(O)/html/%.html: $(S)/%.md $(S)/docs/html.lua $(S)/docs/html.css
	$(make_html)
$(O)/html/%.html: $(S)/%.pandoc $(S)/docs/html.lua $(S)/docs/html.css
	$(make_html)

# The lab's images are not touched: they take minutes to make (lab clean).
clean:
	rm -rf $(addprefix $(O)/,obj san tsan plain fakelib tests fuzz bench man html guests \
	      completion) \
	    $(O)/examples $(O)/installed \
	    $(O)/*.so* $(O)/*.schema.json $(XL) $(XL_FRONT) $(FRONT_NOTE) $(STREAM_TOOL) $(PAGER_PROBE) $(PINGPONG) \
	    $(LAB_O) $(LAB_STAGE)

distclean: clean
	rm -f $(O)/config.mk

help:
	@echo 'all          the libraries and xl, in $(O)'
	@echo 'install      into DESTDIR, below the prefix given to configure; IN_FRONT=yes: as'
	@echo '             xl also where there is one of another, which uninstall brings back'
	@echo 'uninstall    remove what install put there'
	@echo 'demo         a migration to watch; installs what it needs'
	@echo 'bench        all that is compared, with a report: twenty minutes'
	@echo 'bench-downtime  the same for larger and larger guests: hours'
	@echo 'bench-engine  the engine at native speed, beside a plain copy'
	@echo 'bench-scale   its bookkeeping alone, for guests of up to 4 TiB'
	@echo 'check        check-unit, -tsan, -valgrind, -install, -fuzz, -lab; installs what it needs'
	@echo 'check-unit   the unit tests, with sanitizers'
	@echo 'check-tsan   those of them in which threads meet, with the thread sanitizer'
	@echo 'check-valgrind  the library as a whole under valgrind'
	@echo 'check-install  the installed library, and the example built with it'
	@echo 'check-fuzz   every reader against octets that a fuzzer makes up (clang)'
	@echo 'fuzz         the same for longer, FUZZ_SECONDS=60 for each fuzzer'
	@echo 'check-lab    the tests between two real Xen hosts'
	@echo 'check-lab-versions  between hosts of Debian 12 as packaged, without memory paging (ten minutes)'
	@echo 'check-lab-other, check-crosswise  a few on another release, and from one to another'
	@echo 'check-guests  three kernels, PVH and HVM, 1 to 16 vCPUs (half an hour)'
	@echo 'check-large  guests with memory above 4 GiB (takes 13 GiB of memory)'
	@echo 'check-intel  moves within a host with an Intel processor, in Bochs (some twenty minutes;'
	@echo '             INTEL_CPU=corei7_skylake_x: with Page Modification Logging)'
	@echo 'check-all    with the tests that check leaves out as they take long'
	@echo 'check-pinned those with newer Linux kernels, ten times over (hours)'
	@echo 'check-versions  unit tests with the Xen of Debian 11, 12 and 13 (ten minutes)'
	@echo 'deb          Debian packages (SUITE=bullseye: for that release), lintian clean'
	@echo 'rpm          packages of rpm'"'"'s, from rpm/xen-postcopy.spec'
	@echo 'check-deb    installs and removes them in a root of their release'
	@echo 'hypervisor   a package of a release'"'"'s own Xen hypervisor with memory paging'
	@echo '             (SUITE=bookworm or trixie; SOURCE=DIR: made from there)'
	@echo 'check-hypervisor  installs and removes it in a root of its release'
	@echo 'lab-build    all of it for the dom0 of the lab, in build/stage'
	@echo 'guests       the test guests'
	@echo 'deps         install the Debian packages that all this needs'
	@echo 'format       apply .clang-format (check-format: only look)'
	@echo 'lint         clang-tidy, cppcheck, shellcheck, codespell'
	@echo 'coverage     lines that the unit tests reach, by directory'
	@echo 'docs         the man pages, and all pages as HTML, in $(O)/html'
	@echo 'clean        remove what was built; distclean: config.mk too'
