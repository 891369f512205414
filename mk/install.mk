# SPDX-License-Identifier: LGPL-2.1-or-later
# Installing.

DESTDIR ?=
COMPLETIONS_TO = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
ZSH_TO = $(DESTDIR)$(ZSHDIR)
FISH_TO = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
LIBS_TO = $(DESTDIR)$(LIBDIR)
PROGRAMS_TO = $(DESTDIR)$(SBINDIR)
HEADERS_TO = $(DESTDIR)$(INCLUDEDIR)
# This package's own names of xl and its completion. IN_FRONT=yes: install them as xl
# even where another package's xl is, and keep that one.
XL_NAME := xl-postcopy
IN_FRONT ?=
in_front = IN_FRONT='$(IN_FRONT)' $(S)/scripts/in-front $(1) $(2)/xl$(3) $(XL_NAME)$(3)
# The builds for each Xen, and a link to the stock xl.
BUILD_TO = $(DESTDIR)$(BUILDSDIR)/$(XEN_VERSION)
STOCK_LINK = $(DESTDIR)$(BUILDSDIR)/stock/xl
# Where systemd looks for units: below /usr/local as well.
SYSTEMDDIR ?= $(PREFIX)/lib/systemd/system
UNITS_TO = $(DESTDIR)$(SYSTEMDDIR)
WAIT_UNIT := xl-migrate-wait.service
TRACE_TOOL := xl-migrate-trace
PC := xenlight-postcopy.pc
HEADER := libxl_live_migrate.h
HEADERS := $(HEADER) libxl_live_migrate_counters.h
SCHEMA_OF_ALL := $(S)/docs/specs/live-migrate-all.schema.json
SCHEMAS_TO = $(DESTDIR)$(PREFIX)/share/xen-postcopy

# Without pandoc there are no man pages.
HAVE_PANDOC := $(shell command -v pandoc)
MAN_SRCS := $(wildcard $(S)/docs/man/*.md)
MAN_PAGES := $(patsubst $(S)/docs/man/%.md,%,$(MAN_SRCS))
man_dir = $(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(1)))

#? install      into DESTDIR, below the prefix given to configure; IN_FRONT=yes: also in
#?              place of another package's xl, which uninstall brings back
#? uninstall    remove what install put there
.PHONY: install uninstall
install: all $(if $(HAVE_PANDOC),man)
	install -d $(PROGRAMS_TO) $(LIBS_TO)/pkgconfig $(HEADERS_TO) $(COMPLETIONS_TO) \
	    $(SCHEMAS_TO) $(BUILD_TO)
	install -m 755 $(XL) $(BUILD_TO)/xl
	install -m 644 $(LIB) $(BUILD_TO)/$(LIB_SONAME)
	install -m 755 $(XL_FRONT) $(PROGRAMS_TO)/$(XL_NAME)
	install -m 755 $(S)/tools/trace/$(TRACE_TOOL) $(PROGRAMS_TO)
	$(call in_front,put,$(PROGRAMS_TO)) $(STOCK_LINK)
	install -m 644 $(LIB) $(LIBS_TO)
	ln -sf $(LIB_FILE) $(LIBS_TO)/$(LIB_SONAME)
	ln -sf $(LIB_SONAME) $(LIBS_TO)/$(LIB_NAME)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	    -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(LIB_MAJOR).$(LIB_MINOR)|' \
	    $(S)/tools/libs/light/$(PC).in > $(LIBS_TO)/pkgconfig/$(PC)
	install -m 644 $(HEADERS:%=$(S)/tools/libs/light/%) $(HEADERS_TO)
	install -m 644 $(O)/$(SCHEMA) $(SCHEMA_OF_ALL) $(SCHEMAS_TO)
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
	rm -f $(addprefix $(PROGRAMS_TO)/,$(XL_NAME) $(TRACE_TOOL)) $(COMPLETIONS_TO)/$(XL_NAME) \
	    $(HEADERS:%=$(HEADERS_TO)/%) $(SCHEMAS_TO)/$(SCHEMA) \
	    $(SCHEMAS_TO)/$(notdir $(SCHEMA_OF_ALL)) \
	    $(LIBS_TO)/pkgconfig/$(PC) $(UNITS_TO)/$(WAIT_UNIT) \
	    $(UNITS_TO)/session-.scope.d/xl-migrate-wait.conf \
	    $(addprefix $(LIBS_TO)/,$(LIB_FILE) $(LIB_SONAME) $(LIB_NAME)) \
	    $(foreach m,$(MAN_PAGES),$(call man_dir,$(m))/$(m))
