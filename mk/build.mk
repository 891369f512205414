# SPDX-License-Identifier: LGPL-2.1-or-later
# The library, xl, and what belongs to them.

#? all          the libraries and xl, in build/ (or in O=DIR)
.PHONY: all libs xl completion schema
all: libs xl completion schema

$(eval $(call compile_into,obj,CC,ALL_CFLAGS))
$(O)/obj/tools/libs/guest/%.o: EXTRA_CFLAGS = $(LIBRARY_CFLAGS) $(GUEST_CFLAGS)
$(O)/obj/tools/libs/light/%.o: EXTRA_CFLAGS = $(LIBRARY_CFLAGS) \
                                              $(LIGHT_CFLAGS) $(GUEST_CFLAGS)
$(O)/obj/tools/xl/%.o: EXTRA_CFLAGS = $(PROGRAM_CFLAGS) $(XL_CFLAGS) \
                                      $(LIGHT_CFLAGS) -I$(S)/tools/xl
COMPILED += $(GUEST_OBJS) $(LIGHT_OBJS) $(XL_OBJS)

# ---- the library ----

# The links are for programs that are linked with the library, or run, in this tree.
libs: $(LIB)
$(LIB): $(LIGHT_OBJS) $(GUEST_OBJS) $(LIB_MAP)
	$(call link,$(ALL_LDFLAGS) $(LIBRARY_LDFLAGS) -Wl$(comma)-soname$(comma)$(LIB_SONAME) \
	    -Wl$(comma)--version-script=$(LIB_MAP),$(LIGHT_LIBS) $(GUEST_LIBS))
	$(Q)ln -sf $(LIB_FILE) $(O)/$(LIB_SONAME)
	$(Q)ln -sf $(LIB_SONAME) $(O)/$(LIB_NAME)

# ---- xl ----

# xl is linked with the shared library and not with its objects, so it can do nothing
# that another program could not.
xl: $(XL) $(XL_FRONT)
$(XL): $(XL_OBJS) $(LIB)
	$(call link,$(ALL_LDFLAGS) $(PROGRAM_LDFLAGS) $(XL_RPATH_FLAGS),\
	    $(XL_LIBS) $(LIGHT_LIBS) $(GUEST_LIBS))

# The front program knows where the builds will be, so it is compiled anew when make is
# given
# another PREFIX.
FRONT_NOTE := $(O)/front-flags
FRONT_FLAGS = -DXL_BUILDS_DIR='"$(BUILDSDIR)"'
.PHONY: force
$(FRONT_NOTE): force
	@mkdir -p $(O)
	@[ "$$(cat $@ 2> /dev/null)" = '$(BUILDSDIR)' ] || echo '$(BUILDSDIR)' > $@

$(O)/obj/tools/xl/front/front.o: EXTRA_CFLAGS = $(PROGRAM_CFLAGS) $(FRONT_FLAGS)
$(O)/obj/tools/xl/front/front.o: $(FRONT_NOTE)
COMPILED += $(O)/obj/tools/xl/front/front.o
$(XL_FRONT): $(O)/obj/tools/xl/front/front.o
	$(call link,$(ALL_LDFLAGS) $(PROGRAM_LDFLAGS))

# ---- what is made of lists ----

# The completion for each shell.
completion: $(addprefix $(O)/completion/xl.,bash zsh fish)
$(O)/completion/xl.%: $(S)/tools/xl/completion/xl.%.in $(S)/tools/xl/options.def \
                      $(S)/scripts/make-completion $(S)/scripts/xl_options.py
	$(call made_by,make-completion)

SCHEMA := live-migrate-status.schema.json
schema: $(O)/$(SCHEMA)
$(O)/%.schema.json: $(S)/docs/specs/%.schema.json.in $(S)/scripts/make-schema \
                    $(S)/scripts/counters.py \
                    $(S)/tools/libs/light/libxl_live_migrate_counters.h
	$(call made_by,make-schema)

# ---- for the tests between hosts, and installed nowhere ----

.PHONY: test-tools
TEST_TOOLS := $(addprefix $(O)/,stream-tool pager-probe eviction-probe \
                superpage-probe pingpong)
KVLOAD_OBJS := $(patsubst %,$(O)/obj/tools/tests/bench/%.o,kvload kv_link kv_model die)
# The example in C: check-install builds it as its readers would.
EXAMPLES := $(patsubst $(S)/docs/examples/%.c,%,$(wildcard $(S)/docs/examples/*.c))
EXAMPLE_PROGRAMS := $(EXAMPLES:%=$(O)/examples/%)
test-tools: $(TEST_TOOLS) $(O)/kvload $(EXAMPLE_PROGRAMS)

$(O)/obj/tools/tests/system/%.o: EXTRA_CFLAGS = $(PROGRAM_CFLAGS) $(XL_CFLAGS) \
                                 $(LIGHT_CFLAGS) -I$(S)/tools/xl
$(O)/obj/tools/tests/bench/%.o: EXTRA_CFLAGS = $(PROGRAM_CFLAGS)
$(O)/obj/docs/examples/%.o: EXTRA_CFLAGS = $(PROGRAM_CFLAGS) $(LIGHT_CFLAGS)
COMPILED += $(TEST_TOOLS:$(O)/%=$(O)/obj/tools/tests/system/%.o) $(KVLOAD_OBJS) \
            $(EXAMPLES:%=$(O)/obj/docs/examples/%.o)

# Streams in files.
$(O)/stream-tool: $(O)/obj/tools/tests/system/stream-tool.o $(LIB) \
                  $(addprefix $(O)/obj/tools/xl/,config.o evacuation/room.o \
                    finding.o prologue.o save_header.o stock.o) \
                  $(call objects,$(XL_LIGHT_SRCS),obj)
	$(call link,$(INSTALLED_LDFLAGS),$(XL_LIBS) $(LIGHT_LIBS) $(GUEST_LIBS))

# Programs that check what the library expects of a hypervisor, below the library's
# functions.
$(O)/pager-probe $(O)/eviction-probe $(O)/superpage-probe: \
    $(O)/%: $(O)/obj/tools/tests/system/%.o $(GUEST_OBJS)
	$(call link,$(ALL_LDFLAGS) $(PROGRAM_LDFLAGS),$(GUEST_LIBS))

$(O)/pingpong: $(O)/obj/tools/tests/system/pingpong.o
	$(call link,$(ALL_LDFLAGS) $(PROGRAM_LDFLAGS))

# A client of a guest that serves a database, for any dom0.
$(O)/kvload: $(KVLOAD_OBJS)
	$(call link,$(ALL_LDFLAGS) $(PROGRAM_LDFLAGS))

$(EXAMPLE_PROGRAMS): $(O)/examples/%: $(O)/obj/docs/examples/%.o $(LIB)
	$(call link,$(INSTALLED_LDFLAGS),$(LIGHT_LIBS) $(GUEST_LIBS))

# Freestanding, with a Makefile of their own.
#? guests       the test guests
.PHONY: guests
guests:
	$(MAKE) -C $(S)/xen/guests O=$(O)/guests

CLEANED += obj completion examples guests *.so* *.schema.json xl xl-postcopy \
           front-flags kvload $(TEST_TOOLS:$(O)/%=%)
